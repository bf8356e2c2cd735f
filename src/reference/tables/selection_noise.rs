//! One draw of noise for every logit of a gate at a step.

use super::parametrization;
use crate::network::Parametrization;
use crate::random::selection_uniform;

/// `[logits]` noise of gate number `gate`, counted over the whole network, at the step after `step` steps.
pub fn selection_noise(parametrization: Parametrization, logits: usize, seed: u64, step: u32, gate: usize) -> Vec<f64> {
    let uniform = |logit| selection_uniform(seed, step, gate as u32, logit as u32);
    (0..logits).map(|logit| parametrization::noise(parametrization, uniform(logit))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Greatest distance between the draws' distribution and `cdf` (Kolmogorov and Smirnov), times √n: above 1.95 once in
    /// a thousand sets of independent draws.
    fn distance(draws: &mut [f64], cdf: impl Fn(f64) -> f64) -> f64 {
        draws.sort_by(f64::total_cmp);
        let n = draws.len() as f64;
        let apart = draws.iter().enumerate().map(|(i, &x)| {
            let p = cdf(x);
            (p - i as f64 / n).abs().max(((i + 1) as f64 / n - p).abs())
        });
        apart.fold(0.0, f64::max) * n.sqrt()
    }

    /// Draws over logits, gates and steps, each in turn the one that varies fastest.
    fn draws(parametrization: Parametrization, seed: u64) -> Vec<f64> {
        let logits = parametrization.logits(2);
        let gates = (0..1500).flat_map(|gate| selection_noise(parametrization, logits, seed, 7, gate));
        let steps = (0..1500).flat_map(|step| selection_noise(parametrization, logits, seed, step, 11));
        gates.chain(steps).collect()
    }

    fn moments(draws: &[f64]) -> (f64, f64) {
        let mean = draws.iter().sum::<f64>() / draws.len() as f64;
        (mean, draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / draws.len() as f64)
    }

    #[test]
    fn uniform_draws_are_uniform_inside_the_interval() {
        let mut draws: Vec<f64> = (0..20_000).map(|i| selection_uniform(1, i / 64, i / 4 % 16, i % 4)).collect();
        assert!(draws.iter().all(|&u| u > 0.0 && u < 1.0 && f64::from(u as f32) == u));
        let (mean, variance) = moments(&draws);
        // Four standard errors of a uniform draw's mean (σ² = 1/12) and variance (1/180).
        assert!((mean - 0.5).abs() < 4.0 * (1.0 / 12.0 / 20_000.0f64).sqrt(), "mean {mean}");
        assert!((variance - 1.0 / 12.0).abs() < 4.0 * (1.0 / 180.0 / 20_000.0f64).sqrt(), "variance {variance}");
        assert!(distance(&mut draws, |u| u) < 1.95);
    }

    #[test]
    fn gumbel_draws_are_standard_gumbel() {
        let mut draws = draws(Parametrization::Op, 2);
        let (mean, variance) = moments(&draws);
        let n = draws.len() as f64;
        let expected = std::f64::consts::PI.powi(2) / 6.0;
        // Euler's constant; a Gumbel draw's kurtosis is 5.4.
        assert!((mean - 0.577_215_664_9).abs() < 4.0 * (expected / n).sqrt(), "mean {mean}");
        assert!((variance - expected).abs() < 4.0 * expected * (4.4 / n).sqrt(), "variance {variance}");
        assert!(distance(&mut draws, |x| (-(-x).exp()).exp()) < 1.95);
    }

    #[test]
    fn an_entrys_draws_are_logistic() {
        for parametrization in [Parametrization::IwpSin, Parametrization::IwpSigmoid, Parametrization::Walsh] {
            let mut draws = draws(parametrization, 3);
            let (mean, variance) = moments(&draws);
            let n = draws.len() as f64;
            let expected = std::f64::consts::PI.powi(2) / 3.0;
            // A logistic draw's kurtosis is 4.2.
            assert!(mean.abs() < 4.0 * (expected / n).sqrt(), "mean {mean}");
            assert!((variance - expected).abs() < 4.0 * expected * (3.2 / n).sqrt(), "variance {variance}");
            assert!(distance(&mut draws, |x| 1.0 / (1.0 + (-x).exp())) < 1.95);
        }
    }

    #[test]
    fn the_clamps_draws_are_uniform_between_minus_1_and_1() {
        let mut draws = draws(Parametrization::IwpClamp, 4);
        assert!(distance(&mut draws, |x| (x + 1.0) / 2.0) < 1.95);
    }

    #[test]
    fn draws_depend_on_seed_step_and_gate_alone() {
        let draw = |seed, step, gate| selection_noise(Parametrization::Op, 16, seed, step, gate);
        assert_eq!(draw(1, 2, 3), draw(1, 2, 3));
        for other in [draw(2, 2, 3), draw(1, 3, 3), draw(1, 2, 4)] {
            assert!(draw(1, 2, 3).iter().zip(&other).all(|(a, b)| a != b));
        }
    }
}
