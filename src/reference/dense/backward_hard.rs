//! Gradients of a layer's selected gates on bits. The kernel gathers from consumers; here each gate sends to its pins,
//! as the chain rule is usually written.

use super::forward_hard::input_code;
use crate::network::Layer;

/// `[layer.inputs]` gradients by a layer's inputs, from `[gates]` gradients by its outputs, for one sample.
///
/// Straight-through at the selection: the derivative by a pin is that of the one selected gate,
/// f(pin = 1) − f(pin = 0), in {−1, 0, 1}.
pub fn input_gradients(layer: &Layer, inputs: &[bool], gradients: &[f64]) -> Vec<f64> {
    let mut sent = vec![0.0; layer.inputs];
    for (gate, gradient) in gradients.iter().enumerate() {
        let code = input_code(layer, gate, inputs);
        let output = |code: usize| f64::from((layer.tables[gate] >> code) as u32 & 1);
        for pin in 0..layer.arity {
            let bit = 1 << (layer.arity - 1 - pin);
            sent[layer.wiring[gate * layer.arity + pin] as usize] +=
                (output(code | bit) - output(code & !bit)) * gradient;
        }
    }
    sent
}

/// Add one sample to the table gradients `sums` `[gates][codes]`: S_c is the sum of the output's gradient over the
/// samples whose input code is c.
pub fn add_table_gradients(layer: &Layer, inputs: &[bool], gradients: &[f64], sums: &mut [Vec<f64>]) {
    for (gate, gradient) in gradients.iter().enumerate() {
        sums[gate][input_code(layer, gate, inputs)] += gradient;
    }
}
