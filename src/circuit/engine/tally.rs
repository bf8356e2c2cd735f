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

/// Votes that are added at a time.
const AT_A_TIME: usize = 16;

/// Add `votes` to the counters; `used` planes hold the greatest sum. With `complement`, a vote is cast where it is 0.
#[inline(always)]
pub fn add(planes: &mut Planes, used: usize, votes: &[Block], complement: bool) {
    let (whole, rest) = votes.as_chunks::<AT_A_TIME>();
    for sixteen in whole {
        add_sixteen(planes, used, sixteen, complement);
    }
    if !rest.is_empty() {
        let mut sixteen = [if complement { Block::ONE } else { Block::ZERO }; AT_A_TIME];
        sixteen[..rest.len()].copy_from_slice(rest);
        add_sixteen(planes, used, &sixteen, complement);
    }
}

/// [`add`], for votes that `listed` tells the slots of.
#[inline(always)]
pub fn add_listed(planes: &mut Planes, used: usize, slots: &[Block], listed: &[u32], complement: bool) {
    for listed in listed.chunks(AT_A_TIME) {
        let mut sixteen = [if complement { Block::ONE } else { Block::ZERO }; AT_A_TIME];
        for (vote, &slot) in sixteen.iter_mut().zip(listed) {
            *vote = slots[slot as usize];
        }
        add_sixteen(planes, used, &sixteen, complement);
    }
}

/// Sixteen votes go through fifteen full adders into the low four planes (Harley and Seal's method), and their carry
/// ripples up the others. Words are the outer loop, for that is the one that compilers turn into vectors.
#[inline(always)]
fn add_sixteen(planes: &mut Planes, used: usize, votes: &[Block; AT_A_TIME], complement: bool) {
    let flip = if complement { u64::MAX } else { 0 };
    let mut carry = Block::ZERO;
    for word in 0..8 {
        let vote = |i: usize| votes[i].0[word] ^ flip;
        let [mut ones, mut twos, mut fours] = [planes[0].0[word], planes[1].0[word], planes[2].0[word]];
        let mut eights = [0; 2];
        for (half, eights) in eights.iter_mut().enumerate() {
            let v = |i: usize| vote(8 * half + i);
            let (s, a) = full_add(v(0), v(1), ones);
            let (s, b) = full_add(v(2), v(3), s);
            let (t, c) = full_add(a, b, twos);
            let (s, a) = full_add(v(4), v(5), s);
            let (s, b) = full_add(v(6), v(7), s);
            let (t, d) = full_add(a, b, t);
            (ones, twos) = (s, t);
            (fours, *eights) = full_add(c, d, fours);
        }
        [planes[0].0[word], planes[1].0[word], planes[2].0[word]] = [ones, twos, fours];
        (planes[3].0[word], carry.0[word]) = full_add(eights[0], eights[1], planes[3].0[word]);
    }
    for plane in planes.iter_mut().take(used).skip(4) {
        let sum = plane.zip(carry, |a, b| a ^ b);
        carry = plane.zip(carry, |a, b| a & b);
        *plane = sum;
    }
}

/// (sum, carry). `c` may come last: the sum waits for it by one operation only.
#[inline(always)]
fn full_add(a: u64, b: u64, c: u64) -> (u64, u64) {
    let differ = a ^ b;
    (differ ^ c, (differ & c) | (!differ & a))
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
            add_listed(&mut planes, used, &slots, plain, false);
            add_listed(&mut planes, used, &slots, inverted, true);
            let side_by_side = |votes: &[u32]| votes.iter().map(|&v| slots[v as usize]).collect::<Vec<_>>();
            let mut again = [Block::ZERO; PLANES];
            add(&mut again, used, &side_by_side(plain), false);
            add(&mut again, used, &side_by_side(inverted), true);
            assert!(planes == again, "{} votes side by side", votes.len());
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
