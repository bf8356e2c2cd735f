//! Scores of classes, and which one is told.

/// softmax(votes / τ)
pub fn softmax(votes: &[f64], tau: f64) -> Vec<f64> {
    let peak = votes.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let odds: Vec<f64> = votes.iter().map(|v| ((v - peak) / tau).exp()).collect();
    let total: f64 = odds.iter().sum();
    odds.into_iter().map(|o| o / total).collect()
}

/// −log softmax(votes / τ)_label
pub fn cross_entropy(votes: &[f64], label: usize, tau: f64) -> f64 {
    let peak = votes.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    votes.iter().map(|v| ((v - peak) / tau).exp()).sum::<f64>().ln() - (votes[label] - peak) / tau
}

/// The class with the most votes, the first among equals.
pub fn predicted(votes: &[f64]) -> usize {
    (1..votes.len()).fold(0, |best, class| if votes[class] > votes[best] { class } else { best })
}
