//! A layer's gates on real activations.

use crate::network::Layer;

/// Π_i (x_i where bit i of `code` is set, else 1 − x_i), the first input being the code's highest bit: the probability
/// of the code if the inputs were independent bits.
pub fn code_weight(code: usize, x: &[f64]) -> f64 {
    x.iter().rev().enumerate().map(|(bit, &x)| if (code >> bit) & 1 == 1 { x } else { 1.0 - x }).product()
}

/// `[gates]` outputs y = Σ_c P_c · weight(c) of one sample: the multilinear extensions of `tables`, `[gates][codes]`.
pub fn forward_soft(layer: &Layer, tables: &[Vec<f64>], inputs: &[f64]) -> Vec<f64> {
    let gates = layer.wiring.chunks_exact(layer.arity).zip(tables);
    gates
        .map(|(wires, table)| {
            let x: Vec<f64> = wires.iter().map(|&wire| inputs[wire as usize]).collect();
            table.iter().enumerate().map(|(code, p)| p * code_weight(code, &x)).sum()
        })
        .collect()
}
