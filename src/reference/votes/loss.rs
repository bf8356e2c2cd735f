//! The loss of a sample's votes and its gradient by each vote, for every task.

use super::softmax::{cross_entropy, predicted, softmax};
use crate::data::{Head, Split, Values, is_set};

/// One sample's share of a batch's mean loss.
#[derive(Debug, Clone, PartialEq)]
pub struct Loss {
    /// Its own loss.
    pub loss: f64,
    /// Classes: 1 if the first greatest vote is its label's, else 0. Labels: the fraction of them right. Values: the
    /// mean over targets of 1 − error² / variance.
    pub quality: f64,
    /// `[outputs]`: derivative of the batch's mean loss by the sample's votes.
    pub gradient: Vec<f64>,
}

/// Judge one of `batch` samples by its `[classes]` votes, softmax cross-entropy over scores = votes / τ:
/// ∂/∂vote_c of the mean over the batch = (softmax_c − [c = label]) / (τ · batch).
pub fn loss(votes: &[f64], label: usize, tau: f64, batch: u32) -> Loss {
    let gradient = softmax(votes, tau).into_iter().enumerate().map(|(class, p)| {
        let target = if class == label { 1.0 } else { 0.0 };
        (p - target) / (tau * f64::from(batch))
    });
    Loss {
        loss: cross_entropy(votes, label, tau),
        quality: if predicted(votes) == label { 1.0 } else { 0.0 },
        gradient: gradient.collect(),
    }
}

/// Judge one of `batch` samples by its `[labels]` votes, of `group` gates a label: binary cross-entropy, summed over
/// labels, of scores x = (votes − group / 2) / τ. With p = 1 / (1 + e^−x) and y 0 or 1, that is −y ln p − (1 − y) ln(1
/// − p), and ∂/∂vote_l of the mean over the batch = (p − y) / (τ · batch).
pub fn loss_of_labels(votes: &[f64], targets: &[f32], group: usize, tau: f64, batch: u32) -> Loss {
    let mut sum = Loss { loss: 0.0, quality: 0.0, gradient: Vec::new() };
    for (&vote, &y) in votes.iter().zip(targets) {
        let (x, y) = ((vote - group as f64 / 2.0) / tau, f64::from(y));
        // ln p without overflow: −ln(1 + e^−x) = min(x, 0) − ln(1 + e^−|x|), and ln(1 − p) is ln p less x.
        let ln_p = x.min(0.0) - (-x.abs()).exp().ln_1p();
        sum.loss -= y * ln_p + (1.0 - y) * (ln_p - x);
        sum.quality += f64::from(u8::from(is_set(vote, group) == (y > 0.5))) / votes.len() as f64;
        sum.gradient.push((ln_p.exp() - y) / (tau * f64::from(batch)));
    }
    sum
}

/// Judge one of `batch` samples by its `[outputs]` votes, of `group` gates an output: group / (2 τ) times the squared
/// errors of the values as fractions of their ranges. A value's derivative by the vote of its bit i is weight_i /
/// group, so ∂/∂vote of the mean over the batch = error · weight_i / (τ · batch). `variances` are those of the
/// training targets.
pub fn loss_of_values(
    votes: &[f64],
    targets: &[f32],
    values: &Values,
    variances: &[f64],
    group: usize,
    tau: f64,
    batch: u32,
) -> Loss {
    let told = values.fractions(votes, group);
    let errors: Vec<f64> = told.iter().zip(targets).map(|(told, &is)| told - f64::from(is)).collect();
    let shares = errors.iter().zip(variances).map(|(e, variance)| 1.0 - e * e / variance);
    let bits = |e: f64| (0..values.bits).map(move |bit| e * values.weight(bit) / (tau * f64::from(batch)));
    Loss {
        loss: group as f64 / (2.0 * tau) * errors.iter().map(|e| e * e).sum::<f64>(),
        quality: shares.sum::<f64>() / errors.len() as f64,
        gradient: errors.iter().flat_map(|&e| bits(e)).collect(),
    }
}

/// Judge sample `sample` of `split` as `head` reads its votes.
pub fn loss_of(head: &Head, votes: &[f64], split: &Split, sample: usize, group: usize, tau: f64, batch: u32) -> Loss {
    let width = split.targets_a_sample();
    let targets = &split.targets[sample * width..(sample + 1) * width];
    match head {
        Head::Classes => loss(votes, split.labels[sample].into(), tau, batch),
        Head::Labels => loss_of_labels(votes, targets, group, tau, batch),
        Head::Values(values) => loss_of_values(votes, targets, values, &split.target_variances(), group, tau, batch),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Target;
    use crate::random::Philox;

    /// Central differences over ±h err by h²/6 of the third derivative, which is below 1 here, and by rounding over h,
    /// of losses up to some tens: with h = 1e-4 by less than 1e-8.
    fn check(what: &str, votes: &[f64], judge: &dyn Fn(&[f64]) -> Loss, batch: u32) {
        let h = 1e-4;
        for (i, &analytic) in judge(votes).gradient.iter().enumerate() {
            let at = |by: f64| {
                let mut moved = votes.to_vec();
                moved[i] += by;
                judge(&moved).loss / f64::from(batch)
            };
            let difference = (at(h) - at(-h)) / (2.0 * h);
            assert!((analytic - difference).abs() < 1e-8, "{what}, output {i}: {analytic} against {difference}");
        }
    }

    #[test]
    fn gradients_by_votes_are_the_central_differences_of_the_loss() {
        let mut rng = Philox::new(21, 0);
        for (outputs, group, tau, batch) in [(1, 5, 1.0, 1), (3, 40, 10.0, 31), (7, 300, 4.0, 33)] {
            let mut votes = || (0..outputs).map(|_| rng.uniform() * group as f64).collect::<Vec<f64>>();
            let sample = votes();
            let labels: Vec<f32> = votes().iter().map(|v| if v * 2.0 > group as f64 { 1.0 } else { 0.0 }).collect();
            check("labels", &sample, &|v| loss_of_labels(v, &labels, group, tau, batch), batch);
            check("classes", &sample, &|v| loss(v, outputs - 1, tau, batch), batch);
            for bits in [1, 3, 7].into_iter().filter(|bits| outputs % bits == 0) {
                let target = |t| Target { name: format!("y{t}"), least: -1.0, greatest: 5.0 };
                let values = Values { targets: (0..outputs / bits).map(target).collect(), bits: bits as u32 };
                let targets: Vec<f32> = votes().iter().map(|v| (v / group as f64) as f32).collect();
                let (targets, variances) = (&targets[..outputs / bits], vec![0.1; outputs / bits]);
                let judge = |v: &[f64]| loss_of_values(v, targets, &values, &variances, group, tau, batch);
                check(&format!("values of {bits} bits"), &sample, &judge, batch);
                // What sliced gradients are scaled by: no gradient passes 1 / (τ · batch).
                assert!(judge(&sample).gradient.iter().all(|g| g.abs() <= 1.0 / (tau * f64::from(batch))));
            }
        }
    }

    #[test]
    fn losses_are_what_their_formulas_say_at_plain_places() {
        // Half of the gates: p = 1/2, so ln 2 a label whatever is right, and half of a unit of gradient.
        let half = loss_of_labels(&[4.0, 4.0], &[1.0, 0.0], 8, 2.0, 5);
        assert!((half.loss - 2.0 * 2f64.ln()).abs() < 1e-12);
        assert_eq!(half.quality, 0.5, "half of the gates do not set a label");
        assert!(half.gradient.iter().zip([-0.05, 0.05]).all(|(g, expected)| (g - expected).abs() < 1e-15));
        // Far out there is no overflow: a wrong label costs its score, a right one nothing.
        let far = loss_of_labels(&[2000.0, 0.0], &[0.0, 0.0], 2000, 1.0, 1);
        assert!((far.loss - 1000.0).abs() < 1e-9 && far.gradient[0] == 1.0 && far.gradient[1] == 0.0);
        // A quarter told where three quarters are right, of 20 gates at τ 5: 20 / 10 · 1/4.
        let values = Values { targets: vec![Target { name: "y".into(), least: 0.0, greatest: 1.0 }], bits: 1 };
        let made = loss_of_values(&[5.0], &[0.75], &values, &[0.5], 20, 5.0, 2);
        assert_eq!((made.loss, made.quality, made.gradient), (0.5, 0.5, vec![-0.05]));
    }
}
