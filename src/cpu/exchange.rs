//! What ranks that share a batch exchange. Chunks of gates are parted over the ranks, each of which updates its own alone. So in a
//! step a layer's sums go to those whose gates they are of; then each tells the others what the next step reads of its gates: hard
//! tables, confidences, and wires that moved. All else that is trained stays with its rank until it is gathered.

use std::sync::MutexGuard;

use super::locks::lock;
use super::network::{LayerState, Network};
use super::wires::Wires;
use crate::plan::sums_are_short;
use crate::ranks::{Line, Numbers};
use crate::{Error, Result};

/// What the leading thread of a rank exchanges with the other ranks.
#[derive(Debug)]
pub struct Exchange {
    /// `[layers]`: the sums of table gradients, and of scores.
    lines: Vec<Line>,
    /// What is told to the others.
    told: Vec<u32>,
    /// What went wrong first.
    pub failure: Option<Error>,
}

impl Exchange {
    /// That of a rank of `network`.
    pub fn new(network: &Network) -> Self {
        let (ranks, of) = (&network.ranks, &network.constants);
        let line = |(i, layer): (usize, &LayerState)| {
            // A sample counts once for every place of a convolution.
            ranks.line(i, layer.trees.is_none() && sums_are_short(of.bits, ranks.most(of.batch)))
        };
        Exchange { lines: network.layers.iter().enumerate().map(line).collect(), told: Vec::new(), failure: None }
    }

    /// Begin to send what layer `i`'s table gradients sum to here, and, in a step that moves wires, their scores, to the ranks whose
    /// gates they are of.
    pub fn begin(&mut self, network: &Network, i: usize, moves: bool) {
        let (layer, owners, mine) = (&network.layers[i], &network.owned[i], network.ranks.rank());
        let scored = |chunk: usize| learned(layer, chunk).filter(|_| moves);
        let count = |chunk: usize| {
            let scores = scored(chunk).and_then(|wires| wires.scored.as_ref().map(|own| own.scores.len()));
            lock(&layer.chunks[chunk]).sums.len() + scores.unwrap_or(0)
        };
        let put = |numbers: &mut Numbers| {
            for chunk in owners.iter().enumerate().filter(|&(rank, _)| rank != mine).flat_map(|(_, own)| own.clone()) {
                numbers.extend(&lock(&layer.chunks[chunk]).sums);
                if let Some(wires) = scored(chunk) {
                    wires.scored.iter().for_each(|scored| numbers.extend(&scored.scores));
                }
            }
        };
        self.attempt(|own| {
            own.lines.iter_mut().for_each(Line::push);
            own.lines[i].begin(owners.iter().map(|own| own.clone().map(count).sum()), put)
        });
    }

    /// Wait for what all others have of this rank's gates of the layer, and add it up.
    pub fn finish(&mut self, network: &Network, i: usize, moves: bool) {
        let layer = &network.layers[i];
        self.attempt(|own| {
            own.lines[i].finish(|mut given| {
                for chunk in network.own(i) {
                    given.add_to(&mut lock(&layer.chunks[chunk]).sums);
                    if let Some(mut wires) = learned(layer, chunk).filter(|_| moves) {
                        wires.scored.iter_mut().for_each(|scored| given.add_to(&mut scored.scores));
                    }
                }
            })
        });
    }

    /// Tell the others, and be told, which tables number `next` gates have now, how sure of them they are, and, in a step that moves
    /// wires, what they are wired to.
    pub fn tell(&mut self, network: &Network, next: usize, moves: bool) {
        let all = |rank: usize| {
            let layers = network.layers.iter().zip(&network.owned);
            layers.flat_map(move |(layer, owners)| owners[rank].clone().map(move |chunk| (layer, chunk)))
        };
        let gates = |layer: &LayerState, chunk: usize| network.gates_of(chunk, layer);
        self.told.clear();
        for (layer, chunk) in all(network.ranks.rank()) {
            layer.tables[next].pack(gates(layer, chunk), &mut self.told);
            self.told.push(layer.chunk_confidence(chunk).to_bits());
            if let Some(wires) = learned(layer, chunk).filter(|_| moves) {
                self.told.extend(&wires.wiring);
            }
        }
        let words = |(layer, chunk): (&LayerState, usize)| {
            let moved = learned(layer, chunk).filter(|_| moves).map_or(0, |wires| wires.wiring.len());
            layer.tables[next].packed_words(gates(layer, chunk).len()) + 1 + moved
        };
        let lengths: Vec<usize> = (0..network.ranks.size()).map(|rank| all(rank).map(words).sum()).collect();
        let hear = |rank: usize, mut words: &[u32]| {
            for (layer, chunk) in all(rank) {
                layer.tables[next].unpack(gates(layer, chunk), &mut words);
                let mut confidence = [0];
                put(&mut confidence, &mut words);
                layer.set_confidence(chunk, f32::from_bits(confidence[0]));
                if let Some(mut wires) = learned(layer, chunk).filter(|_| moves) {
                    put(&mut wires.wiring, &mut words);
                }
            }
        };
        self.attempt(|own| network.ranks.spread(&own.told, &lengths, hear));
    }

    /// Do `what`, unless something went wrong before, and note if it does.
    fn attempt(&mut self, what: impl FnOnce(&mut Self) -> Result<()>) {
        if self.failure.is_none() {
            self.failure = what(self).err();
        }
    }
}

/// The wires of chunk `chunk` of `layer`'s gates, if they learn. Leaves of trees, which do not, lie in other chunks than gates.
pub fn learned(layer: &LayerState, chunk: usize) -> Option<MutexGuard<'_, Wires>> {
    layer.wires.get(chunk).map(lock).filter(|wires| wires.scored.is_some())
}

/// Take the first of `from` to where they go.
fn put(to: &mut [u32], from: &mut &[u32]) {
    let (first, rest) = from.split_at(to.len());
    to.copy_from_slice(first);
    *from = rest;
}

/// Give every rank all that is trained of all gates and wires, which each has had of its own alone.
///
/// # Errors
/// As [`crate::ranks::Ranks::begin_sum`].
pub fn gather(network: &Network) -> Result<()> {
    let mut told = Vec::new();
    for (layer, owners) in network.layers.iter().zip(&network.owned) {
        // What `of` is to do with every array of a chunk.
        let visit = |chunk: usize, of: &mut dyn FnMut(&mut [u32])| {
            lock(&layer.chunks[chunk]).trained().into_iter().for_each(&mut *of);
            if let Some(mut wires) = learned(layer, chunk) {
                wires.scored.iter_mut().flat_map(|scored| scored.trained()).for_each(of);
            }
        };
        told.clear();
        owners[network.ranks.rank()].clone().for_each(|chunk| visit(chunk, &mut |array| told.extend_from_slice(array)));
        let count = |chunk: usize| {
            let mut count = 0;
            visit(chunk, &mut |array| count += array.len());
            count
        };
        let lengths: Vec<usize> = owners.iter().map(|own| own.clone().map(count).sum()).collect();
        network.ranks.spread(&told, &lengths, |rank, mut words| {
            owners[rank].clone().for_each(|chunk| visit(chunk, &mut |array| put(array, &mut words)));
        })?;
    }
    Ok(())
}
