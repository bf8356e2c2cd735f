//! Table gradients of whole numbers.

/// What a sum of gradients in integer units of `1 / scale` is worth.
pub fn weigh_sum(sum: i64, scale: f64) -> f64 {
    sum as f64 / scale
}
