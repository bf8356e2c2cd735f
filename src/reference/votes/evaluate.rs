//! How one sample was classified.

use super::softmax::{cross_entropy, predicted};

/// One sample's result.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judged {
    /// Softmax cross-entropy.
    pub loss: f64,
    /// Predicted class.
    pub class: usize,
}

/// Judge a sample's `[classes]` votes; scores are votes / `tau`.
pub fn evaluate(votes: &[f64], label: usize, tau: f64) -> Judged {
    Judged { loss: cross_entropy(votes, label, tau), class: predicted(votes) }
}
