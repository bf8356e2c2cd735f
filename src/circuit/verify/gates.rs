//! Reads AIGER and BLIF back and evaluates them, one sample at a time, with code that shares nothing with the exporters.

use std::collections::HashMap;

use super::{Answers, gather};
use crate::circuit::Netlist;
use crate::circuit::export::Label;
use crate::circuit::import::Circuit;

/// The answers of the circuit to the features of `pixels`; the error is a sentence.
pub fn run(circuit: &Circuit, netlist: &Netlist, label: &Label, pixels: &[u8]) -> Result<Answers, String> {
    let features = circuit.inputs.iter().map(|(name, signal)| match feature(name) {
        Some(feature) if feature < netlist.features() => Ok((feature, *signal)),
        Some(feature) => Err(format!("it has an input for feature {feature}, which the model lacks")),
        None => Err(format!("input {name} names no feature")),
    });
    let features = features.collect::<Result<Vec<_>, _>>()?;
    let outputs: HashMap<&str, usize> = circuit.outputs.iter().map(|(name, signal)| (name.as_str(), *signal)).collect();
    let mut answers = Vec::new();
    let mut values = vec![false; circuit.signals];
    for bytes in pixels.chunks_exact(netlist.image.pixels()) {
        for &(feature, signal) in &features {
            values[signal] = netlist.encoder.bit(feature, bytes);
        }
        circuit.evaluate(&mut values);
        let found = gather(label, |name| outputs.get(name).map(|&signal| values[signal]));
        answers.extend(found.ok_or("it lacks an output that its label promises")?);
    }
    Ok(Answers::of(label.outputs, answers))
}

/// The feature number in a name such as `x12_pixel_3_above_127`.
fn feature(name: &str) -> Option<usize> {
    name.strip_prefix('x')?.split('_').next()?.parse().ok()
}
