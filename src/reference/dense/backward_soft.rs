//! The adjoint of [`forward_soft`](super::forward_soft()).

use super::forward_soft::code_weight;
use crate::network::Layer;

/// Derivatives of a loss by what a layer is given, for one sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Adjoints {
    /// `[inputs]`
    pub inputs: Vec<f64>,
    /// `[gates][codes]`
    pub tables: Vec<Vec<f64>>,
}

/// From the loss's derivatives by the layer's outputs, `gradients` `[gates]`.
///
/// y = Σ_c P_c · weight(c) is linear in each table entry and in each input, so ∂y/∂P_c = weight(c), and ∂y/∂x_i is y at
/// x_i = 1 less y at x_i = 0.
pub fn backward_soft(layer: &Layer, tables: &[Vec<f64>], inputs: &[f64], gradients: &[f64]) -> Adjoints {
    let mut adjoints = Adjoints { inputs: vec![0.0; layer.inputs], tables: Vec::new() };
    for ((wires, table), gradient) in layer.wiring.chunks_exact(layer.arity).zip(tables).zip(gradients) {
        let x: Vec<f64> = wires.iter().map(|&wire| inputs[wire as usize]).collect();
        let output = |x: &[f64]| table.iter().enumerate().map(|(code, p)| p * code_weight(code, x)).sum::<f64>();
        for (pin, &wire) in wires.iter().enumerate() {
            let with = |value: f64| {
                let mut x = x.clone();
                x[pin] = value;
                output(&x)
            };
            adjoints.inputs[wire as usize] += gradient * (with(1.0) - with(0.0));
        }
        adjoints.tables.push((0..table.len()).map(|code| gradient * code_weight(code, &x)).collect());
    }
    adjoints
}
