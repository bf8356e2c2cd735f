//! Wires of some gates, and what those that learn are chosen by.

#[cfg(target_arch = "x86_64")]
use super::lanes::avx2;
use super::lanes::{Lanes, MANY, Made, Portable};
use super::simd::Simd;
use super::weights::{Weights, WireUpdate};
use crate::circuit::MAX_ARITY;
use crate::network::{Candidates, WireRule, choose};

/// The wires of a chunk of a layer's gates.
#[derive(Debug)]
pub struct Wires {
    /// `[gates][arity]`
    pub wiring: Vec<u32>,
    /// What they are chosen by, where they learn.
    pub scored: Option<Scored>,
}

/// Candidates of the pins of some gates, and what speaks for each.
#[derive(Debug, Clone)]
pub struct Scored {
    /// Candidates of a pin.
    pub count: usize,
    /// `[pins][count]`, and some more, so that [`MANY`] follow wherever one begins. All are below `within`, which unsafe code relies on.
    candidates: Vec<u32>,
    within: usize,
    /// `[pins][count + 1]`: S_k of every candidate k, and S of a bit that is always 1, in integer units. Those of one gate at a
    /// time where a step is one micro-batch, and nothing has to be kept for the next.
    pub scores: Vec<i32>,
    /// Whether they are of all pins.
    are_kept: bool,
    /// `[pins][count]`: the greatest is wired.
    pub weights: Vec<f32>,
    /// `[pins][count]`: Adam's first moments, of the rule that has some.
    pub first_moments: Vec<f32>,
    /// `[pins][count]`: Adam's second moments.
    pub second_moments: Vec<f32>,
}

impl Scored {
    /// Those of `pins`, a range of a layer's, nothing speaking for any.
    pub fn new(candidates: &Candidates, pins: std::ops::Range<usize>, rule: WireRule, are_kept: bool) -> Self {
        let count = candidates.count;
        let mut own = candidates.wires[pins.start * count..pins.end * count].to_vec();
        let weights = own.len();
        own.resize(weights + MANY, own.first().copied().unwrap_or(0));
        let moments = if rule == WireRule::Dwn { weights } else { 0 };
        Scored {
            count,
            scores: vec![0; if are_kept { pins.len() } else { pins.len().min(MAX_ARITY) } * (count + 1)],
            are_kept,
            weights: vec![0.0; weights],
            first_moments: vec![0.0; moments],
            second_moments: vec![0.0; moments],
            within: own.iter().max().map_or(0, |&greatest| greatest as usize + 1),
            candidates: own,
        }
    }

    /// `[pins][count]`, and [`MANY`] more.
    #[inline(always)]
    pub fn candidates(&self) -> &[u32] {
        &self.candidates
    }

    /// The same, and the scores.
    #[inline(always)]
    pub fn candidates_and_scores(&mut self) -> (&[u32], &mut [i32]) {
        (&self.candidates, &mut self.scores)
    }

    /// More than every candidate's number.
    #[inline(always)]
    pub fn within(&self) -> usize {
        self.within
    }

    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> usize {
        let moments = self.first_moments.len() + self.second_moments.len();
        (self.candidates.len() + self.scores.len() + self.weights.len() + moments) * 4
    }

    /// Every array of what a step leaves here for those after it.
    pub fn trained(&mut self) -> [&mut [u32]; 3] {
        [&mut self.weights, &mut self.first_moments, &mut self.second_moments].map(|own| bytemuck::cast_slice_mut(own))
    }

    /// Have the scores of all pins kept.
    pub fn keep(&mut self) {
        let pins = self.weights.len() / self.count;
        (self.scores, self.are_kept) = (vec![0; pins * (self.count + 1)], true);
    }

    /// Move all weights by scores that are kept, and the wires of gates of `arity` inputs by these.
    pub fn update_all(&mut self, simd: Simd, wiring: &mut [u32], arity: usize, by: &WireUpdate) {
        match simd {
            // SAFETY: a `Simd` that a step runs on is one that the machine was found to have, and AVX-512 has AVX2.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512 | Simd::Avx2 => unsafe { update_all_avx2(self, wiring, arity, by) },
            Simd::Portable => self.update_by::<Portable<i8, 8>>(wiring, arity, by),
        }
    }

    #[inline(always)]
    fn update_by<L: Lanes>(&mut self, wiring: &mut [u32], arity: usize, by: &WireUpdate) {
        for (gate, wires) in wiring.chunks_exact_mut(arity).enumerate() {
            for pin in 0..arity {
                wires[pin] = self.update::<L>((gate * arity, pin), by, &wires[..pin]);
            }
        }
    }

    /// Where the scores of pin number `first + pin` are kept, `first` being the first of its gate.
    #[inline(always)]
    pub fn place(&self, first: usize, pin: usize) -> usize {
        (if self.are_kept { first + pin } else { pin }) * (self.count + 1)
    }

    /// Move the weights of pin number `first + pin` by its scores; what it is wired to then, `taken` being wired to the pins of its gate
    /// before it.
    #[inline(always)]
    pub fn update<L: Lanes>(&mut self, (first, pin): (usize, usize), by: &WireUpdate, taken: &[u32]) -> u32 {
        let range = (first + pin) * self.count..(first + pin + 1) * self.count;
        let (scores, of_one) = self.scores[self.place(first, pin)..][..self.count + 1].split_at(self.count);
        let weights = &mut self.weights[range.clone()];
        let best = match by.rule {
            WireRule::Acc => {
                for (w, &score) in weights.iter_mut().zip(scores) {
                    *w -= by.adam.rate * (score as f32 * by.unit);
                }
                L::greatest(weights)
            }
            WireRule::Dwn => {
                let first = &mut self.first_moments[range.clone()];
                let second = &mut self.second_moments[range.clone()];
                L::move_weights(by, scores, of_one[0], Weights { weights, first, second })
            }
        };
        self.wire(first + pin, best, taken)
    }

    /// Whether [`update_pair`](Scored::update_pair) can move the wires of gates of `arity` inputs without scores.
    #[inline(always)]
    pub fn moves_pairs(&self, arity: usize, by: &WireUpdate) -> bool {
        by.rule == WireRule::Dwn && self.count == MANY && arity.is_multiple_of(2) && !self.are_kept
    }

    /// Move the weights of the pins number `first + pin` and the next by the gradients 2 `made` − `less`, and their wires by these, `first`
    /// being the first of the gate of these wires.
    #[inline(always)]
    pub fn update_pair<L: Lanes>(
        &mut self,
        (first, pin): (usize, usize),
        by: &WireUpdate,
        (made, less): (&Made, [i32; 2]),
        wires: &mut [u32],
    ) {
        let range = (first + pin) * MANY..(first + pin + 2) * MANY;
        let weights = Weights {
            weights: &mut self.weights[range.clone()],
            first: &mut self.first_moments[range.clone()],
            second: &mut self.second_moments[range],
        };
        let best = L::move_pair(by, made, less, weights);
        for lane in 0..2 {
            wires[pin + lane] = self.wire(first + pin + lane, best[lane], &wires[..pin + lane]);
        }
    }

    /// What pin number `pin` is wired to if `best` is its greatest, others of its gate being wired to `taken`.
    #[inline(always)]
    fn wire(&self, pin: usize, best: usize, taken: &[u32]) -> u32 {
        let range = pin * self.count..(pin + 1) * self.count;
        let (weights, candidates) = (&self.weights[range.clone()], &self.candidates[range]);
        if !taken.contains(&candidates[best]) {
            return candidates[best];
        }
        candidates[choose(weights, candidates, taken)]
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn update_all_avx2(scored: &mut Scored, wiring: &mut [u32], arity: usize, by: &WireUpdate) {
    scored.update_by::<avx2::Bytes>(wiring, arity, by);
}
