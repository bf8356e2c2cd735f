//! What gates are as mixtures: real tables, between steps.

use std::sync::atomic::{AtomicU32, Ordering};

/// A layer's tables of real numbers, f32 as bits, so that threads can each write their gates'.
#[derive(Debug)]
pub struct Mixtures {
    entries: Vec<AtomicU32>,
}

impl Mixtures {
    /// Of so many entries, all 0.
    pub fn new(entries: usize) -> Self {
        Mixtures { entries: (0..entries).map(|_| AtomicU32::new(0)).collect() }
    }

    /// Have `tables` from entry `first` on.
    pub fn set(&self, first: usize, tables: &[f32]) {
        self.entries[first..].iter().zip(tables).for_each(|(to, p)| to.store(p.to_bits(), Ordering::Relaxed));
    }

    /// The `N` entries of gate `gate`.
    #[inline(always)]
    pub fn get<const N: usize>(&self, gate: usize) -> [f32; N] {
        let own = &self.entries[gate * N..][..N];
        std::array::from_fn(|c| f32::from_bits(own[c].load(Ordering::Relaxed)))
    }

    /// Entries.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> usize {
        self.entries.len() * 4
    }
}
