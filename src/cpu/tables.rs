//! Hard tables in memory: as few bytes a gate as do, since the backward pass looks them up all over a layer.

use std::sync::atomic::{AtomicU8, Ordering};

/// `[gates]` tables of 2^arity bits. Threads write parts of them while others read other tables.
#[derive(Debug)]
pub struct Tables {
    bytes: Vec<AtomicU8>,
    arity: usize,
}

/// Bytes of a table.
#[inline(always)]
const fn table_bytes(arity: usize) -> usize {
    (1usize << arity).div_ceil(8)
}

/// That of gate `gate` of the bytes of many, `K` being the arity.
#[inline(always)]
pub fn table_of<const K: usize>(bytes: &[AtomicU8], gate: usize) -> u64 {
    let bytes = &bytes[gate * table_bytes(K)..][..table_bytes(K)];
    bytes.iter().rev().fold(0, |table, byte| table << 8 | u64::from(byte.load(Ordering::Relaxed)))
}

impl Tables {
    /// All zeros.
    pub fn new(gates: usize, arity: usize) -> Self {
        Tables { bytes: (0..gates * table_bytes(arity)).map(|_| AtomicU8::new(0)).collect(), arity }
    }

    /// That of gate `gate`, `K` being the arity.
    #[inline(always)]
    pub fn get<const K: usize>(&self, gate: usize) -> u64 {
        table_of::<K>(&self.bytes, gate)
    }

    /// The bytes of all of them.
    pub fn all(&self) -> &[AtomicU8] {
        &self.bytes
    }

    /// Set that of gate `gate`.
    pub fn set(&self, gate: usize, table: u64) {
        let size = table_bytes(self.arity);
        let bytes = &self.bytes[gate * size..][..size];
        bytes.iter().zip(table.to_le_bytes()).for_each(|(to, byte)| to.store(byte, Ordering::Relaxed));
    }

    /// Bytes of memory that they take.
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Where that of gate `gate` lies.
    #[inline(always)]
    pub fn place<const K: usize>(&self, gate: usize) -> &AtomicU8 {
        &self.bytes[gate * table_bytes(K)]
    }
}
