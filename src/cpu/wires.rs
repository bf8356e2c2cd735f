//! Wires of some gates, and what those that learn are chosen by.

use super::adam::Adam;
use super::constants::Constants;
use super::lanes::{Lanes, MANY, Portable};
use crate::circuit::MAX_ARITY;
use crate::network::{Candidates, Learning, WireRule, choose};
use crate::plan::uniforms::Step;

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

/// What weights are moved by.
#[derive(Debug, Clone, Copy)]
pub struct WireUpdate {
    /// The rule.
    pub rule: WireRule,
    /// Its rate, and Adam after as many steps as scored.
    pub adam: Adam,
    /// What a unit of the scores is worth.
    pub unit: f32,
}

impl WireUpdate {
    /// That of step `step`.
    pub fn of(learning: &Learning, constants: &Constants, step: &Step) -> Self {
        WireUpdate {
            rule: learning.rule,
            adam: Adam::of(
                constants,
                step.learning_rate * learning.rate,
                [step.wire_beta1_power, step.wire_beta2_power],
            ),
            unit: 1.0 / constants.slice_scale(),
        }
    }
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
    pub fn update_all(&mut self, wiring: &mut [u32], arity: usize, by: &WireUpdate) {
        for (gate, wires) in wiring.chunks_exact_mut(arity).enumerate() {
            for pin in 0..arity {
                wires[pin] = self.update::<Portable<i8, 8>>((gate * arity, pin), by, &wires[..pin]);
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
        let (weights, candidates) = (&self.weights[range.clone()], &self.candidates[range]);
        if !taken.contains(&candidates[best]) {
            return candidates[best];
        }
        candidates[choose(weights, candidates, taken)]
    }
}

/// The weights of a pin's candidates, with Adam's moments.
pub struct Weights<'a> {
    /// `[candidates]`
    pub weights: &'a mut [f32],
    /// `[candidates]`
    pub first: &'a mut [f32],
    /// `[candidates]`
    pub second: &'a mut [f32],
}

impl<'a> Weights<'a> {
    /// They, moved by the gradients 2 S_k − Σγ, `N` at a time.
    #[inline(always)]
    pub fn moved<const N: usize>(self, by: &WireUpdate, scores: &[i32], of_one: i32) -> &'a mut [f32] {
        let whole = scores.len() / N * N;
        let Weights { weights, first, second } = self;
        step::<N>(by, of_one, &scores[..whole], weights, first, second);
        let (scores, first, second) = (&scores[whole..], &mut first[whole..], &mut second[whole..]);
        step::<1>(by, of_one, scores, &mut weights[whole..], first, second);
        weights
    }
}

/// Adam on so many numbers at a time as there are whole runs of `N`.
#[inline(always)]
fn step<const N: usize>(
    by: &WireUpdate,
    of_one: i32,
    scores: &[i32],
    weights: &mut [f32],
    first: &mut [f32],
    second: &mut [f32],
) {
    let moments = first.as_chunks_mut::<N>().0.iter_mut().zip(second.as_chunks_mut::<N>().0);
    let all = weights.as_chunks_mut::<N>().0.iter_mut().zip(scores.as_chunks::<N>().0).zip(moments);
    for ((weights, scores), (first, second)) in all {
        // Copies, which no one can take for the same places.
        let (mut w, mut m, mut v) = (*weights, *first, *second);
        for i in 0..N {
            let g = (2 * scores[i] - of_one) as f32 * by.unit;
            w[i] -= by.adam.step(g, &mut m[i], &mut v[i]);
        }
        (*weights, *first, *second) = (w, m, v);
    }
}
