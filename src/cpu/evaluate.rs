//! How a network judges a split: on bits; by code of its own, with its selected gates on real numbers; and by mixtures.

use std::ops::Range;

use super::bits::{Bits, signals};
use super::conv::Maps;
use super::forward::{Forward, count};
use super::lanes::BLOCK;
use super::locks::lock;
use super::loss::Judge;
use super::network::Network;
use super::soft::{LANES, Mixtures, Signals};
use super::tables::Tables;
use super::team::work_together;
use crate::data::Split;
use crate::network::{Conv, Form, Layer};

/// Blocks of samples that a thread takes at a time.
const BLOCKS: usize = 2;
/// What a network makes of a split's samples.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evaluated {
    /// `[samples][outputs]`
    pub votes: Vec<f32>,
    /// `[samples]`
    pub losses: Vec<f32>,
}

/// By which gates a network judges.
#[derive(Debug, Clone, Copy)]
pub(super) enum By<'a> {
    /// `[layers][gates]` tables, on bits.
    Bits(&'a [Vec<u64>]),
    /// `[layers][gates]` tables, on real numbers by their multilinear extensions.
    Reals(&'a [Vec<u64>]),
    /// `[layers]` of what soft methods train.
    Mixtures(&'a [Mixtures]),
}

impl Network<'_> {
    /// Evaluate the network of these gates on `threads` threads.
    pub(super) fn evaluate(&self, by: By, split: &Split, threads: usize) -> Evaluated {
        let packed = match by {
            By::Bits(tables) => self.packed(tables),
            _ => Vec::new(),
        };
        let wiring = self.wires(|wires| wires.wiring.clone());
        let group = self.model.group();
        let judge = Judge { head: &self.model.head, split, spread: &self.spread, group, tau: self.constants.tau };
        let size = BLOCKS * BLOCK;
        let parts: Vec<_> =
            (0..split.len().div_ceil(size)).map(|_| std::sync::Mutex::new(Evaluated::default())).collect();
        work_together(threads.min(parts.len()), |member| {
            let lie = self.rows_in_evaluation();
            let rows = signals(lie.iter().map(|rows| rows.end).max().unwrap_or(0));
            let mut mixed = matches!(by, By::Mixtures(_)).then(|| Signals::new(&self.model));
            let maps: Vec<_> = self.model.layers.iter().map(|layer| Maps::<i8, BLOCKS>::of(layer, false)).collect();
            member.share(parts.len(), |part| {
                let first = part * size;
                let count = size.min(split.len() - first);
                let inputs = &rows[lie[0].clone()];
                self.encode_all(split, first..first + count, inputs);
                let votes = match (by, &mut mixed) {
                    (By::Mixtures(mixtures), Some(signals)) => self.votes_of_mixtures(mixtures, inputs, signals),
                    (By::Reals(tables), _) => self.votes_of_reals((tables, &wiring), inputs),
                    _ => self.votes_of_bits((&packed, &wiring), (&rows, &lie), &maps),
                };
                let mut made = Evaluated::default();
                for b in 0..count.div_ceil(BLOCK) {
                    let samples: Vec<u32> = (first + b * BLOCK..(first + count).min(first + (b + 1) * BLOCK))
                        .map(|sample| sample as u32)
                        .collect();
                    let own: Vec<[f32; BLOCK]> = votes.iter().map(|votes| votes[b]).collect();
                    let judged = judge.judge(&own, &samples, 1);
                    made.losses.extend(&judged.losses[..samples.len()]);
                    made.votes.extend((0..samples.len()).flat_map(|s| votes.iter().map(move |votes| votes[b][s])));
                }
                *lock(&parts[part]) = made;
            });
        });
        let mut all = Evaluated::default();
        for part in &parts {
            let part = lock(part);
            all.votes.extend(&part.votes);
            all.losses.extend(&part.losses);
        }
        all
    }

    /// `[layers]` of `[layers][gates]` tables.
    fn packed(&self, tables: &[Vec<u64>]) -> Vec<Tables> {
        let layers = self.model.layers.iter().zip(tables);
        let pack = |(layer, own): (&Layer, &Vec<u64>)| {
            let packed = Tables::new(layer.gates(), layer.arity);
            own.iter().enumerate().for_each(|(gate, &table)| packed.set(gate, table));
            packed
        };
        layers.map(pack).collect()
    }

    /// `[layers + 1]`: where input bits and each layer's outputs lie while a batch is evaluated: side by side if some layer reads them
    /// all, and otherwise outputs in two planes by turns, behind the input bits.
    fn rows_in_evaluation(&self) -> Vec<Range<usize>> {
        let model = &self.model;
        if model.reads_all() {
            return model.rows();
        }
        let (features, widest) = (model.encoder.features(), model.layers.iter().map(Layer::outputs).max().unwrap_or(0));
        let plane = |(i, layer): (usize, &Layer)| {
            let first = features + i % 2 * widest;
            first..first + layer.outputs()
        };
        std::iter::once(0..features).chain(model.layers.iter().enumerate().map(plane)).collect()
    }

    fn encode_all(&self, split: &Split, samples: std::ops::Range<usize>, inputs: &[Bits<BLOCKS>]) {
        let pixels = self.model.image.pixels();
        let rows = &split.pixels[samples.start * pixels..samples.end * pixels];
        for (b, rows) in rows.chunks(BLOCK * pixels).enumerate() {
            for strip in 0..self.encoding.strips() {
                self.encoding.encode(self.simd, strip, b, rows.chunks_exact(pixels), inputs);
            }
        }
    }

    /// `[outputs][blocks][samples]`
    fn votes_of_bits(
        &self,
        (tables, wiring): (&[Tables], &[Vec<u32>]),
        (rows, lie): (&[Bits<BLOCKS>], &[Range<usize>]),
        maps: &[Option<Maps<i8, BLOCKS>>],
    ) -> Vec<[[f32; BLOCK]; BLOCKS]> {
        for (i, ((layer, tables), wiring)) in self.model.layers.iter().zip(tables).zip(wiring).enumerate() {
            // A layer that reads all has all before it side by side.
            let (inputs, outputs) = (&rows[lie[i].end - layer.inputs..lie[i].end], &rows[lie[i + 1].clone()]);
            if let (Some(trees), Some(maps)) = (&self.layers[i].trees, &maps[i]) {
                maps.run_all(self.simd, trees, layer, tables, inputs, outputs);
                continue;
            }
            Forward { first: 0, wiring, arity: layer.arity, tables, inputs, outputs }.run();
        }
        let gates =
            rows[lie[self.model.layers.len()].clone()].chunks_exact(self.model.group()).take(self.model.classes.len());
        gates.map(|gates| std::array::from_fn(|b| count(gates, b).map(|n| n as f32))).collect()
    }

    /// `[outputs][blocks][samples]`
    fn votes_of_mixtures(
        &self,
        mixtures: &[Mixtures],
        inputs: &[Bits<BLOCKS>],
        signals: &mut Signals,
    ) -> Vec<[[f32; BLOCK]; BLOCKS]> {
        let (group, outputs) = (self.model.group(), self.model.classes.len());
        let mut votes = vec![[[0.0; BLOCK]; BLOCKS]; outputs];
        for first in (0..BLOCKS * BLOCK).step_by(LANES) {
            let (b, at) = (first / BLOCK, first % BLOCK);
            signals.take(inputs, b, at / LANES);
            for (i, (layer, mixtures)) in self.model.layers.iter().zip(mixtures).enumerate() {
                signals.forward(self.simd, i, layer, mixtures);
            }
            for (to, row) in votes.iter_mut().zip(signals.votes(group, outputs)) {
                to[b][at..at + LANES].copy_from_slice(&row);
            }
        }
        votes
    }

    /// `[outputs][blocks][samples]`
    fn votes_of_reals(
        &self,
        (tables, wiring): (&[Vec<u64>], &[Vec<u32>]),
        inputs: &[Bits<BLOCKS>],
    ) -> Vec<[[f32; BLOCK]; BLOCKS]> {
        let mut votes = vec![[[0.0; BLOCK]; BLOCKS]; self.model.classes.len()];
        for first in (0..BLOCKS * BLOCK).step_by(LANES) {
            let (b, at) = (first / BLOCK, first % BLOCK);
            let real = |row: &Bits<BLOCKS>| {
                let word = row[b].load(std::sync::atomic::Ordering::Relaxed) >> at;
                std::array::from_fn(|s| ((word >> s) & 1) as f32)
            };
            let mut activations: Vec<[f32; LANES]> = inputs.iter().map(real).collect();
            // All that came before, for layers that read it.
            let mut all = if self.model.reads_all() { activations.clone() } else { Vec::new() };
            for ((layer, tables), wiring) in self.model.layers.iter().zip(tables).zip(wiring) {
                let inputs = if layer.reads.is_before() { &activations } else { &all };
                activations = match (layer.form, layer.arity) {
                    (Form::Conv(conv), _) => convolve(layer, &conv, tables, inputs),
                    (Form::Dense, 1) => extend::<1, 2>(wiring, tables, inputs),
                    (Form::Dense, 2) => extend::<2, 4>(wiring, tables, inputs),
                    (Form::Dense, 3) => extend::<3, 8>(wiring, tables, inputs),
                    (Form::Dense, 4) => extend::<4, 16>(wiring, tables, inputs),
                    (Form::Dense, 5) => extend::<5, 32>(wiring, tables, inputs),
                    (Form::Dense, _) => extend::<6, 64>(wiring, tables, inputs),
                };
                if self.model.reads_all() {
                    all.extend(&activations);
                }
            }
            for (votes, gates) in votes.iter_mut().zip(activations.chunks_exact(self.model.group())) {
                for gate in gates {
                    votes[b][at..at + LANES].iter_mut().zip(gate).for_each(|(vote, x)| *vote += x);
                }
            }
        }
        votes
    }
}

/// A convolution's outputs by its gates' multilinear extensions, and the greatest of each window.
fn convolve(layer: &Layer, conv: &Conv, tables: &[u64], inputs: &[[f32; LANES]]) -> Vec<[f32; LANES]> {
    let ([rows, columns], pool, leaves) = (conv.outputs(), conv.pool as usize, conv.leaves());
    let mut made = Vec::with_capacity(layer.outputs());
    let mut nodes = vec![[0.0; LANES]; leaves + conv.tree_gates()];
    for (wires, tables) in layer.wiring.chunks_exact(leaves).zip(tables.chunks_exact(conv.tree_gates())) {
        let (same, live) = reduced(leaves, tables);
        let root = same[nodes.len() - 1];
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            let mut most = [0.0f32; LANES];
            for (y, x) in (0..pool * pool).map(|q| (row * pool + q / pool, column * pool + q % pool)) {
                for (leaf, &wire) in wires.iter().enumerate().filter(|&(leaf, _)| live[leaf]) {
                    nodes[leaf] = conv.source(wire, y, x).map_or([0.0; LANES], |bit| inputs[bit]);
                }
                for (j, &table) in tables.iter().enumerate().filter(|&(j, _)| live[leaves + j]) {
                    let (a, b) = (nodes[same[2 * j]], nodes[same[2 * j + 1]]);
                    let [t0, t1, t2, t3] = std::array::from_fn(|c| ((table >> c) & 1) as f32);
                    nodes[leaves + j] = std::array::from_fn(|s| {
                        let (low, high) = (t0 + b[s] * (t1 - t0), t2 + b[s] * (t3 - t2));
                        low + a[s] * (high - low)
                    });
                }
                most = std::array::from_fn(|s| most[s].max(nodes[root][s]));
            }
            made.push(most);
        }
    }
    made
}

/// Of each node of a tree of these tables the node whose value it has, another where a gate passes an input on; and whether the root's
/// value hangs on it. Extensions of gates that pass an input on are that input, to the last bit.
fn reduced(leaves: usize, tables: &[u64]) -> (Vec<usize>, Vec<bool>) {
    let mut same: Vec<usize> = (0..leaves).collect();
    for (j, &table) in tables.iter().enumerate() {
        same.push(match table {
            0b1100 => same[2 * j],
            0b1010 => same[2 * j + 1],
            _ => leaves + j,
        });
    }
    let mut live = vec![false; same.len()];
    live[same[same.len() - 1]] = true;
    for j in (0..tables.len()).rev().filter(|j| same[leaves + j] == leaves + j) {
        if live[leaves + j] {
            (live[same[2 * j]], live[same[2 * j + 1]]) = (true, true);
        }
    }
    (same, live)
}

/// A layer's outputs by its gates' multilinear extensions: between the halves of its table, of 2^K entries, at each pin's
/// activation.
fn extend<const K: usize, const ENTRIES: usize>(
    wiring: &[u32],
    tables: &[u64],
    inputs: &[[f32; LANES]],
) -> Vec<[f32; LANES]> {
    let gates = wiring.chunks_exact(K).zip(tables);
    gates
        .map(|(wires, table)| {
            let mut nodes: [[f32; LANES]; ENTRIES] = std::array::from_fn(|c| [((table >> c) & 1) as f32; LANES]);
            for (pin, &wire) in wires.iter().enumerate().rev() {
                let x = &inputs[wire as usize];
                for i in 0..1 << pin {
                    let (low, high) = (nodes[2 * i], nodes[2 * i + 1]);
                    nodes[i] = std::array::from_fn(|s| low[s] + x[s] * (high[s] - low[s]));
                }
            }
            nodes[0]
        })
        .collect()
}
