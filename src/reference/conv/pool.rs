//! Which places of a window a gradient goes to.

use crate::random::{Philox, key};
use crate::settings::PoolGradient;

/// `[window]`: whether the gradient of a window whose places come to `roots` goes to each. On reals the first that is 1 is the
/// first among the greatest, and only `first` has a meaning. `drawn` is the place that `any` takes where all are 0.
pub fn pool_passes(rule: PoolGradient, roots: &[f64], drawn: usize) -> Vec<bool> {
    let first = (1..roots.len()).fold(0, |best, q| if roots[q] > roots[best] { q } else { best });
    let chosen = if rule == PoolGradient::Any && roots[first] == 0.0 { drawn } else { first };
    let others = |q: usize| (0..roots.len()).any(|other| other != q && roots[other] != 0.0);
    match rule {
        PoolGradient::Exact => (0..roots.len()).map(|q| !others(q)).collect(),
        _ => (0..roots.len()).map(|q| q == chosen).collect(),
    }
}

/// The place of a window of `window` that is drawn for output `place` of tree `unit` of layer `layer`, for sample `sample` of the
/// batch, in step `step`.
///
/// A block of (step, layer, place, samples by 32) gives four words. The highest bit of the number v below 16 is the sample's in
/// the first word, and so on; units take the bits of a sample as many lanes before. The place is ⌊v · window / 16⌋.
pub fn pool_draw(seed: u64, step: u32, layer: u32, place: u32, sample: u32, unit: u32, window: u32) -> u32 {
    let words = Philox::block(key(seed), [step, layer << 20 | place, sample / 32, 5]);
    let lane = (sample % 32 + 32 - unit % 32) % 32;
    let v = words.iter().fold(0, |v, word| v << 1 | (word >> lane & 1));
    v * window / 16
}
