//! What a convolution in training keeps: how its units are parted over threads, and the maps that they read.

use std::sync::RwLock;
use std::sync::atomic::{AtomicI32, Ordering};

use super::super::bits::Bits;
use super::super::lanes::{BLOCK, Element, Row, Stored};
use super::super::locks::{read, write};
use super::super::simd::Simd;
use super::super::tables::Tables;
use super::forward::{Unit, pad};
use super::paths::words_of;
use crate::network::{Conv, Form, Layer};
use crate::random::{Philox, key};
use crate::settings::PoolGradient;

/// Counter word 3 of the draws that choose among a window's places.
const STREAM: u32 = 5;

/// Units that a thread takes at a time, where any thread can take any.
const PART: usize = 4;

/// A convolutional layer in training, apart from its gates' logits.
#[derive(Debug)]
pub struct Trees {
    /// Its shape.
    pub conv: Conv,
    /// Trees.
    pub units: usize,
    /// Its number in the network.
    layer: u32,
    /// `[tasks]` units that each takes: those that read input channel `task`, or some of them where nothing is sent on.
    pub units_of: Vec<Vec<u32>>,
    /// Whether the layer before needs gradients.
    pub sends: bool,
    /// `[gates][4]`: table gradients of the step.
    pub sums: Vec<AtomicI32>,
}

impl Trees {
    /// Those of layer number `index`, if it is a convolution; it `sends` gradients on, or not.
    pub fn of(layer: &Layer, index: usize, sends: bool) -> Option<Self> {
        let Form::Conv(conv) = layer.form else { return None };
        let units = layer.gates() / conv.tree_gates();
        let tasks = if sends {
            let mut tasks = vec![Vec::new(); conv.channels as usize];
            for (unit, wires) in layer.wiring.chunks_exact(conv.leaves()).enumerate() {
                for &wire in wires {
                    let task: &mut Vec<u32> = &mut tasks[conv.leaf(wire).0];
                    if task.last() != Some(&(unit as u32)) {
                        task.push(unit as u32);
                    }
                }
            }
            tasks
        } else {
            (0..units as u32).collect::<Vec<_>>().chunks(PART).map(<[u32]>::to_vec).collect()
        };
        let sums = (0..layer.gates() * 4).map(|_| AtomicI32::new(0)).collect();
        Some(Trees { conv, units, layer: index as u32, units_of: tasks, sends, sums })
    }

    /// Parts of the backward pass that threads take.
    pub fn tasks(&self) -> usize {
        self.units_of.len()
    }

    /// Parts of the forward pass.
    pub fn parts(&self) -> usize {
        self.units.div_ceil(PART)
    }

    /// The units of part `part`.
    pub fn part(&self, part: usize) -> std::ops::Range<usize> {
        part * PART..self.units.min((part + 1) * PART)
    }

    /// Copy table gradients of the gates from `first` on.
    pub fn copy_sums(&self, first: usize, to: &mut [i32]) {
        to.iter_mut().zip(&self.sums[first * 4..]).for_each(|(to, sum)| *to = sum.load(Ordering::Relaxed));
    }

    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> usize {
        self.sums.len() * 4 + self.units_of.iter().map(|task| task.len() * 4).sum::<usize>()
    }
}

/// What a convolution reads and sends in a micro-batch.
#[derive(Debug)]
pub struct Maps<E, const B: usize> {
    /// `[channels][rows · columns · B]`: the map that it reads, zeros around it.
    pub padded: Vec<RwLock<Vec<u64>>>,
    /// `[channels][rows · columns]`: gradients by these; none where nobody needs them.
    pub sent: Vec<RwLock<Vec<Row<E, B>>>>,
    /// `[bands][window][words]`: of every band of pooled windows, the samples for which each place is the one drawn.
    pub draws: RwLock<Vec<u64>>,
}

impl<E: Element, const B: usize> Maps<E, B> {
    /// For a layer that `sends` gradients on, or not, if it is a convolution.
    pub fn of(layer: &Layer, sends: bool) -> Option<Self> {
        let Form::Conv(conv) = layer.form else { return None };
        let (channels, area) = (conv.channels as usize, conv.padded().iter().product::<usize>());
        let zero = [Stored([E::of(0); BLOCK]); B];
        let sent = if sends { channels } else { 0 };
        Some(Maps {
            padded: (0..channels).map(|_| RwLock::new(vec![0; area * B])).collect(),
            sent: (0..sent).map(|_| RwLock::new(vec![zero; area])).collect(),
            draws: RwLock::new(Vec::new()),
        })
    }

    /// Bytes of memory that it takes.
    pub fn bytes(&self) -> usize {
        let padded = self.padded.iter().map(|map| read(map).len() * 8).sum::<usize>();
        let sent = self.sent.iter().map(|rows| read(rows).len() * size_of::<Row<E, B>>()).sum::<usize>();
        padded + sent + read(&self.draws).len() * 8
    }

    /// Run unit `unit` forward, into its part of the layer's `outputs`.
    pub fn run(
        &self,
        simd: Simd,
        trees: &Trees,
        unit: usize,
        (layer, tables): (&Layer, &Tables),
        outputs: &[Bits<B>],
        room: &mut Vec<u64>,
    ) {
        let (conv, leaves, gates) = (&trees.conv, trees.conv.leaves(), trees.conv.tree_gates());
        let wires = &layer.wiring[unit * leaves..][..leaves];
        let guards: Vec<_> = wires.iter().map(|&wire| read(&self.padded[conv.leaf(wire).0])).collect();
        let maps: Vec<&[u64]> = guards.iter().map(|guard| guard.as_slice()).collect();
        let tables: Vec<u8> = (0..gates).map(|j| tables.get::<2>(unit * gates + j) as u8).collect();
        let outputs = &outputs[unit * conv.area()..][..conv.area()];
        Unit { conv, wires, tables: &tables, maps: &maps, outputs }.run(simd, room);
    }

    /// Run all units forward on this thread, from the layer's `inputs`.
    pub fn run_all(
        &self,
        simd: Simd,
        trees: &Trees,
        layer: &Layer,
        tables: &Tables,
        inputs: &[Bits<B>],
        outputs: &[Bits<B>],
    ) {
        self.padded.iter().enumerate().for_each(|(c, padded)| pad(&trees.conv, c, inputs, &mut write(padded)));
        let mut room = Vec::new();
        (0..trees.units).for_each(|unit| self.run(simd, trees, unit, (layer, tables), outputs, &mut room));
    }

    /// Draw the places of windows without a one, for the samples of the batch from word `word` of 32 on, in step `step`.
    pub fn draw(&self, trees: &Trees, rule: PoolGradient, seed: u64, step: u32, word: u32) {
        if trees.conv.pool == 1 || rule != PoolGradient::Any {
            return;
        }
        let window = (trees.conv.pool * trees.conv.pool) as usize;
        let mut draws = write(&self.draws);
        let ([rows, columns], band) = (trees.conv.outputs(), trees.conv.band());
        let words = words_of(band * columns, B);
        draws.clear();
        draws.resize(rows.div_ceil(band) * window * words, 0);
        for place in 0..trees.conv.area() {
            let mut masks = [[0u64; B]; 16];
            for half in 0..2 * B {
                let block = word + half as u32;
                let words = Philox::block(key(seed), [step, trees.layer << 20 | place as u32, block, STREAM]);
                for value in 0..16usize {
                    let is = |bit: usize| if value >> (3 - bit) & 1 == 1 { words[bit] } else { !words[bit] };
                    let samples = is(0) & is(1) & is(2) & is(3);
                    masks[(value * window) >> 4][half / 2] |= u64::from(samples) << (32 * (half % 2));
                }
            }
            for (q, masks) in masks.iter().enumerate().take(window) {
                let outputs = band * columns;
                let at = (place / outputs * window + q) * words + place % outputs * B;
                draws[at..at + B].copy_from_slice(masks);
            }
        }
    }
}
