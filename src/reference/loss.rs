//! Softmax cross-entropy over class scores = votes / τ, and its gradient by each vote.

use super::evaluate::predicted;

/// One sample's share of a batch's mean loss.
#[derive(Debug, Clone, PartialEq)]
pub struct Loss {
    /// Its own cross-entropy.
    pub cross_entropy: f64,
    /// Whether the first greatest vote is its label's.
    pub right: bool,
    /// `[classes]`: derivative of the batch's mean loss by the sample's votes.
    pub gradient: Vec<f64>,
}

/// Judge one of `batch` samples by its `[classes]` votes:
/// ∂/∂vote_c of the mean over the batch = (softmax_c − [c = label]) / (τ · batch).
pub fn loss(votes: &[f64], label: usize, tau: f64, batch: u32) -> Loss {
    let gradient = softmax(votes, tau).into_iter().enumerate().map(|(class, p)| {
        let target = if class == label { 1.0 } else { 0.0 };
        (p - target) / (tau * f64::from(batch))
    });
    Loss {
        cross_entropy: cross_entropy(votes, label, tau),
        right: predicted(votes) == label,
        gradient: gradient.collect(),
    }
}

/// −log softmax(votes / τ)_label
pub(super) fn cross_entropy(votes: &[f64], label: usize, tau: f64) -> f64 {
    let peak = votes.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    votes.iter().map(|v| ((v - peak) / tau).exp()).sum::<f64>().ln() - (votes[label] - peak) / tau
}

/// softmax(votes / τ)
fn softmax(votes: &[f64], tau: f64) -> Vec<f64> {
    let peak = votes.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let odds: Vec<f64> = votes.iter().map(|v| ((v - peak) / tau).exp()).collect();
    let total: f64 = odds.iter().sum();
    odds.into_iter().map(|o| o / total).collect()
}
