//! A layer's selected gates on bits.

use crate::network::Layer;

/// Code that gate `gate` of `layer` reads: its pins' bits, the first pin highest.
pub fn input_code(layer: &Layer, gate: usize, inputs: &[bool]) -> usize {
    let wires = &layer.wiring[gate * layer.arity..(gate + 1) * layer.arity];
    wires.iter().fold(0, |code, &wire| 2 * code + usize::from(inputs[wire as usize]))
}

/// `[gates]` outputs for one sample's `[layer.inputs]` inputs.
pub fn forward_hard(layer: &Layer, inputs: &[bool]) -> Vec<bool> {
    (0..layer.gates()).map(|gate| (layer.tables[gate] >> input_code(layer, gate, inputs)) & 1 == 1).collect()
}
