//! What the passes of a step move at least: every row that they read, once, and every row that they write. And what the
//! machine does at best.

use std::time::Instant;

use super::lanes::BLOCK;
use super::network::Network;
use super::soft::LANES;
use super::team::work_together;
use crate::network::{Candidates, Form, Layer, WireRule};

/// Bytes that are copied: more than caches hold.
const COPIED: usize = 64 << 20;
/// Times that each thing is measured; the least counts.
const ROUNDS: usize = 8;
/// Meetings of threads that are timed together.
const MEETINGS: usize = 1000;

/// A pass of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// What it computes.
    pub kernel: &'static str,
    /// Its layer, if it is a layer's.
    pub layer: Option<usize>,
    /// Bytes that it moves at least.
    pub bytes: u64,
}

impl Pass {
    /// `kernel` or `kernel layer`.
    pub fn label(&self) -> String {
        self.layer.map_or(self.kernel.into(), |layer| format!("{} {layer}", self.kernel))
    }
}

impl Network<'_> {
    /// The passes of a step in order, micro-batches of `blocks` blocks each, with their least bytes: those of one that scores wires, if
    /// any learn.
    pub(super) fn passes(&self, blocks: usize) -> Vec<Pass> {
        let (model, batch, is_shared) = (&self.model, self.share.len(), self.ranks.size() > 1);
        let micro_batches = batch.div_ceil(BLOCK).div_ceil(blocks);
        // Of one signal: its bits, and its gradients.
        let bits = blocks * 8;
        let row = blocks * BLOCK * if self.constants.bits <= 8 { 1 } else { 2 };
        let outputs = model.classes.len();
        let (first, last) = (self.first_trained(), model.layers.len() - 1);
        let mut passes = Vec::new();
        let mut add = |kernel, layer, bytes: usize| passes.push(Pass { kernel, layer, bytes: bytes as u64 });
        add("select_batch", None, batch * 4);
        for micro in 0..micro_batches {
            let samples = blocks * BLOCK;
            add("encode", None, samples * model.image.pixels() + model.encoder.features() * bits);
            let of = |i: usize| {
                let layer = &model.layers[i];
                let tables = layer.gates() * (1usize << layer.arity).div_ceil(8);
                (layer.gates(), tables, layer.wiring.len() * 4, layer.inputs.min(layer.wiring.len()))
            };
            for i in 0..=last {
                if let Form::Conv(conv) = model.layers[i].form {
                    let map = conv.channels as usize * conv.padded().iter().product::<usize>();
                    // Copied to a map, read from it at least once, written.
                    add("forward_conv", Some(i), (model.layers[i].inputs + 2 * map + model.layers[i].outputs()) * bits);
                    continue;
                }
                let (gates, tables, wires, read) = of(i);
                add("forward_hard", Some(i), tables + wires + (read + gates) * bits);
            }
            add("group_sum", None, of(last).0 * bits + outputs * samples * 4);
            add("loss", None, outputs * (samples * 4 + row));
            for i in (first..=last).rev() {
                let layer = &model.layers[i];
                if let Form::Conv(conv) = layer.form {
                    let map = conv.channels as usize * conv.padded().iter().product::<usize>();
                    let sent = if i > first { map * row } else { 0 };
                    add("backward_conv", Some(i), map * bits + layer.outputs() * row + sent);
                    if micro + 1 == micro_batches && !is_shared && self.trained[i] {
                        add("update", Some(i), self.update_bytes(i));
                    }
                    continue;
                }
                let (gates, _, wires, read) = of(i);
                let learns = self.candidates(i).is_some();
                let read = if learns { layer.inputs } else { read };
                let mut bytes = wires + read * bits + (gates << layer.arity) * 4;
                bytes += self.score_bytes(i, (micro > 0, micro_batches > 1 || is_shared));
                bytes += if i + 1 < last { model.layers[i + 1].gates() * row } else { outputs * row };
                if i < last {
                    let (_, tables, wires, _) = of(i + 1);
                    bytes += tables + wires * model.layers[i + 1].arity + gates * (4 + bits);
                }
                bytes += if first < i && i < last { gates * row } else { 0 };
                if micro + 1 < micro_batches || is_shared || !self.trained[i] {
                    add("backward", Some(i), bytes);
                } else {
                    add("backward_update", Some(i), bytes + self.update_bytes(i));
                }
            }
        }
        if is_shared {
            for i in (0..=last).rev().filter(|&i| self.trained[i]) {
                // What the others have of its own gates, read and added; of the update, its own part.
                let (chunks, own, ranks) = (self.layers[i].chunks.len(), self.own(i).len(), self.ranks.size());
                let sums = (model.layers[i].gates() << model.layers[i].arity) * 4 * own / chunks;
                let sums = sums + self.kept_score_bytes(i) * own / chunks;
                add("wait_for_ranks", Some(i), (ranks + 1) * sums);
                add("update", Some(i), sums + self.update_bytes(i) * own / chunks);
            }
            let trained = self.layers.iter().zip(&self.trained).filter(|(_, trained)| **trained);
            add("exchange_tables", None, trained.map(|(layer, _)| layer.tables[0].bytes()).sum());
        }
        passes
    }
}

impl Network<'_> {
    /// The passes of a step of mixtures in order, micro-batches of `samples` samples each, with their least bytes.
    pub(super) fn soft_passes(&self, samples: usize) -> Vec<Pass> {
        let (model, batch) = (&self.model, self.share.len());
        let (row, features, outputs) = (samples * 4, model.encoder.features(), model.classes.len());
        let words = samples.div_ceil(BLOCK) * 8;
        let mut passes = vec![Pass { kernel: "select_batch", layer: None, bytes: batch as u64 * 4 }];
        let mut add = |kernel, layer, bytes: usize| passes.push(Pass { kernel, layer, bytes: bytes as u64 });
        let last = model.layers.len() - 1;
        for micro in 0..batch.div_ceil(samples) {
            add("encode", None, samples * model.image.pixels() + features * words);
            add("unpack_bits", None, features * (words + row));
            let names = |layer: &Layer, dense, conv| if layer.form.is_dense() { dense } else { conv };
            let tables = |layer: &Layer| layer.wiring.len() * 4 + (layer.gates() << layer.arity) * 4;
            let read = |layer: &Layer| match layer.form {
                Form::Dense => layer.inputs.min(layer.wiring.len()),
                Form::Conv(_) => layer.inputs,
            };
            for (i, layer) in model.layers.iter().enumerate() {
                let bytes = tables(layer) + (read(layer) + layer.outputs()) * row;
                add(names(layer, "forward_soft", "forward_conv"), Some(i), bytes);
            }
            let gates = model.layers[last].gates();
            add("group_sum", None, (gates + outputs) * row);
            add("loss", None, (outputs + gates) * row);
            for (i, layer) in model.layers.iter().enumerate().rev() {
                // Activations, gradients, what is sent, and a block's table gradients.
                let sent = if i > 0 { layer.inputs * row } else { 0 };
                let sums = (layer.gates() << layer.arity) * 4 * samples.div_ceil(LANES);
                let bytes = tables(layer) + (read(layer) + layer.outputs()) * row + sent + sums;
                add(names(layer, "backward_soft", "backward_conv"), Some(i), bytes);
            }
            if micro + 1 == batch.div_ceil(samples) {
                for (i, layer) in model.layers.iter().enumerate() {
                    let mixtures = (layer.gates() << layer.arity) * 4;
                    add("update", Some(i), self.update_bytes(i) + mixtures * (samples.div_ceil(LANES) + 1));
                }
            }
        }
        passes
    }

    /// Candidates of layer `i`'s wires, if these learn.
    fn candidates(&self, i: usize) -> Option<&Candidates> {
        self.learning.as_ref()?.layers[i].as_ref()
    }

    /// Candidates of layer `i`'s wires and, if they are kept, their scores, which are `added` to what there is or not.
    fn score_bytes(&self, i: usize, (added, are_kept): (bool, bool)) -> usize {
        let candidates = self.candidates(i).map_or(0, |candidates| candidates.wires.len() * 4);
        candidates + if are_kept { self.kept_score_bytes(i) * if added { 2 } else { 1 } } else { 0 }
    }

    /// Scores of layer `i`'s candidates, and each pin's of a bit that is always 1.
    fn kept_score_bytes(&self, i: usize) -> usize {
        self.candidates(i)
            .map_or(0, |candidates| (candidates.wires.len() / candidates.count) * (candidates.count + 1) * 4)
    }

    /// Logits and both moments of layer `i`, read and written; noise, written and read again; and its tables. Of wires that learn weights
    /// and moments, read and written, and the wires, written.
    fn update_bytes(&self, i: usize) -> usize {
        let layer = &self.model.layers[i];
        let numbers = match &self.learning {
            Some(learning) if learning.rule == WireRule::Dwn => 6,
            _ => 2,
        };
        let wires = self.candidates(i).map_or(0, |own| numbers * own.wires.len() + layer.wiring.len());
        let logits = layer.gates() * layer.parametrization.logits(layer.arity) * 4;
        let noise = if self.constants.noisy { 2 * logits } else { 0 };
        layer.gates() * (1usize << layer.arity).div_ceil(8) + 6 * logits + noise + wires * 4
    }
}

/// Bytes a second that `threads` threads read and write together in copying memory, and seconds that they take to meet.
pub fn measure(threads: usize) -> (f64, f64) {
    let part = COPIED / threads / 64 * 64;
    let mut buffers: Vec<[Vec<u8>; 2]> = (0..threads).map(|i| [vec![i as u8; part], vec![1; part]]).collect();
    let mut least = f64::INFINITY;
    for _ in 0..ROUNDS {
        let from = Instant::now();
        std::thread::scope(|scope| {
            let (own, others) = buffers.split_at_mut(1);
            for [source, copied] in others {
                scope.spawn(|| copied.copy_from_slice(source));
            }
            let [source, copied] = &mut own[0];
            copied.copy_from_slice(source);
        });
        least = least.min(from.elapsed().as_secs_f64());
    }
    let from = Instant::now();
    work_together(threads, |member| (0..MEETINGS).for_each(|_| member.share(threads, |_| {})));
    ((2 * part * threads) as f64 / least, from.elapsed().as_secs_f64() / MEETINGS as f64)
}
