//! How signals and gradients come through the layers of a fresh network: whether depth makes them vanish.

use std::sync::Arc;

use super::trainer::Trainer;
use crate::data::Dataset;
use crate::gpu::Gpu;
use crate::settings::Settings;
use crate::{Error, Result};

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
/// As [`Trainer::new`], and [`Error::Usage`] for micro-batches, whose outputs do not lie side by side.
pub fn passages(gpu: &Arc<Gpu>, settings: &Settings, data: &Dataset) -> Result<Vec<Passage>> {
    let mut trainer = Trainer::new(gpu, settings, data)?;
    trainer.submit(1)?;
    let outputs = trainer.outputs()?;
    let tables = trainer.gradient_norms()?;
    // Adam's first moment after its first step is (1 - β1) times the gradient.
    let logits = trainer.first_moment_norms()?;
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

impl Trainer {
    /// `[layers][gates][samples]` outputs at the last step, bits as zeros and ones.
    ///
    /// # Errors
    /// [`Error::Usage`] if the batch was cut into micro-batches.
    fn outputs(&mut self) -> Result<Vec<Vec<Vec<f64>>>> {
        self.finish()?;
        let (batch, rows) = (self.settings().batch as usize, &self.step.activations);
        if rows.words as usize != batch.div_ceil(32) {
            return Err(Error::usage("the batch does not fit at once; choose a smaller --batch or fewer gates"));
        }
        let mut layers = Vec::new();
        for (&outputs, layer) in rows.outputs.iter().zip(&self.model().layers) {
            let per_row = rows.row_bytes() as usize / 4;
            let stored: Vec<u32> = self.session.read(outputs, layer.gates() * per_row)?;
            let row = |row: &[u32]| -> Vec<f64> {
                (0..batch).map(|s| if rows.are_real { fraction(row, s) } else { bit(row, s) }).collect()
            };
            layers.push(stored.chunks_exact(per_row).map(row).collect());
        }
        Ok(layers)
    }
}

fn bit(row: &[u32], sample: usize) -> f64 {
    f64::from(row[sample / 32] >> (sample % 32) & 1)
}

/// Chunks of 8 samples, sample i beside i + 4, in 16 bits each (shaders/shared/activation.wgsl).
fn fraction(row: &[u32], sample: usize) -> f64 {
    let word = row[sample / 8 * 4 + sample % 4];
    f64::from(word >> (sample % 8 / 4 * 16) & 0xffff) / 65535.0
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

    #[test]
    fn samples_are_found_in_their_words() {
        let row: Vec<u32> = (0..4).map(|i| (i * 100) | (((i + 4) * 100) << 16)).collect();
        assert!((0..8).all(|s| (fraction(&row, s) * 65535.0).round() == s as f64 * 100.0));
        assert_eq!((bit(&[0, 2], 33), bit(&[0, 2], 32)), (1.0, 0.0));
    }
}
