//! Dense layers: every gate reads `arity` rows of the layer before.

use super::{Draw, Form, Layer, Reads, Sources, Wiring, axis_neighbours};
use crate::circuit::{Lut, MAX_ARITY, Signal};
use crate::data::{Encoder, ImageShape};
use crate::random::Philox;

impl Layer {
    /// Draw dense layer number `index` of a network: stream `2·index` of the seed wires it, stream `2·index + 1` fills it.
    pub fn draw(index: usize, inputs: usize, gates: usize, arity: usize, draw: Draw) -> Self {
        let wiring = draw.wiring.draw(inputs, gates, arity, &mut Philox::new(draw.seed, 2 * index as u32));
        Self::wired(index, inputs, arity, wiring, draw)
    }

    /// Draw the first layer of a network, over the bits of `encoder`: as [`Layer::draw`], but for wires along the axes of an
    /// `image`.
    pub fn draw_first(encoder: &Encoder, image: ImageShape, gates: usize, arity: usize, draw: Draw) -> Self {
        let inputs = encoder.features();
        if draw.wiring != Wiring::Axis || !image.is_picture() {
            return Self::draw(0, inputs, gates, arity, draw);
        }
        let wiring = axis_neighbours(encoder, image, gates, arity, &mut Philox::new(draw.seed, 0));
        Self::wired(0, inputs, arity, wiring, draw)
    }

    /// Draw layer number `index`, which reads everything before it.
    pub fn draw_over(index: usize, sources: &Sources, gates: usize, arity: usize, draw: Draw) -> Self {
        let wiring = sources.draw(draw.wiring, gates, arity, &mut Philox::new(draw.seed, 2 * index as u32));
        Layer { reads: Reads::All, ..Self::wired(index, sources.rows(), arity, wiring, draw) }
    }

    fn wired(index: usize, inputs: usize, arity: usize, wiring: Vec<u32>, draw: Draw) -> Self {
        let gates = wiring.len() / arity;
        let mut rng = Philox::new(draw.seed, 2 * index as u32 + 1);
        let logits = draw.start.draw(draw.parametrization, gates, arity, &mut rng);
        Self::begun(Form::Dense, (inputs, arity), wiring, draw.parametrization, logits)
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
