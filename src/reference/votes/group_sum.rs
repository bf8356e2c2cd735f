//! Votes of each class.

/// `[classes]`: how many of a class's equal, consecutive share of the outputs are 1.
pub fn group_sum(outputs: &[bool], classes: usize) -> Vec<f64> {
    let votes = outputs.chunks_exact(outputs.len() / classes).map(|group| group.iter().filter(|&&bit| bit).count());
    votes.map(|count| count as f64).collect()
}
