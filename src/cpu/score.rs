//! Scores of the candidates of a gate's pins: with γ what the gate sends a pin, S_k = Σ_s γ\[s\] x_k\[s\] of candidate k, and
//! Σ_s γ\[s\]. S_k less the score of the wired one is the exact first-order change of the loss, since a gate is affine in a pin.
//!
//! Where gates gather rows of their own, numbers are added up by masks. The gates of a class all have its row, and look sums up.

use std::sync::atomic::Ordering;

use super::backward::Row;
use super::bits::Bits;
use super::lanes::{Job, Lanes, MANY, Quads};
use super::lut::{Derivative, derivative, halves, lut};
use super::wires::Scored;

/// A gate whose candidates are scored.
pub struct Gate<'a, const B: usize, const K: usize> {
    /// Its table.
    pub table: u64,
    /// What it reads.
    pub pins: [&'a Bits<B>; K],
    /// All that its candidates are of.
    pub inputs: &'a [Bits<B>],
    /// The number of its first pin among those that are scored.
    pub first: usize,
    /// Whether scores are added to what there is.
    pub added: bool,
}

impl<const B: usize, const K: usize> Gate<'_, B, K> {
    /// What a table of all pins but `pin` says of a block's samples.
    #[inline(always)]
    fn of_others(&self, pin: usize, table: u64, block: usize) -> u64 {
        let mut others = [0; 6];
        for other in 1..K {
            let from = if other <= pin { other - 1 } else { other };
            others[other - 1] = self.pins[from][block].load(Ordering::Relaxed);
        }
        lut(K - 1, table, others)
    }

    /// Score by the gate's own row.
    #[inline(always)]
    pub fn by_row<L: Lanes>(&self, row: &Row<L::Element, B>, scored: &mut Scored) {
        let count = scored.count;
        for pin in 0..K {
            let place = scored.place(self.first, pin);
            let (candidates, scores) = scored.candidates_and_scores();
            let (scores, of_one) = scores[place..][..count + 1].split_at_mut(count);
            if !self.added {
                scores.fill(0);
                of_one[0] = 0;
            }
            let Derivative { chosen, negative } = derivative::<K>(self.table, pin);
            if chosen == 0 {
                continue;
            }
            let (mut sent, mut all) = ([L::zero(); B], L::no_sums());
            for b in 0..B {
                let (chosen, negative) = (self.of_others(pin, chosen, b), self.of_others(pin, negative, b));
                sent[b] = L::add_signed(L::zero(), L::load(&row[b]), chosen, negative);
                all = L::add_up(all, sent[b]);
            }
            of_one[0] += L::totals([all, L::no_sums(), L::no_sums(), L::no_sums()])[0];
            let candidates = &candidates[(self.first + pin) * count..][..count];
            let (fours, rest) = candidates.as_chunks::<4>();
            let (sums, last) = scores.as_chunks_mut::<4>();
            for (sums, four) in sums.iter_mut().zip(fours) {
                let &[a, b, c, d] = four;
                let inputs = self.inputs;
                let rows = [&inputs[a as usize], &inputs[b as usize], &inputs[c as usize], &inputs[d as usize]];
                let dots = L::dots(&sent, rows);
                sums.iter_mut().zip(dots).for_each(|(sum, dot)| *sum += dot);
            }
            if let Some(&first) = rest.first() {
                let mut rows = [&self.inputs[first as usize]; 4];
                for (row, &candidate) in rows.iter_mut().zip(rest) {
                    *row = &self.inputs[candidate as usize];
                }
                last.iter_mut().zip(L::dots(&sent, rows)).for_each(|(sum, dot)| *sum += dot);
            }
        }
    }

    /// Score by a row that many gates share. `sums` are its table's gradients, of all micro-batches so far.
    #[inline(always)]
    pub fn by_shared_row<L: Lanes>(&self, quads: &Quads<B>, sums: &[i32], scored: &mut Scored) {
        // The usual number is a constant to the compiler.
        match scored.count {
            MANY => self.look_up::<L>(MANY, quads, sums, scored),
            count => self.look_up::<L>(count, quads, sums, scored),
        }
    }

    #[inline(always)]
    fn look_up<L: Lanes>(&self, count: usize, quads: &Quads<B>, sums: &[i32], scored: &mut Scored) {
        assert!(scored.within() <= self.inputs.len(), "candidates are inputs");
        for pin in (0..K).step_by(2) {
            let pair = [pin, (pin + 1).min(K - 1)];
            let lanes = 2.min(K - pin);
            let ([mut first, mut second], has_second) = self.jobs(pair, count);
            for from in (0..count).step_by(MANY) {
                let mut made = [[0; MANY]; 2];
                // SAFETY: candidates are inputs.
                unsafe { L::look_up(quads, &first, scored.candidates(), self.inputs, &mut made) };
                for lane in 0..lanes {
                    let place = scored.place(self.first, pair[lane]);
                    set(&mut scored.scores[place..][from..count], &made[lane], self.added);
                }
                if has_second {
                    // SAFETY: as above.
                    unsafe { L::look_up(quads, &second, scored.candidates(), self.inputs, &mut made) };
                    for lane in 0..lanes {
                        let place = scored.place(self.first, pair[lane]);
                        set(&mut scored.scores[place..][from..count], &made[lane], true);
                    }
                }
                for lane in 0..2 {
                    first.from[lane] += MANY;
                    second.from[lane] += MANY;
                }
            }
            for pin in pair {
                let place = scored.place(self.first, pin);
                scored.scores[place + count] = of_one::<K>(self.table, pin, sums);
            }
        }
    }

    /// What to look up of the first candidates of pins `pair`: by the samples where the derivative has one sign, and by those where
    /// it is −1 besides. And whether there are any such.
    #[inline(always)]
    fn jobs(&self, pair: [usize; 2], count: usize) -> ([Job<B>; 2], bool) {
        let signs = [halves::<K>(self.table, pair[0]), halves::<K>(self.table, pair[1])];
        let from = [(self.first + pair[0]) * count, (self.first + pair[1]) * count];
        let mut first = Job { samples: [[0; B]; 2], minus: [signs[0].minus, signs[1].minus], from };
        let mut second = Job { samples: [[0; B]; 2], minus: [true; 2], from };
        let has_second = signs[0].second | signs[1].second != 0;
        for i in 0..2 {
            for b in 0..B {
                first.samples[i][b] = self.of_others(pair[i], signs[i].first.into(), b);
                if has_second {
                    second.samples[i][b] = self.of_others(pair[i], signs[i].second.into(), b);
                }
            }
        }
        ([first, second], has_second)
    }
}

/// Scores that are those made, added to what there is if `added`.
#[inline(always)]
fn set(to: &mut [i32], made: &[i32; MANY], added: bool) {
    match (to.first_chunk_mut::<MANY>(), added) {
        (Some(to), false) => *to = *made,
        _ => to.iter_mut().zip(made).for_each(|(to, made)| *to = made + if added { *to } else { 0 }),
    }
}

/// Σ_s γ\[s\] of pin `pin`: its derivative by the other pins, times what arrives with them as they are.
#[inline(always)]
fn of_one<const K: usize>(table: u64, pin: usize, sums: &[i32]) -> i32 {
    let bit = K - 1 - pin;
    let mut total = 0;
    for code in 0..1 << K {
        if code >> bit & 1 == 0 {
            let one = code | 1 << bit;
            let derivative = (table >> one & 1) as i32 - (table >> code & 1) as i32;
            total += derivative * (sums[code] + sums[one]);
        }
    }
    total
}
