//! Where training starts.

use super::Parametrization;
use super::parametrization::{function_table, pass_through, walsh_hadamard};
use crate::random::Philox;

/// How a layer's logits are drawn: Gaussian, or each gate near a target drawn from a set that never holds a function
/// and its complement (Light DLGN, ICLR 2026, "negation-asymmetric"; `uniform`, which holds both, is the contrast).
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Initialization {
    /// Every gate starts near the one that passes its first input through.
    Residual,
    /// Near the conjunction or the disjunction of its inputs.
    AndOr,
    /// Near the conjunction, the disjunction, or the gate that passes one of its inputs through.
    AndOrRi,
    /// Near a function that uses every one of its inputs: their conjunction, disjunction or parity, any input but the first
    /// negated or not (of two: a∧b, a∧¬b, a∨b, a∨¬b, a⊕b and its complement). For layers whose wires are learned.
    UsesAll,
    /// Near any function of its inputs.
    Uniform,
    /// Normal logits (Petersen et al. 2022).
    Gaussian,
}

/// An initialization with its constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Start {
    /// How logits are drawn.
    pub initialization: Initialization,
    /// μ, how far logits start from undecided; the parametrization's own where `None`.
    pub mean: Option<f32>,
    /// σ, their standard deviation; likewise.
    pub deviation: Option<f32>,
}

impl From<Initialization> for Start {
    fn from(initialization: Initialization) -> Self {
        Start { initialization, mean: None, deviation: None }
    }
}

impl Start {
    /// (μ, σ) in use. Near a target: sine (1.2, 0.25) and sigmoid (3, 0.5) as in Light DLGN, Walsh as the sigmoid since
    /// it shares its log-odds, clamp (0.9, 0.1), which is the sine's table; OP (5, 0), p ≈ 0.908. Gaussian: (0, 1).
    pub fn constants(self, parametrization: Parametrization) -> (f64, f64) {
        let (mean, deviation) = match (self.initialization, parametrization) {
            (Initialization::Gaussian, _) => (0.0, 1.0),
            (_, Parametrization::IwpSin) => (1.2, 0.25),
            (_, Parametrization::IwpSigmoid | Parametrization::Walsh) => (3.0, 0.5),
            (_, Parametrization::IwpClamp) => (0.9, 0.1),
            (_, Parametrization::Op) => (5.0, 0.0),
        };
        (self.mean.map_or(mean, f64::from), self.deviation.map_or(deviation, f64::from))
    }

    /// Draw `[gates][logits]` f32.
    ///
    /// Gaussian: N(μ, σ²). Near a target: input-wise logits are N(±μ, σ²), + where the target's table is 1, and so are
    /// the log-odds of Walsh's; OP has N(μ, σ²) at the target and N(0, σ²) elsewhere.
    pub fn draw(self, parametrization: Parametrization, gates: usize, arity: usize, rng: &mut Philox) -> Vec<f32> {
        let (mean, deviation) = self.constants(parametrization);
        let logits = parametrization.logits(arity);
        if self.initialization == Initialization::Gaussian {
            return (0..gates * logits).map(|_| (mean + deviation * rng.normal()) as f32).collect();
        }
        (0..gates)
            .flat_map(|_| {
                let table = self.initialization.target(arity, rng);
                self.near(table, parametrization, arity, rng)
            })
            .collect()
    }

    /// `[logits]` f32 of one gate near the function of table `table`.
    pub fn near(self, table: u64, parametrization: Parametrization, arity: usize, rng: &mut Philox) -> Vec<f32> {
        let (mean, deviation) = self.constants(parametrization);
        let codes = 1usize << arity;
        if parametrization == Parametrization::Op {
            let near = |id: usize| if function_table(id as u32, codes as u32) == table { mean } else { 0.0 };
            let logits = 0..parametrization.logits(arity);
            return logits.map(|id| (near(id) + deviation * rng.normal()) as f32).collect();
        }
        let signed = |c: usize| if (table >> c) & 1 == 1 { mean } else { -mean };
        let mut drawn: Vec<f64> = (0..codes).map(|c| signed(c) + deviation * rng.normal()).collect();
        if parametrization == Parametrization::Walsh {
            walsh_hadamard(&mut drawn);
            drawn.iter_mut().for_each(|z| *z /= -(codes as f64));
        }
        drawn.into_iter().map(|z| z as f32).collect()
    }
}

impl Initialization {
    /// The table that a gate of `arity` inputs starts near; residual needs no draw.
    fn target(self, arity: usize, rng: &mut Philox) -> u64 {
        let codes = 1u32 << arity;
        let all = u64::MAX >> (64 - codes);
        let (and, or) = (1u64 << (codes - 1), all & !1);
        let passing = |pin: usize| {
            (0..codes).filter(|c| (c >> (arity - 1 - pin)) & 1 == 1).fold(0u64, |table, c| table | (1 << c))
        };
        match self {
            Initialization::Residual | Initialization::Gaussian => pass_through(arity),
            Initialization::AndOr => [and, or][rng.below(2) as usize],
            Initialization::AndOrRi => match rng.below(2 + arity as u32) {
                0 => and,
                1 => or,
                pin => passing(pin as usize - 2),
            },
            Initialization::UsesAll => {
                let (kind, negated) = (rng.below(3), rng.below(1 << (arity - 1)));
                let value = |code: u32| match (kind, code ^ negated) {
                    (0, code) => code == codes - 1,
                    (1, code) => code != 0,
                    (_, code) => code.count_ones() % 2 == 1,
                };
                (0..codes).filter(|&code| value(code)).fold(0, |table, code| table | (1 << code))
            }
            Initialization::Uniform => (u64::from(rng.next_u32()) << 32 | u64::from(rng.next_u32())) & all,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn residual_starts_at_the_first_input() {
        for parametrization in Parametrization::ALL {
            for arity in (2..=6).filter(|&k| parametrization.can_have(k)) {
                let start = Start::from(Initialization::Residual);
                let logits = start.draw(parametrization, 50, arity, &mut Philox::new(0, 0));
                let per_gate = parametrization.logits(arity);
                assert_eq!(logits.len(), 50 * per_gate);
                let passing =
                    logits.chunks(per_gate).filter(|l| parametrization.hard_table(l) == pass_through(arity)).count();
                assert!(passing >= 49, "{parametrization:?}: {passing} of 50 pass their first input");
            }
        }
    }

    #[test]
    fn residual_op_has_the_papers_confidence() {
        let start = Start::from(Initialization::Residual);
        let logits = start.draw(Parametrization::Op, 1, 2, &mut Philox::new(0, 0));
        let total: f64 = logits.iter().map(|&z| f64::from(z).exp()).sum();
        assert!((f64::from(logits[3]).exp() / total - 0.908).abs() < 5e-4);
    }

    #[test]
    fn targets_are_those_of_the_sets_in_equal_parts() {
        // Two inputs: AND 1000, OR 1110, A 1100, B 1010, codes from the highest down.
        let sets: [(Initialization, &[u64]); 4] = [
            (Initialization::Residual, &[0b1100]),
            (Initialization::AndOr, &[0b1000, 0b1110]),
            (Initialization::AndOrRi, &[0b1000, 0b1110, 0b1100, 0b1010]),
            (Initialization::UsesAll, &[0b1000, 0b0100, 0b1110, 0b1101, 0b0110, 0b1001]),
        ];
        for parametrization in Parametrization::ALL {
            for (initialization, set) in sets {
                let logits = Start { initialization, mean: None, deviation: Some(0.0) };
                let logits = logits.draw(parametrization, 4000, 2, &mut Philox::new(3, 0));
                let tables: Vec<u64> =
                    logits.chunks(parametrization.logits(2)).map(|l| parametrization.hard_table(l)).collect();
                for target in set {
                    let count = tables.iter().filter(|t| *t == target).count() as f64;
                    let expected = 4000.0 / set.len() as f64;
                    // Four standard deviations of a binomial count.
                    let spread = 4.0 * (expected * (1.0 - 1.0 / set.len() as f64)).sqrt();
                    assert!((count - expected).abs() <= spread, "{parametrization:?} {initialization:?}: {count}");
                }
            }
            let uniform = Start::from(Initialization::Uniform).draw(parametrization, 4000, 2, &mut Philox::new(4, 0));
            let tables = uniform.chunks(parametrization.logits(2)).map(|l| parametrization.hard_table(l) as usize);
            let mut counts = [0; 16];
            tables.for_each(|t| counts[t] += 1);
            assert!(counts.iter().all(|&c| (185..=315).contains(&c)), "250 ± 4 · 15.3: {counts:?}");
        }
    }

    #[test]
    fn logits_have_the_mean_and_deviation_asked_for() {
        let start = Start { initialization: Initialization::Residual, mean: Some(2.0), deviation: Some(0.5) };
        for arity in [2, 3, 5] {
            let codes = 1 << arity;
            for parametrization in [Parametrization::IwpSin, Parametrization::Walsh] {
                let mut logits = start.draw(parametrization, 20_000 / codes, arity, &mut Philox::new(5, 0));
                if parametrization == Parametrization::Walsh {
                    // log-odds = −s
                    logits.chunks_mut(codes).for_each(walsh_hadamard);
                    logits.iter_mut().for_each(|z| *z = -*z);
                }
                let signed: Vec<f64> = logits
                    .iter()
                    .enumerate()
                    .map(|(i, &z)| if i % codes >= codes / 2 { f64::from(z) } else { -f64::from(z) })
                    .collect();
                let mean = signed.iter().sum::<f64>() / signed.len() as f64;
                let variance = signed.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / signed.len() as f64;
                assert!((mean - 2.0).abs() < 0.015, "{parametrization:?}: mean {mean}, 4 standard errors are 0.015");
                assert!((variance.sqrt() - 0.5).abs() < 0.011, "{parametrization:?}: {}", variance.sqrt());
            }
        }
    }
}
