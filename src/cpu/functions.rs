//! Sine, cosine, logarithm and exponential in f32 by polynomials: the same bits on every machine and for every vector
//! width, for they are sums and products in a written order. Written without branches, so that loops over them become
//! vector instructions.
//!
//! The polynomials are those of Cephes (Moshier 1992). Errors, tested below: sine and cosine 1.5e-7, absolute, the
//! argument being taken as exact; logarithm and exponential 3e-7 of the value, the logarithm near 1 absolutely.

/// Adding this, then taking it away, rounds an f64 to a whole number, which the low bits of the sum hold.
const ROUND: f64 = 6_755_399_441_055_744.0; // 1.5 · 2⁵²
/// Likewise for f32.
const ROUND_F32: f32 = 12_582_912.0; // 1.5 · 2²³

/// π/2 in two parts, the first with enough zeros at its end that products with whole numbers below 2²⁰ are exact.
const HALF_PI: [f64; 2] = [1.570_796_326_734_125_6, 6.077_100_506_506_192e-11];

/// Largest argument whose turns are still told apart; neighbouring f32 are further apart than a turn long before.
const MOST: f32 = 1e9;

/// Up to this size of the argument [`sine_and_cosine`] is near; past it [`wild_sine_and_cosine`] still is.
pub const TAME: f32 = 4096.0;

/// (sin x, cos x) for |x| up to [`TAME`].
#[inline(always)]
pub fn sine_and_cosine(x: f32) -> (f32, f32) {
    let shifted = x * std::f32::consts::FRAC_2_PI + ROUND_F32;
    let quarters = shifted - ROUND_F32;
    // π/2 in parts of few bits, so that their products with whole numbers below 2¹² are exact.
    let r = ((x - quarters * 1.570_312_5) - quarters * 4.837_513e-4) - quarters * 7.549_79e-8;
    of_quadrant(r, shifted.to_bits())
}

/// The same for any x; where neighbouring numbers are further apart than a turn, that of some number near.
#[inline(always)]
pub fn wild_sine_and_cosine(x: f32) -> (f32, f32) {
    let x = if x > MOST { MOST } else { x };
    let x = if x < -MOST { -MOST } else { x };
    let wide = f64::from(x);
    let shifted = wide * std::f64::consts::FRAC_2_PI + ROUND;
    let quarters = shifted - ROUND;
    let r = ((wide - quarters * HALF_PI[0]) - quarters * HALF_PI[1]) as f32;
    of_quadrant(r, shifted.to_bits() as u32)
}

/// Sine and cosine of r + `quadrant` quarters of a turn, r being within an eighth of one.
#[inline(always)]
fn of_quadrant(r: f32, quadrant: u32) -> (f32, f32) {
    let square = r * r;
    let sine = r + r * square * (-1.666_665_5e-1 + square * (8.332_161e-3 - square * 1.951_529_6e-4));
    let cosine =
        1.0 - 0.5 * square + square * square * (4.166_664_6e-2 + square * (-1.388_731_6e-3 + square * 2.443_315_7e-5));
    let is_odd = quadrant & 1 == 1;
    let (s, c) = if is_odd { (cosine, sine) } else { (sine, cosine) };
    let s = f32::from_bits(s.to_bits() ^ ((quadrant & 2) << 30));
    let c = f32::from_bits(c.to_bits() ^ ((quadrant.wrapping_add(1) & 2) << 30));
    (s, c)
}

/// e to the power of `x`; 0 below −87, and never more than e to the power of 88.
#[inline(always)]
pub fn exponential(x: f32) -> f32 {
    let clamped = if x > 88.0 { 88.0 } else { x };
    let clamped = if clamped < -87.0 { -87.0 } else { clamped };
    let shifted = clamped * std::f32::consts::LOG2_E + ROUND_F32;
    let n = shifted - ROUND_F32;
    let r = clamped - n * 0.693_359_4 + n * 2.121_944_4e-4;
    let p = 1.987_569_1e-4;
    let p = p * r + 1.398_199_9e-3;
    let p = p * r + 8.333_452e-3;
    let p = p * r + 4.166_579_6e-2;
    let p = p * r + 1.666_666_6e-1;
    let p = p * r + 0.5;
    let p = p * r * r + r + 1.0;
    // n is the low bits of `shifted`, and the exponent of p lies in −1..=1.
    let scaled = f32::from_bits(p.to_bits().wrapping_add(shifted.to_bits() << 23));
    if x < -87.0 { 0.0 } else { scaled }
}

/// The natural logarithm of a positive number that is not subnormal.
#[inline(always)]
pub fn logarithm(x: f32) -> f32 {
    // m from √½ to √2.
    let bits = x.to_bits().wrapping_sub(0x3f35_04f3);
    let exponent = (bits as i32) >> 23;
    let m = f32::from_bits((bits & 0x007f_ffff).wrapping_add(0x3f35_04f3)) - 1.0;
    let square = m * m;
    let p = 7.037_683_6e-2;
    let p = p * m - 1.151_461e-1;
    let p = p * m + 1.167_699_9e-1;
    let p = p * m - 1.242_014_1e-1;
    let p = p * m + 1.424_932_3e-1;
    let p = p * m - 1.666_805_8e-1;
    let p = p * m + 2.000_071_5e-1;
    let p = p * m - 2.499_999_4e-1;
    let p = p * m + 3.333_333e-1;
    let n = exponent as f32;
    let small = p * m * square - n * 2.121_944_4e-4 - 0.5 * square;
    m + small + n * 0.693_359_4
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers of both signs, of every size from 2^`from` to 2^`to`.
    fn numbers(from: i32, to: i32) -> impl Iterator<Item = f32> {
        let sizes = (from * 4000..to * 4000).map(|i| (f64::from(i) / 4000.0).exp2() as f32);
        sizes.flat_map(|x| [x, -x])
    }

    #[test]
    fn sines_and_cosines_are_near_and_their_signs_are_right() {
        let both = |x: f32| [sine_and_cosine, wild_sine_and_cosine].map(|of: fn(f32) -> _| (x, of(x)));
        let tame = numbers(-30, 12).chain((-9000..9000).map(|i| i as f32 * 1e-2)).flat_map(both);
        let wild = numbers(12, 20).map(|x| (x, wild_sine_and_cosine(x)));
        for (x, (s, c)) in tame.chain(wild) {
            let (sine, cosine) = f64::from(x).sin_cos();
            assert!((f64::from(s) - sine).abs() < 1.5e-7, "sin {x}: {s} for {sine}");
            assert!((f64::from(c) - cosine).abs() < 1.5e-7, "cos {x}: {c} for {cosine}");
            assert_eq!(s > 0.0, sine > 0.0, "{x}");
        }
        // Near a zero of the cosine it is right relatively too.
        let near = std::f32::consts::FRAC_PI_2;
        let cosine = f64::from(near).cos();
        assert!((f64::from(sine_and_cosine(near).1) - cosine).abs() < 1e-6 * cosine.abs().max(1e-6));
        assert_eq!(sine_and_cosine(0.0), (0.0, 1.0));
        assert!(sine_and_cosine(f32::NAN).0.is_nan() && wild_sine_and_cosine(f32::INFINITY).0.is_finite());
    }

    #[test]
    fn exponentials_and_logarithms_are_near() {
        for x in numbers(-30, 6).chain([0.0]).filter(|x| (-86.9..88.0).contains(x)) {
            let expected = f64::from(x).exp();
            assert!((f64::from(exponential(x)) - expected).abs() < 3e-7 * expected, "exp {x}");
        }
        assert_eq!([exponential(-1e30), exponential(f32::NEG_INFINITY), exponential(0.0)], [0.0, 0.0, 1.0]);
        assert!(exponential(1e30) > 1e38 && exponential(1e30).is_finite() && exponential(f32::NAN).is_nan());
        for x in numbers(-100, 100).filter(|&x| x > 0.0).chain((1..4000).map(|i| i as f32 * 1e-3)) {
            let expected = f64::from(x).ln();
            let error = (f64::from(logarithm(x)) - expected).abs();
            assert!(error < 3e-7 * expected.abs().max(0.3), "ln {x}: error {error}");
        }
        assert_eq!(logarithm(1.0), 0.0);
    }
}
