//! Packed signals.

use std::sync::atomic::AtomicU64;

/// Samples of a block: a word of bits.
pub const BLOCK: usize = 64;

/// A signal's bits of `B` blocks of 64 samples; bit s % 64 of word s / 64 is sample s.
pub type Bits<const B: usize> = [AtomicU64; B];

/// `signals` signals, all 0.
pub fn signals<const B: usize>(signals: usize) -> Vec<Bits<B>> {
    (0..signals).map(|_| std::array::from_fn(|_| AtomicU64::new(0))).collect()
}
