//! Where training starts.

use super::Parametrization;
use super::parametrization::pass_through;
use crate::random::Philox;

/// How a layer's logits are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Initialization {
    /// Every gate starts near the one that passes its first input through (Light DLGN, section 4).
    Residual,
    /// Standard normal logits (Petersen et al. 2022).
    Gaussian,
}

impl Initialization {
    /// Draw `[gates][logits]` f32.
    ///
    /// Residual: IWP logits are N(±μ, σ²), + where the pass-through table is 1, with (μ, σ) = (1.2, 0.25) for sin and
    /// (3, 0.5) for sigmoid; OP has 5 at the pass-through function and 0 elsewhere (p ≈ 0.908).
    pub fn draw(self, parametrization: Parametrization, gates: usize, arity: usize, rng: &mut Philox) -> Vec<f32> {
        let per_gate = parametrization.logits(arity);
        match (self, parametrization) {
            (Initialization::Gaussian, _) => (0..gates * per_gate).map(|_| rng.normal() as f32).collect(),
            (Initialization::Residual, Parametrization::Op) => {
                // Function ids list outputs from the highest code bit down: "first pin" is 0…01…1.
                let first_pin = (1usize << (1 << (arity - 1))) - 1;
                (0..gates * per_gate).map(|i| if i % per_gate == first_pin { 5.0 } else { 0.0 }).collect()
            }
            (Initialization::Residual, Parametrization::IwpSin) => {
                near(pass_through(arity), 1.2, 0.25, gates, per_gate, rng)
            }
            (Initialization::Residual, Parametrization::IwpSigmoid) => {
                near(pass_through(arity), 3.0, 0.5, gates, per_gate, rng)
            }
        }
    }
}

/// `[gates][codes]` logits N(±mean, deviation²), + where bit `c` of `table` is set.
fn near(table: u64, mean: f64, deviation: f64, gates: usize, codes: usize, rng: &mut Philox) -> Vec<f32> {
    (0..gates * codes)
        .map(|i| {
            let sign = if (table >> (i % codes)) & 1 == 1 { 1.0 } else { -1.0 };
            (sign * mean + deviation * rng.normal()) as f32
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn residual_starts_at_the_first_input() {
        for parametrization in [Parametrization::IwpSin, Parametrization::IwpSigmoid, Parametrization::Op] {
            let logits = Initialization::Residual.draw(parametrization, 50, 2, &mut Philox::new(0, 0));
            let per_gate = parametrization.logits(2);
            assert_eq!(logits.len(), 50 * per_gate);
            let passing = logits.chunks(per_gate).filter(|l| parametrization.hard_table(l) == 0b1100).count();
            assert!(passing >= 49, "{parametrization:?}: {passing} of 50 pass their first input");
        }
    }

    #[test]
    fn residual_op_has_the_papers_confidence() {
        let logits = Initialization::Residual.draw(Parametrization::Op, 1, 2, &mut Philox::new(0, 0));
        let total: f64 = logits.iter().map(|&z| f64::from(z).exp()).sum();
        assert!((f64::from(logits[3]).exp() / total - 0.908).abs() < 5e-4);
    }
}
