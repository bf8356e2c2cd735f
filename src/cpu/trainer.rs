//! A training step on threads, pass by pass: what the shaders do, to the same integers.

use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::augment::augment;
use super::backward::{Backward, Consumer, Kernels, Moves, Rows};
use super::constants::Constants;
use super::conv::{Source, Task, TreeKernels, pad};
use super::encode::Encoding;
use super::evaluate::Evaluated;
use super::exchange::{Exchange, gather, learned};
use super::forward::{Forward, count};
use super::lanes::{BLOCK, Row, Stored};
use super::locks::{lock, read, write};
use super::loss::{Judge, Rounding};
use super::network::{LayerState, Network, State, Workspace, chunk_shift, layers_of};
use super::selection::{self, Gates, Update};
use super::simd::Simd;
use super::team::{Member, work_together};
use super::traffic::Pass;
use super::weights::WireUpdate;
use super::wires::{Scored, Wires};
use crate::data::{Head, Split};
use crate::network::{Form, Layer, Learning, Model};
use crate::plan::uniforms::{Cage, Step};
use crate::plan::{CageScope, GradientFormat};
use crate::random::Permutation;
use crate::ranks::Ranks;
use crate::train::HISTORY;
use crate::{Error, Result};

/// A pass, and how long it took.
pub type Span = (String, Duration);

/// A network, its optimizer and its training samples, trained by this machine's own cores.
#[derive(Debug)]
pub struct Trainer<'a> {
    network: Network<'a>,
    workspace: AnyWorkspace,
    exchange: Mutex<Exchange>,
    threads: usize,
}

/// As many samples at a time as a batch has, up to 128, and integers of as many bytes as asked for.
#[derive(Debug)]
enum AnyWorkspace {
    Bytes1(Workspace<i8, 1>),
    Bytes2(Workspace<i8, 2>),
    Words1(Workspace<i16, 1>),
    Words2(Workspace<i16, 2>),
}

impl AnyWorkspace {
    /// For this rank's share of `network`'s batches.
    fn of(network: &Network) -> Self {
        let model = &network.model;
        match (network.constants.bits, network.share.len().div_ceil(BLOCK)) {
            (4 | 8, 1) => AnyWorkspace::Bytes1(Workspace::new(model, &network.trained)),
            (4 | 8, _) => AnyWorkspace::Bytes2(Workspace::new(model, &network.trained)),
            (_, 1) => AnyWorkspace::Words1(Workspace::new(model, &network.trained)),
            _ => AnyWorkspace::Words2(Workspace::new(model, &network.trained)),
        }
    }

    /// Blocks of 64 samples of a micro-batch.
    fn blocks(&self) -> usize {
        match self {
            AnyWorkspace::Bytes1(_) | AnyWorkspace::Words1(_) => 1,
            AnyWorkspace::Bytes2(_) | AnyWorkspace::Words2(_) => 2,
        }
    }
}

impl<'a> Trainer<'a> {
    /// Train `model` on from its logits on `threads` threads, with fresh moments.
    ///
    /// # Errors
    /// [`Error::Usage`] for what it cannot train.
    pub fn new(constants: Constants, model: Model, train: &'a Split, threads: usize, simd: Simd) -> Result<Self> {
        if train.is_empty() {
            return Err(Error::usage("there is no sample to work on"));
        }
        let first = &model.layers[0];
        let differs = |l: &Layer| l.parametrization != first.parametrization || !(2..=6).contains(&l.arity);
        if model.layers.iter().any(differs) {
            return Err(Error::usage(
                "the CPU trains layers of one parametrization, of gates of 2 to 6 inputs; name a GPU by --adapter",
            ));
        }
        if model.layers.windows(2).any(|pair| pair[0].form.is_dense() && !pair[1].form.is_dense()) {
            return Err(Error::usage(
                "the CPU trains convolutions before dense layers only, and this network has one after",
            ));
        }
        let trained = constants.trained(&model);
        let forms: Vec<_> = model.layers.iter().map(|layer| (layer.form, layer.reads)).collect();
        let first_trained = constants.frozen.first_trained(&forms)?;
        if constants.bits == GradientFormat::Int4.bits() && first_trained + 1 < model.layers.len() {
            return Err(Error::usage(format!(
                "gradients of 4 bits have no room for sums, which layer {first_trained} needs; use gradients of 8"
            )));
        }
        let of_trained = || model.layers.iter().zip(&trained).filter_map(|(layer, &trained)| trained.then_some(layer));
        for layer in of_trained() {
            let Form::Conv(conv) = layer.form else { continue };
            conv.check_sums(constants.batch, constants.bits).map_err(Error::usage)?;
            if model.layers.iter().any(|layer| layer.arity != 2) {
                return Err(Error::usage(
                    "the CPU trains convolutions before gates of two inputs only; have them --freeze convolutions",
                ));
            }
        }
        let choices = first.parametrization.choices(first.arity) as f32;
        let selections = |l: &Layer| l.gates() * l.parametrization.selections(l.arity);
        let cage = |l: &Layer| Cage::first(constants.temperature, choices, selections(l));
        let all_selections = of_trained().map(selections).sum();
        let state = State {
            step: Step::first(constants.temperature, choices),
            cages: if constants.scope() == CageScope::Layer {
                model.layers.iter().map(cage).collect()
            } else {
                Vec::new()
            },
            current: 0,
            is_tabulated: false,
            history: vec![[0.0; 2]; HISTORY as usize],
        };
        let spread = match model.head {
            Head::Values(_) => {
                let inverse = |variance: f64| if variance > 0.0 { (1.0 / variance) as f32 } else { 1.0 };
                train.target_variances().into_iter().map(inverse).collect()
            }
            _ => Vec::new(),
        };
        let mut network = Network {
            simd: if Simd::available().contains(&simd) { simd } else { Simd::Portable },
            encoding: Encoding::new(&model.encoder, model.image.pixels()),
            layers: layers_of(&model, &constants),
            train,
            spread,
            ranks: Ranks::alone(),
            share: 0..0,
            owned: Vec::new(),
            is_whole: true,
            chosen: Vec::new(),
            moved: Vec::new(),
            selections: all_selections,
            trained,
            state,
            learning: None,
            constants,
            model,
        };
        network.join(Ranks::alone())?;
        let (workspace, exchange) = (AnyWorkspace::of(&network), Mutex::new(Exchange::new(&network)));
        Ok(Trainer { workspace, exchange, network, threads: threads.max(1) })
    }

    /// Share batches with other ranks from here on, and the update of what they train: each of them updates a part of every layer's
    /// gates, and what is trained of the others' is not here until it is [gathered](Trainer::gather).
    ///
    /// # Errors
    /// [`Error::Usage`] if a batch is too small for that.
    pub fn join(&mut self, ranks: Ranks) -> Result<()> {
        self.network.join(ranks)?;
        self.workspace = AnyWorkspace::of(&self.network);
        self.exchange = Mutex::new(Exchange::new(&self.network));
        if self.network.ranks.size() > 1 {
            let wires = self.network.layers.iter().flat_map(|layer| &layer.wires);
            wires.for_each(|wires| lock(wires).scored.iter_mut().for_each(Scored::keep));
        }
        Ok(())
    }

    /// Have all that is trained here as it is now, with all ranks. One rank always has.
    ///
    /// # Errors
    /// As [`Ranks::begin_sum`].
    pub fn gather(&mut self) -> Result<()> {
        if !self.network.is_whole {
            gather(&self.network)?;
            self.network.is_whole = true;
        }
        Ok(())
    }

    /// Whether all that is trained is here as it is now: whatever reads it may be asked only then.
    pub fn is_whole(&self) -> bool {
        self.network.is_whole
    }

    /// The network with all that is trained of it.
    fn whole(&self) -> &Network<'a> {
        assert!(self.network.is_whole, "what other ranks have trained is to be gathered before it is read");
        &self.network
    }

    /// The same with wires that learn.
    pub fn learning(mut self, learning: Learning) -> Self {
        let shift = chunk_shift(&self.network.model);
        let has_shares = self.network.constants.batch.div_ceil(BLOCK as u32) as usize > self.workspace.blocks();
        let layers = self.network.layers.iter().zip(&self.network.model.layers).zip(&learning.layers);
        for ((state, layer), candidates) in layers {
            for (chunk, wires) in state.wires.iter().enumerate() {
                let mut wires = lock(wires);
                let first = (chunk << shift) * layer.arity;
                let pins = first..first + wires.wiring.len();
                wires.scored = candidates.as_ref().map(|own| Scored::new(own, pins, learning.rule, has_shares));
            }
        }
        self.network.learning = Some(learning);
        self
    }

    /// The network's shape; its wiring, logits and tables are those of the last [`Trainer::download`].
    pub fn model(&self) -> &Model {
        &self.network.model
    }

    /// Threads that it works on.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Instructions that it works by.
    pub fn simd(&self) -> Simd {
        self.network.simd
    }

    /// What changes every step.
    pub fn step(&self) -> Step {
        self.network.state.step
    }

    /// Mean loss and quality of step `step`, one of the last [`HISTORY`].
    pub fn history(&self, step: u32) -> [f32; 2] {
        self.network.state.history[step as usize % HISTORY as usize]
    }

    /// Backward temperatures of the last step: one, or each layer's, or each gate's.
    ///
    /// # Panics
    /// As for whatever reads what is trained: if ranks have done steps since it was last [gathered](Trainer::gather).
    pub fn temperatures(&self) -> Vec<f32> {
        match self.network.constants.scope() {
            CageScope::Network => vec![self.step().temperature],
            CageScope::Layer => self.network.state.cages.iter().map(|c| c.temperature).collect(),
            CageScope::Gate => self.whole().gates(|g| g.cages.iter().map(|c| c.temperature).collect()).concat(),
        }
    }

    /// Do `count` steps, with all ranks.
    ///
    /// # Errors
    /// As [`Ranks::begin_sum`].
    pub fn run(&mut self, count: u32) -> Result<()> {
        self.run_with(count, None)
    }

    /// Do one step and tell how long its passes took.
    ///
    /// # Errors
    /// As [`Trainer::run`].
    pub fn timed_step(&mut self) -> Result<Vec<Span>> {
        let mut spans = Vec::new();
        self.run_with(1, Some(&mut spans))?;
        Ok(spans)
    }

    fn run_with(&mut self, count: u32, spans: Option<&mut Vec<Span>>) -> Result<()> {
        let (network, threads) = (&mut self.network, self.threads);
        let exchange = &self.exchange;
        match &self.workspace {
            AnyWorkspace::Bytes1(w) => network.run((w, exchange), threads, count, spans),
            AnyWorkspace::Bytes2(w) => network.run((w, exchange), threads, count, spans),
            AnyWorkspace::Words1(w) => network.run((w, exchange), threads, count, spans),
            AnyWorkspace::Words2(w) => network.run((w, exchange), threads, count, spans),
        }
    }

    /// The passes of a step in order, with the bytes that they move at least.
    pub fn passes(&self) -> Vec<Pass> {
        self.network.passes(self.workspace.blocks())
    }

    /// Bytes of memory that it takes beside the model and the samples.
    pub fn bytes(&self) -> u64 {
        let network = &self.network;
        let bytes = match &self.workspace {
            AnyWorkspace::Bytes1(w) => w.bytes(),
            AnyWorkspace::Bytes2(w) => w.bytes(),
            AnyWorkspace::Words1(w) => w.bytes(),
            AnyWorkspace::Words2(w) => w.bytes(),
        };
        let moved = network.moved.iter().map(|block| read(block).len()).sum::<usize>();
        (bytes + moved + network.layers.iter().map(LayerState::bytes).sum::<usize>()) as u64
    }

    /// `[layers][gates][2^arity]` table gradients of the last step.
    pub fn table_gradients(&self) -> Vec<Vec<f32>> {
        let unit = 1.0 / self.network.constants.slice_scale();
        self.whole().gates(|g| g.sums.iter().map(|&sum| sum as f32 * unit).collect())
    }

    /// `[layers][gates][logits]` of (first, second) moment.
    pub fn moments(&self) -> Vec<Vec<[f32; 2]>> {
        self.whole().moments()
    }

    /// `[layers][gates][samples]` outputs at the last step, as zeros and ones; `None` where the batch was taken by
    /// micro-batches, which leave only the last one's.
    pub fn outputs(&self) -> Option<Vec<Vec<Vec<f64>>>> {
        let batch = self.network.share.len();
        match &self.workspace {
            AnyWorkspace::Bytes1(w) => w.bits(batch),
            AnyWorkspace::Bytes2(w) => w.bits(batch),
            AnyWorkspace::Words1(w) => w.bits(batch),
            AnyWorkspace::Words2(w) => w.bits(batch),
        }
    }

    /// Bring wires, logits and their tables, without noise, into the model.
    pub fn download(&mut self) -> &Model {
        let logits = self.whole().gates(|g| g.logits.clone());
        let tables = self.network.tables(None);
        let wiring = self.network.wires(|w| w.wiring.clone());
        let layers = self.network.model.layers.iter_mut().zip(logits).zip(tables).zip(wiring);
        for (((layer, logits), tables), wiring) in layers {
            (layer.logits, layer.tables, layer.wiring) = (logits, tables, wiring);
        }
        &self.network.model
    }

    /// `[layers][gates]` tables of the logits as they are, with the next step's noise if `noisy`.
    pub fn tables(&self, noisy: bool) -> Vec<Vec<u64>> {
        self.whole().tables(noisy.then_some(self.step().step))
    }

    /// Judge `split` by the network as it is: by its selected gates on bits, or on `real` numbers; by those of the next step's
    /// selections if `noisy`.
    pub fn evaluate(&self, split: &Split, noisy: bool, real: bool) -> Evaluated {
        self.network.evaluate(&self.tables(noisy), split, real, self.threads)
    }

    /// Everything that a step changes and a later step reads, by the names and in the form of the shaders' buffers.
    ///
    /// # Panics
    /// As [`Trainer::temperatures`].
    pub fn state(&self) -> Vec<(String, Vec<u8>)> {
        self.whole().tensors()
    }

    /// What every rank has by itself, to the same bits: where the step stands, the tables that the next one runs on, wires, and
    /// what was gathered of logits.
    ///
    /// # Panics
    /// As [`Trainer::temperatures`].
    pub fn common(&self) -> Vec<u8> {
        let network = self.whole();
        let mut bytes = bytemuck::bytes_of(&network.state.step).to_vec();
        bytes.extend_from_slice(bytemuck::cast_slice(&network.state.cages));
        for layer in network.layers.iter() {
            let tables = layer.tables[network.state.current].all().iter().filter(|_| network.state.is_tabulated);
            bytes.extend(tables.map(|byte| byte.load(Ordering::Relaxed)));
            bytes.extend_from_slice(bytemuck::cast_slice(&layer.of_wires(|wires| wires.wiring.clone())));
            layer.chunks.iter().for_each(|chunk| bytes.extend_from_slice(bytemuck::cast_slice(&lock(chunk).logits)));
        }
        bytes
    }

    /// Go on from such a state; `tensor` gives the one of a name, which must have so many bytes.
    ///
    /// # Errors
    /// `tensor`'s; nothing is changed then.
    pub fn restore<'s, X>(
        &mut self,
        tensor: impl Fn(&str, u64) -> std::result::Result<&'s [u8], X>,
    ) -> std::result::Result<(), X> {
        self.network.restore(tensor)
    }
}

impl Network<'_> {
    fn run<E: Kernels + TreeKernels, const B: usize>(
        &mut self,
        (workspace, exchange): (&Workspace<E, B>, &Mutex<Exchange>),
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
                room: (selection::Room::new(), vec![[Stored([E::of(0); BLOCK]); B]; 1 << chunk_shift(&network.model)]),
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
    fn update(
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
struct Sitting<'a, E, const B: usize> {
    network: &'a Network<'a>,
    workspace: &'a Workspace<E, B>,
    state: State,
    /// When the last pass ended, and all before.
    clock: Option<(Instant, Vec<Span>)>,
    /// What the leading thread exchanges with other ranks.
    exchange: &'a Mutex<Exchange>,
    /// What parts of an update, and a chunk's rows that no layer needs, are made in.
    room: (selection::Room, Vec<Row<E, B>>),
}

impl<E: Kernels + TreeKernels, const B: usize> Sitting<'_, E, B> {
    fn step(&mut self, member: &mut Member) {
        let (n, w) = (self.network, self.workspace);
        if !self.state.is_tabulated {
            self.tabulate(member);
        }
        let begun = self.state.step;
        self.advance();
        self.pick(&begun, member);
        let micro_batches = n.share.len().div_ceil(BLOCK).div_ceil(B);
        let mut sums = [0.0; 2];
        for micro in 0..micro_batches {
            self.encode(micro, member);
            self.forward(micro, member);
            self.judge(micro, member);
            for judged in &w.judged {
                let judged = *lock(judged);
                sums = [0, 1].map(|i| sums[i] + judged[i]);
            }
            self.backward(micro > 0, micro + 1 == micro_batches, member);
        }
        self.state.history[begun.step as usize % HISTORY as usize] = sums.map(|sum| sum / n.constants.batch as f32);
        self.state.current = 1 - self.state.current;
    }

    /// Note that a pass has ended.
    fn mark(&mut self, label: impl FnOnce() -> String) {
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
                let sum =
                    lock(&layer.chunks[chunk]).tabulate(n.simd, n.constants.seed, noise, &mut self.room.0, &mut set);
                layer.set_confidence(chunk, sum);
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

    /// Sample numbers of block `block` of this rank's share of the batch; none past its end.
    fn samples_of(&self, block: usize) -> impl Iterator<Item = u32> {
        let chosen = self.network.chosen.chunks(BLOCK).nth(block).unwrap_or_default();
        chosen.iter().map(|sample| sample.load(Ordering::Relaxed))
    }

    fn encode(&mut self, micro: usize, member: &mut Member) {
        let (n, w) = (self.network, self.workspace);
        let pixels = n.model.image.pixels();
        member.share(n.encoding.strips() * B, |item| {
            let (strip, b) = (item / B, item % B);
            let block = micro * B + b;
            match n.moved.get(block) {
                Some(moved) => {
                    let moved = read(moved);
                    n.encoding.encode(n.simd, strip, b, moved.chunks_exact(pixels), w.features());
                }
                None => {
                    let rows = self.samples_of(block).map(|s| &n.train.pixels[s as usize * pixels..][..pixels]);
                    n.encoding.encode(n.simd, strip, b, rows, w.features());
                }
            }
        });
        self.mark(|| "encode".into());
    }

    fn forward(&mut self, micro: usize, member: &mut Member) {
        let (n, w) = (self.network, self.workspace);
        for (i, (layer, state)) in n.model.layers.iter().zip(&n.layers).enumerate() {
            let inputs = w.inputs(i);
            if let (Some(trees), Some(maps)) = (&state.trees, &w.maps[i]) {
                // One more part than channels: the draws of the pool.
                member.share(maps.padded.len() + 1, |channel| match maps.padded.get(channel) {
                    Some(padded) => pad(&trees.conv, channel, inputs, &mut write(padded)),
                    None => {
                        let (rule, seed) = (n.constants.pool_gradient, n.constants.seed);
                        // Words of 32 samples, which a rank's share begins with one of.
                        let word = n.share.start / 32 + (micro * 2 * B) as u32;
                        maps.draw(trees, rule, seed, self.state.step.step, word);
                    }
                });
                let tables = &state.tables[self.state.current];
                let mut room = Vec::new();
                member.share(trees.parts(), |part| {
                    for unit in trees.part(part) {
                        maps.run(n.simd, trees, unit, (layer, tables), w.outputs(i), &mut room);
                    }
                });
                self.mark(|| format!("forward_conv {i}"));
                continue;
            }
            let size = 1 << chunk_shift(&n.model);
            member.share(state.chunks.len(), |chunk| {
                let gates = chunk * size..layer.gates().min((chunk + 1) * size);
                let pass = Forward {
                    first: gates.start,
                    wiring: &lock(&state.wires[chunk]).wiring,
                    arity: layer.arity,
                    tables: &state.tables[self.state.current],
                    inputs,
                    outputs: &w.outputs(i)[gates],
                };
                pass.run();
            });
            self.mark(|| format!("forward_hard {i}"));
        }
    }

    /// Votes, the loss, and its gradients in whole numbers.
    fn judge(&mut self, micro: usize, member: &mut Member) {
        let (n, w) = (self.network, self.workspace);
        let (group, last) = (n.model.group(), n.model.layers.len() - 1);
        member.share(w.votes.len(), |item| {
            let (class, b) = (item / B, item % B);
            *lock(&w.votes[item]) = count(&w.outputs(last)[class * group..(class + 1) * group], b);
        });
        self.mark(|| "group_sum".into());
        let judge = Judge { head: &n.model.head, split: n.train, spread: &n.spread, group, tau: n.constants.tau };
        let Constants { bits, batch, seed, .. } = n.constants;
        let rounding = Rounding { bits, scale: n.constants.slice_scale(), batch, seed };
        member.share(B, |b| {
            let votes: Vec<[u32; BLOCK]> = w.votes.iter().skip(b).step_by(B).map(|votes| *lock(votes)).collect();
            let block = micro * B + b;
            let samples: Vec<u32> = self.samples_of(block).collect();
            let judged = judge.judge(&votes, &samples, batch);
            let place = n.share.start + (block * BLOCK) as u32;
            for (class, (to, g)) in write(&w.classes[b]).iter_mut().zip(&judged.gradients).enumerate() {
                *to = E::ordered(n.simd, rounding.round(g, class, place, self.state.step.step));
            }
            *lock(&w.judged[b]) = [judged.losses.iter().sum(), judged.qualities.iter().sum()];
        });
        self.mark(|| "loss".into());
    }

    /// Table gradients, last layer to the first that is trained; with the batch's last micro-batch, new logits and their tables.
    fn backward(&mut self, added: bool, is_last: bool, member: &mut Member) {
        let (n, w) = (self.network, self.workspace);
        let (shift, last) = (chunk_shift(&n.model), n.model.layers.len() - 1);
        let classes = w.class_rows();
        // The step has begun, so it is its number less one that tells whether it scores wires.
        let due = n.learning.as_ref().filter(|learning| learning.is_due(self.state.step.step - 1));
        let moves = due.map(|learning| WireUpdate::of(learning, &n.constants, &self.state.step));
        // Where ranks share the batch, logits wait for the gradients of all.
        let is_shared = n.ranks.size() > 1;
        let is_updated = is_last && !is_shared;
        let first_trained = n.first_trained();
        for (i, (layer, state)) in n.model.layers.iter().zip(&n.layers).enumerate().skip(first_trained).rev() {
            let is_updated = is_updated && n.trained[i];
            let sent = if i + 1 < last { w.planes[(i + 1) % 2].as_slice() } else { &[] };
            let sent: Vec<_> = sent.iter().map(read).collect();
            let of_classes = [classes.as_slice()];
            let of_gates: Vec<_> = sent.iter().map(|rows| rows.as_slice()).collect();
            let source = match i + 1 < last {
                true => Rows::of_gates(&of_gates, shift),
                false => Rows::of_classes(&of_classes, n.model.group()),
            };
            let inputs = w.inputs(i);
            let update = self.update_of(i);
            let consumer = n.layers.get(i + 1).and_then(|next| next.edges.as_ref().map(|edges| (next, read(edges))));
            if let (Some(trees), Some(maps)) = (&state.trees, &w.maps[i]) {
                let next = n.layers.get(i + 1).and_then(|next| next.trees.as_ref()).zip(w.maps.get(i + 1));
                let source = match (next, &consumer) {
                    (Some((next, Some(maps))), _) => Source::Conv(next.conv, maps),
                    (_, Some((next, edges))) => {
                        let tables = &next.tables[self.state.current];
                        Source::Dense(Consumer { edges, tables, outputs: w.outputs(i) }, source)
                    }
                    _ => Source::Classes(source),
                };
                let (tables, rule) = (&state.tables[self.state.current], n.constants.pool_gradient);
                let mut room = super::conv::Room::default();
                member.share(trees.tasks(), |task| {
                    let task = Task { simd: n.simd, trees, layer, tables, maps, task, source: &source, rule, added };
                    E::trees(n.constants.bits, &task, &mut room);
                });
                self.mark(|| format!("backward_conv {i}"));
                drop(sent);
                if is_last {
                    member.share(state.chunks.len(), |chunk| {
                        let mut gates = lock(&state.chunks[chunk]);
                        trees.copy_sums(chunk << shift, &mut gates.sums);
                        if is_updated {
                            n.update(&self.state, (i, chunk), &mut gates, &update, &mut self.room.0);
                        }
                    });
                    if is_updated {
                        self.mark(|| format!("update {i}"));
                    }
                    if is_shared && n.trained[i] && member.leads() {
                        lock(self.exchange).begin(n, i, false);
                    }
                }
                continue;
            }
            member.take(state.chunks.len(), |chunk| {
                let mut gates = lock(&state.chunks[chunk]);
                let first = chunk << shift;
                let Wires { wiring, scored } = &mut *lock(&state.wires[chunk]);
                let mut kept = (first_trained < i && i < last).then(|| write(&w.planes[i % 2][chunk]));
                let rows = kept.as_mut().map_or(self.room.1.as_mut_slice(), |rows| rows.as_mut_slice());
                let pass = Backward {
                    first,
                    wiring,
                    moves: moves.and_then(|update| {
                        let tables = &state.tables[self.state.current];
                        Some(Moves { scored: scored.as_mut()?, tables, update: is_updated.then_some(update) })
                    }),
                    arity: layer.arity,
                    inputs,
                    consumer: consumer.as_ref().map(|(next, edges)| Consumer {
                        edges,
                        tables: &next.tables[self.state.current],
                        outputs: w.outputs(i),
                    }),
                    source,
                    rows,
                    sums: &mut gates.sums,
                    added,
                };
                E::backward(n.simd, n.constants.bits, pass);
                if is_updated {
                    n.update(&self.state, (i, chunk), &mut gates, &update, &mut self.room.0);
                }
            });
            drop((sent, consumer));
            member.wait();
            if is_last && is_shared && n.trained[i] && member.leads() {
                lock(self.exchange).begin(n, i, moves.is_some());
            }
            self.mark(|| if is_updated { format!("backward_update {i}") } else { format!("backward {i}") });
        }
        if is_last && is_shared {
            self.update_own(moves, member);
        }
        let moved: Vec<usize> =
            n.learned_layers().filter(|&i| i > first_trained && is_last && moves.is_some()).collect();
        if !moved.is_empty() {
            member.share(moved.len(), |i| n.rewired(moved[i]));
            self.mark(|| "list_consumers".into());
        }
    }

    /// Add up this rank's part of all table gradients over all ranks, update the gates that they are of, and exchange what the
    /// next step reads of all gates.
    fn update_own(&mut self, moves: Option<WireUpdate>, member: &mut Member) {
        let n = self.network;
        for (i, state) in n.layers.iter().enumerate().rev().filter(|&(i, _)| n.trained[i]) {
            if member.leads() {
                lock(self.exchange).finish(n, i, moves.is_some());
            }
            member.wait();
            self.mark(|| format!("wait_for_ranks {i}"));
            let (update, own) = (self.update_of(i), n.own(i));
            member.share(own.len(), |at| {
                let chunk = own.start + at;
                n.update(&self.state, (i, chunk), &mut lock(&state.chunks[chunk]), &update, &mut self.room.0);
                if let (Some(update), Some(mut wires)) = (&moves, learned(state, chunk))
                    && let Wires { wiring, scored: Some(scored) } = &mut *wires
                {
                    scored.update_all(n.simd, wiring, n.model.layers[i].arity, update);
                }
            });
            self.mark(|| format!("update {i}"));
        }
        if member.leads() {
            lock(self.exchange).tell(n, 1 - self.state.current, moves.is_some());
        }
        member.wait();
        self.mark(|| "exchange_tables".into());
    }

    /// What layer `i` is updated by in this step.
    fn update_of(&self, i: usize) -> Update {
        let temperature = self.state.cages.get(i).map_or(self.state.step.temperature, |cage| cage.temperature);
        Update::of(&self.network.constants, &self.state.step, temperature)
    }
}
