//! Wires that learn: which inputs a pin may choose among, and by which rule it does.

use super::axis::Places;
use super::wiring::any_but;
use super::{Layer, Model, Reads, Sources};
use crate::data::ImageShape;
use crate::random::Philox;

/// How far from a pin's first input those of [`Pool::Box`] lie, in rows and columns of the image.
const RADIUS: usize = 4;

/// How far from it those of [`Pool::Axis`] lie.
const MOST_DISTANCE: isize = 8;

/// The first of the streams of a seed that candidates are drawn from; a stream a layer.
const STREAM: u32 = 1 << 20;

/// Where the inputs lie that a pin chooses among; for other than the first layer over images anywhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Pool {
    /// Anywhere.
    Any,
    /// No more than four pixels each way from the pin's first input.
    Box,
    /// Beside the pin's first input along an axis: x or y ± 1, 2, 4, 8 pixels, another channel, another threshold. Not for layers that
    /// read maps, where it is as `Box`.
    Axis,
}

/// How a pin comes to its choice. With γ the loss's gradient by the pin, S_k = Σ_s γ\[s\] x_k\[s\] over a batch is, for
/// candidate k with bits x_k, what the loss changes by to first order if the pin read x_k instead of zeros: a gate is affine
/// in one pin. The candidate with the greatest weight is wired.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum WireRule {
    /// Adam on the gradient 2 S_k − Σ_s γ\[s\] (differentiable weightless networks; Bacellar et al. 2024).
    Dwn,
    /// w_k ← w_k − c S_k, c being the learning rate as a fraction of its greatest: one number a candidate.
    Acc,
}

/// The inputs that each pin of a layer chooses among.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidates {
    /// Of a pin.
    pub count: usize,
    /// `[gates][arity][count]`, those of a pin distinct; the first is what it is wired to in the beginning.
    pub wires: Vec<u32>,
}

/// How the wires of a network learn.
#[derive(Debug, Clone, PartialEq)]
pub struct Learning {
    /// By which rule.
    pub rule: WireRule,
    /// Its rate as a multiple of the gates'.
    pub rate: f32,
    /// They are scored, and moved, every so many steps, beginning with the first.
    pub every: u32,
    /// From so many steps on they stay.
    pub until: u32,
    /// `[layers]`: those of the layers whose wires learn.
    pub layers: Vec<Option<Candidates>>,
}

impl Learning {
    /// Whether wires are scored, and moved, by the step after `done` steps.
    pub fn is_due(&self, done: u32) -> bool {
        done < self.until && done.is_multiple_of(self.every)
    }
}

impl Candidates {
    /// Draw `count` candidates, or as many as there are inputs, for every pin of layer `index` of `model`, which is as it was
    /// drawn by `seed`; `shares` are those of what it reads, if that is everything before it.
    pub fn draw(pool: Pool, count: usize, (model, shares): (&Model, &[u32]), index: usize, seed: u64) -> Self {
        let layer = &model.layers[index];
        let count = count.min(layer.inputs);
        if layer.reads == Reads::All {
            let sources = Sources::new(model.encoder.features(), &model.layers[..index], shares);
            return Self::draw_over(
                pool,
                count,
                (&sources, model.image),
                layer,
                &mut Philox::new(seed, STREAM + index as u32),
            );
        }
        let mut rng = Philox::new(seed, STREAM + index as u32);
        let places = (index == 0 && model.image.is_picture()).then(|| Places::of(&model.encoder, model.image));
        let mut wires: Vec<u32> = Vec::with_capacity(layer.wiring.len() * count);
        for &wire in &layer.wiring {
            let begin = wires.len();
            wires.push(wire);
            let mut near = match (pool, &places) {
                (Pool::Any, _) | (_, None) => Vec::new(),
                (Pool::Box, Some(places)) => places.within(wire, RADIUS),
                (Pool::Axis, Some(places)) => places.beside(wire, MOST_DISTANCE),
            };
            while wires.len() < begin + count && !near.is_empty() {
                wires.push(near.swap_remove(rng.below(near.len() as u32) as usize));
            }
            while wires.len() < begin + count {
                wires.push(any_but(&wires[begin..], layer.inputs, &mut rng));
            }
        }
        Candidates { count, wires }
    }

    /// The same for a layer that reads everything before it.
    fn draw_over(
        pool: Pool,
        count: usize,
        (sources, image): (&Sources, ImageShape),
        layer: &Layer,
        rng: &mut Philox,
    ) -> Self {
        let mut wires: Vec<u32> = Vec::with_capacity(layer.wiring.len() * count);
        for &wire in &layer.wiring {
            let begin = wires.len();
            wires.push(wire);
            let mut tries = 0;
            while wires.len() < begin + count {
                let other = match pool {
                    _ if tries > 8 * count => any_but(&wires[begin..], layer.inputs, rng),
                    Pool::Any => sources.any(rng),
                    Pool::Box | Pool::Axis => sources.near(wire, (RADIUS as u32, image.height as u32), rng),
                };
                tries += 1;
                if !wires[begin..].contains(&other) {
                    wires.push(other);
                }
            }
        }
        Candidates { count, wires }
    }

    /// Most pins that may come to read one of `inputs` inputs.
    pub fn most_readers(&self, inputs: usize) -> u32 {
        super::most_readers(&self.wires, inputs)
    }
}

/// The candidate that a pin with these weights takes: the first of the greatest whose wire none of the gate's pins before it,
/// `taken`, reads. A gate's pins so stay distinct.
pub fn choose(weights: &[f32], candidates: &[u32], taken: &[u32]) -> usize {
    let mut best = None;
    for (k, (weight, wire)) in weights.iter().zip(candidates).enumerate() {
        if !taken.contains(wire) && best.is_none_or(|b: usize| *weight > weights[b]) {
            best = Some(k);
        }
    }
    best.unwrap_or(0)
}
