//! Trees backward: what each window's gradient comes to at every gate and leaf of the places that it passes to.
//!
//! [`Paths`] says for which samples a band's gradients arrive where, and with which sign; here numbers are gathered, summed by
//! table entries, and added, saturating, to what leaves send.

use std::sync::RwLockReadGuard;
use std::sync::atomic::{AtomicI32, Ordering};

use super::super::backward::{Consumer, Rows, ask_for, gather};
use super::super::lanes::{BLOCK, Element, Lanes, Portable, Row, Stored};
#[cfg(target_arch = "x86_64")]
use super::super::lanes::{avx2, avx512};
use super::super::locks::{read, write};
use super::super::simd::Simd;
use super::super::tables::Tables;
use super::maps::{Maps, Trees};
use super::paths::{GATES, MOST_LEAVES, Paths, Sign, Tree, Windows, words_of};
use crate::network::{Conv, Layer};
use crate::settings::PoolGradient;

/// Of [`Lanes::add_dot`] before totals are due.
const MOST_SUMS: usize = 64;
/// How many windows ahead memory is asked for.
const AHEAD: usize = 4;

/// Where a layer's gradients by its outputs come from.
pub enum Source<'a, E, const B: usize> {
    /// A dense layer, its rows and who reads which output.
    Dense(Consumer<'a, B>, Rows<'a, E, B>),
    /// Classes that the outputs vote for.
    Classes(Rows<'a, E, B>),
    /// A convolution, which has sent them.
    Conv(Conv, &'a Maps<E, B>),
}

/// A part of a layer's backward pass.
pub struct Task<'a, E, const B: usize> {
    /// What it is run on.
    pub simd: Simd,
    /// The layer.
    pub trees: &'a Trees,
    /// Its wires.
    pub layer: &'a Layer,
    /// Its tables.
    pub tables: &'a Tables,
    /// What it reads and sends.
    pub maps: &'a Maps<E, B>,
    /// Number of the part.
    pub task: usize,
    /// Gradients by its outputs.
    pub source: &'a Source<'a, E, B>,
    /// Which places of a window they go to.
    pub rule: PoolGradient,
    /// Whether table gradients are added to what there is.
    pub added: bool,
}

/// What a thread works in, kept from one part to the next.
pub struct Room<E, const B: usize> {
    paths: Paths,
    /// `[columns]`: the gradients of a band of windows.
    gradients: Vec<Row<E, B>>,
}

impl<E, const B: usize> Default for Room<E, B> {
    fn default() -> Self {
        Room { paths: Paths::default(), gradients: Vec::new() }
    }
}

/// Integers that rows can hold, and the code for trees of them.
pub trait TreeKernels: Element {
    /// Run a part, with numbers of `bits` bits.
    fn trees<const B: usize>(bits: u32, task: &Task<Self, B>, room: &mut Room<Self, B>);
}

impl TreeKernels for i8 {
    fn trees<const B: usize>(_: u32, task: &Task<i8, B>, room: &mut Room<i8, B>) {
        match task.simd {
            // SAFETY: a `Simd` that a step runs on is one that the machine was found to have.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512 => unsafe { run_avx512::<avx512::Bytes, B>(task, room) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => unsafe { run_avx2::<avx2::Bytes, B>(task, room) },
            Simd::Portable => run::<Portable<i8, 8>, B>(task, room),
        }
    }
}

impl TreeKernels for i16 {
    fn trees<const B: usize>(bits: u32, task: &Task<i16, B>, room: &mut Room<i16, B>) {
        match (task.simd, bits) {
            // SAFETY: a `Simd` that a step runs on is one that the machine was found to have.
            #[cfg(target_arch = "x86_64")]
            (Simd::Avx512, 12) => unsafe { run_avx512::<avx512::Words<12>, B>(task, room) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Simd::Avx512, _) => unsafe { run_avx512::<avx512::Words<16>, B>(task, room) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Simd::Avx2, 12) => unsafe { run_avx2::<avx2::Words<12>, B>(task, room) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Simd::Avx2, _) => unsafe { run_avx2::<avx2::Words<16>, B>(task, room) },
            (Simd::Portable, 12) => run::<Portable<i16, 12>, B>(task, room),
            (Simd::Portable, _) => run::<Portable<i16, 16>, B>(task, room),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn run_avx512<L: Lanes, const B: usize>(task: &Task<L::Element, B>, room: &mut Room<L::Element, B>) {
    run::<L, B>(task, room);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn run_avx2<L: Lanes, const B: usize>(task: &Task<L::Element, B>, room: &mut Room<L::Element, B>) {
    run::<L, B>(task, room);
}

#[inline(always)]
fn run<L: Lanes, const B: usize>(task: &Task<L::Element, B>, room: &mut Room<L::Element, B>) {
    let Task { trees, layer, maps, rule, .. } = task;
    let (conv, leaves) = (&trees.conv, trees.conv.leaves());
    let outputs = conv.band() * conv.outputs()[1];
    room.paths.fit(words_of(outputs, B), leaves, (conv.pool * conv.pool) as usize, *rule);
    room.gradients.resize(outputs, [Stored([L::Element::of(0); BLOCK]); B]);
    let mut sent = trees.sends.then(|| write(&maps.sent[task.task]));
    if let Some(rows) = &mut sent {
        rows.iter_mut().flatten().for_each(|row| L::store(L::zero(), row));
    }
    for &unit in &trees.units_of[task.task] {
        let wires = &layer.wiring[unit as usize * leaves..][..leaves];
        let guards: Vec<_> = wires.iter().map(|&wire| read(&maps.padded[conv.leaf(wire).0])).collect();
        let read: Vec<&[u64]> = guards.iter().map(|guard| guard.as_slice()).collect();
        // Of all parts that a unit is in, that of its first leaf's channel sums.
        let sums = !trees.sends || conv.leaf(wires[0]).0 == task.task;
        let sent = sent.as_mut().map(|rows| rows.as_mut_slice());
        run_unit::<L, B>(task, room, unit as usize, &read, sums, sent);
    }
}

#[inline(always)]
fn run_unit<L: Lanes, const B: usize>(
    task: &Task<L::Element, B>,
    room: &mut Room<L::Element, B>,
    unit: usize,
    maps: &[&[u64]],
    sums: bool,
    mut sent: Option<&mut [Row<L::Element, B>]>,
) {
    let Room { paths, gradients } = room;
    let conv = &task.trees.conv;
    let (leaves, gates) = (maps.len(), maps.len() - 1);
    let table = |j: usize| task.tables.get::<2>(unit * gates + j);
    let tree = Tree::of(leaves, table);
    // Which leaves send to this task's channel, and where leaves lie in their window.
    let wires = &task.layer.wiring[unit * leaves..][..leaves];
    let ([rows, columns], [_, width]) = (conv.outputs(), conv.padded());
    let (mut sends, mut offsets) = ([false; MOST_LEAVES], [0; MOST_LEAVES]);
    for k in 0..leaves {
        let (channel, dy, dx) = conv.leaf(wires[k]);
        sends[k] = sent.is_some() && channel == task.task && tree.is_live[k];
        offsets[k] = dy * width + dx;
    }
    let (pool, stride) = (conv.pool as usize, conv.stride as usize);
    let (window, step) = (pool * pool, pool * stride);
    let draws = read(&task.maps.draws);
    let (band, of_band) = (conv.band(), window * words_of(conv.band() * columns, B));
    let source = Gradients::of(task.source, unit, conv.area());
    let (mut all, mut totals) = (0, [[0; 3]; GATES]);
    for (number, first) in (0..rows).step_by(band).enumerate() {
        let rows = band.min(rows - first);
        let gradients = &mut gradients[..rows * columns];
        source.gather::<L>(first, columns, gradients);
        // Where leaf `k` of the first window of a row reads, at place `q` of it.
        let place = |k: usize, q: usize, row: usize| {
            (((first + row) * pool + q / pool) * width + q % pool) * stride + offsets[k]
        };
        for q in 0..window {
            for k in 0..leaves {
                let to = paths.values(leaves, q, k);
                for (row, to) in to[..rows * columns * B].chunks_exact_mut(columns * B).enumerate() {
                    side_by_side::<B>(&maps[k][place(k, q, row) * B..], step, to);
                }
            }
        }
        let draws = draws.get(number * of_band..(number + 1) * of_band).unwrap_or(&[]);
        let turn = unit as u32 % 32;
        paths.follow(task.simd, &tree, &Windows { window, rule: task.rule, draws, turn, leaves: sends, gates: sums });
        for (j, totals) in totals.iter_mut().enumerate().take(gates) {
            if !sums || !tree.is_live[leaves + j] {
                continue;
            }
            let is_mixed = tree.signs[leaves + j] == Sign::Mixed;
            for group in 0..paths.groups() {
                let [a, b, both, negative, whole] = paths.at_gate(j, group);
                let made = if j + 1 == gates {
                    dots::<L, B, 4>(gradients, [a, b, both, whole], negative, is_mixed)
                } else {
                    dots::<L, B, 3>(gradients, [a, b, both], negative, is_mixed)
                };
                for i in 0..3 {
                    totals[i] += made[i];
                }
                all += made[3];
            }
        }
        let Some(sent) = &mut sent else { continue };
        for k in 0..leaves {
            if !sends[k] {
                continue;
            }
            for q in 0..window {
                let [chosen, negative] = paths.at_leaf(window, k, q);
                for (row, gradients) in gradients.chunks_exact(columns).enumerate() {
                    let to = &mut sent[place(k, q, row)..];
                    let masks = [&chosen[row * columns * B..], &negative[row * columns * B..]];
                    match tree.signs[k] {
                        Sign::Plus => send::<L, B>(to, step, gradients, masks, false, false),
                        Sign::Minus => send::<L, B>(to, step, gradients, masks, true, false),
                        Sign::Mixed => send::<L, B>(to, step, gradients, masks, false, true),
                    }
                }
            }
        }
    }
    if sums {
        let to = &task.trees.sums[unit * gates * 4..][..gates * 4];
        let made = tree.sums(all, &totals, table);
        to.iter().zip(made.as_flattened()).for_each(|(sum, &made)| note(sum, made, task.added));
    }
}

/// Only one thread writes a sum at a time.
fn note(sum: &AtomicI32, made: i32, added: bool) {
    let before = if added { sum.load(Ordering::Relaxed) } else { 0 };
    sum.store(before + made, Ordering::Relaxed);
}

/// The gradients by a unit's outputs.
enum Gradients<'a, E, const B: usize> {
    /// A dense layer's, the first of them output number so much.
    Dense(&'a Consumer<'a, B>, &'a Rows<'a, E, B>, usize, usize),
    Classes(&'a Rows<'a, E, B>, usize),
    Conv(&'a Conv, RwLockReadGuard<'a, Vec<Row<E, B>>>),
}

impl<'a, E: Element, const B: usize> Gradients<'a, E, B> {
    fn of(source: &'a Source<'a, E, B>, unit: usize, area: usize) -> Self {
        match source {
            Source::Dense(consumer, rows) => Gradients::Dense(consumer, rows, unit * area, area),
            Source::Classes(rows) => Gradients::Classes(rows, unit * area),
            Source::Conv(next, maps) => Gradients::Conv(next, read(&maps.sent[unit])),
        }
    }

    /// Those from row `row` of so many columns on, made even.
    #[inline(always)]
    fn gather<L: Lanes<Element = E>>(&self, row: usize, columns: usize, to: &mut [Row<E, B>]) {
        for (i, to) in to.iter_mut().enumerate() {
            let place = row * columns + i;
            let mut g = [L::zero(); B];
            match self {
                Gradients::Dense(consumer, rows, first, area) => {
                    if place + AHEAD < *area {
                        ask_for::<L, B, 2>(consumer, rows, first + place + AHEAD);
                    }
                    g = gather::<L, B, 2>(consumer, rows, first + place);
                }
                Gradients::Classes(rows, first) => {
                    let row = rows.of(first + place);
                    for b in 0..B {
                        g[b] = L::load(&row[b]);
                    }
                }
                Gradients::Conv(next, sent) => {
                    let pad = next.pad as usize;
                    let row = &sent[(row + i / columns + pad) * next.padded()[1] + i % columns + pad];
                    for b in 0..B {
                        g[b] = L::load(&row[b]);
                    }
                }
            }
            for b in 0..B {
                L::store(L::even(g[b]), &mut to[b]);
            }
        }
    }
}

/// Copy every `step`th signal of `from`.
#[inline(always)]
fn side_by_side<const B: usize>(from: &[u64], step: usize, to: &mut [u64]) {
    if step == 1 {
        to.copy_from_slice(&from[..to.len()]);
        return;
    }
    for (i, to) in to.chunks_exact_mut(B).enumerate() {
        to.copy_from_slice(&from[i * step * B..][..B]);
    }
}

/// Gradients added up over the samples of each of `M` masks, those in `negative` turned over if `is_mixed`.
#[inline(always)]
fn dots<L: Lanes, const B: usize, const M: usize>(
    gradients: &[Row<L::Element, B>],
    masks: [&[u64]; M],
    negative: &[u64],
    is_mixed: bool,
) -> [i32; 4] {
    let mut totals = [0; 4];
    for (part, gradients) in gradients.chunks(MOST_SUMS / B).enumerate() {
        let mut sums = [L::no_sums(); 4];
        let first = part * (MOST_SUMS / B) * B;
        for (i, g) in gradients.as_flattened().iter().enumerate() {
            let mut g = L::load(g);
            if is_mixed {
                g = L::signed(g, negative[first + i]);
            }
            for m in 0..M {
                sums[m] = L::add_dot(sums[m], g, masks[m][first + i]);
            }
        }
        let made = L::totals(sums);
        for i in 0..4 {
            totals[i] += made[i];
        }
    }
    totals
}

/// Add a row's gradients to every `step`th of `to`, for the samples of masks as [`Paths::at_leaf`] gives them.
#[inline(always)]
fn send<L: Lanes, const B: usize>(
    to: &mut [Row<L::Element, B>],
    step: usize,
    gradients: &[Row<L::Element, B>],
    [chosen, negative]: [&[u64]; 2],
    minus: bool,
    is_mixed: bool,
) {
    let count = gradients.len() * B;
    let (chosen, negative) = (&chosen[..count], &negative[..count]);
    for (i, g) in gradients.iter().enumerate() {
        let to = &mut to[i * step];
        for b in 0..B {
            let mut g = L::load(&g[b]);
            if is_mixed {
                g = L::signed(g, negative[i * B + b]);
            }
            L::store(L::add(L::load(&to[b]), g, chosen[i * B + b], minus), &mut to[b]);
        }
    }
}
