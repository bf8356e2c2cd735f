//! What moves the weights by which wires are chosen.

use super::adam::Adam;
use super::constants::Constants;
use crate::network::{Learning, WireRule};
use crate::plan::uniforms::Step;

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

    /// Those of `MANY` candidates of each of two pins, moved by the gradients 2 `made` − `less`, `N` at a time.
    #[inline(always)]
    pub fn moved_pair<const N: usize, const MANY: usize>(
        self,
        by: &WireUpdate,
        made: &[[i32; MANY]; 2],
        less: [i32; 2],
    ) -> &'a mut [f32] {
        const { assert!(MANY.is_multiple_of(N)) }
        let Weights { weights, first, second } = self;
        for (lane, (made, less)) in made.iter().zip(less).enumerate() {
            let own = lane * MANY..(lane + 1) * MANY;
            step::<N>(by, less, made, &mut weights[own.clone()], &mut first[own.clone()], &mut second[own]);
        }
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
