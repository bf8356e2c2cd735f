//! Packed bits to real activations.

/// `[words · 32]` activations, 0 or 1, of one feature: sample s is bit s % 32 of word s / 32.
pub fn unpack_bits(words: &[u32]) -> Vec<f64> {
    words.iter().flat_map(|word| (0..32).map(move |bit| f64::from((word >> bit) & 1))).collect()
}
