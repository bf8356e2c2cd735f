//! How signals and gradients come through the layers of a fresh network: whether depth makes them vanish.

use super::device::Device;
use super::learner::Learner;
use crate::Result;
use crate::data::Dataset;
use crate::settings::Settings;

/// What one layer of a fresh network passes on, over one batch.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Passage {
    /// Mean of all outputs over gates and samples: ½ is balanced.
    pub balance: f64,
    /// Twice the standard deviation of a gate's output over the samples, mean over gates: 1 where every gate is on for half of
    /// the samples, 0 where all are constant.
    pub signal: f64,
    /// Euclidean norm of the batch's mean loss's gradient by the layer's table entries.
    pub table_gradient_norm: f64,
    /// The same by its logits.
    pub logit_gradient_norm: f64,
}

/// `[layers]`: what a fresh network of these settings does with its first batch of `data`.
///
/// # Errors
/// As [`Learner::new`], and [`crate::Error::Usage`] for micro-batches, whose outputs do not lie side by side.
pub fn passages(device: &Device, settings: &Settings, data: &Dataset) -> Result<Vec<Passage>> {
    let mut learner = Learner::new(device, settings, data)?;
    learner.submit(1)?;
    let outputs = learner.outputs()?;
    let tables = learner.gradient_norms()?;
    // Adam's first moment after its first step is (1 - β1) times the gradient.
    let logits = learner.first_moment_norms()?;
    let logits = logits.into_iter().map(|norm| norm / (1.0 - f64::from(settings.beta1)));
    let passage = |((rows, table_gradient_norm), logit_gradient_norm): ((Vec<Vec<f64>>, f64), f64)| {
        let (balance, signal) = balance_and_signal(&rows);
        Passage { balance, signal, table_gradient_norm, logit_gradient_norm }
    };
    Ok(outputs.into_iter().zip(tables).zip(logits).map(passage).collect())
}

/// Of `[gates][samples]` outputs.
fn balance_and_signal(rows: &[Vec<f64>]) -> (f64, f64) {
    let (mut balance, mut signal) = (0.0, 0.0);
    for row in rows {
        let n = row.len() as f64;
        let mean = row.iter().sum::<f64>() / n;
        let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        balance += mean;
        signal += 2.0 * variance.sqrt();
    }
    (balance / rows.len() as f64, signal / rows.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balance_and_signal_are_those_of_the_rows() {
        // On for half, on always, on for a quarter of four samples: deviations ½, 0, √3/4.
        let rows = [vec![1.0, 0.0, 1.0, 0.0], vec![1.0; 4], vec![0.0, 0.0, 1.0, 0.0]];
        let (balance, signal) = balance_and_signal(&rows);
        assert!((balance - 1.75 / 3.0).abs() < 1e-12);
        assert!((signal - (1.0 + 3.0f64.sqrt() / 2.0) / 3.0).abs() < 1e-12);
    }
}
