//! The adjoint of [`forward_conv`](super::forward_conv()).

use super::forward::nodes;
use super::place_of;
use crate::network::{Conv, Layer};
use crate::reference::{Adjoints, code_weight};

/// For a unit, an output of it and what its window's places come to: to which of these the gradient goes.
pub type Passes<'a> = &'a dyn Fn(usize, usize, &[f64]) -> Vec<bool>;

/// From the loss's derivatives by the layer's outputs, `gradients` `[units][rows][columns]`. `passes` says, for a unit, an output
/// of it and what its window's places come to, to which of these the gradient goes.
///
/// With tables of zeros and ones and bits for inputs these are the hard network's: straight-through at the selection.
pub fn backward_conv(
    layer: &Layer,
    conv: &Conv,
    tables: &[Vec<f64>],
    inputs: &[f64],
    gradients: &[f64],
    passes: Passes,
) -> Adjoints {
    let (leaves, window) = (conv.leaves(), (conv.pool * conv.pool) as usize);
    let mut adjoints = Adjoints { inputs: vec![0.0; layer.inputs], tables: vec![vec![0.0; 4]; layer.gates()] };
    for (output, gradient) in gradients.iter().enumerate() {
        let (unit, place) = (output / conv.area(), output % conv.area());
        let trees: Vec<Vec<f64>> =
            (0..window).map(|q| nodes(layer, conv, unit, place_of(conv, place, q), tables, inputs)).collect();
        let roots: Vec<f64> = trees.iter().map(|nodes| nodes[2 * leaves - 2]).collect();
        for (q, passes) in passes(unit, place, &roots).into_iter().enumerate() {
            let mut by_node = vec![0.0; 2 * leaves - 1];
            by_node[2 * leaves - 2] = if passes { *gradient } else { 0.0 };
            for j in (0..leaves - 1).rev() {
                let (gate, own) = (unit * (leaves - 1) + j, by_node[leaves + j]);
                let pins = [trees[q][2 * j], trees[q][2 * j + 1]];
                let output =
                    |x: &[f64]| tables[gate].iter().enumerate().map(|(c, p)| p * code_weight(c, x)).sum::<f64>();
                by_node[2 * j] = own * (output(&[1.0, pins[1]]) - output(&[0.0, pins[1]]));
                by_node[2 * j + 1] = own * (output(&[pins[0], 1.0]) - output(&[pins[0], 0.0]));
                for (code, sum) in adjoints.tables[gate].iter_mut().enumerate() {
                    *sum += own * code_weight(code, &pins);
                }
            }
            let (y, x) = place_of(conv, place, q);
            for (k, &wire) in layer.wiring[unit * leaves..][..leaves].iter().enumerate() {
                if let Some(bit) = conv.source(wire, y, x) {
                    adjoints.inputs[bit] += by_node[k];
                }
            }
        }
    }
    adjoints
}

#[cfg(test)]
mod tests {
    use super::super::{forward_conv, pool_passes};
    use super::*;
    use crate::network::{Convolution, Draw, Initialization, Parametrization, TreeChannels, Wiring};
    use crate::random::Philox;
    use crate::settings::PoolGradient;

    /// Central differences of Σ w·y by every table entry and every input; of a maximum they are those of the greatest place.
    #[test]
    fn gradients_are_central_differences() {
        let mut rng = Philox::new(3, 0);
        for (depth, pool, stride, pad) in [(1, 1, 1, 0), (2, 2, 1, 1), (3, 1, 2, 1), (2, 3, 1, 2), (1, 2, 2, 1)] {
            let what = Convolution { units: 3, kernel: [3, 2], stride, pad, depth, channels: TreeChannels::Two, pool };
            let conv = what.over([2, 7, 6]).unwrap();
            let start = Initialization::Gaussian.into();
            let draw = Draw { wiring: Wiring::Unique, parametrization: Parametrization::IwpSin, start, seed: 4 };
            let layer = Layer::draw_conv(0, &what, conv, draw);
            let mut tables: Vec<Vec<f64>> =
                (0..layer.gates()).map(|_| (0..4).map(|_| rng.uniform()).collect()).collect();
            let mut inputs: Vec<f64> = (0..layer.inputs).map(|_| rng.uniform()).collect();
            let weights: Vec<f64> = (0..layer.outputs()).map(|_| rng.normal()).collect();
            let loss = |tables: &[Vec<f64>], inputs: &[f64]| {
                forward_conv(&layer, &conv, tables, inputs).iter().zip(&weights).map(|(y, w)| y * w).sum::<f64>()
            };
            let first = |_: usize, _: usize, roots: &[f64]| pool_passes(PoolGradient::First, roots, 0);
            let made = backward_conv(&layer, &conv, &tables, &inputs, &weights, &first);
            let h = 1e-6;
            let check = |what: String, made: f64, high: f64, low: f64| {
                let expected = (high - low) / (2.0 * h);
                assert!((made - expected).abs() < 1e-7 * (1.0 + expected.abs()), "{what}: {made} against {expected}");
            };
            for i in 0..inputs.len() {
                let x = inputs[i];
                let [high, low] = [x + h, x - h].map(|x| {
                    inputs[i] = x;
                    loss(&tables, &inputs)
                });
                inputs[i] = x;
                check(format!("depth {depth}, input {i}"), made.inputs[i], high, low);
            }
            for gate in 0..tables.len() {
                for code in 0..4 {
                    let p = tables[gate][code];
                    let [high, low] = [p + h, p - h].map(|p| {
                        tables[gate][code] = p;
                        loss(&tables, &inputs)
                    });
                    tables[gate][code] = p;
                    check(format!("depth {depth}, gate {gate}, code {code}"), made.tables[gate][code], high, low);
                }
            }
        }
    }
}
