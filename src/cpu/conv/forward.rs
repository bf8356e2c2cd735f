//! Trees on packed bits: all places of a row at a time, then the pool.

use std::sync::atomic::Ordering;

use super::super::bits::Bits;
use super::super::simd::Simd;
use crate::network::Conv;

/// Words that are worked on at a time.
const WORDS: usize = 8;

/// Copy channel `channel` of the map `inputs` into `padded`, whose edges stay as they are.
pub fn pad<const B: usize>(conv: &Conv, channel: usize, inputs: &[Bits<B>], padded: &mut [u64]) {
    let (height, width, pad) = (conv.height as usize, conv.width as usize, conv.pad as usize);
    let [_, columns] = conv.padded();
    let rows = inputs[channel * height * width..][..height * width].chunks_exact(width);
    for (y, row) in rows.enumerate() {
        let to = &mut padded[((y + pad) * columns + pad) * B..][..width * B];
        for (to, bits) in to.chunks_exact_mut(B).zip(row) {
            to.iter_mut().zip(bits).for_each(|(to, word)| *to = word.load(Ordering::Relaxed));
        }
    }
}

/// A tree, to be run on all its places.
pub struct Unit<'a, const B: usize> {
    /// The layer's.
    pub conv: &'a Conv,
    /// `[leaves]`
    pub wires: &'a [u32],
    /// `[gates]`
    pub tables: &'a [u8],
    /// `[leaves]`: the padded map of the channel that each reads.
    pub maps: &'a [&'a [u64]],
    /// `[rows · columns]`: its outputs.
    pub outputs: &'a [Bits<B>],
}

impl<const B: usize> Unit<'_, B> {
    /// Run it; `room` is kept from one call to the next.
    pub fn run(&self, simd: Simd, room: &mut Vec<u64>) {
        match simd {
            // SAFETY: a `Simd` that a step runs on is one that the machine was found to have.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512 => unsafe { run_avx512(self, room) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => unsafe { run_avx2(self, room) },
            Simd::Portable => run(self, room),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn run_avx512<const B: usize>(unit: &Unit<B>, room: &mut Vec<u64>) {
    run(unit, room);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn run_avx2<const B: usize>(unit: &Unit<B>, room: &mut Vec<u64>) {
    run(unit, room);
}

#[inline(always)]
fn run<const B: usize>(unit: &Unit<B>, room: &mut Vec<u64>) {
    match unit.conv.depth {
        1 => run_tree::<B, 2>(unit, room),
        2 => run_tree::<B, 4>(unit, room),
        _ => run_tree::<B, 8>(unit, room),
    }
}

#[inline(always)]
fn run_tree<const B: usize, const LEAVES: usize>(unit: &Unit<B>, room: &mut Vec<u64>) {
    let Unit { conv, wires, tables, maps, outputs } = unit;
    let (pool, stride) = (conv.pool as usize, conv.stride as usize);
    let ([rows, columns], [_, width]) = (conv.outputs(), conv.padded());
    let places = columns * pool;
    let words = places * B;
    let gates: [[u64; 4]; 7] = std::array::from_fn(|j| tables.get(j).map_or([0; 4], |&table| coefficients(table)));
    room.clear();
    // The roots of a row of windows, and what is not there side by side.
    room.resize((1 + LEAVES) * words, 0);
    let (joined, copies) = room.split_at_mut(words);
    for (row, outputs) in (0..rows).zip(outputs.chunks_exact(columns)) {
        for p in 0..pool {
            let first = |k: usize| {
                let (_, dy, dx) = conv.leaf(wires[k]);
                (((row * pool + p) * stride + dy) * width + dx) * B
            };
            if stride > 1 {
                for (k, copy) in copies.chunks_exact_mut(words).enumerate() {
                    for (x, to) in copy.chunks_exact_mut(B).enumerate() {
                        to.copy_from_slice(&maps[k][first(k) + x * stride * B..][..B]);
                    }
                }
            }
            let leaves: [&[u64]; LEAVES] = std::array::from_fn(|k| match stride {
                1 => &maps[k][first(k)..][..words],
                _ => &copies[k * words..][..words],
            });
            let whole = words / WORDS * WORDS;
            for at in (0..whole).step_by(WORDS) {
                let roots = tree::<LEAVES, WORDS>(&gates, leaves, at);
                let to = &mut joined[at..at + WORDS];
                to.iter_mut().zip(roots).for_each(|(to, root)| *to = if p == 0 { root } else { *to | root });
            }
            for (at, to) in joined.iter_mut().enumerate().take(words).skip(whole) {
                let [root] = tree::<LEAVES, 1>(&gates, leaves, at);
                *to = if p == 0 { root } else { *to | root };
            }
        }
        for (window, output) in joined.chunks_exact(pool * B).zip(outputs) {
            for (b, word) in output.iter().enumerate() {
                word.store(window.iter().skip(b).step_by(B).fold(0, |or, root| or | root), Ordering::Relaxed);
            }
        }
    }
}

/// The roots of `N` words from word `at` on.
#[inline(always)]
fn tree<const LEAVES: usize, const N: usize>(gates: &[[u64; 4]; 7], leaves: [&[u64]; LEAVES], at: usize) -> [u64; N] {
    let mut nodes = [[0; N]; 15];
    for (node, leaf) in nodes.iter_mut().zip(leaves) {
        node.copy_from_slice(&leaf[at..at + N]);
    }
    for j in 0..LEAVES - 1 {
        let [one, by_b, by_a, by_both] = gates[j];
        let (a, b) = (nodes[2 * j], nodes[2 * j + 1]);
        nodes[LEAVES + j] = std::array::from_fn(|i| one ^ (by_b & b[i]) ^ (a[i] & (by_a ^ (by_both & b[i]))));
    }
    nodes[2 * LEAVES - 2]
}

/// A gate as 1 ⊕ b ⊕ a ⊕ a·b, each term with all ones or zeros before it.
#[inline(always)]
pub(super) fn coefficients(table: u8) -> [u64; 4] {
    let [t0, t1, t2, t3] = std::array::from_fn(|c| 0u64.wrapping_sub(u64::from(table >> c & 1)));
    [t0, t0 ^ t1, t0 ^ t2, t0 ^ t1 ^ t2 ^ t3]
}
