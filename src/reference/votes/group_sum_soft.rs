//! Votes of each class on real activations.

/// `[classes]`: the sum of a class's equal, consecutive share of the outputs.
pub fn group_sum_soft(outputs: &[f64], classes: usize) -> Vec<f64> {
    outputs.chunks_exact(outputs.len() / classes).map(|group| group.iter().sum()).collect()
}
