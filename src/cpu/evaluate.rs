//! How a network judges a split: on bits, and, by code of its own, with its selected gates on real numbers.

use super::forward::{Bits, Forward, count, signals};
use super::lanes::BLOCK;
use super::loss::Judge;
use super::network::{Network, lock};
use super::tables::Tables;
use super::team::work_together;
use crate::data::Split;
use crate::network::Layer;

/// Blocks of samples that a thread takes at a time.
const BLOCKS: usize = 2;
/// Samples that real activations are made of at a time.
const LANES: usize = 16;

/// What a network makes of a split's samples.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Evaluated {
    /// `[samples][outputs]`
    pub votes: Vec<f32>,
    /// `[samples]`
    pub losses: Vec<f32>,
}

impl Network<'_> {
    /// Evaluate the network of `tables`, `[layers][gates]`, on `threads` threads: on bits, or on `real` numbers by the gates'
    /// multilinear extensions.
    pub(super) fn evaluate(&self, tables: &[Vec<u64>], split: &Split, real: bool, threads: usize) -> Evaluated {
        let packed: Vec<Tables> = self
            .model
            .layers
            .iter()
            .zip(tables)
            .map(|(layer, own)| {
                let packed = Tables::new(layer.gates(), layer.arity);
                own.iter().enumerate().for_each(|(gate, &table)| packed.set(gate, table));
                packed
            })
            .collect();
        let wiring = self.wires(|wires| wires.wiring.clone());
        let group = self.model.group();
        let judge = Judge { head: &self.model.head, split, spread: &self.spread, group, tau: self.constants.tau };
        let size = BLOCKS * BLOCK;
        let parts: Vec<_> =
            (0..split.len().div_ceil(size)).map(|_| std::sync::Mutex::new(Evaluated::default())).collect();
        work_together(threads.min(parts.len()), |member| {
            let widest = self.model.layers.iter().map(Layer::gates).max().unwrap_or(0);
            let (inputs, planes) = (signals(self.model.encoder.features()), [0, 1].map(|_| signals(widest)));
            member.share(parts.len(), |part| {
                let first = part * size;
                let count = size.min(split.len() - first);
                self.encode_all(split, first..first + count, &inputs);
                let votes = match real {
                    true => self.votes_of_reals((tables, &wiring), &inputs),
                    false => self.votes_of_bits((&packed, &wiring), &inputs, &planes),
                };
                let mut made = Evaluated::default();
                for b in 0..count.div_ceil(BLOCK) {
                    let samples: Vec<u32> = (first + b * BLOCK..(first + count).min(first + (b + 1) * BLOCK))
                        .map(|sample| sample as u32)
                        .collect();
                    let own: Vec<[u32; BLOCK]> = votes.iter().map(|votes| votes[b].map(|v| v as u32)).collect();
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
        inputs: &[Bits<BLOCKS>],
        planes: &[Vec<Bits<BLOCKS>>; 2],
    ) -> Vec<[[f32; BLOCK]; BLOCKS]> {
        for (i, ((layer, tables), wiring)) in self.model.layers.iter().zip(tables).zip(wiring).enumerate() {
            let inputs = if i == 0 { inputs } else { &planes[(i + 1) % 2] };
            let outputs = &planes[i % 2][..layer.gates()];
            Forward { first: 0, wiring, arity: layer.arity, tables, inputs, outputs }.run();
        }
        let last = &planes[(self.model.layers.len() + 1) % 2];
        let gates = last.chunks_exact(self.model.group()).take(self.model.classes.len());
        gates.map(|gates| std::array::from_fn(|b| count(gates, b).map(|n| n as f32))).collect()
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
            for ((layer, tables), wiring) in self.model.layers.iter().zip(tables).zip(wiring) {
                activations = match layer.arity {
                    1 => extend::<1, 2>(wiring, tables, &activations),
                    2 => extend::<2, 4>(wiring, tables, &activations),
                    3 => extend::<3, 8>(wiring, tables, &activations),
                    4 => extend::<4, 16>(wiring, tables, &activations),
                    5 => extend::<5, 32>(wiring, tables, &activations),
                    _ => extend::<6, 64>(wiring, tables, &activations),
                };
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
