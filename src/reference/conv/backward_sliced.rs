//! [`backward_conv`](super::backward_conv()) on bits in whole numbers of a unit, of so many bits.

use super::backward::Passes;
use super::forward::nodes;
use super::place_of;
use crate::network::{Conv, Layer};
use crate::reference::tables_of_bits;

/// `[inputs]` gradients by a layer's inputs and `[gates][4]` by its table entries, from `[outputs]` gradients by its outputs, for
/// one sample; `passes` as of [`backward_conv`](super::backward_conv()).
///
/// A gradient within a tree is the output's times −1, 0 or 1, where the output's is raised to −(2^(`bits` − 1) − 1) if it is less.
/// Sums by inputs saturate at −2^(`bits` − 1) and 2^(`bits` − 1) − 1 at every leaf, and are made by unit, band of rows, leaf,
/// place of the window and output; those by table entries are exact.
pub fn sliced_conv_gradients(
    layer: &Layer,
    conv: &Conv,
    inputs: &[bool],
    gradients: &[i32],
    bits: u32,
    passes: Passes,
) -> (Vec<i32>, Vec<[i64; 4]>) {
    let (least, most) = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1);
    let (leaves, window) = (conv.leaves(), (conv.pool * conv.pool) as usize);
    let real: Vec<f64> = inputs.iter().map(|&bit| f64::from(u8::from(bit))).collect();
    let tables = tables_of_bits(&layer.tables, 2);
    let (mut by_inputs, mut by_tables) = (vec![0; layer.inputs], vec![[0; 4]; layer.gates()]);
    let (band, units) = (conv.band() * conv.outputs()[1], layer.gates() / (leaves - 1));
    for (unit, first) in (0..units).flat_map(|unit| (0..conv.area()).step_by(band).map(move |first| (unit, first))) {
        // [outputs][window][leaves]: what leaves send of their outputs' gradients.
        let mut sent = vec![vec![vec![0; leaves]; window]; band.min(conv.area() - first)];
        for (i, sent) in sent.iter_mut().enumerate() {
            let place = first + i;
            let gradient = gradients[unit * conv.area() + place].max(-most);
            let trees: Vec<Vec<f64>> =
                (0..window).map(|q| nodes(layer, conv, unit, place_of(conv, place, q), &tables, &real)).collect();
            let roots: Vec<f64> = trees.iter().map(|nodes| nodes[2 * leaves - 2]).collect();
            for (q, passes) in passes(unit, place, &roots).into_iter().enumerate() {
                let mut sign = vec![0; 2 * leaves - 1];
                sign[2 * leaves - 2] = i32::from(passes);
                for j in (0..leaves - 1).rev() {
                    let (gate, own) = (unit * (leaves - 1) + j, sign[leaves + j]);
                    let [a, b] = [0, 1].map(|pin| trees[q][2 * j + pin] as usize);
                    let bit = |code: usize| (layer.tables[gate] >> code) as i32 & 1;
                    by_tables[gate][2 * a + b] += i64::from(own * gradient);
                    sign[2 * j] = own * (bit(2 + b) - bit(b));
                    sign[2 * j + 1] = own * (bit(2 * a + 1) - bit(2 * a));
                }
                sent[q].iter_mut().zip(sign).for_each(|(sent, sign)| *sent = sign * gradient);
            }
        }
        for (k, &wire) in layer.wiring[unit * leaves..][..leaves].iter().enumerate() {
            for q in 0..window {
                for (i, sent) in sent.iter().enumerate() {
                    let (y, x) = place_of(conv, first + i, q);
                    if let Some(bit) = conv.source(wire, y, x) {
                        by_inputs[bit] = (by_inputs[bit] + sent[q][k]).clamp(least, most);
                    }
                }
            }
        }
    }
    (by_inputs, by_tables)
}
