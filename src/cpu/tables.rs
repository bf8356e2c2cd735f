//! Hard tables in memory: as few bytes a gate as do, since the backward pass looks them up all over a layer.

use std::ops::Range;
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

    /// Words of the tables of `count` gates, packed.
    pub fn packed_words(&self, count: usize) -> usize {
        if self.arity == 2 { count.div_ceil(8) } else { (count * table_bytes(self.arity)).div_ceil(4) }
    }

    /// Put those of `gates` behind `words`, in as few of them as they fit: 2^arity bits each.
    pub fn pack(&self, gates: Range<usize>, words: &mut Vec<u32>) {
        let (size, bits, a_word) = self.packing();
        let word = |bytes: &[AtomicU8]| {
            let bytes = bytes.iter().enumerate();
            bytes.fold(0, |word, (i, byte)| word | u32::from(byte.load(Ordering::Relaxed)) << (bits * i))
        };
        words.extend(self.bytes[gates.start * size..gates.end * size].chunks(a_word).map(word));
    }

    /// Take those of `gates` from the first of `words`, as [`Tables::pack`] put them there.
    pub fn unpack(&self, gates: Range<usize>, words: &mut &[u32]) {
        let (first, rest) = words.split_at(self.packed_words(gates.len()));
        *words = rest;
        let (size, bits, a_word) = self.packing();
        let mask = if bits == 4 { 0xf } else { 0xff };
        for (bytes, word) in self.bytes[gates.start * size..gates.end * size].chunks(a_word).zip(first) {
            let bytes = bytes.iter().enumerate();
            bytes.for_each(|(i, byte)| byte.store((word >> (bits * i)) as u8 & mask, Ordering::Relaxed));
        }
    }

    /// Bytes of a table, bits that are used of each, and bytes whose bits make a word.
    fn packing(&self) -> (usize, usize, usize) {
        let bits = if self.arity == 2 { 4 } else { 8 };
        (table_bytes(self.arity), bits, 32 / bits)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Philox;

    #[test]
    fn packed_tables_are_unpacked_and_leave_others_alone() {
        let mut rng = Philox::new(6, 0);
        for arity in 2..=6 {
            let (from, to) = (Tables::new(100, arity), Tables::new(100, arity));
            let mask = u64::MAX >> (64 - (1 << arity));
            let tables: Vec<u64> =
                (0..100).map(|_| (u64::from(rng.next_u32()) << 32 | u64::from(rng.next_u32())) & mask).collect();
            tables.iter().enumerate().for_each(|(gate, &table)| from.set(gate, table));
            let mut words = Vec::new();
            for gates in [3..64, 64..77] {
                from.pack(gates, &mut words);
            }
            let least: usize = [61usize, 13].iter().map(|count| (count << arity).div_ceil(32)).sum();
            assert_eq!(words.len(), least);
            let mut left = words.as_slice();
            for gates in [3..64, 64..77] {
                assert!(left.len() >= to.packed_words(gates.len()));
                to.unpack(gates, &mut left);
            }
            assert!(left.is_empty());
            let size = table_bytes(arity);
            let of = |tables: &Tables, gate: usize| -> Vec<u8> {
                tables.all()[gate * size..][..size].iter().map(|byte| byte.load(Ordering::Relaxed)).collect()
            };
            for gate in 0..100 {
                let expected = if (3..77).contains(&gate) { of(&from, gate) } else { vec![0; size] };
                assert_eq!(of(&to, gate), expected, "{arity} pins, gate {gate}");
            }
        }
    }
}
