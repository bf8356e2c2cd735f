//! Dense layers: every gate reads `arity` rows of the layer before.

use super::{Draw, Form, Layer};
use crate::circuit::{Lut, MAX_ARITY, Signal};
use crate::random::Philox;

impl Layer {
    /// Draw dense layer number `index` of a network: stream `2·index` of the seed wires it, stream `2·index + 1` fills it.
    pub fn draw(index: usize, inputs: usize, gates: usize, arity: usize, draw: Draw) -> Self {
        let stream = |n: usize| Philox::new(draw.seed, (2 * index + n) as u32);
        let wiring = draw.wiring.draw(inputs, gates, arity, &mut stream(0));
        let logits = draw.start.draw(draw.parametrization, gates, arity, &mut stream(1));
        let parametrization = draw.parametrization;
        let per_gate = parametrization.logits(arity);
        let tables = logits.chunks_exact(per_gate).map(|l| parametrization.hard_table(l)).collect();
        Layer { form: Form::Dense, inputs, arity, wiring, tables, parametrization, logits }
    }
}

/// Every gate has its wires, and they lead to rows that are there.
pub fn check(layer: &Layer) -> std::result::Result<(), String> {
    let (gates, arity) = (layer.gates(), layer.arity);
    if layer.wiring.len() != gates * arity {
        return Err(format!("has {} wires for {gates} gates of {arity} inputs", layer.wiring.len()));
    }
    match layer.wiring.iter().position(|&wire| wire as usize >= layer.inputs) {
        Some(at) => {
            let (gate, wire) = (at / arity, layer.wiring[at]);
            Err(format!("has gate {gate}, which reads input {wire}, but there are only {}", layer.inputs))
        }
        None => Ok(()),
    }
}

/// A LUT a gate, the first of all being signal `first`; returns their signals.
pub fn circuit(layer: &Layer, inputs: &[Signal], number: u32, first: usize, luts: &mut Vec<Lut>) -> Vec<Signal> {
    let begun = first + luts.len();
    for (&table, wires) in layer.tables.iter().zip(layer.wiring.chunks_exact(layer.arity)) {
        let mut pins = [0; MAX_ARITY];
        pins.iter_mut().zip(wires).for_each(|(pin, &wire)| *pin = inputs[wire as usize]);
        luts.push(Lut::new(table, &pins[..wires.len()], number));
    }
    (begun as Signal..(first + luts.len()) as Signal).collect()
}
