//! Trees backward: what each window's gradient comes to at every gate and leaf of the places that it passes to.
//!
//! Every gradient within a tree is the window's own, its negative or 0, sample by sample, so it is two masks until it is added
//! to something. A saturated negative (−(−2^(N−1)) is 2^(N−1) − 1) is what inner gates sum; leaves add or subtract the gradient as
//! it is, saturating.

use std::sync::RwLockReadGuard;
use std::sync::atomic::{AtomicI32, Ordering};

use super::super::backward::{Consumer, Row, Rows, ask_for, gather};
use super::super::lanes::{Element, Lanes, Portable};
#[cfg(target_arch = "x86_64")]
use super::super::lanes::{avx2, avx512};
use super::super::locks::{read, write};
use super::super::lut::derivative;
use super::super::simd::Simd;
use super::super::tables::Tables;
use super::maps::{Maps, Trees};
use crate::network::{Conv, Layer};
use crate::settings::PoolGradient;

/// Additions that [`Lanes::Sums`] take before their totals are due.
const MOST_SUMS: usize = 32;
/// Nodes of the largest tree, and its gates.
const NODES: usize = 15;
const GATES: usize = 7;
/// Places of the largest window.
const WINDOW: usize = 16;
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

/// Integers that rows can hold, and the code for trees of them.
pub trait TreeKernels: Element {
    /// Run a part, with numbers of `bits` bits.
    fn trees<const B: usize>(simd: Simd, bits: u32, task: &Task<Self, B>);
}

impl TreeKernels for i8 {
    fn trees<const B: usize>(simd: Simd, _: u32, task: &Task<i8, B>) {
        match simd {
            // SAFETY: a `Simd` that a step runs on is one that the machine was found to have.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512 => unsafe { run_avx512::<avx512::Bytes, B>(task) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => unsafe { run_avx2::<avx2::Bytes, B>(task) },
            Simd::Portable => run::<Portable<i8, 8>, B>(task),
        }
    }
}

impl TreeKernels for i16 {
    fn trees<const B: usize>(simd: Simd, bits: u32, task: &Task<i16, B>) {
        match (simd, bits) {
            // SAFETY: a `Simd` that a step runs on is one that the machine was found to have.
            #[cfg(target_arch = "x86_64")]
            (Simd::Avx512, 12) => unsafe { run_avx512::<avx512::Words<12>, B>(task) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Simd::Avx512, _) => unsafe { run_avx512::<avx512::Words<16>, B>(task) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Simd::Avx2, 12) => unsafe { run_avx2::<avx2::Words<12>, B>(task) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Simd::Avx2, _) => unsafe { run_avx2::<avx2::Words<16>, B>(task) },
            (Simd::Portable, 12) => run::<Portable<i16, 12>, B>(task),
            (Simd::Portable, _) => run::<Portable<i16, 16>, B>(task),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn run_avx512<L: Lanes, const B: usize>(task: &Task<L::Element, B>) {
    run::<L, B>(task);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn run_avx2<L: Lanes, const B: usize>(task: &Task<L::Element, B>) {
    run::<L, B>(task);
}

#[inline(always)]
fn run<L: Lanes, const B: usize>(task: &Task<L::Element, B>) {
    match task.trees.conv.depth {
        1 => run_trees::<L, B, 2>(task),
        2 => run_trees::<L, B, 4>(task),
        _ => run_trees::<L, B, 8>(task),
    }
}

#[inline(always)]
fn run_trees<L: Lanes, const B: usize, const LEAVES: usize>(task: &Task<L::Element, B>) {
    let Task { trees, layer, maps, .. } = task;
    let mut sent = trees.sends.then(|| write(&maps.sent[task.task]));
    if let Some(rows) = &mut sent {
        rows.iter_mut().flatten().for_each(|row| L::store(L::zero(), row));
    }
    for &unit in &trees.units_of[task.task] {
        let wires = &layer.wiring[unit as usize * LEAVES..][..LEAVES];
        let channels: [usize; LEAVES] = std::array::from_fn(|k| trees.conv.leaf(wires[k]).0);
        let guards: [RwLockReadGuard<Vec<u64>>; LEAVES] = std::array::from_fn(|k| read(&maps.padded[channels[k]]));
        // Of all parts that a unit is in, that of its first leaf's channel sums.
        let sums = !trees.sends || channels[0] == task.task;
        let sent = sent.as_mut().map(|rows| rows.as_mut_slice());
        run_unit::<L, B, LEAVES>(task, unit as usize, std::array::from_fn(|k| guards[k].as_slice()), sums, sent);
    }
}

/// Samples for which a bit is chosen, given another: all or none where that is 0, all or none where it is 1.
#[derive(Clone, Copy, Default)]
struct Choice {
    low: u64,
    differs: u64,
}

impl Choice {
    fn of(table: u64) -> Self {
        let [low, high] = [0, 1].map(|at| 0u64.wrapping_sub(table >> at & 1));
        Choice { low, differs: low ^ high }
    }

    #[inline(always)]
    fn given(self, other: u64) -> u64 {
        self.low ^ (other & self.differs)
    }
}

/// A gate as its own tree sees it.
#[derive(Clone, Copy, Default)]
struct Gate {
    /// Its output as low ⊕ b·…, for a = 0 and a = 1.
    halves: [Choice; 2],
    /// By pin: where its output depends on it, and where it falls by it, given the other pin.
    slopes: [[Choice; 2]; 2],
    /// Whether any sample's result can depend on it.
    is_live: bool,
}

/// What a gate's gradients sum over, in the samples of a block.
#[derive(Clone, Copy, Default)]
struct Reached {
    chosen: u64,
    negative: u64,
    a: u64,
    b: u64,
}

#[inline(always)]
fn run_unit<L: Lanes, const B: usize, const LEAVES: usize>(
    task: &Task<L::Element, B>,
    unit: usize,
    maps: [&[u64]; LEAVES],
    sums: bool,
    mut sent: Option<&mut [Row<L::Element, B>]>,
) {
    let conv = &task.trees.conv;
    let (first, tree_gates, root) = (unit * (LEAVES - 1), LEAVES - 1, 2 * LEAVES - 2);
    let mut gates = [Gate::default(); GATES];
    let mut live = [false; NODES];
    live[root] = true;
    for j in (0..tree_gates).rev() {
        let table = task.tables.get::<2>(first + j);
        let slopes = [0, 1].map(|pin| {
            let slope = derivative::<2>(table, pin);
            live[2 * j + pin] = live[LEAVES + j] && slope.chosen != 0;
            [slope.chosen, slope.negative].map(Choice::of)
        });
        gates[j] = Gate { halves: [Choice::of(table), Choice::of(table >> 2)], slopes, is_live: live[LEAVES + j] };
    }
    // Which leaves send to this task's channel, and from where.
    let wires = &task.layer.wiring[unit * LEAVES..][..LEAVES];
    let [_, width] = conv.padded();
    let leaves: [(bool, usize); LEAVES] = std::array::from_fn(|k| {
        let (channel, dy, dx) = conv.leaf(wires[k]);
        (sent.is_some() && channel == task.task && live[k], dy * width + dx)
    });
    let pool = conv.pool as usize;
    let window = pool * pool;
    let [rows, columns] = conv.outputs();
    let draws = read(&task.maps.draws);
    let next = match task.source {
        Source::Conv(conv, maps) => Some((conv, read(&maps.sent[unit]))),
        _ => None,
    };
    let mut nodes = [[[0u64; B]; NODES]; WINDOW];
    let mut partial = [[L::no_sums(); 4]; GATES];
    let mut totals = [[0i32; 4]; GATES];
    let mut added = 0;
    for place in 0..rows * columns {
        let (row, column) = (place / columns, place % columns);
        let output = unit * rows * columns + place;
        let g: [L::Numbers; B] = match task.source {
            Source::Dense(consumer, source) => {
                if place + AHEAD < rows * columns {
                    ask_for::<L, B, 2>(consumer, source, output + AHEAD, true);
                }
                gather::<L, B, 2>(consumer, source, output)
            }
            Source::Classes(source) => {
                let row = source.of(output);
                std::array::from_fn(|b| L::load(&row[b]))
            }
            Source::Conv(..) => match &next {
                Some((next, sent)) => {
                    let pad = next.pad as usize;
                    let at = &sent[(row + pad) * next.padded()[1] + column + pad];
                    std::array::from_fn(|b| L::load(&at[b]))
                }
                None => [L::zero(); B],
            },
        };
        // Every place of the window forward.
        let mut ones = [0u64; B];
        let mut twice = [0u64; B];
        for (q, nodes) in nodes.iter_mut().enumerate().take(window) {
            let at = corner(conv, width, row * pool + q / pool, column * pool + q % pool);
            for k in 0..LEAVES {
                let words = &maps[k][(at + leaves[k].1) * B..][..B];
                nodes[k].copy_from_slice(words);
            }
            for j in 0..tree_gates {
                let (x, y) = (nodes[2 * j], nodes[2 * j + 1]);
                nodes[LEAVES + j] = std::array::from_fn(|b| {
                    let [zero, one] = gates[j].halves.map(|half| half.given(y[b]));
                    zero ^ (x[b] & (zero ^ one))
                });
            }
            for b in 0..B {
                twice[b] |= ones[b] & nodes[root][b];
                ones[b] |= nodes[root][b];
            }
        }
        // Which of them the gradient goes to.
        let mut earlier = [0u64; B];
        let mut reached = [[Reached::default(); B]; GATES];
        for (q, nodes) in nodes.iter().enumerate().take(window) {
            let (mut chosen, mut negative) = ([[0u64; B]; NODES], [[0u64; B]; NODES]);
            for b in 0..B {
                let own = nodes[root][b];
                chosen[root][b] = match task.rule {
                    _ if window == 1 => u64::MAX,
                    // The others are 0: no place is 1 twice over, and either this is the one or there is none.
                    PoolGradient::Exact => !twice[b] & (own | !ones[b]),
                    PoolGradient::First => own & !earlier[b] | if q == 0 { !ones[b] } else { 0 },
                    PoolGradient::Any => own & !earlier[b] | !ones[b] & turned(draws[place * window + q][b], unit),
                };
                earlier[b] |= own;
            }
            for j in (0..tree_gates).rev().filter(|&j| gates[j].is_live) {
                for b in 0..B {
                    let (x, y) = (nodes[2 * j][b], nodes[2 * j + 1][b]);
                    let (c, n) = (chosen[LEAVES + j][b], negative[LEAVES + j][b]);
                    let to = &mut reached[j][b];
                    to.chosen |= c;
                    to.negative |= n;
                    to.a |= c & x;
                    to.b |= c & y;
                    for (pin, other) in [y, x].into_iter().enumerate() {
                        let [depends, falls] = gates[j].slopes[pin].map(|choice| choice.given(other));
                        chosen[2 * j + pin][b] = c & depends;
                        negative[2 * j + pin][b] = c & depends & (n ^ falls);
                    }
                }
            }
            if let Some(sent) = &mut sent {
                let at = corner(conv, width, row * pool + q / pool, column * pool + q % pool);
                for k in (0..LEAVES).filter(|&k| leaves[k].0) {
                    let to = &mut sent[at + leaves[k].1];
                    for b in 0..B {
                        let (c, n) = (chosen[k][b], negative[k][b]);
                        if c == 0 {
                            continue;
                        }
                        let total = L::load(&to[b]);
                        let total = match n {
                            0 => L::add(total, g[b], c, false),
                            n if n == c => L::add(total, g[b], c, true),
                            n => L::add_signed(total, g[b], c, n),
                        };
                        L::store(total, &mut to[b]);
                    }
                }
            }
            // Places that one sample's gradient goes to at once are summed apart.
            if sums && (task.rule == PoolGradient::Exact || q + 1 == window) {
                for j in 0..tree_gates {
                    for b in 0..B {
                        add_up::<L>(&mut partial[j], g[b], reached[j][b]);
                    }
                }
                reached = [[Reached::default(); B]; GATES];
                added += B;
                if added + B > MOST_SUMS {
                    settle::<L>(&mut partial[..tree_gates], &mut totals);
                    added = 0;
                }
            }
        }
    }
    if sums {
        settle::<L>(&mut partial[..tree_gates], &mut totals);
        let sums = &task.trees.sums[first * 4..][..tree_gates * 4];
        for (sums, [all, b, a, both]) in sums.chunks_exact(4).zip(totals) {
            let made = [all - a - b + both, b - both, a - both, both];
            sums.iter().zip(made).for_each(|(sum, made)| note(sum, made, task.added));
        }
    }
}

/// Only one thread writes a sum at a time.
fn note(sum: &AtomicI32, made: i32, added: bool) {
    let before = if added { sum.load(Ordering::Relaxed) } else { 0 };
    sum.store(before + made, Ordering::Relaxed);
}

/// Where the window of the leaves begins at place (`y`, `x`), in a padded map of `width` columns.
#[inline(always)]
fn corner(conv: &Conv, width: usize, y: usize, x: usize) -> usize {
    (y * width + x) * conv.stride as usize
}

/// A draw for every 32 samples is turned by the unit's number, so that units do not draw alike.
#[inline(always)]
fn turned(draw: u64, unit: usize) -> u64 {
    let by = unit as u32 % 32;
    u64::from((draw as u32).rotate_left(by)) | u64::from(((draw >> 32) as u32).rotate_left(by)) << 32
}

#[inline(always)]
fn add_up<L: Lanes>(sums: &mut [L::Sums; 4], g: L::Numbers, reached: Reached) {
    let Reached { chosen, negative, a, b } = reached;
    if chosen == 0 {
        return;
    }
    let own = match (chosen, negative) {
        (u64::MAX, 0) => g,
        (_, 0) => L::keep(g, L::mask(chosen)),
        _ => L::add_signed(L::zero(), g, chosen, negative),
    };
    let (a, b) = (L::mask(a), L::mask(b));
    let of_a = L::keep(own, a);
    sums[0] = L::add_up(sums[0], own);
    sums[1] = L::add_up(sums[1], L::keep(own, b));
    sums[2] = L::add_up(sums[2], of_a);
    sums[3] = L::add_up(sums[3], L::keep(of_a, b));
}

#[inline(always)]
fn settle<L: Lanes>(partial: &mut [[L::Sums; 4]], totals: &mut [[i32; 4]; GATES]) {
    for (partial, totals) in partial.iter_mut().zip(totals) {
        let made = L::totals(*partial);
        totals.iter_mut().zip(made).for_each(|(total, made)| *total += made);
        *partial = [L::no_sums(); 4];
    }
}
