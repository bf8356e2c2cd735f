//! How a gate's logits become its table, and the table's gradients the logits'.
//!
//! Input-wise (Light DLGN, ICLR 2026): entry c has one logit z_c and the probability P_c = 0.5 + 0.5 sin z_c, or
//! sigmoid(z_c), or clamp(0.5 + 0.5 z_c, 0, 1). Walsh (WARP): a logit for every subset S of the pins and
//! P_c = sigmoid(−Σ_S z_S Π_{i∈S} (1 − 2c_i)). Original, OP (Petersen et al. 2022): sixteen logits, p = softmax(z),
//! P_c = Σ_i p_i T_i(c) over the two-input functions T_i.
//!
//! A temperature τ divides the logarithms of what is selected among: softmax(z/τ) for OP, sigmoid(z/τ), and for the sine
//! P^(1/τ) / (P^(1/τ) + (1 − P)^(1/τ)), that is sigmoid(log-odds/τ); for the clamp, z itself. Noise, one number a logit, is
//! added to what the temperature divides: Gumbel noise to OP's logits; to an entry's log-odds the difference of two Gumbel
//! draws, which is logistic; to the clamp's z a uniform draw in (−1, 1).

use crate::network::{Parametrization, function_table};

/// Least |cos z| that the sine's log-odds and their slope are taken at: both have a pole where a choice is certain.
pub const LEAST_COSINE: f64 = 1e-3;

/// One number of noise from a uniform draw in (0, 1).
pub fn noise(parametrization: Parametrization, u: f64) -> f64 {
    match parametrization {
        Parametrization::IwpSin | Parametrization::IwpSigmoid | Parametrization::Walsh => (u / (1.0 - u)).ln(),
        Parametrization::IwpClamp => 2.0 * u - 1.0,
        Parametrization::Op => -(-u.ln()).ln(),
    }
}

/// What the temperature divides, one number a choice: OP's logits; else log P_c/(1 − P_c), for the clamp 2 P_c − 1 unclamped.
fn scores(parametrization: Parametrization, z: &[f64], noise: &[f64]) -> Vec<f64> {
    let scores: Vec<f64> = match parametrization {
        Parametrization::IwpSin => z.iter().map(|z| sine_log_odds(*z)).collect(),
        Parametrization::IwpSigmoid | Parametrization::IwpClamp | Parametrization::Op => z.to_vec(),
        Parametrization::Walsh => (0..z.len()).map(|c| -walsh_sum(z, c)).collect(),
    };
    scores.iter().zip(noise).map(|(s, n)| s + n).collect()
}

/// The selected gate: bit c is the likelier output for code c, 0 if both are as likely; for OP the table of the function
/// with the greatest logit, the first among equals. `noise` is `[logits]`, zeros for none.
pub fn hard_table(parametrization: Parametrization, z: &[f64], noise: &[f64]) -> u64 {
    let scores = scores(parametrization, z, noise);
    if parametrization == Parametrization::Op {
        let best = (1..16).fold(0, |best, i| if scores[i] > scores[best] { i } else { best });
        return function_table(best as u32, 4);
    }
    scores.iter().enumerate().fold(0, |table, (c, &s)| table | (u64::from(s > 0.0) << c))
}

/// Sum over the gate's selections of their greatest probability at temperature 1, without noise.
pub fn confidence(parametrization: Parametrization, z: &[f64]) -> f64 {
    let none = vec![0.0; z.len()];
    match parametrization {
        Parametrization::Op => softmax(z, 1.0).into_iter().fold(0.0, f64::max),
        _ => soft_table(parametrization, z, &none, 1.0).into_iter().map(|p| p.max(1.0 - p)).sum(),
    }
}

/// `[codes]` table P at a temperature.
pub fn soft_table(parametrization: Parametrization, z: &[f64], noise: &[f64], temperature: f64) -> Vec<f64> {
    let scores = scores(parametrization, z, noise);
    match parametrization {
        Parametrization::Op => {
            let p = softmax(&scores, temperature);
            (0..4).map(|code| (0..16).map(|i| p[i] * output(i, code)).sum()).collect()
        }
        Parametrization::IwpClamp => scores.iter().map(|s| (0.5 + 0.5 * s / temperature).clamp(0.0, 1.0)).collect(),
        _ => scores.iter().map(|s| sigmoid(s / temperature)).collect(),
    }
}

/// `[logits]` gradients by the logits from `[codes]` gradients by the table at a temperature: the derivative of
/// [`soft_table`], but for the clamp's, whose gradient goes straight through.
///
/// OP: with G_i = Σ_c T_i(c) S_c, dz_i = p_i (G_i − Σ_j p_j G_j)/τ.
pub fn logit_gradients(
    parametrization: Parametrization,
    z: &[f64],
    noise: &[f64],
    table_gradients: &[f64],
    temperature: f64,
) -> Vec<f64> {
    let scores = scores(parametrization, z, noise);
    let by_scores = |slope: &dyn Fn(f64) -> f64| -> Vec<f64> {
        scores.iter().zip(table_gradients).map(|(&s, g)| g * slope(s / temperature) / temperature).collect()
    };
    let logistic = |x: f64| sigmoid(x) * sigmoid(-x);
    match parametrization {
        Parametrization::IwpSin => {
            by_scores(&logistic).iter().zip(z).map(|(g, z)| g * sine_log_odds_slope(z.cos())).collect()
        }
        Parametrization::IwpSigmoid => by_scores(&logistic),
        Parametrization::IwpClamp => by_scores(&|_| 0.5),
        Parametrization::Walsh => {
            let by_log_odds = by_scores(&logistic);
            (0..z.len()).map(|subset| -walsh_sum(&by_log_odds, subset)).collect()
        }
        Parametrization::Op => {
            let p = softmax(&scores, temperature);
            let g: Vec<f64> =
                (0..16).map(|i| (0..4).map(|code| output(i, code) * table_gradients[code]).sum()).collect();
            let mean: f64 = p.iter().zip(&g).map(|(p, g)| p * g).sum();
            p.iter().zip(&g).map(|(p, g)| p * (g - mean) / temperature).collect()
        }
    }
}

/// Σ_S x_S (−1)^(ones in S & code), which is its own adjoint.
fn walsh_sum(x: &[f64], code: usize) -> f64 {
    x.iter().enumerate().map(|(subset, x)| if (subset & code).count_ones() % 2 == 1 { -x } else { *x }).sum()
}

/// log((1 + sin z)/(1 − sin z)) = ±2 log((1 + |sin z|)/|cos z|), with the cosine's least size.
fn sine_log_odds(z: f64) -> f64 {
    let size = 2.0 * ((1.0 + z.sin().abs()) / z.cos().abs().max(LEAST_COSINE)).ln();
    if z.sin() > 0.0 { size } else { -size }
}

/// Its derivative where cos z is `cosine`: (dP/dz) / (P (1 − P)) = 0.5 cos z / (0.25 cos² z) = 2/cos z.
pub fn sine_log_odds_slope(cosine: f64) -> f64 {
    2.0 / cosine.abs().max(LEAST_COSINE).copysign(cosine)
}

/// T_i(c): what two-input function `i` gives for code `c`.
fn output(i: usize, code: usize) -> f64 {
    f64::from((function_table(i as u32, 4) >> code) as u32 & 1)
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// softmax(z/τ)
fn softmax(z: &[f64], temperature: f64) -> Vec<f64> {
    let peak = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let odds: Vec<f64> = z.iter().map(|z| ((z - peak) / temperature).exp()).collect();
    let total: f64 = odds.iter().sum();
    odds.into_iter().map(|o| o / total).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_temperature_1_the_sine_is_the_papers() {
        for i in -60..60 {
            let z = 0.1 * f64::from(i) + 0.05; // |cos z| > LEAST_COSINE
            let table = soft_table(Parametrization::IwpSin, &[z, z], &[0.0; 2], 1.0);
            assert!((table[0] - (0.5 + 0.5 * z.sin())).abs() < 1e-12);
            let slope = logit_gradients(Parametrization::IwpSin, &[z, z], &[0.0; 2], &[1.0; 2], 1.0);
            assert!((slope[0] - 0.5 * z.cos()).abs() < 1e-12, "z = {z}");
        }
    }

    /// WARP's own form for two inputs, s = z_0 + z_1 (1 − 2b) + z_2 (1 − 2a) + z_3 (1 − 2a)(1 − 2b), y = σ(−s).
    #[test]
    fn walsh_is_its_polynomial() {
        let z = [0.3, -1.1, 0.8, 0.25];
        let table = soft_table(Parametrization::Walsh, &z, &[0.0; 4], 1.0);
        for (code, p) in table.iter().enumerate() {
            let (a, b) = (1.0 - 2.0 * (code / 2) as f64, 1.0 - 2.0 * (code % 2) as f64);
            let s = z[0] + z[1] * b + z[2] * a + z[3] * a * b;
            assert!((p - 1.0 / (1.0 + s.exp())).abs() < 1e-12);
        }
    }

    #[test]
    fn tables_of_even_logits_are_even_and_colder_tables_are_nearer_to_the_hard_one() {
        for parametrization in Parametrization::ALL {
            let logits = parametrization.logits(2);
            let none = vec![0.0; logits];
            let even = soft_table(parametrization, &vec![0.0; logits], &none, 1.0);
            assert!(even.iter().all(|p| (p - 0.5).abs() < 1e-12));
            let mut z: Vec<f64> = (0..logits).map(|i| 0.5 * (1.9 * i as f64 + 0.4).sin()).collect();
            z[1] += 1.0;
            let hard = hard_table(parametrization, &z, &none);
            let distance = |temperature| -> f64 {
                let table = soft_table(parametrization, &z, &none, temperature);
                table.iter().enumerate().map(|(c, p)| (p - f64::from((hard >> c) as u32 & 1)).abs()).sum()
            };
            assert!(distance(0.01) < 1e-3 && distance(0.3) < distance(1.0) && distance(1.0) < distance(3.0));
        }
    }

    /// Selecting by noisy scores is sampling: a code's bit is 1 with its probability, OP's function i with p_i. Over
    /// 40,000 draws a frequency's standard deviation is at most 0.0025.
    #[test]
    fn noisy_selections_have_the_tables_probabilities() {
        for parametrization in Parametrization::ALL {
            let logits = parametrization.logits(2) as u32;
            let z: Vec<f64> = (0..logits).map(|i| 0.6 * (2.3 * f64::from(i) + 1.0).sin()).collect();
            let expected = soft_table(parametrization, &z, &vec![0.0; z.len()], 1.0);
            let mut ones = [0.0; 4];
            for step in 0..40_000 {
                let draw = |logit| noise(parametrization, crate::random::selection_uniform(9, step, 3, logit));
                let noise: Vec<f64> = (0..logits).map(draw).collect();
                let table = hard_table(parametrization, &z, &noise);
                ones.iter_mut().enumerate().for_each(|(c, n)| *n += f64::from((table >> c) as u32 & 1) / 40_000.0);
            }
            for (made, expected) in ones.iter().zip(expected) {
                assert!((made - expected).abs() < 0.01, "{parametrization:?}: {made} against {expected}");
            }
        }
    }

    #[test]
    fn the_papers_residual_op_gate_has_its_confidence() {
        let mut z = [0.0; 16];
        z[3] = 5.0;
        assert!((confidence(Parametrization::Op, &z) - 0.908).abs() < 5e-4);
        assert_eq!(hard_table(Parametrization::Op, &z, &[0.0; 16]), 0b1100);
    }
}
