//! Gates on packed bits, and the votes that they make.

use std::sync::atomic::Ordering;

use super::bits::Bits;
use super::lanes::BLOCK;
use super::lut::lut;
use super::tables::Tables;

/// Some of a layer's gates.
pub struct Forward<'a, const B: usize> {
    /// The first of them.
    pub first: usize,
    /// `[gates][arity]`
    pub wiring: &'a [u32],
    /// Pins a gate.
    pub arity: usize,
    /// Of the layer.
    pub tables: &'a Tables,
    /// Outputs of the layer before.
    pub inputs: &'a [Bits<B>],
    /// `[gates]`: theirs.
    pub outputs: &'a [Bits<B>],
}

impl<const B: usize> Forward<'_, B> {
    /// Run them.
    pub fn run(&self) {
        match self.arity {
            1 => self.run_arity::<1>(),
            2 => self.run_arity::<2>(),
            3 => self.run_arity::<3>(),
            4 => self.run_arity::<4>(),
            5 => self.run_arity::<5>(),
            _ => self.run_arity::<6>(),
        }
    }

    fn run_arity<const K: usize>(&self) {
        for (i, (wires, out)) in self.wiring.chunks_exact(K).zip(self.outputs).enumerate() {
            let table = self.tables.get::<K>(self.first + i);
            let rows: [&Bits<B>; K] = std::array::from_fn(|pin| &self.inputs[wires[pin] as usize]);
            for (b, out) in out.iter().enumerate() {
                let mut pins = [0; 6];
                for (pin, row) in pins.iter_mut().zip(rows) {
                    *pin = row[b].load(Ordering::Relaxed);
                }
                out.store(lut(K, table, pins), Ordering::Relaxed);
            }
        }
    }
}

/// How many of `gates` are 1 for each of the 64 samples of block `block`.
pub fn count<const B: usize>(gates: &[Bits<B>], block: usize) -> [u32; BLOCK] {
    // Bit p of 64 counts is plane p; eights are carried from three planes of full adders.
    let mut planes = [0u64; 32];
    let eights = gates.chunks_exact(8);
    let rest = eights.remainder();
    for eight in eights {
        let v: [u64; 8] = std::array::from_fn(|i| eight[i][block].load(Ordering::Relaxed));
        let (ones, a) = full_add(v[0], v[1], planes[0]);
        let (ones, b) = full_add(v[2], v[3], ones);
        let (ones, c) = full_add(v[4], v[5], ones);
        let (ones, d) = full_add(v[6], v[7], ones);
        let (twos, e) = full_add(a, b, planes[1]);
        let (twos, f) = full_add(c, d, twos);
        let (fours, carry) = full_add(e, f, planes[2]);
        [planes[0], planes[1], planes[2]] = [ones, twos, fours];
        add(&mut planes[3..], carry);
    }
    rest.iter().for_each(|row| add(&mut planes, row[block].load(Ordering::Relaxed)));
    let used = (usize::BITS - gates.len().leading_zeros()) as usize;
    // Halves of words, whose bits become numbers side by side.
    let mut counts = [0; BLOCK];
    for (p, &plane) in planes[..used].iter().enumerate() {
        let (low, high) = counts.split_at_mut(BLOCK / 2);
        for s in 0..BLOCK / 2 {
            low[s] |= (plane as u32 >> s & 1) << p;
            high[s] |= ((plane >> 32) as u32 >> s & 1) << p;
        }
    }
    counts
}

fn add(planes: &mut [u64], mut carry: u64) {
    for plane in planes {
        if carry == 0 {
            break;
        }
        (*plane, carry) = (*plane ^ carry, *plane & carry);
    }
}

/// (sum, carry)
fn full_add(a: u64, b: u64, c: u64) -> (u64, u64) {
    let differ = a ^ b;
    (differ ^ c, (differ & c) | (!differ & a))
}

#[cfg(test)]
mod tests {
    use super::super::bits::signals;
    use super::*;
    use crate::random::Philox;

    #[test]
    fn votes_are_counted() {
        let mut rng = Philox::new(9, 0);
        for gates in [1, 7, 8, 9, 100, 1000] {
            let rows = signals::<2>(gates);
            for row in &rows {
                row[1].store(u64::from(rng.next_u32()) << 32 | u64::from(rng.next_u32()), Ordering::Relaxed);
            }
            let expected = |s: usize| rows.iter().map(|r| (r[1].load(Ordering::Relaxed) >> s) as u32 & 1).sum::<u32>();
            assert_eq!(count(&rows, 1), std::array::from_fn(expected));
        }
    }
}
