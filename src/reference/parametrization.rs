//! How a gate's logits become its table, and the table's gradients the logits'.
//!
//! Input-wise (Light DLGN, ICLR 2026): entry c has one logit z_c and the probability P_c = 0.5 + 0.5 sin z_c, or
//! sigmoid(z_c). Original, OP (Petersen et al. 2022): sixteen logits, p = softmax(z), P_c = Σ_i p_i T_i(c) over the
//! two-input functions T_i. A temperature τ divides the logarithms of what is selected among: softmax(z/τ) for OP,
//! sigmoid(z/τ), and for the sine P^(1/τ) / (P^(1/τ) + (1 − P)^(1/τ)), that is sigmoid(log-odds/τ).

use crate::network::{Parametrization, function_table};

/// Least |cos z| that the sine's slope is taken at: for τ > 2 the slope grows without bound towards a certain choice.
pub const LEAST_COSINE: f64 = 1e-3;

/// The selected gate: bit c is the likelier output for code c, 0 if both are as likely; for OP the table of the function
/// with the greatest logit, the first among equals.
pub fn hard_table(parametrization: Parametrization, z: &[f64]) -> u64 {
    let bits = |set: &dyn Fn(f64) -> bool| z.iter().enumerate().fold(0, |t, (c, &z)| t | (u64::from(set(z)) << c));
    match parametrization {
        Parametrization::IwpSin => bits(&|z| z.sin() > 0.0),
        Parametrization::IwpSigmoid => bits(&|z| z > 0.0),
        Parametrization::Op => {
            let best = (1..16).fold(0, |best, i| if z[i] > z[best] { i } else { best });
            function_table(best as u32, 4)
        }
    }
}

/// Sum over the gate's selections of their greatest probability at temperature 1.
pub fn confidence(parametrization: Parametrization, z: &[f64]) -> f64 {
    match parametrization {
        Parametrization::IwpSin | Parametrization::IwpSigmoid => {
            soft_table(parametrization, z, 1.0).into_iter().map(|p| p.max(1.0 - p)).sum()
        }
        Parametrization::Op => softmax(z, 1.0).into_iter().fold(0.0, f64::max),
    }
}

/// `[codes]` table P at a temperature.
pub fn soft_table(parametrization: Parametrization, z: &[f64], temperature: f64) -> Vec<f64> {
    match parametrization {
        Parametrization::IwpSin => z.iter().map(|z| sine_table_entry(z.sin(), temperature)).collect(),
        Parametrization::IwpSigmoid => z.iter().map(|z| sigmoid(z / temperature)).collect(),
        Parametrization::Op => {
            let p = softmax(z, temperature);
            (0..4).map(|code| (0..16).map(|i| p[i] * output(i, code)).sum()).collect()
        }
    }
}

/// `[logits]` gradients by the logits from `[codes]` gradients by the table at a temperature.
///
/// OP: with G_i = Σ_c T_i(c) S_c, dz_i = p_i (G_i − Σ_j p_j G_j)/τ.
pub fn logit_gradients(
    parametrization: Parametrization,
    z: &[f64],
    table_gradients: &[f64],
    temperature: f64,
) -> Vec<f64> {
    let entrywise = |slope: &dyn Fn(f64) -> f64| z.iter().zip(table_gradients).map(|(&z, s)| s * slope(z)).collect();
    match parametrization {
        Parametrization::IwpSin => entrywise(&|z| sine_slope(z.cos(), temperature)),
        Parametrization::IwpSigmoid => entrywise(&|z| {
            let p = sigmoid(z / temperature);
            p * sigmoid(-z / temperature) / temperature
        }),
        Parametrization::Op => {
            let p = softmax(z, temperature);
            let g: Vec<f64> =
                (0..16).map(|i| (0..4).map(|code| output(i, code) * table_gradients[code]).sum()).collect();
            let mean: f64 = p.iter().zip(&g).map(|(p, g)| p * g).sum();
            p.iter().zip(&g).map(|(p, g)| p * (g - mean) / temperature).collect()
        }
    }
}

/// P at a temperature where sin z is `sine`.
pub fn sine_table_entry(sine: f64, temperature: f64) -> f64 {
    let (p, q) = (0.5 + 0.5 * sine, 0.5 - 0.5 * sine);
    1.0 / (1.0 + (q / p).powf(1.0 / temperature))
}

/// dP/dz at a temperature where cos z is `cosine`: P_τ (1 − P_τ)/τ times the slope of the log-odds,
/// (dP/dz) / (P (1 − P)) = 0.5 cos z / (0.25 cos² z) = 2 / cos z. It is even in sin z.
pub fn sine_slope(cosine: f64, temperature: f64) -> f64 {
    let size = cosine.abs().max(LEAST_COSINE);
    let p = sine_table_entry((1.0 - size * size).sqrt(), temperature);
    let q = sine_table_entry(-(1.0 - size * size).sqrt(), temperature);
    p * q / temperature * 2.0 / size.copysign(cosine)
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
            assert!((sine_table_entry(z.sin(), 1.0) - (0.5 + 0.5 * z.sin())).abs() < 1e-12);
            assert!((sine_slope(z.cos(), 1.0) - 0.5 * z.cos()).abs() < 1e-12, "z = {z}");
        }
    }

    #[test]
    fn tables_of_even_logits_are_even_and_colder_tables_are_nearer_to_the_hard_one() {
        for parametrization in [Parametrization::IwpSin, Parametrization::IwpSigmoid, Parametrization::Op] {
            let logits = parametrization.logits(2);
            let even = soft_table(parametrization, &vec![0.0; logits], 1.0);
            assert!(even.iter().all(|p| (p - 0.5).abs() < 1e-12));
            let mut z: Vec<f64> = (0..logits).map(|i| 0.5 * (1.9 * i as f64 + 0.4).sin()).collect();
            z[1] += 1.0;
            let hard = hard_table(parametrization, &z);
            let distance = |temperature| -> f64 {
                let table = soft_table(parametrization, &z, temperature);
                table.iter().enumerate().map(|(c, p)| (p - f64::from((hard >> c) as u32 & 1)).abs()).sum()
            };
            assert!(distance(0.01) < 1e-3 && distance(0.3) < distance(1.0) && distance(1.0) < distance(3.0));
        }
    }

    #[test]
    fn the_papers_residual_op_gate_has_its_confidence() {
        let mut z = [0.0; 16];
        z[3] = 5.0;
        assert!((confidence(Parametrization::Op, &z) - 0.908).abs() < 5e-4);
        assert_eq!(hard_table(Parametrization::Op, &z), 0b1100);
    }
}
