//! What a step is on bits, by gradients in whole numbers: the hard methods.

use super::backward::{Backward, Consumer, Kernels, Moves, Rows};
use super::constants::Constants;
use super::conv::{Source, Task, TreeKernels, pad};
use super::exchange::learned;
use super::forward::{Forward, count};
use super::lanes::{BLOCK, Row, Stored};
use super::locks::{lock, read, write};
use super::loss::{Judge, Rounding};
use super::network::{Network, Workspace, chunk_shift};
use super::step::{Sitting, Through};
use super::team::Member;
use super::weights::WireUpdate;
use super::wires::Wires;

impl<E: Kernels + TreeKernels, const B: usize> Through for Workspace<E, B> {
    /// A chunk's rows that no layer needs.
    type Own = Vec<Row<E, B>>;

    fn own(&self, network: &Network) -> Self::Own {
        vec![[Stored([E::of(0); BLOCK]); B]; 1 << chunk_shift(&network.model)]
    }

    fn samples(&self) -> usize {
        B * BLOCK
    }

    fn take(sitting: &mut Sitting<Self>, micro: usize, is_last: bool, sums: &mut [f32; 2], member: &mut Member) {
        sitting.encode(micro, member);
        sitting.forward(micro, member);
        sitting.judge(micro, member);
        for judged in &sitting.workspace.judged {
            let judged = *lock(judged);
            *sums = [0, 1].map(|i| sums[i] + judged[i]);
        }
        sitting.backward(micro > 0, is_last, member);
    }
}

impl<E: Kernels + TreeKernels, const B: usize> Sitting<'_, Workspace<E, B>> {
    fn encode(&mut self, micro: usize, member: &mut Member) {
        let (n, w) = (self.network, self.workspace);
        member.share(n.encoding.strips() * B, |item| {
            let (strip, b) = (item / B, item % B);
            self.encode_word(strip, micro * B + b, (w.features(), b));
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
            let votes: Vec<[f32; BLOCK]> =
                w.votes.iter().skip(b).step_by(B).map(|votes| lock(votes).map(|v| v as f32)).collect();
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
                            n.update(&self.state, (i, chunk), &mut gates, &update, &mut self.room);
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
                let rows = kept.as_mut().map_or(self.own.as_mut_slice(), |rows| rows.as_mut_slice());
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
                    n.update(&self.state, (i, chunk), &mut gates, &update, &mut self.room);
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
                n.update(&self.state, (i, chunk), &mut lock(&state.chunks[chunk]), &update, &mut self.room);
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
}
