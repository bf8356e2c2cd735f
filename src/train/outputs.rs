//! What the gates of a network in training put out at its last step.

use super::trainer::Trainer;
use crate::{Error, Result};

impl Trainer {
    /// `[layers][outputs][samples]` outputs at the last step, bits as zeros and ones.
    ///
    /// # Errors
    /// [`Error::Usage`] if the batch was cut into micro-batches.
    pub fn outputs(&mut self) -> Result<Vec<Vec<Vec<f64>>>> {
        self.finish()?;
        let (batch, rows) = (self.settings().batch as usize, &self.step.activations);
        if rows.words as usize != batch.div_ceil(32) {
            return Err(Error::usage("the batch does not fit at once; choose a smaller --batch or fewer gates"));
        }
        let mut layers = Vec::new();
        for (&outputs, layer) in rows.outputs.iter().zip(&self.model().layers) {
            let per_row = rows.row_bytes() as usize / 4;
            let stored: Vec<u32> = self.session.read(outputs, layer.outputs() * per_row)?;
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
    fn samples_are_found_in_their_words() {
        let row: Vec<u32> = (0..4).map(|i| (i * 100) | (((i + 4) * 100) << 16)).collect();
        assert!((0..8).all(|s| (fraction(&row, s) * 65535.0).round() == s as f64 * 100.0));
        assert_eq!((bit(&[0, 2], 33), bit(&[0, 2], 32)), (1.0, 0.0));
    }
}
