//! Counting ones for 512 samples at once: bit-sliced counters fed by carry-save adders.

use super::block::{BLOCK_SAMPLES, Block};

/// Bits of the widest counter.
pub const PLANES: usize = 32;

/// Bit `p` of 512 counters is plane `p`.
pub type Planes = [Block; PLANES];

/// Bits that count up to `most`.
pub fn planes_for(most: u32) -> usize {
    (u32::BITS - most.leading_zeros()) as usize
}

/// Add the signals in `slots`, listed in `votes`, to the counters; `used` planes hold the greatest sum. With
/// `complement`, a vote is cast where the signal is 0.
///
/// Eight votes at a time go through seven full adders (Harley and Seal's method), whose carry ripples up the planes.
#[inline(always)]
pub fn add(planes: &mut Planes, used: usize, slots: &[Block], votes: &[u32], complement: bool) {
    let flip = if complement { Block::ONE } else { Block::ZERO };
    let vote = |slot: u32| slots[slot as usize].zip(flip, |a, b| a ^ b);
    let [mut ones, mut twos, mut fours] = [planes[0], planes[1], planes[2]];
    let (eights, rest) = votes.as_chunks::<8>();
    for v in eights {
        let (s, a) = ones.add(vote(v[0]), vote(v[1]));
        let (s, b) = s.add(vote(v[2]), vote(v[3]));
        let (t, c) = twos.add(a, b);
        let (s, a) = s.add(vote(v[4]), vote(v[5]));
        let (s, b) = s.add(vote(v[6]), vote(v[7]));
        let (t, d) = t.add(a, b);
        let (f, carry) = fours.add(c, d);
        (ones, twos, fours) = (s, t, f);
        ripple(planes, 3, used, carry);
    }
    [planes[0], planes[1], planes[2]] = [ones, twos, fours];
    for &v in rest {
        ripple(planes, 0, used, vote(v));
    }
}

/// Add `carry` at plane `first`.
#[inline(always)]
fn ripple(planes: &mut Planes, first: usize, used: usize, mut carry: Block) {
    for plane in planes.iter_mut().take(used).skip(first) {
        let sum = plane.zip(carry, |a, b| a ^ b);
        carry = plane.zip(carry, |a, b| a & b);
        *plane = sum;
    }
}

/// Turn bit planes into numbers: `counts[sample]` = `offset` + the counter of that sample.
///
/// Eight planes at a time: three perfect shuffles bring a byte of each together, then 8 × 8 bits are transposed in a
/// word (Hacker's Delight, section 7-3).
#[inline(always)]
pub fn unpack(planes: &Planes, used: usize, offset: u32, counts: &mut [u32; BLOCK_SAMPLES]) {
    counts.fill(offset);
    for (octet, planes) in planes[..used.next_multiple_of(8)].chunks_exact(8).enumerate() {
        let mut a = [0u8; BLOCK_SAMPLES];
        let mut b = [0u8; BLOCK_SAMPLES];
        a.copy_from_slice(bytemuck::cast_slice(planes));
        shuffle(&a, &mut b);
        shuffle(&b, &mut a);
        shuffle(&a, &mut b);
        for eight in b.as_chunks_mut::<8>().0 {
            *eight = transpose_bits(u64::from_le_bytes(*eight)).to_le_bytes();
        }
        for (count, &byte) in counts.iter_mut().zip(&b) {
            *count += u32::from(byte) << (8 * octet);
        }
    }
}

/// Interleave the halves of `from` into `to`.
#[inline(always)]
fn shuffle(from: &[u8; BLOCK_SAMPLES], to: &mut [u8; BLOCK_SAMPLES]) {
    let (low, high) = from.split_at(BLOCK_SAMPLES / 2);
    for ((pair, &l), &h) in to.chunks_exact_mut(2).zip(low).zip(high) {
        pair[0] = l;
        pair[1] = h;
    }
}

/// Bit `c` of byte `r` becomes bit `r` of byte `c`.
#[inline(always)]
fn transpose_bits(x: u64) -> u64 {
    let swap = |x: u64, shift: u32, mask: u64| {
        let t = (x ^ (x >> shift)) & mask;
        x ^ t ^ (t << shift)
    };
    let x = swap(x, 7, 0x00AA_00AA_00AA_00AA);
    let x = swap(x, 14, 0x0000_CCCC_0000_CCCC);
    swap(x, 28, 0x0000_0000_F0F0_F0F0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Philox;

    #[test]
    fn counters_count() {
        let mut rng = Philox::new(2, 0);
        let word = |rng: &mut Philox| u64::from(rng.next_u32()) << 32 | u64::from(rng.next_u32());
        let slots: Vec<Block> = (0..700).map(|_| Block(std::array::from_fn(|_| word(&mut rng)))).collect();
        for (plain, inverted) in [(0, 0), (1, 0), (0, 1), (7, 9), (8, 0), (200, 0), (3, 255), (600, 90)] {
            let votes: Vec<u32> = (0..plain + inverted).map(|_| rng.below(700)).collect();
            let (plain, inverted) = votes.split_at(plain);
            let used = planes_for(votes.len() as u32);
            let mut planes = [Block::ZERO; PLANES];
            add(&mut planes, used, &slots, plain, false);
            add(&mut planes, used, &slots, inverted, true);
            let mut counts = [0; BLOCK_SAMPLES];
            unpack(&planes, used, 17, &mut counts);
            for (s, &count) in counts.iter().enumerate() {
                let bit = |v: u32| (slots[v as usize].0[s / 64] >> (s % 64)) & 1;
                let expected =
                    17 + plain.iter().map(|&v| bit(v)).sum::<u64>() + inverted.iter().map(|&v| 1 - bit(v)).sum::<u64>();
                assert_eq!(u64::from(count), expected, "sample {s} of {} votes", votes.len());
            }
        }
    }
}
