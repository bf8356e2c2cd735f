//! [`input_gradients`](super::input_gradients) in whole numbers of a unit, of so many bits. Table gradients need no twin
//! of their own: their sums are exact.

use super::forward_hard::input_code;
use crate::network::Layer;

/// `[layer.inputs]` gradients by a layer's inputs, from `[gates]` gradients by its outputs, for one sample. Every sum is
/// made over all first pins, then all second pins and so on, and saturates at −2^(`bits` − 1) and 2^(`bits` − 1) − 1.
pub fn sliced_input_gradients(layer: &Layer, inputs: &[bool], gradients: &[i32], bits: u32) -> Vec<i32> {
    let (least, most) = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1);
    let mut sums = vec![0; layer.inputs];
    for pin in 0..layer.arity {
        for (gate, gradient) in gradients.iter().enumerate() {
            let code = input_code(layer, gate, inputs);
            let output = |code: usize| (layer.tables[gate] >> code) as i32 & 1;
            let bit = 1 << (layer.arity - 1 - pin);
            let sum: &mut i32 = &mut sums[layer.wiring[gate * layer.arity + pin] as usize];
            *sum = (*sum + (output(code | bit) - output(code & !bit)) * gradient).clamp(least, most);
        }
    }
    sums
}
