//! A layer's gradients as integers, gathered from its consumers, and its tables' gradients in the same pass.
//!
//!   g[gate][s]  = sum over consumers of (f(pin = 1) − f(pin = 0)) · g[consumer][s], saturating at every consumer
//!   S[gate][c]  = sum over the samples whose input code is c of g[gate][s]
//!
//! Consumers are added as `Consumers` lists them, all first pins first, as the shader does: where sums saturate, their order
//! is part of the result.

use std::sync::atomic::Ordering;

use super::bits::Bits;
use super::lanes::{Element, Lanes, Portable, Stored};
#[cfg(target_arch = "x86_64")]
use super::lanes::{avx2, avx512};
use super::lut::{Derivative, derivative, lut};
use super::simd::Simd;
use super::tables::Tables;
use super::wires::{Scored, WireUpdate};
use crate::network::Consumers;

/// A gate's gradients of `B` blocks of 64 samples.
pub type Row<E, const B: usize> = [Stored<E>; B];

/// How many gates ahead memory is asked for.
const AHEAD: usize = 4;

/// Bytes of a layer's outputs up to which they, and the tables of who reads them, stay near by themselves.
const NEAR: usize = 192 << 10;

/// Everything the backward pass asks of a layer's consumers.
#[derive(Debug)]
pub struct Edges {
    /// `[inputs + 1]`: where each input's edges begin.
    offsets: Vec<u32>,
    /// `[pins][arity]`: `gate << 3 | pin`, then the gate's other wires.
    edges: Vec<u32>,
}

impl Edges {
    /// Of the layer that consumes, whose wires are `wiring`, `[gates][arity]`, below `inputs`.
    pub fn of(wiring: &[u32], inputs: usize, arity: usize) -> Self {
        let consumers = Consumers::of(wiring, inputs, arity);
        let mut edges = Vec::with_capacity(wiring.len() * arity);
        for &at in &consumers.pins {
            let (gate, pin) = (at as usize / arity, at as usize % arity);
            edges.push((gate << 3 | pin) as u32);
            let wires = &wiring[gate * arity..][..arity];
            edges.extend(wires.iter().enumerate().filter(|&(p, _)| p != pin).map(|(_, &w)| w));
        }
        Edges { offsets: consumers.offsets, edges }
    }

    /// Bytes of memory that they take.
    pub fn bytes(&self) -> usize {
        (self.offsets.len() + self.edges.len()) * 4
    }

    /// Those of one output.
    #[inline(always)]
    fn of_gate<const K: usize>(&self, gate: usize) -> &[u32] {
        &self.edges[self.offsets[gate] as usize * K..self.offsets[gate + 1] as usize * K]
    }
}

/// Gradient rows that a layer gathers from: its consumers' in chunks of 2^`shift`, or its classes'.
#[derive(Clone, Copy)]
pub struct Rows<'a, E, const B: usize> {
    chunks: &'a [&'a [Row<E, B>]],
    shift: u32,
    /// 2⁶⁴ / (gates a row), rounded up; 0 for a row a gate.
    share: u64,
}

impl<'a, E, const B: usize> Rows<'a, E, B> {
    /// A row a gate.
    pub fn of_gates(chunks: &'a [&'a [Row<E, B>]], shift: u32) -> Self {
        Rows { chunks, shift, share: 0 }
    }

    /// A row a class of `group` gates, all in one chunk.
    pub fn of_classes(chunk: &'a [&'a [Row<E, B>]], group: usize) -> Self {
        // Exact for gates below 2³²: the error of the share is below 1, that of its products below 2⁻³² of a row.
        Rows { chunks: chunk, shift: 31, share: if group == 1 { 0 } else { u64::MAX / group as u64 + 1 } }
    }

    #[inline(always)]
    pub(super) fn of(&self, gate: usize) -> &'a Row<E, B> {
        let row = if self.share == 0 { gate } else { ((gate as u128 * u128::from(self.share)) >> 64) as usize };
        &self.chunks[row >> self.shift][row & ((1 << self.shift) - 1)]
    }
}

/// What the gates send their outputs to.
#[derive(Clone, Copy)]
pub struct Consumer<'a, const B: usize> {
    /// Who reads which output.
    pub edges: &'a Edges,
    /// The consumers'.
    pub tables: &'a Tables,
    /// What they read: the layer's own outputs.
    pub outputs: &'a [Bits<B>],
}

/// Some of a layer's gates.
pub struct Backward<'a, E, const B: usize> {
    /// The first of them.
    pub first: usize,
    /// `[gates][arity]`
    pub wiring: &'a mut [u32],
    /// What moves these, in a step that scores them.
    pub moves: Option<Moves<'a>>,
    /// Pins of a gate and of its consumers, 2 to 6.
    pub arity: usize,
    /// Outputs of the layer before.
    pub inputs: &'a [Bits<B>],
    /// Who reads them; nobody, if they are the last layer's.
    pub consumer: Option<Consumer<'a, B>>,
    /// Gradients of the consumers, or of the gates themselves.
    pub source: Rows<'a, E, B>,
    /// `[gates]`: where their gradients are kept, if the layer before needs them.
    pub kept: Option<&'a mut [Row<E, B>]>,
    /// `[gates][2^arity]`: their tables' gradients.
    pub sums: &'a mut [i32],
    /// Whether these are added to what there is.
    pub added: bool,
}

/// How a step that scores the gates' wires goes about it.
pub struct Moves<'a> {
    /// Candidates of the gates, and what speaks for each.
    pub scored: &'a mut Scored,
    /// The gates' own.
    pub tables: &'a Tables,
    /// What weights, and by them wires, are moved by; not before the batch's last micro-batch.
    pub update: Option<WireUpdate>,
}

/// Integers that rows can hold, and the code for them.
pub trait Kernels: Element {
    /// Run the backward pass of some gates, with numbers of `bits` bits.
    fn backward<const B: usize>(simd: Simd, bits: u32, pass: Backward<Self, B>);
}

impl Kernels for i8 {
    fn backward<const B: usize>(simd: Simd, _: u32, pass: Backward<i8, B>) {
        match simd {
            // SAFETY: a `Simd` that a step runs on is one that the machine was found to have.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512 => unsafe { run_avx512::<avx512::Bytes, B>(pass) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => unsafe { run_avx2::<avx2::Bytes, B>(pass) },
            Simd::Portable => run::<Portable<i8, 8>, B>(pass),
        }
    }
}

impl Kernels for i16 {
    fn backward<const B: usize>(simd: Simd, bits: u32, pass: Backward<i16, B>) {
        match (simd, bits) {
            // SAFETY: a `Simd` that a step runs on is one that the machine was found to have.
            #[cfg(target_arch = "x86_64")]
            (Simd::Avx512, 12) => unsafe { run_avx512::<avx512::Words<12>, B>(pass) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Simd::Avx512, _) => unsafe { run_avx512::<avx512::Words<16>, B>(pass) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Simd::Avx2, 12) => unsafe { run_avx2::<avx2::Words<12>, B>(pass) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Simd::Avx2, _) => unsafe { run_avx2::<avx2::Words<16>, B>(pass) },
            (Simd::Portable, 12) => run::<Portable<i16, 12>, B>(pass),
            (Simd::Portable, _) => run::<Portable<i16, 16>, B>(pass),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn run_avx512<L: Lanes, const B: usize>(pass: Backward<L::Element, B>) {
    run::<L, B>(pass);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn run_avx2<L: Lanes, const B: usize>(pass: Backward<L::Element, B>) {
    run::<L, B>(pass);
}

#[inline(always)]
fn run<L: Lanes, const B: usize>(pass: Backward<L::Element, B>) {
    match pass.arity {
        2 => run_arity::<L, B, 2, 4>(pass),
        3 => run_arity::<L, B, 3, 8>(pass),
        4 => run_arity::<L, B, 4, 16>(pass),
        5 => run_arity::<L, B, 5, 32>(pass),
        _ => run_arity::<L, B, 6, 64>(pass),
    }
}

#[inline(always)]
fn run_arity<L: Lanes, const B: usize, const K: usize, const CODES: usize>(pass: Backward<L::Element, B>) {
    let Backward { first, wiring, mut moves, inputs, consumer, source, mut kept, sums, added, .. } = pass;
    let gates = sums.len() / CODES;
    let is_far = consumer.as_ref().is_some_and(|consumer| size_of_val(consumer.outputs) > NEAR);
    for (i, sums) in sums.chunks_exact_mut(CODES).enumerate() {
        if let Some(consumer) = &consumer
            && i + AHEAD < gates
        {
            ask_for::<L, B, K>(consumer, &source, first + i + AHEAD, is_far);
            if is_far {
                let wires = &wiring[(i + AHEAD) * K..][..K];
                wires.iter().for_each(|&wire| L::prefetch(&inputs[wire as usize]));
            }
        }
        let g = match &consumer {
            Some(consumer) => gather::<L, B, K>(consumer, &source, first + i),
            None => {
                let row = source.of(first + i);
                std::array::from_fn(|b| L::load(&row[b]))
            }
        };
        if let Some(kept) = &mut kept {
            g.iter().zip(&mut kept[i]).for_each(|(&g, to)| L::store(g, to));
        }
        let wires = &mut wiring[i * K..][..K];
        let pins: [&Bits<B>; K] = std::array::from_fn(|pin| &inputs[wires[pin] as usize]);
        let made = sums_by_code::<L, B, K, CODES>(g, pins);
        for (sum, made) in sums.iter_mut().zip(made) {
            *sum = if added { *sum + made } else { made };
        }
        if let Some(Moves { scored, tables, update }) = &mut moves {
            score::<L, B, K>(g, tables.get::<K>(first + i), pins, inputs, scored, i * K, added);
            if let Some(update) = update {
                for pin in 0..K {
                    wires[pin] = scored.update((i * K, pin), update, &wires[..pin]);
                }
            }
        }
    }
}

/// S of every candidate of a gate's pins, the first of which is pin number `first`: with γ what the gate sends the pin,
/// S_k = Σ_s γ\[s\] x_k\[s\]; and Σ_s γ\[s\].
#[inline(always)]
fn score<L: Lanes, const B: usize, const K: usize>(
    g: [L::Numbers; B],
    table: u64,
    pins: [&Bits<B>; K],
    inputs: &[Bits<B>],
    scored: &mut Scored,
    first: usize,
    added: bool,
) {
    let count = scored.count;
    for pin in 0..K {
        let place = scored.place(first, pin);
        let scores = &mut scored.scores[place..][..count + 1];
        if !added {
            scores.fill(0);
        }
        let Derivative { chosen, negative } = derivative::<K>(table, pin);
        if chosen == 0 {
            continue;
        }
        let (mut sent, mut all) = ([L::zero(); B], L::no_sums());
        for b in 0..B {
            let mut others = [0; 6];
            for other in 1..K {
                others[other - 1] = pins[if other <= pin { other - 1 } else { other }][b].load(Ordering::Relaxed);
            }
            let (chosen, negative) = (lut(K - 1, chosen, others), lut(K - 1, negative, others));
            let own = L::add_signed(L::zero(), g[b], chosen, negative);
            all = L::add_up(all, own);
            sent[b] = L::ready(own);
        }
        scores[count] += L::totals([all, L::no_sums(), L::no_sums(), L::no_sums()])[0];
        let candidates = &scored.candidates[(first + pin) * count..][..count];
        for (scores, four) in scores[..count].chunks_mut(4).zip(candidates.chunks(4)) {
            let mut rows = [&inputs[four[0] as usize]; 4];
            for (row, &candidate) in rows.iter_mut().zip(four) {
                *row = &inputs[candidate as usize];
            }
            let dots = L::dots(&sent, rows);
            for (score, dot) in scores.iter_mut().zip(dots) {
                *score += dot;
            }
        }
    }
}

/// Have what gate `gate` gathers from brought near.
#[inline(always)]
pub(super) fn ask_for<L: Lanes, const B: usize, const K: usize>(
    consumer: &Consumer<B>,
    source: &Rows<L::Element, B>,
    gate: usize,
    is_far: bool,
) {
    for edge in consumer.edges.of_gate::<K>(gate).chunks_exact(K) {
        let reader = (edge[0] >> 3) as usize;
        source.of(reader).iter().for_each(|block| L::prefetch(block));
        if is_far {
            L::prefetch(consumer.tables.place::<K>(reader));
            edge[1..].iter().for_each(|&wire| L::prefetch(&consumer.outputs[wire as usize]));
        }
    }
}

/// What gate `gate`'s consumers send it.
#[inline(always)]
pub(super) fn gather<L: Lanes, const B: usize, const K: usize>(
    consumer: &Consumer<B>,
    source: &Rows<L::Element, B>,
    gate: usize,
) -> [L::Numbers; B] {
    let mut total = [L::zero(); B];
    for edge in consumer.edges.of_gate::<K>(gate).chunks_exact(K) {
        let (reader, pin) = ((edge[0] >> 3) as usize, (edge[0] & 7) as usize);
        let Derivative { chosen, negative } = derivative::<K>(consumer.tables.get::<K>(reader), pin);
        if chosen == 0 {
            continue; // no sample depends on this wire: its gradients need not be read
        }
        let row = source.of(reader);
        let wires: [&Bits<B>; K] = std::array::from_fn(|p| &consumer.outputs[edge[p.max(1)] as usize]);
        let (minus, is_mixed) = (negative != 0, negative != 0 && negative != chosen);
        for b in 0..B {
            let mut pins = [0; 6];
            for p in 1..K {
                pins[p - 1] = wires[p][b].load(Ordering::Relaxed);
            }
            let g = L::load(&row[b]);
            let chosen = lut(K - 1, chosen, pins);
            total[b] = if is_mixed {
                L::add_signed(total[b], g, chosen, lut(K - 1, negative, pins))
            } else {
                L::add(total[b], g, chosen, minus)
            };
        }
    }
    total
}

/// The sums of the numbers of the samples with each input code.
#[inline(always)]
fn sums_by_code<L: Lanes, const B: usize, const K: usize, const CODES: usize>(
    g: [L::Numbers; B],
    pins: [&Bits<B>; K],
) -> [i32; CODES] {
    // First over the samples where all pins of a set are 1, for every set; the last pin is bit 0.
    let mut sums = [L::no_sums(); CODES];
    for b in 0..B {
        let mut nodes = [g[b]; CODES];
        for bit in 0..K {
            let mask = L::mask(pins[K - 1 - bit][b].load(Ordering::Relaxed));
            for i in 0..1 << bit {
                nodes[i | 1 << bit] = L::keep(nodes[i], mask);
            }
        }
        for (sum, node) in sums.iter_mut().zip(nodes) {
            *sum = L::add_up(*sum, node);
        }
    }
    let mut totals = [0; CODES];
    for (four, sums) in totals.chunks_exact_mut(4).zip(sums.chunks_exact(4)) {
        four.copy_from_slice(&L::totals([sums[0], sums[1], sums[2], sums[3]]));
    }
    // What has a pin at 1 is taken from what has it at 1 or 0.
    for bit in 0..K {
        for i in 0..CODES {
            if i & 1 << bit == 0 {
                totals[i] -= totals[i | 1 << bit];
            }
        }
    }
    totals
}
