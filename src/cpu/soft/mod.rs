//! What a step is on real numbers: the soft methods.
//!
//! A gate is a mixture's multilinear extension, forward and backward; gradients are rounded between layers as they are to be kept. A block of 16 samples goes
//! through a layer on one thread: what its gates send to a layer before is added where it comes to, and table gradients of
//! the blocks are added up block by block, so that every sum has one order, whatever the threads and the vectors.

mod conv;
mod dense;
mod mixtures;
mod rows;

use std::ops::Range;
use std::sync::RwLock;
use std::sync::atomic::Ordering;

pub use mixtures::Mixtures;
pub use rows::{LANES, Row};

use self::rows::{NONE, Rounded, add, run_by};
use super::bits::{Bits, signals};
use super::lanes::BLOCK;
use super::locks::{lock, read, write};
use super::loss::Judge;
use super::network::{Network, chunk_shift};
use super::selection::Soft;
use super::simd::Simd;
use super::step::{Sitting, Through};
use super::team::Member;
use crate::network::{Form, Layer, Model};
use crate::plan::GradientFormat;

/// Most blocks of a micro-batch, and so most threads that have work.
const MOST_BLOCKS: usize = 16;

/// Blocks of 16 samples a word of bits.
const PARTS: usize = BLOCK / LANES;

/// Rows that are added up before they are added to the sum of others, so that sums of many stay near.
const RUN: usize = 64;

/// What micro-batches of real numbers go through.
#[derive(Debug)]
pub struct Reals {
    /// `[words of 64 samples][features]` input bits.
    features: Vec<Vec<Bits<1>>>,
    /// `[blocks]`: what each goes through.
    blocks: Vec<RwLock<Block>>,
    /// What gradients are rounded to from layer to layer.
    format: GradientFormat,
}

/// What 16 samples go through.
#[derive(Debug)]
struct Block {
    signals: Signals,
    /// Gradients by the outputs of layer l, in plane l % 2.
    planes: [Vec<Row>; 2],
    /// `[layers][gates][2^arity]` table gradients.
    sums: Vec<Vec<f32>>,
    /// `[outputs]`
    votes: Vec<Row>,
    /// Sums of losses and qualities.
    judged: [f32; 2],
}

/// Activations of 16 samples.
#[derive(Debug)]
pub struct Signals {
    /// Input bits as zeros and ones, and after them the outputs of every layer.
    rows: Vec<Row>,
    /// `[layers + 1]`: where each one's lie among these.
    own: Vec<Range<usize>>,
    /// `[layers][outputs]`: which places of pools' windows are the greatest; none of layers without a pool.
    winners: Vec<Vec<conv::Winners>>,
}

impl Signals {
    /// For `model`.
    pub fn new(model: &Model) -> Self {
        let own = model.rows();
        let pooled = |layer: &Layer| match layer.form {
            Form::Conv(conv) if conv.pool > 1 => vec![[0; LANES]; layer.outputs()],
            _ => Vec::new(),
        };
        let rows = vec![NONE; own.last().map_or(0, |rows| rows.end)];
        Signals { rows, winners: model.layers.iter().map(pooled).collect(), own }
    }

    /// Take 16 samples' input bits: those of part `part` of word `word` of `bits`.
    pub fn take<const B: usize>(&mut self, bits: &[Bits<B>], word: usize, part: usize) {
        for (row, bits) in self.rows.iter_mut().zip(bits) {
            let own = bits[word].load(Ordering::Relaxed) >> (part * LANES);
            *row = std::array::from_fn(|s| ((own >> s) & 1) as f32);
        }
    }

    /// Run layer `i`, whose gates are `tables`.
    pub fn forward(&mut self, simd: Simd, i: usize, layer: &Layer, tables: &Mixtures) {
        let (before, outputs) = self.rows.split_at_mut(self.own[i + 1].start);
        let inputs = &before[before.len() - layer.inputs..];
        let (wiring, outputs) = (layer.wiring.as_slice(), &mut outputs[..layer.outputs()]);
        match layer.form {
            Form::Conv(conv) => {
                let winners = &mut self.winners[i];
                run_by(simd, conv::Forward { conv, wiring, tables, inputs, outputs, winners });
            }
            Form::Dense => run_by(simd, dense::Forward { arity: layer.arity, wiring, tables, inputs, outputs }),
        }
    }

    /// `[gates]`: what the last layer gives.
    fn last(&self) -> &[Row] {
        self.own.last().map_or(&[], |own| &self.rows[own.clone()])
    }

    /// `[outputs]`: the sums of groups of so many gates of the last layer.
    pub fn votes(&self, group: usize, outputs: usize) -> impl Iterator<Item = Row> {
        let sum = |rows: &[Row]| {
            let mut sum = NONE;
            rows.iter().for_each(|row| add(&mut sum, row));
            sum
        };
        self.last().chunks_exact(group).take(outputs).map(move |gates| {
            let mut votes = NONE;
            gates.chunks(RUN).for_each(|run| add(&mut votes, &sum(run)));
            votes
        })
    }
}

impl Block {
    fn new(model: &Model) -> Self {
        // The first layer sends nothing on.
        let rows = |parity: usize| {
            let layers = model.layers.iter().enumerate().filter(|(i, _)| i % 2 == parity);
            layers.map(|(_, layer)| layer.outputs()).max().unwrap_or(0)
        };
        Block {
            signals: Signals::new(model),
            planes: [0, 1].map(|parity| vec![NONE; rows(parity)]),
            sums: model.layers.iter().map(|layer| vec![0.0; layer.gates() << layer.arity]).collect(),
            votes: vec![NONE; model.classes.len()],
            judged: [0.0; 2],
        }
    }

    /// Table gradients of layer `i`, and, but for the first, gradients by what it reads, from those by its outputs as `format` keeps them.
    fn backward(
        &mut self,
        simd: Simd,
        i: usize,
        (layer, tables): (&Layer, &Mixtures),
        format: GradientFormat,
        added: bool,
    ) {
        run_by(simd, Rounded { rows: &mut self.planes[i % 2][..layer.outputs()], format });
        let Block { signals: Signals { rows, own, winners }, planes: [even, odd], sums, .. } = self;
        let (gradients, sent) = if i.is_multiple_of(2) { (&*even, odd) } else { (&*odd, even) };
        let (inputs, gradients) =
            (&rows[own[i + 1].start - layer.inputs..own[i + 1].start], &gradients[..layer.outputs()]);
        let sent = (i > 0).then(|| {
            let sent = &mut sent[..layer.inputs];
            sent.fill(NONE);
            sent
        });
        let (wiring, sums) = (layer.wiring.as_slice(), &mut sums[i]);
        if !added {
            sums.fill(0.0);
        }
        match layer.form {
            Form::Conv(conv) => {
                let winners = &winners[i];
                run_by(simd, conv::Backward { conv, wiring, tables, inputs, winners, gradients, sent, sums });
            }
            Form::Dense => {
                let arity = layer.arity;
                run_by(simd, dense::Backward { arity, wiring, tables, inputs, gradients, sent, sums });
            }
        }
    }

    fn bytes(&self) -> usize {
        let rows = self.signals.rows.len() + self.planes.iter().map(Vec::len).sum::<usize>() + self.votes.len();
        let winners = self.signals.winners.iter().map(|winners| winners.len() * LANES).sum::<usize>();
        rows * size_of::<Row>() + winners + self.sums.iter().map(|sums| sums.len() * 4).sum::<usize>()
    }
}

impl Reals {
    /// For batches of `batch` samples, gradients being kept as `format`.
    pub fn new(model: &Model, batch: usize, format: GradientFormat) -> Self {
        let blocks = batch.div_ceil(LANES).min(MOST_BLOCKS);
        Reals {
            features: (0..blocks.div_ceil(PARTS)).map(|_| signals(model.encoder.features())).collect(),
            blocks: (0..blocks).map(|_| RwLock::new(Block::new(model))).collect(),
            format,
        }
    }

    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> usize {
        let features = self.features.iter().map(|bits| bits.len() * 8).sum::<usize>();
        features + self.blocks.iter().map(|block| read(block).bytes()).sum::<usize>()
    }

    /// `[layers][outputs][samples]` outputs of `batch` samples, if they are all here.
    pub fn outputs(&self, batch: usize) -> Option<Vec<Vec<Vec<f64>>>> {
        let blocks: Vec<_> = self.blocks.iter().map(read).collect();
        let value = |row: usize, s: usize| f64::from(blocks[s / LANES].signals.rows[row][s % LANES]);
        let layers = blocks.first()?.signals.own.iter().skip(1);
        let layer = |own: &Range<usize>| own.clone().map(|row| (0..batch).map(|s| value(row, s)).collect()).collect();
        (batch <= blocks.len() * LANES).then(|| layers.map(layer).collect())
    }
}

impl Through for Reals {
    type Own = ();

    fn own(&self, _: &Network) {}

    fn samples(&self) -> usize {
        self.blocks.len() * LANES
    }

    fn take(sitting: &mut Sitting<Self>, micro: usize, is_last: bool, sums: &mut [f32; 2], member: &mut Member) {
        sitting.encode(micro, member);
        sitting.forward(member);
        sitting.judge(micro, member);
        for block in &sitting.workspace.blocks {
            let judged = read(block).judged;
            *sums = [0, 1].map(|i| sums[i] + judged[i]);
        }
        sitting.backward(micro > 0, member);
        if is_last {
            sitting.update(member);
        }
    }
}

impl Sitting<'_, Reals> {
    /// The word of a batch's samples, counted over all of it, that a micro-batch begins with.
    fn first_word(&self, micro: usize) -> usize {
        micro * self.workspace.blocks.len() / PARTS
    }

    fn encode(&mut self, micro: usize, member: &mut Member) {
        let (n, w) = (self.network, self.workspace);
        let (strips, first) = (n.encoding.strips(), self.first_word(micro));
        member.share(strips * w.features.len(), |item| {
            let (strip, word) = (item % strips, item / strips);
            self.encode_word(strip, first + word, (&w.features[word], 0));
        });
        self.mark(|| "encode".into());
        member.share(w.blocks.len(), |b| write(&w.blocks[b]).signals.take(&w.features[b / PARTS], 0, b % PARTS));
        self.mark(|| "unpack_bits".into());
    }

    fn forward(&mut self, member: &mut Member) {
        let (n, w) = (self.network, self.workspace);
        for (i, (layer, state)) in n.model.layers.iter().zip(&n.layers).enumerate() {
            let each = |b: usize| write(&w.blocks[b]).signals.forward(n.simd, i, layer, &state.mixtures);
            member.share(w.blocks.len(), each);
            self.mark(|| format!("{} {i}", if layer.form.is_dense() { "forward_soft" } else { "forward_conv" }));
        }
    }

    /// Votes, the loss, and its gradients by the last layer's outputs.
    fn judge(&mut self, micro: usize, member: &mut Member) {
        let (n, w) = (self.network, self.workspace);
        let (group, last, outputs) = (n.model.group(), n.model.layers.len() - 1, n.model.classes.len());
        member.share(w.blocks.len(), |b| {
            let Block { votes, signals, .. } = &mut *write(&w.blocks[b]);
            votes.iter_mut().zip(signals.votes(group, outputs)).for_each(|(to, votes)| *to = votes);
        });
        self.mark(|| "group_sum".into());
        let judge = Judge { head: &n.model.head, split: n.train, spread: &n.spread, group, tau: n.constants.tau };
        let first = self.first_word(micro);
        member.share(w.blocks.len(), |b| {
            let Block { votes, planes, judged: to, .. } = &mut *write(&w.blocks[b]);
            let samples: Vec<u32> = self.samples_of(first + b / PARTS).skip(b % PARTS * LANES).take(LANES).collect();
            let wide: Vec<[f32; BLOCK]> =
                votes.iter().map(|votes| std::array::from_fn(|s| votes.get(s).copied().unwrap_or(0.0))).collect();
            let judged = judge.judge(&wide, &samples, n.constants.batch);
            for (gates, g) in planes[last % 2].chunks_exact_mut(group).zip(&judged.gradients) {
                gates.fill(std::array::from_fn(|s| g[s]));
            }
            *to = [judged.losses.iter().sum(), judged.qualities.iter().sum()];
        });
        self.mark(|| "loss".into());
    }

    fn backward(&mut self, added: bool, member: &mut Member) {
        let (n, w) = (self.network, self.workspace);
        for (i, (layer, state)) in n.model.layers.iter().zip(&n.layers).enumerate().rev() {
            let own = (layer, &state.mixtures);
            let each = |b: usize| write(&w.blocks[b]).backward(n.simd, i, own, w.format, added);
            member.share(w.blocks.len(), each);
            self.mark(|| format!("{} {i}", if layer.form.is_dense() { "backward_soft" } else { "backward_conv" }));
        }
    }

    /// Add up the blocks' table gradients, and make new logits and the next step's tables.
    fn update(&mut self, member: &mut Member) {
        let (n, w) = (self.network, self.workspace);
        let shift = chunk_shift(&n.model);
        for (i, (layer, state)) in n.model.layers.iter().zip(&n.layers).enumerate() {
            let update = self.update_of(i);
            member.share(state.chunks.len(), |chunk| {
                let gates = &mut *lock(&state.chunks[chunk]);
                let first = chunk << shift << layer.arity;
                if let Some(Soft { gradients, .. }) = &mut gates.soft {
                    gradients.fill(0.0);
                    for block in &w.blocks {
                        let own = read(block);
                        gradients.iter_mut().zip(&own.sums[i][first..]).for_each(|(sum, own)| *sum += own);
                    }
                }
                n.update(&self.state, (i, chunk), gates, &update, &mut self.room);
                if let Some(Soft { tables, .. }) = &gates.soft {
                    state.mixtures.set(first, tables);
                }
            });
            self.mark(|| format!("update {i}"));
        }
    }
}
