//! A network in training, parted into chunks of gates that threads take, and what a batch needs beside it.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, RwLock};

use super::backward::Edges;
use super::bits::{Bits, signals};
use super::constants::Constants;
use super::conv::{Maps, Trees};
use super::encode::Encoding;
use super::lanes::{BLOCK, Element, Row, Stored};
use super::locks::{lock, read, write};
use super::selection::{Gates, Room, Soft};
use super::simd::Simd;
use super::soft::Mixtures;
use super::tables::Tables;
use super::wires::Wires;
use crate::Result;
use crate::data::Split;
use crate::network::{Layer, Learning, Model};
use crate::plan::CageScope;
use crate::plan::uniforms::{Cage, Step};
use crate::ranks::Ranks;

/// All but what a micro-batch goes through.
#[derive(Debug)]
pub struct Network<'a> {
    pub constants: Constants,
    pub simd: Simd,
    pub model: Model,
    pub encoding: Encoding,
    pub layers: Vec<LayerState>,
    pub train: &'a Split,
    /// `[targets]` 1 / variance over the training samples, where values are told.
    pub spread: Vec<f32>,
    /// Who shares the batches.
    pub ranks: Ranks,
    /// This rank's places of a batch.
    pub share: Range<u32>,
    /// `[layers][ranks]`: the chunks of its gates that each rank updates; none of a layer that is not trained.
    pub owned: Vec<Vec<Range<usize>>>,
    /// Whether this rank has all that is trained as it is now, and not of the gates that it owns alone.
    pub is_whole: bool,
    /// `[share]` sample numbers.
    pub chosen: Vec<AtomicU32>,
    /// `[blocks]` of 64 images of the share, moved, if they are.
    pub moved: Vec<RwLock<Vec<u8>>>,
    /// `[layers]`: whether each is trained; the others keep their logits, and their tables have no noise.
    pub trained: Vec<bool>,
    /// Selections of all layers that are trained.
    pub selections: usize,
    pub state: State,
    /// How wires learn, if any do.
    pub learning: Option<Learning>,
}

/// What a step changes beside gates.
#[derive(Debug, Clone)]
pub struct State {
    pub step: Step,
    /// `[layers]` CAGE's state, where each layer has its own.
    pub cages: Vec<Cage>,
    /// Which of a layer's tables the next step runs on.
    pub current: usize,
    /// Whether these are those of the logits, with the next step's noise if there is noise.
    pub is_tabulated: bool,
    /// Mean loss and quality of the last steps; step s is at s % [`HISTORY`].
    pub history: Vec<[f32; 2]>,
}

impl Network<'_> {
    /// Take this rank's share of every batch.
    pub fn join(&mut self, ranks: Ranks) -> Result<()> {
        self.share = ranks.share(self.constants.batch)?;
        let chunks =
            self.layers.iter().zip(&self.trained).map(|(l, &trained)| if trained { l.chunks.len() } else { 0 });
        self.owned = ranks.parts(&chunks.collect::<Vec<_>>());
        self.ranks = ranks;
        self.chosen = self.share.clone().map(|_| AtomicU32::new(0)).collect();
        let moved = if self.constants.augmentation.is_some() { self.share.len().div_ceil(BLOCK) } else { 0 };
        self.moved = (0..moved).map(|_| RwLock::new(vec![0; BLOCK * self.model.image.pixels()])).collect();
        Ok(())
    }

    /// The chunks of layer `i`'s gates that this rank updates.
    pub fn own(&self, i: usize) -> Range<usize> {
        self.owned[i][self.ranks.rank()].clone()
    }

    /// The gates of chunk `chunk` of `layer`.
    pub fn gates_of(&self, chunk: usize, layer: &LayerState) -> Range<usize> {
        let first = chunk << chunk_shift(&self.model);
        first..first + lock(&layer.chunks[chunk]).count
    }

    /// What `of` gives of all chunks of a layer, one after the other, for every layer.
    pub fn gates<T>(&self, of: impl Fn(&Gates) -> Vec<T>) -> Vec<Vec<T>> {
        let layer = |layer: &LayerState| layer.chunks.iter().flat_map(|chunk| of(&lock(chunk))).collect();
        self.layers.iter().map(layer).collect()
    }

    /// `[layers][gates]` tables of the logits, with the noise of step `step` if that is asked for.
    pub fn tables(&self, step: Option<u32>) -> Vec<Vec<u64>> {
        let of = |gates: &Gates, step: Option<u32>| {
            let mut tables = vec![0; gates.count];
            self.tabulated(gates, step, |gate, table| tables[gate] = table);
            tables
        };
        let layers = self.layers.iter().zip(&self.trained);
        let layer = |(layer, &trained): (&LayerState, &bool)| {
            layer.chunks.iter().flat_map(|chunk| of(&lock(chunk), step.filter(|_| trained))).collect()
        };
        layers.map(layer).collect()
    }

    /// A copy of `gates` with the tables of its logits, with the noise of step `step` if that is asked for, which are handed to `set` by
    /// their places.
    fn tabulated(&self, gates: &Gates, step: Option<u32>, mut set: impl FnMut(usize, u64)) -> Gates {
        let mut gates = gates.clone();
        gates.noise = vec![0.0; if step.is_some() { gates.logits.len() } else { 0 }];
        gates.tabulate(self.simd, self.constants.seed, step, &mut Room::new(), &mut set);
        gates
    }

    /// `[layers]` of the logits as mixtures, with the noise of step `step` if that is asked for.
    pub fn mixtures(&self, step: Option<u32>) -> Vec<Mixtures> {
        let made = |layer: &LayerState| {
            let (mixtures, mut first) = (Mixtures::new(layer.mixtures.len()), 0);
            for chunk in &layer.chunks {
                let gates = self.tabulated(&lock(chunk), step, |_, _| {});
                let own = gates.soft.map_or_else(Vec::new, |soft| soft.tables);
                mixtures.set(first, &own);
                first += own.len();
            }
            mixtures
        };
        self.layers.iter().map(made).collect()
    }

    /// The first layer that is trained: those before it need no gradients.
    pub fn first_trained(&self) -> usize {
        first_of(&self.trained)
    }

    /// `[layers]` of what `of` gives of all chunks of a layer's wires, one after the other.
    pub fn wires<T>(&self, of: impl Fn(&Wires) -> Vec<T>) -> Vec<Vec<T>> {
        self.layers.iter().map(|layer| layer.of_wires(&of)).collect()
    }

    /// Layers whose wires learn.
    pub fn learned_layers(&self) -> impl Iterator<Item = usize> {
        let layers = self.learning.iter().flat_map(|learning| learning.layers.iter().enumerate());
        layers.filter(|(_, candidates)| candidates.is_some()).map(|(i, _)| i)
    }

    /// List anew who reads the layer before layer `i`, after wires of this one have moved.
    pub fn rewired(&self, i: usize) {
        if let Some(edges) = &self.layers[i].edges {
            let (layer, wiring) = (&self.model.layers[i], self.layers[i].of_wires(|wires| wires.wiring.clone()));
            *write(edges) = Edges::of(&wiring, layer.inputs, layer.arity);
        }
    }

    /// Choices of a selection.
    pub fn choices(&self) -> f32 {
        let first = &self.model.layers[0];
        first.parametrization.choices(first.arity) as f32
    }

    /// Mean confidence of the selections as the tables are.
    pub fn confidence(&self) -> f32 {
        let trained = self.layers.iter().zip(&self.trained).filter(|(_, trained)| **trained);
        trained.map(|(layer, _)| layer.confidence()).sum::<f32>() / self.selections as f32
    }
}

/// The first of these layers that is trained.
fn first_of(trained: &[bool]) -> usize {
    trained.iter().position(|&trained| trained).unwrap_or(0)
}

/// A layer in training.
#[derive(Debug)]
pub struct LayerState {
    /// `[chunks]` of its gates.
    pub chunks: Vec<Mutex<Gates>>,
    /// `[chunks]` of its wires.
    pub wires: Vec<Mutex<Wires>>,
    /// Of this step, and of the next.
    pub tables: [Tables; 2],
    /// `[gates][2^arity]` of this step, where gates are mixtures; the last pass of a step makes the next one's.
    pub mixtures: Mixtures,
    /// `[chunks]`: sum of the confidences of the next step's selections, f32 as bits.
    confidences: Vec<AtomicU32>,
    /// Who reads the layer before, if that needs gradients and this is no convolution.
    pub edges: Option<RwLock<Edges>>,
    /// Its trees, if it is a convolution.
    pub trees: Option<Trees>,
}

impl LayerState {
    fn new(
        layer: &Layer,
        (index, sends): (usize, bool),
        first_gate: usize,
        chunk: usize,
        constants: &Constants,
    ) -> Self {
        // Real gradients are added up where they come to.
        let sends = sends && constants.soft.is_none();
        let (gates, logits) = (layer.gates(), layer.parametrization.logits(layer.arity));
        let own = constants.scope() == CageScope::Gate;
        let (choices, selections) =
            (layer.parametrization.choices(layer.arity) as f32, layer.parametrization.selections(layer.arity));
        let cage = Cage::first(constants.temperature, choices, selections);
        let part = |first: usize| {
            let count = chunk.min(gates - first);
            Mutex::new(Gates {
                first: (first_gate + first) as u32,
                count,
                parametrization: layer.parametrization,
                arity: layer.arity,
                logits: layer.logits[first * logits..(first + count) * logits].to_vec(),
                first_moments: vec![0.0; count * logits],
                second_moments: vec![0.0; count * logits],
                sums: vec![0; if constants.soft.is_some() { 0 } else { count << layer.arity }],
                soft: constants.soft.map(|_| Soft {
                    temperature: constants.temperature,
                    tables: vec![0.0; count << layer.arity],
                    gradients: vec![0.0; count << layer.arity],
                }),
                noise: vec![0.0; if constants.noisy { count * logits } else { 0 }],
                confidences: vec![0.0; if own { count } else { 0 }],
                cages: vec![cage; if own { count } else { 0 }],
            })
        };
        let chunks: Vec<_> = (0..gates).step_by(chunk).map(part).collect();
        let wires = layer.wiring.chunks(chunk * layer.arity).map(|own| Wires { wiring: own.to_vec(), scored: None });
        LayerState {
            confidences: chunks.iter().map(|_| AtomicU32::new(0)).collect(),
            chunks,
            tables: [0, 1].map(|_| Tables::new(gates, layer.arity)),
            wires: wires.map(Mutex::new).collect(),
            mixtures: Mixtures::new(if constants.soft.is_some() { gates << layer.arity } else { 0 }),
            edges: (sends && layer.form.is_dense())
                .then(|| RwLock::new(Edges::of(&layer.wiring, layer.inputs, layer.arity))),
            trees: Trees::of(layer, index, sends),
        }
    }

    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> usize {
        let of = |g: &Gates| {
            let logits = 3 * g.logits.len() + g.sums.len() + g.noise.len() + g.confidences.len();
            let soft = g.soft.as_ref().map_or(0, |soft| soft.tables.len() + soft.gradients.len());
            (logits + soft) * 4 + g.cages.len() * size_of::<Cage>()
        };
        let edges = self.edges.as_ref().map_or(0, |edges| read(edges).bytes());
        let wires = |wires: &Mutex<Wires>| {
            let wires = lock(wires);
            wires.wiring.len() * 4 + wires.scored.as_ref().map_or(0, |scored| scored.bytes())
        };
        let wires = self.wires.iter().map(wires).sum::<usize>();
        let tables = 2 * self.tables[0].bytes() + self.mixtures.bytes() + self.trees.as_ref().map_or(0, Trees::bytes);
        self.chunks.iter().map(|chunk| of(&lock(chunk))).sum::<usize>() + wires + edges + tables
    }

    /// What `of` gives of all chunks of its wires, one after the other.
    pub fn of_wires<T>(&self, of: impl Fn(&Wires) -> Vec<T>) -> Vec<T> {
        self.wires.iter().flat_map(|wires| of(&lock(wires))).collect()
    }

    /// Note what the selections of chunk `chunk` sum to.
    pub fn set_confidence(&self, chunk: usize, sum: f32) {
        self.confidences[chunk].store(sum.to_bits(), Ordering::Relaxed);
    }

    /// What the selections of chunk `chunk` sum to.
    pub fn chunk_confidence(&self, chunk: usize) -> f32 {
        f32::from_bits(self.confidences[chunk].load(Ordering::Relaxed))
    }

    /// What the layer's selections sum to.
    pub fn confidence(&self) -> f32 {
        (0..self.confidences.len()).map(|chunk| self.chunk_confidence(chunk)).sum()
    }
}

/// The logarithm of a chunk's gates: so many chunks of the widest layer that threads finish together, and that taking one
/// costs nothing beside working on it. It does not depend on the number of threads, for confidences are summed by chunks.
pub fn chunk_shift(model: &Model) -> u32 {
    let widest = model.layers.iter().map(Layer::gates).max().unwrap_or(1);
    (widest / 48).next_power_of_two().clamp(64, 2048).ilog2()
}

/// The layers of `model` in training.
pub fn layers_of(model: &Model, constants: &Constants) -> Vec<LayerState> {
    let chunk = 1 << chunk_shift(model);
    let first_trained = first_of(&constants.trained(model));
    let mut first_gate = 0;
    let layers = model.layers.iter().enumerate().map(|(i, layer)| {
        first_gate += layer.gates();
        LayerState::new(layer, (i, i > first_trained), first_gate - layer.gates(), chunk, constants)
    });
    layers.collect()
}

/// What a micro-batch of `B` blocks of 64 samples goes through, gradients being kept as `E`.
#[derive(Debug)]
pub struct Workspace<E, const B: usize> {
    /// Input bits, and after them the outputs of every layer.
    rows: Vec<Bits<B>>,
    /// `[layers + 1]`: where each one's lie among these.
    own: Vec<Range<usize>>,
    /// `[layers]`: where what each reads lies.
    read: Vec<Range<usize>>,
    /// `[layers]`: what each that is a convolution reads and sends.
    pub maps: Vec<Option<Maps<E, B>>>,
    /// `[outputs · B]` votes of a block.
    pub votes: Vec<Mutex<[u32; BLOCK]>>,
    /// `[B][outputs]`: gradients by the votes.
    pub classes: [RwLock<Vec<Stored<E>>>; B],
    /// `[B]`: sums of losses and qualities.
    pub judged: [Mutex<[f32; 2]>; B],
    /// Two planes of chunks of rows; dense layer l keeps its gradients in plane l % 2.
    pub planes: [Vec<RwLock<Vec<Row<E, B>>>>; 2],
}

impl<E: Element, const B: usize> Workspace<E, B> {
    /// For training `model`, of whose layers the first that are not `trained` need no gradients.
    pub fn new(model: &Model, trained: &[bool]) -> Self {
        let outputs = model.classes.len();
        let first = first_of(trained);
        let zero = Stored([E::of(0); BLOCK]);
        // The first layer that is trained sends no gradients on; the last layer's are its classes'.
        let last = model.layers.len() - 1;
        let dense =
            |parity: usize| (first + 1..last).filter(move |&i| i % 2 == parity && model.layers[i].form.is_dense());
        let rows = |parity: usize| dense(parity).map(|i| model.layers[i].gates()).max().unwrap_or(0);
        let chunk = 1usize << chunk_shift(model);
        let plane = |rows: usize| {
            (0..rows).step_by(chunk).map(|first| RwLock::new(vec![[zero; B]; chunk.min(rows - first)])).collect()
        };
        let own = model.rows();
        Workspace {
            rows: signals(own.last().map_or(0, |rows| rows.end)),
            read: model.layers.iter().zip(&own).map(|(layer, before)| before.end - layer.inputs..before.end).collect(),
            own,
            maps: model.layers.iter().enumerate().map(|(i, l)| Maps::of(l, i > first)).collect(),
            votes: (0..outputs * B).map(|_| Mutex::new([0; BLOCK])).collect(),
            classes: std::array::from_fn(|_| RwLock::new(vec![zero; outputs])),
            judged: std::array::from_fn(|_| Mutex::new([0.0; 2])),
            planes: [plane(rows(0)), plane(rows(1))],
        }
    }

    /// `[features]` input bits.
    pub fn features(&self) -> &[Bits<B>] {
        &self.rows[self.own[0].clone()]
    }

    /// `[inputs]`: what layer `i` reads.
    pub fn inputs(&self, i: usize) -> &[Bits<B>] {
        &self.rows[self.read[i].clone()]
    }

    /// `[rows]`: what layer `i` gives.
    pub fn outputs(&self, i: usize) -> &[Bits<B>] {
        &self.rows[self.own[i + 1].clone()]
    }

    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> usize {
        let signals = self.rows.len();
        let rows: usize = self.planes.iter().flatten().map(|rows| read(rows).len()).sum();
        let votes = self.votes.len() * BLOCK * 4;
        let maps: usize = self.maps.iter().flatten().map(Maps::bytes).sum();
        maps + signals * size_of::<Bits<B>>() + rows * size_of::<Row<E, B>>() + votes
    }

    /// `[layers][gates][samples]` outputs of `batch` samples, as zeros and ones, if they are all here.
    pub fn bits(&self, batch: usize) -> Option<Vec<Vec<Vec<f64>>>> {
        let bit = |bits: &Bits<B>, s: usize| ((bits[s / BLOCK].load(Ordering::Relaxed) >> (s % BLOCK)) & 1) as f64;
        let row = |bits: &Bits<B>| (0..batch).map(|s| bit(bits, s)).collect();
        let layer = |i: usize| self.outputs(i).iter().map(row).collect();
        (batch <= B * BLOCK).then(|| (0..self.read.len()).map(layer).collect())
    }

    /// The gradient rows of all outputs.
    pub fn class_rows(&self) -> Vec<Row<E, B>> {
        let blocks: [_; B] = std::array::from_fn(|b| read(&self.classes[b]));
        (0..blocks[0].len()).map(|class| std::array::from_fn(|b| blocks[b][class])).collect()
    }
}
