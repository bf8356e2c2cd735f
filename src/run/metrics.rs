//! What an evaluation finds: a line of `metrics.jsonl`.

use serde::{Deserialize, Serialize};

/// A line of `metrics.jsonl`: the state after `step` steps. The keys are described in docs/RUN_FOLDER.md.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Steps done.
    pub step: u32,
    /// Seconds since the first step, evaluations included.
    pub seconds: f64,
    /// Mean training loss since the line before.
    pub train_loss: f64,
    /// Mean training accuracy since the line before.
    pub train_accuracy: f64,
    /// Loss, of samples held out or else of the training samples, of the hard network.
    pub loss: f64,
    /// Accuracy of the hard network on these: the [`crate::data::Quality::score`] of any task.
    pub accuracy: f64,
    /// Accuracy of the selected gates evaluated softly.
    pub accuracy_soft: f64,
    /// Accuracy of the network as training runs it.
    pub accuracy_training_mode: f64,
    /// `accuracy_training_mode − accuracy_soft`.
    pub selection_gap: f64,
    /// `accuracy_soft − accuracy`.
    pub computation_gap: f64,
    /// Backward temperature (τ_b under CAGE; the mean over layers or gates that have their own).
    pub temperature: f32,
    /// The least of them.
    pub temperature_min: f32,
    /// The greatest of them.
    pub temperature_max: f32,
    /// Mean confidence of the selections.
    pub confidence: f32,
    /// Its running mean.
    pub confidence_mean: f32,
    /// Learning rate of the last step.
    pub learning_rate: f32,
    /// Norm of the loss's gradient by each layer's tables at the last step, first layer to last.
    pub gradient_norms: Vec<f64>,
    /// Training samples a second since the line before, evaluations excluded.
    pub samples_per_second: f64,
}

/// The evaluation with the best held-out accuracy of the hard network, the first among equals.
pub fn best(metrics: &[Metrics]) -> Option<&Metrics> {
    metrics.iter().reduce(|best, m| if m.accuracy > best.accuracy { m } else { best })
}
