//! Scores of the candidates of a gate's pins: with γ what the gate sends a pin, S_k = Σ_s γ\[s\] x_k\[s\] of candidate k, and
//! Σ_s γ\[s\]. S_k less the score of the wired one is the exact first-order change of the loss, since a gate is affine in a pin.
//!
//! Where gates gather rows of their own, numbers are added up by masks. The gates of a class all have its row, and look sums up.

use std::sync::atomic::Ordering;

use super::bits::Bits;
use super::lanes::{Job, Lanes, MANY, Made, Quads, Row};
use super::lut::{Derivative, derivative, lut};
use super::weights::WireUpdate;
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

    /// Score by a row that many gates share. `sums` are the table's gradients by this row.
    #[inline(always)]
    pub fn by_shared_row<L: Lanes>(&self, quads: &Quads<B>, sums: &[i32], scored: &mut Scored) {
        let (count, mut made) = (scored.count, [[0; MANY]; 2]);
        for pin in (0..K).step_by(2) {
            let pair = [pin, (pin + 1).min(K - 1)];
            let arriving = pair.map(|pin| Arriving::of::<K>(self.table, pin, sums));
            let mut job = self.job(pair, count);
            for from in (0..count).step_by(MANY) {
                self.look_up::<L>(quads, &job, scored, &mut made);
                for lane in 0..2.min(K - pin) {
                    let place = scored.place(self.first, pair[lane]);
                    let scores = scored.scores[place..][from..count].iter_mut().zip(&made[lane]);
                    let before = |score: i32| if self.added { score } else { 0 };
                    scores.for_each(|(score, made)| *score = before(*score) + made - arriving[lane].negative);
                }
                job.from = job.from.map(|from| from + MANY);
            }
            for lane in 0..2.min(K - pin) {
                let at = scored.place(self.first, pair[lane]) + count;
                let before = if self.added { scored.scores[at] } else { 0 };
                scored.scores[at] = before + arriving[lane].all - 2 * arriving[lane].negative;
            }
        }
    }

    /// Score by such a row and move the wires at once, so that scores need not be kept: of gates of an even number of pins of [`MANY`]
    /// candidates each, by the rule that has moments.
    #[inline(always)]
    pub fn move_by_shared_row<L: Lanes>(
        &self,
        quads: &Quads<B>,
        sums: &[i32],
        scored: &mut Scored,
        by: &WireUpdate,
        wires: &mut [u32; K],
    ) {
        let mut made = [[0; MANY]; 2];
        for pin in (0..K).step_by(2) {
            let pair = [pin, (pin + 1).min(K - 1)];
            self.look_up::<L>(quads, &self.job(pair, MANY), scored, &mut made);
            // With S_k = made_k − negative and Σγ = all − 2 negative, 2 S_k − Σγ is 2 made_k − all.
            let all = pair.map(|pin| Arriving::of::<K>(self.table, pin, sums).all);
            scored.update_pair::<L>((self.first, pin), by, (&made, all), wires);
        }
    }

    #[inline(always)]
    fn look_up<L: Lanes>(&self, quads: &Quads<B>, job: &Job<B>, scored: &Scored, made: &mut Made) {
        assert!(scored.within() <= self.inputs.len(), "candidates are inputs");
        // SAFETY: candidates are inputs.
        unsafe { L::look_up(quads, job, scored.candidates(), self.inputs, made) };
    }

    /// What to look up of the first candidates of pins `pair`. Where the derivative is −1, γ x is g (1 − x) − g: the sum is of the samples
    /// that have a 0 there, less all of theirs.
    #[inline(always)]
    fn job(&self, pair: [usize; 2], count: usize) -> Job<B> {
        let mut job = Job {
            samples: [[0; B]; 2],
            turned: [[0; B]; 2],
            from: [(self.first + pair[0]) * count, (self.first + pair[1]) * count],
        };
        for (i, pin) in pair.into_iter().enumerate() {
            let Derivative { chosen, negative } = derivative::<K>(self.table, pin);
            for b in 0..B {
                job.samples[i][b] = self.of_others(pin, chosen, b);
                job.turned[i][b] = self.of_others(pin, negative, b);
            }
        }
        job
    }
}

/// What a row's numbers come to, over the samples for which a gate depends on a pin.
#[derive(Clone, Copy)]
struct Arriving {
    /// Of all of them.
    all: i32,
    /// Of those where the derivative is −1.
    negative: i32,
}

impl Arriving {
    /// By pin `pin`, `sums` being those by input code.
    #[inline(always)]
    fn of<const K: usize>(table: u64, pin: usize, sums: &[i32]) -> Self {
        let bit = K - 1 - pin;
        let mut arriving = Arriving { all: 0, negative: 0 };
        for code in 0..1 << K {
            if code >> bit & 1 == 0 {
                let one = code | 1 << bit;
                let (when_zero, when_one) = ((table >> code & 1) as i32, (table >> one & 1) as i32);
                arriving.all += (sums[code] + sums[one]) * (when_zero ^ when_one);
                arriving.negative += (sums[code] + sums[one]) * (when_zero & !when_one);
            }
        }
        arriving
    }
}
