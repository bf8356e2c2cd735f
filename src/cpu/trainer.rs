//! A training step on threads, pass by pass: what the shaders do, to the same integers.

use std::sync::Mutex;
use std::sync::atomic::Ordering;

use super::constants::Constants;
use super::encode::Encoding;
use super::evaluate::{By, Evaluated};
use super::exchange::{Exchange, gather};
use super::lanes::BLOCK;
use super::locks::{lock, read};
use super::network::{LayerState, Network, State, Workspace, chunk_shift, layers_of};
use super::simd::Simd;
use super::soft::Reals;
use super::step::{Span, Through};
use super::traffic::Pass;
use super::wires::Scored;
use crate::data::{Head, Split};
use crate::network::{Form, Layer, Learning, Model};
use crate::plan::uniforms::{Cage, Step};
use crate::plan::{CageScope, GradientFormat};
use crate::ranks::Ranks;
use crate::train::{HISTORY, Mode};
use crate::{Error, Result};

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
    Reals(Reals),
}

impl AnyWorkspace {
    /// For this rank's share of `network`'s batches.
    fn of(network: &Network) -> Self {
        let model = &network.model;
        if let Some(format) = network.constants.soft {
            return AnyWorkspace::Reals(Reals::new(model, network.share.len(), format));
        }
        match (network.constants.bits, network.share.len().div_ceil(BLOCK)) {
            (4 | 8, 1) => AnyWorkspace::Bytes1(Workspace::new(model, &network.trained)),
            (4 | 8, _) => AnyWorkspace::Bytes2(Workspace::new(model, &network.trained)),
            (_, 1) => AnyWorkspace::Words1(Workspace::new(model, &network.trained)),
            _ => AnyWorkspace::Words2(Workspace::new(model, &network.trained)),
        }
    }

    /// Samples of a micro-batch.
    fn samples(&self) -> usize {
        match self {
            AnyWorkspace::Bytes1(w) => w.samples(),
            AnyWorkspace::Bytes2(w) => w.samples(),
            AnyWorkspace::Words1(w) => w.samples(),
            AnyWorkspace::Words2(w) => w.samples(),
            AnyWorkspace::Reals(w) => w.samples(),
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
        if constants.soft.is_some() && (trained.contains(&false) || model.reads_all()) {
            return Err(Error::usage(
                "frozen layers, and layers that read every map, are trained by hard methods only; choose --method hard-st or gumbel-st",
            ));
        }
        let forms: Vec<_> = model.layers.iter().map(|layer| (layer.form, layer.reads)).collect();
        let first_trained = constants.frozen.first_trained(&forms)?;
        if constants.soft.is_none()
            && constants.bits == GradientFormat::Int4.bits()
            && first_trained + 1 < model.layers.len()
        {
            return Err(Error::usage(format!(
                "gradients of 4 bits have no room for sums, which layer {first_trained} needs; use gradients of 8"
            )));
        }
        let of_trained = || model.layers.iter().zip(&trained).filter_map(|(layer, &trained)| trained.then_some(layer));
        for layer in of_trained() {
            let Form::Conv(conv) = layer.form else { continue };
            if constants.soft.is_none() {
                conv.check_sums(constants.batch, constants.bits).map_err(Error::usage)?;
            }
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
    /// [`Error::Usage`] if a batch is too small for that, or real gradients would have to be shared.
    pub fn join(&mut self, ranks: Ranks) -> Result<()> {
        if self.network.constants.soft.is_some() && ranks.size() > 1 {
            return Err(Error::usage(
                "soft methods are trained on the CPU by one rank; give it more --threads, or name GPUs, or llvmpipe, by --adapter",
            ));
        }
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
        let has_shares = (self.network.constants.batch as usize).div_ceil(BLOCK) * BLOCK > self.workspace.samples();
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
            AnyWorkspace::Reals(w) => network.run((w, exchange), threads, count, spans),
        }
    }

    /// The passes of a step in order, with the bytes that they move at least.
    pub fn passes(&self) -> Vec<Pass> {
        match self.network.constants.soft {
            Some(_) => self.network.soft_passes(self.workspace.samples()),
            None => self.network.passes(self.workspace.samples() / BLOCK),
        }
    }

    /// Bytes of memory that it takes beside the model and the samples.
    pub fn bytes(&self) -> u64 {
        let network = &self.network;
        let bytes = match &self.workspace {
            AnyWorkspace::Bytes1(w) => w.bytes(),
            AnyWorkspace::Bytes2(w) => w.bytes(),
            AnyWorkspace::Words1(w) => w.bytes(),
            AnyWorkspace::Words2(w) => w.bytes(),
            AnyWorkspace::Reals(w) => w.bytes(),
        };
        let moved = network.moved.iter().map(|block| read(block).len()).sum::<usize>();
        (bytes + moved + network.layers.iter().map(LayerState::bytes).sum::<usize>()) as u64
    }

    /// `[layers][gates][2^arity]` table gradients of the last step.
    pub fn table_gradients(&self) -> Vec<Vec<f32>> {
        let unit = 1.0 / self.network.constants.slice_scale();
        self.whole().gates(|g| match &g.soft {
            Some(soft) => soft.gradients.clone(),
            None => g.sums.iter().map(|&sum| sum as f32 * unit).collect(),
        })
    }

    /// `[layers][gates][logits]` of (first, second) moment.
    pub fn moments(&self) -> Vec<Vec<[f32; 2]>> {
        self.whole().moments()
    }

    /// `[layers][gates][samples]` outputs at the last step, bits as zeros and ones; `None` where the batch was taken by
    /// micro-batches, which leave only the last one's.
    pub fn outputs(&self) -> Option<Vec<Vec<Vec<f64>>>> {
        let batch = self.network.share.len();
        match &self.workspace {
            AnyWorkspace::Bytes1(w) => w.bits(batch),
            AnyWorkspace::Bytes2(w) => w.bits(batch),
            AnyWorkspace::Words1(w) => w.bits(batch),
            AnyWorkspace::Words2(w) => w.bits(batch),
            AnyWorkspace::Reals(w) => w.outputs(batch),
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

    /// Judge `split` by the network as it is in this mode.
    pub fn evaluate(&self, split: &Split, mode: Mode) -> Evaluated {
        let Constants { soft, noisy, .. } = self.network.constants;
        match mode {
            Mode::Training if soft.is_some() => {
                let mixtures = self.whole().mixtures(noisy.then_some(self.step().step));
                self.network.evaluate(By::Mixtures(&mixtures), split, self.threads)
            }
            Mode::SelectedSoft => self.network.evaluate(By::Reals(&self.tables(false)), split, self.threads),
            _ => self.network.evaluate(By::Bits(&self.tables(noisy && mode == Mode::Training)), split, self.threads),
        }
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
