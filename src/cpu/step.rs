//! A training step on threads: what is the same whatever its batch goes through.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::augment::augment;
use super::bits::Bits;
use super::exchange::Exchange;
use super::lanes::BLOCK;
use super::locks::{lock, read, write};
use super::network::{Network, State, chunk_shift};
use super::selection::{self, Gates, Update};
use super::team::{Member, work_together};
use crate::Result;
use crate::plan::uniforms::Step;
use crate::random::Permutation;
use crate::train::HISTORY;

/// A pass, and how long it took.
pub type Span = (String, Duration);

/// What micro-batches go through.
pub trait Through: Sync + Sized {
    /// What a thread keeps to itself.
    type Own;

    /// That of a new thread.
    fn own(&self, network: &Network) -> Self::Own;

    /// Samples of a micro-batch.
    fn samples(&self) -> usize;

    /// Take micro-batch `micro` forward and backward; with the last one, update what is trained. Its samples' losses and qualities are
    /// added to `sums`. Every thread calls it.
    fn take(sitting: &mut Sitting<Self>, micro: usize, is_last: bool, sums: &mut [f32; 2], member: &mut Member);
}

impl Network<'_> {
    /// Do `count` steps on `threads` threads; `spans` gets the times of their passes.
    ///
    /// # Errors
    /// As [`Ranks::begin_sum`](crate::ranks::Ranks::begin_sum).
    pub fn run<W: Through>(
        &mut self,
        (workspace, exchange): (&W, &Mutex<Exchange>),
        threads: usize,
        count: u32,
        spans: Option<&mut Vec<Span>>,
    ) -> Result<()> {
        let after = Mutex::new(None);
        let timed = Mutex::new(Vec::new());
        self.is_whole &= self.ranks.size() == 1 || count == 0;
        let network = &*self;
        let times = spans.is_some();
        work_together(threads, |member| {
            let leads = member.leads();
            let mut sitting = Sitting {
                network,
                workspace,
                state: network.state.clone(),
                clock: (times && leads).then(|| (Instant::now(), Vec::new())),
                exchange,
                room: selection::Room::new(),
                own: workspace.own(network),
            };
            (0..count).for_each(|_| sitting.step(member));
            if leads {
                *lock(&after) = Some(sitting.state);
                *lock(&timed) = sitting.clock.map_or_else(Vec::new, |(_, spans)| spans);
            }
        });
        if let Some(state) = after.into_inner().ok().flatten() {
            self.state = state;
        }
        if let Some(failure) = lock(exchange).failure.take() {
            return Err(failure);
        }
        self.share_history(count)?;
        if let Some(spans) = spans {
            *spans = timed.into_inner().unwrap_or_default();
        }
        Ok(())
    }

    /// New logits of the gates of chunk `chunk` of layer `i`, and their tables for the next step.
    pub fn update(
        &self,
        now: &State,
        (i, chunk): (usize, usize),
        gates: &mut Gates,
        update: &Update,
        room: &mut selection::Room,
    ) {
        let (state, choices, first) = (&self.layers[i], self.choices(), chunk << chunk_shift(&self.model));
        let Gates { cages, confidences, .. } = &mut *gates;
        cages.iter_mut().zip(confidences).for_each(|(cage, sum)| self.constants.adapt(cage, *sum, choices));
        let tables = &state.tables[1 - now.current];
        let mut set = |gate, table| tables.set(first + gate, table);
        let sum = gates.update(self.simd, &self.constants, update, now.step.step, room, &mut set);
        state.set_confidence(chunk, sum);
    }

    /// Add up the losses and qualities of the last `count` steps over all ranks, in their order.
    fn share_history(&mut self, count: u32) -> Result<()> {
        if self.ranks.size() == 1 {
            return Ok(());
        }
        let last = self.state.step.step;
        let steps: Vec<usize> = (last - count.min(HISTORY)..last).map(|step| (step % HISTORY) as usize).collect();
        let mine: Vec<[f32; 2]> = steps.iter().map(|&at| self.state.history[at]).collect();
        let all = self.ranks.gather(bytemuck::cast_slice(&mine))?;
        for (i, at) in steps.into_iter().enumerate() {
            let of = |rank: &Vec<u32>, which| f32::from_bits(rank[2 * i + which]);
            self.state.history[at] = [0, 1].map(|which| all.iter().map(|rank| of(rank, which)).sum());
        }
        Ok(())
    }
}
/// One thread's steps. Every thread keeps the state that changes from step to step by itself, to the same numbers.
pub struct Sitting<'a, W: Through> {
    pub network: &'a Network<'a>,
    pub workspace: &'a W,
    pub state: State,
    /// When the last pass ended, and all before.
    clock: Option<(Instant, Vec<Span>)>,
    /// What the leading thread exchanges with other ranks.
    pub exchange: &'a Mutex<Exchange>,
    /// What parts of an update are made in.
    pub room: selection::Room,
    /// What this thread keeps to itself.
    pub own: W::Own,
}

impl<W: Through> Sitting<'_, W> {
    fn step(&mut self, member: &mut Member) {
        let n = self.network;
        if !self.state.is_tabulated {
            self.tabulate(member);
        }
        let begun = self.state.step;
        self.advance();
        self.pick(&begun, member);
        let micro_batches = n.share.len().div_ceil(self.workspace.samples());
        let mut sums = [0.0; 2];
        for micro in 0..micro_batches {
            W::take(self, micro, micro + 1 == micro_batches, &mut sums, member);
        }
        self.state.history[begun.step as usize % HISTORY as usize] = sums.map(|sum| sum / n.constants.batch as f32);
        self.state.current = 1 - self.state.current;
    }

    /// Note that a pass has ended.
    pub fn mark(&mut self, label: impl FnOnce() -> String) {
        if let Some((last, spans)) = &mut self.clock {
            let now = Instant::now();
            spans.push((label(), now - *last));
            *last = now;
        }
    }

    /// Tables of the logits as they are, where no step has left them.
    fn tabulate(&mut self, member: &mut Member) {
        let n = self.network;
        for (layer, &trained) in n.layers.iter().zip(&n.trained) {
            let noise = (n.constants.noisy && trained).then_some(self.state.step.step);
            let (tables, others) = (&layer.tables[self.state.current], &layer.tables[1 - self.state.current]);
            member.share(layer.chunks.len(), |chunk| {
                let first = chunk << chunk_shift(&n.model);
                let mut set = |gate, table| {
                    tables.set(first + gate, table);
                    // No step makes the next one's.
                    if !trained {
                        others.set(first + gate, table);
                    }
                };
                let gates = &mut *lock(&layer.chunks[chunk]);
                let sum = gates.tabulate(n.simd, n.constants.seed, noise, &mut self.room, &mut set);
                layer.set_confidence(chunk, sum);
                if let Some(soft) = &gates.soft {
                    layer.mixtures.set(first << gates.arity, &soft.tables);
                }
            });
        }
        self.state.is_tabulated = true;
        if let Some((last, _)) = &mut self.clock {
            *last = Instant::now();
        }
    }

    /// CAGE's temperatures, the learning rate, Adam's powers, the place in the epoch.
    fn advance(&mut self) {
        let n = self.network;
        let choices = n.choices();
        for (cage, layer) in self.state.cages.iter_mut().zip(&n.layers) {
            n.constants.adapt(cage, layer.confidence(), choices);
        }
        if n.learning.as_ref().is_some_and(|learning| learning.is_due(self.state.step.step)) {
            self.state.step.wire_beta1_power *= n.constants.beta1;
            self.state.step.wire_beta2_power *= n.constants.beta2;
        }
        n.constants.advance(&mut self.state.step, n.confidence(), choices, n.train.len() as u32);
    }

    /// The batch's sample numbers, from where the step began; and its images, moved.
    fn pick(&mut self, begun: &Step, member: &mut Member) {
        let n = self.network;
        let (samples, seed) = (n.train.len() as u32, n.constants.seed);
        let pixels = n.model.image.pixels();
        member.share(n.chosen.len().div_ceil(BLOCK), |block| {
            let mut order = Permutation::new(seed, begun.epoch, samples);
            let mut epoch = begun.epoch;
            let mut moved = n.moved.get(block).map(write);
            let places = block * BLOCK..n.chosen.len().min((block + 1) * BLOCK);
            for (i, place) in places.enumerate() {
                let place = n.share.start + place as u32;
                let at = u64::from(begun.position) + u64::from(place);
                let own = begun.epoch + (at / u64::from(samples)) as u32;
                if own != epoch {
                    (epoch, order) = (own, Permutation::new(seed, own, samples));
                }
                let sample = order.at((at % u64::from(samples)) as u32);
                n.chosen[block * BLOCK + i].store(sample, Ordering::Relaxed);
                if let (Some(moved), Some(how)) = (&mut moved, &n.constants.augmentation) {
                    let from = &n.train.pixels[sample as usize * pixels..][..pixels];
                    let draw = (seed, begun.step, place);
                    augment(how, draw, n.model.image, from, &mut moved[i * pixels..][..pixels]);
                }
            }
        });
        self.mark(|| "select_batch".into());
    }

    /// The bits that strip `strip` makes of the batch's samples of block `block` of 64, moved, if they are: word `to` of the `features`.
    pub fn encode_word<const B: usize>(&self, strip: usize, block: usize, (features, to): (&[Bits<B>], usize)) {
        let n = self.network;
        let pixels = n.model.image.pixels();
        match n.moved.get(block) {
            Some(moved) => {
                let moved = read(moved);
                n.encoding.encode(n.simd, strip, to, moved.chunks_exact(pixels), features);
            }
            None => {
                let rows = self.samples_of(block).map(|s| &n.train.pixels[s as usize * pixels..][..pixels]);
                n.encoding.encode(n.simd, strip, to, rows, features);
            }
        }
    }

    /// Sample numbers of block `block` of this rank's share of the batch; none past its end.
    pub fn samples_of(&self, block: usize) -> impl Iterator<Item = u32> {
        let chosen = self.network.chosen.chunks(BLOCK).nth(block).unwrap_or_default();
        chosen.iter().map(|sample| sample.load(Ordering::Relaxed))
    }

    /// What layer `i` is updated by in this step.
    pub fn update_of(&self, i: usize) -> Update {
        let temperature = self.state.cages.get(i).map_or(self.state.step.temperature, |cage| cage.temperature);
        Update::of(&self.network.constants, &self.state.step, temperature)
    }
}
