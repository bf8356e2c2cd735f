//! Which samples make up a batch.

use crate::random::permuted;

/// Sample numbers of the training batch that begins at `position` of epoch `epoch`: batches follow each other through
/// one permutation an epoch and may straddle two epochs, so that every sample is seen exactly once an epoch.
pub fn select_batch(seed: u64, samples: u32, batch: u32, epoch: u32, position: u32) -> Vec<u32> {
    (0..batch)
        .map(|s| {
            let place = position + s;
            permuted(seed, epoch + place / samples, samples, place % samples)
        })
        .collect()
}

/// Sample numbers of the evaluation batch of at most `size` samples from sample `first` on.
pub fn evaluation_batch(samples: u32, size: u32, first: u32) -> Vec<u32> {
    (first..samples.min(first + size)).collect()
}
