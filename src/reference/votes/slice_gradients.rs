//! Real gradients to whole numbers of a unit.

use crate::random::{Philox, key};

/// Counter word 3 of the draws.
const STREAM: u32 = 2;

/// A draw for sample `place` (of a class's row after another's) of step `step`: uniform in [0, 1), in steps of 2⁻²⁴.
pub fn slice_draw(seed: u64, step: u32, place: u32) -> f64 {
    let draws = Philox::block(key(seed), [place / 4 * 4, step, 0, STREAM]);
    f64::from(draws[place as usize % 4] >> 8) / f64::from(1 << 24)
}

/// `gradient` in units of 1/`scale`, rounded to ⌊x + draw⌋, whose mean over uniform draws is x, and kept within
/// ±(2^(`bits` − 1) − 1).
pub fn slice_gradients(gradient: f64, scale: f64, bits: u32, draw: f64) -> i32 {
    let most = f64::from((1 << (bits - 1)) - 1);
    (gradient * scale + draw).floor().clamp(-most, most) as i32
}
