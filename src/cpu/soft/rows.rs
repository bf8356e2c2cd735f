//! Numbers of 16 samples side by side, and two-input gates on them.

use super::super::simd::Simd;
use crate::plan::GradientFormat;

/// Samples that go through the network together: a cache line of numbers, and a layer's rows stay in the second-level cache.
pub const LANES: usize = 16;

/// A number for each of them.
pub type Row = [f32; LANES];

/// Zeros.
pub const NONE: Row = [0.0; LANES];

/// What becomes vector instructions: its loops over lanes are compiled for each kind of these.
pub trait Vectored {
    /// Do it.
    fn run(self);
}

/// Do `work` by these instructions. The numbers are the same on all.
pub fn run_by(simd: Simd, work: impl Vectored) {
    match simd {
        // SAFETY: a `Simd` that a step runs on is one that the machine was found to have.
        #[cfg(target_arch = "x86_64")]
        Simd::Avx512 => unsafe { run_avx512(work) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Simd::Avx2 => unsafe { run_avx2(work) },
        Simd::Portable => work.run(),
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn run_avx512(work: impl Vectored) {
    work.run();
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn run_avx2(work: impl Vectored) {
    work.run();
}

/// `to` + `row`
#[inline(always)]
pub fn add(to: &mut Row, row: &Row) {
    for s in 0..LANES {
        to[s] += row[s];
    }
}

/// The sum over the lanes, in one order.
#[inline(always)]
pub fn total(row: &Row) -> f32 {
    let eight: [f32; 8] = std::array::from_fn(|i| row[i] + row[i + 8]);
    let four: [f32; 4] = std::array::from_fn(|i| eight[i] + eight[i + 4]);
    (four[0] + four[2]) + (four[1] + four[3])
}

/// A two-input gate's multilinear extension: between the entries of `table`, code 2a + b, at activations `a` and `b`.
#[inline(always)]
pub fn pair(table: &[f32; 4], a: &Row, b: &Row) -> Row {
    let mut out = NONE;
    for s in 0..LANES {
        let (low, high) = (table[0] + b[s] * (table[1] - table[0]), table[2] + b[s] * (table[3] - table[2]));
        out[s] = low + a[s] * (high - low);
    }
    out
}

/// Its adjoint: from the gradient `g` by the output those by `a`, by `b`, and `[4]` by the table's entries.
#[inline(always)]
pub fn pair_adjoint(table: &[f32; 4], a: &Row, b: &Row, g: &Row) -> (Row, Row, [Row; 4]) {
    let (mut by_a, mut by_b, mut by_table) = (NONE, NONE, [NONE; 4]);
    for s in 0..LANES {
        let (low, high) = (table[0] + b[s] * (table[1] - table[0]), table[2] + b[s] * (table[3] - table[2]));
        let on_high = g[s] * a[s];
        let on_low = g[s] - on_high;
        by_a[s] = g[s] * (high - low);
        by_b[s] = on_low * (table[1] - table[0]) + on_high * (table[3] - table[2]);
        by_table[1][s] = on_low * b[s];
        by_table[0][s] = on_low - by_table[1][s];
        by_table[3][s] = on_high * b[s];
        by_table[2][s] = on_high - by_table[3][s];
    }
    (by_a, by_b, by_table)
}

/// Rows that are rounded to what a format holds, as shaders pack them.
pub struct Rounded<'a> {
    /// The rows.
    pub rows: &'a mut [Row],
    /// f32, bf16 or f16.
    pub format: GradientFormat,
}

impl Vectored for Rounded<'_> {
    #[inline(always)]
    fn run(self) {
        match self.format {
            GradientFormat::Bf16 => self.rows.iter_mut().for_each(|row| *row = row.map(bf16)),
            GradientFormat::F16 => self.rows.iter_mut().for_each(|row| *row = row.map(f16)),
            _ => {}
        }
    }
}

/// To the nearest of 8 bits, of two the even one.
#[inline(always)]
fn bf16(x: f32) -> f32 {
    let bits = x.to_bits();
    f32::from_bits((bits.wrapping_add(0x7fff + (bits >> 16 & 1))) & 0xffff_0000)
}

/// To the nearest that f16 holds 2¹² times as large, cut off past the greatest: 11 bits, fewer below 2⁻¹⁴.
#[inline(always)]
fn f16(x: f32) -> f32 {
    const SCALE: f32 = 4096.0;
    let x = (x * SCALE).clamp(-65_504.0, 65_504.0);
    let bits = x.to_bits();
    let many = f32::from_bits((bits.wrapping_add(0xfff + (bits >> 13 & 1))) & 0xffff_e000);
    // Numbers from ½ to 1 are 2⁻²⁴ apart, as f16's least are.
    let few = (x.abs() + 0.5) - 0.5;
    let few = if x < 0.0 { -few } else { few };
    (if x.abs() < 6.103_515_6e-5 { few } else { many }) / SCALE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_rounded_to_the_nearest_that_a_format_holds() {
        type Round = fn(f32) -> f32;
        // Bits of precision, the least exponent that has all of them, and the scale.
        for (round, bits, least, scale) in [(bf16 as Round, 8, -126, 1.0), (f16 as Round, 11, -14, 4096.0)] {
            for i in -40_000..40_000i32 {
                let x = (f64::from(i) * 1.37e-3).exp2().copysign(f64::from(i)) as f32
                    * if i % 2 == 0 { 1e-8 } else { 1e-4 };
                let large = f64::from(x) * scale;
                let exponent = (large.abs().log2().floor() as i32).max(least);
                let unit = f64::from(exponent - bits + 1).exp2();
                let most = if scale > 1.0 { 65_504.0 } else { f64::INFINITY };
                let expected = ((large / unit).round_ties_even() * unit).clamp(-most, most) / scale;
                assert_eq!(f64::from(round(x)), expected, "{x}");
            }
            assert_eq!(round(0.0), 0.0);
        }
    }
}
