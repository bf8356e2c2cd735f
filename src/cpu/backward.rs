//! A layer's gradients as integers, gathered from its consumers, and its tables' gradients in the same pass.
//!
//!   g[gate][s]  = sum over consumers of (f(pin = 1) − f(pin = 0)) · g[consumer][s], saturating at every consumer
//!   S[gate][c]  = sum over the samples whose input code is c of g[gate][s]
//!
//! Consumers are added as `Consumers` lists them, all first pins first, as the shader does: where sums saturate, their order
//! is part of the result.

use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};

use super::bits::Bits;
use super::lanes::{Element, Lanes, Portable, Quads, Row};
#[cfg(target_arch = "x86_64")]
use super::lanes::{avx2, avx512};
use super::lut::{Halves, halves, lut};
use super::score::Gate;
use super::simd::Simd;
use super::tables::{Tables, table_of};
use super::weights::WireUpdate;
use super::wires::Scored;
use crate::network::Consumers;

/// How many gates ahead memory is asked for.
const AHEAD: usize = 16;

/// Bytes of rows that are near enough not to be asked for: a second-level cache has them.
const NEAR: usize = 1 << 18;

/// Gates that share a row for it to be worth finding what its subsets come to.
const SHARING: usize = 8;

/// Edges by which something comes that are looked for at a time, one such run ahead of what is gathered; and how many are looked
/// through for them.
const RUN: usize = 32;
const MOST: usize = 64;

/// Everything the backward pass asks of a layer's consumers.
#[derive(Debug)]
pub struct Edges {
    /// `[inputs + 1]`: where each input's edges begin.
    offsets: Vec<u32>,
    /// `[pins][arity]`: `gate << 3 | pin`, then the gate's other wires.
    edges: Vec<u32>,
    /// `[pins]`: the input that is read, its lowest bits.
    inputs: Vec<u16>,
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
        let readers = consumers.offsets.windows(2).enumerate();
        let inputs = readers.flat_map(|(input, of)| (of[0]..of[1]).map(move |_| input as u16)).collect();
        Edges { offsets: consumers.offsets, edges, inputs }
    }

    /// Bytes of memory that they take.
    pub fn bytes(&self) -> usize {
        (self.offsets.len() + self.edges.len()) * 4 + self.inputs.len() * 2
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
    /// 2^`shift` − 1
    within: usize,
    /// 2⁶⁴ / (gates a row), rounded up; 0 for a row a gate.
    share: u64,
}

impl<'a, E, const B: usize> Rows<'a, E, B> {
    /// A row a gate.
    pub fn of_gates(chunks: &'a [&'a [Row<E, B>]], shift: u32) -> Self {
        Rows { chunks, shift, within: (1 << shift) - 1, share: 0 }
    }

    /// A row a class of `group` gates, all in one chunk.
    pub fn of_classes(chunk: &'a [&'a [Row<E, B>]], group: usize) -> Self {
        // Exact for gates below 2³²: the error of the share is below 1, that of its products below 2⁻³² of a row.
        Rows {
            chunks: chunk,
            shift: 31,
            within: (1 << 31) - 1,
            share: if group == 1 { 0 } else { u64::MAX / group as u64 + 1 },
        }
    }

    /// Whether many gates have a row in common.
    #[inline(always)]
    fn is_shared(&self) -> bool {
        self.share != 0 && self.share <= u64::MAX / SHARING as u64 + 1
    }

    #[inline(always)]
    pub(super) fn of(&self, gate: usize) -> &'a Row<E, B> {
        let row = if self.share == 0 { gate } else { ((gate as u128 * u128::from(self.share)) >> 64) as usize };
        &self.chunks[row >> self.shift][row & self.within]
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
    /// `[gates]`: where their gradients are gathered, for the layer before if it needs them.
    pub rows: &'a mut [Row<E, B>],
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
            Simd::Portable => run_portable::<Portable<i8, 8>, B>(pass),
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
            (Simd::Portable, 12) => run_portable::<Portable<i16, 12>, B>(pass),
            (Simd::Portable, _) => run_portable::<Portable<i16, 16>, B>(pass),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
fn run_avx512<L: Lanes, const B: usize>(mut pass: Backward<L::Element, B>) {
    run::<L, B>(&mut pass);
    if pass.moves.is_some() {
        score_avx512::<L, B>(pass);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn run_avx2<L: Lanes, const B: usize>(mut pass: Backward<L::Element, B>) {
    run::<L, B>(&mut pass);
    if pass.moves.is_some() {
        score_avx2::<L, B>(pass);
    }
}

/// Apart from the rest of the pass, which is none the slower then.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
#[inline(never)]
fn score_avx512<L: Lanes, const B: usize>(pass: Backward<L::Element, B>) {
    score::<L, B>(pass);
}

/// As above.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
#[inline(never)]
fn score_avx2<L: Lanes, const B: usize>(pass: Backward<L::Element, B>) {
    score::<L, B>(pass);
}

fn run_portable<L: Lanes, const B: usize>(mut pass: Backward<L::Element, B>) {
    run::<L, B>(&mut pass);
    score::<L, B>(pass);
}

#[inline(always)]
fn run<L: Lanes, const B: usize>(pass: &mut Backward<L::Element, B>) {
    match pass.arity {
        2 => run_arity::<L, B, 2, 4>(pass),
        3 => run_arity::<L, B, 3, 8>(pass),
        4 => run_arity::<L, B, 4, 16>(pass),
        5 => run_arity::<L, B, 5, 32>(pass),
        _ => run_arity::<L, B, 6, 64>(pass),
    }
}

#[inline(always)]
fn run_arity<L: Lanes, const B: usize, const K: usize, const CODES: usize>(pass: &mut Backward<L::Element, B>) {
    let &mut Backward { first, ref wiring, inputs, consumer, source, ref mut rows, ref mut sums, added, .. } = pass;
    let (wiring, sums) = (wiring.as_chunks::<K>().0, sums.as_chunks_mut::<CODES>().0);
    let rows = &mut rows[..sums.len()];
    let mut runs = Runs { live: [Live::default(); RUN + 1], senders: [[None; RUN + 1]; 2] };
    let gates = first..first + rows.len();
    let mut gathering = consumer.map(|consumer| Gathering::new(&consumer, &source, gates, &mut runs));
    let mut done = 0;
    while done < sums.len() {
        let end = gathering.as_mut().map_or(sums.len(), |gathering| gathering.advance::<L, K>(rows));
        for (i, sums) in (done..end).zip(&mut sums[done..end]) {
            if let Some(wires) = wiring.get(i + AHEAD) {
                wires.iter().for_each(|&wire| L::prefetch(&inputs[wire as usize]));
            }
            let row = if gathering.is_some() { &rows[i] } else { source.of(first + i) };
            let made = L::sums_by_code::<B, K, CODES>(row, pins_of(inputs, &wiring[i]));
            if added {
                sums.iter_mut().zip(made).for_each(|(sum, made)| *sum += made);
            } else {
                *sums = made;
            }
        }
        done = end;
    }
}

/// Score the wires of gates whose gradients are gathered, and move them, if that is to be done.
#[inline(always)]
fn score<L: Lanes, const B: usize>(pass: Backward<L::Element, B>) {
    match pass.arity {
        2 => score_arity::<L, B, 2, 4>(pass),
        3 => score_arity::<L, B, 3, 8>(pass),
        4 => score_arity::<L, B, 4, 16>(pass),
        5 => score_arity::<L, B, 5, 32>(pass),
        _ => score_arity::<L, B, 6, 64>(pass),
    }
}

#[inline(always)]
fn score_arity<L: Lanes, const B: usize, const K: usize, const CODES: usize>(pass: Backward<L::Element, B>) {
    let Backward { first, wiring, moves, inputs, consumer, source, rows, sums, added, .. } = pass;
    let Some(Moves { scored, tables, update }) = moves else { return };
    let (has_rows, looks_up) = (consumer.is_some(), L::LOOKS_UP && consumer.is_none() && source.is_shared());
    let asks_ahead = !looks_up && size_of_val(inputs) > NEAR;
    let moves_pairs = update.filter(|update| scored.moves_pairs(K, update));
    // Where numbers are too great to be looked up, there are none.
    let mut shared: Option<(&Row<L::Element, B>, Option<Quads<B>>)> = None;
    let gates = wiring.as_chunks_mut::<K>().0.iter_mut().zip(sums.as_chunks::<CODES>().0);
    for (i, (wires, sums)) in gates.enumerate() {
        if asks_ahead {
            let next = (i + 1) * K * scored.count;
            for &candidate in scored.candidates().get(next..next + K * scored.count).unwrap_or_default() {
                L::prefetch(&inputs[candidate as usize]);
            }
        }
        let (table, pins) = (tables.get::<K>(first + i), pins_of(inputs, wires));
        let gate = Gate { table, pins, inputs, first: i * K, added };
        let row = if has_rows { &rows[i] } else { source.of(first + i) };
        if looks_up && shared.as_ref().is_none_or(|own| !std::ptr::eq(own.0, row)) {
            shared = Some((row, L::quads(row)));
        }
        if let Some((_, Some(quads))) = &shared {
            // What the gate's sums gained by this row.
            let sums = if added { L::sums_by_code::<B, K, CODES>(row, pins) } else { *sums };
            if let Some(update) = &moves_pairs {
                gate.move_by_shared_row::<L>(quads, &sums, scored, update, wires);
                continue;
            }
            gate.by_shared_row::<L>(quads, &sums, scored);
        } else {
            gate.by_row::<L>(row, scored);
        }
        if let Some(update) = &update {
            for pin in 0..K {
                wires[pin] = scored.update::<L>((i * K, pin), update, &wires[..pin]);
            }
        }
    }
}

/// What a gate of these wires reads.
#[inline(always)]
fn pins_of<'a, const B: usize, const K: usize>(inputs: &'a [Bits<B>], wires: &[u32; K]) -> [&'a Bits<B>; K] {
    wires.map(|wire| &inputs[wire as usize])
}

/// Have what gate `gate` gathers from brought near.
#[inline(always)]
pub(super) fn ask_for<L: Lanes, const B: usize, const K: usize>(
    consumer: &Consumer<B>,
    source: &Rows<L::Element, B>,
    gate: usize,
) {
    for edge in consumer.edges.of_gate::<K>(gate).chunks_exact(K) {
        let reader = (edge[0] >> 3) as usize;
        source.of(reader).iter().for_each(|block| L::prefetch(block));
        L::prefetch(consumer.tables.place::<K>(reader));
        edge[1..].iter().for_each(|&wire| L::prefetch(&consumer.outputs[wire as usize]));
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
    for edge in consumer.edges.of_gate::<K>(gate).as_chunks::<K>().0 {
        let reader = (edge[0] >> 3) as usize;
        let halves = halves::<K>(consumer.tables.get::<K>(reader), (edge[0] & 7) as usize);
        for (chosen, minus) in [(halves.first, halves.minus), (halves.second, true)] {
            if chosen != 0 {
                let (row, others) = (source.of(reader), others_of(consumer.outputs, edge));
                total = send::<L, B, K>(total, row, others, chosen, minus);
            }
        }
    }
    total
}

/// What an edge's reader reads beside it, from place 1 on.
#[inline(always)]
fn others_of<'a, const B: usize, const K: usize>(outputs: &'a [Bits<B>], edge: &[u32; K]) -> [&'a Bits<B>; K] {
    let mut others = [&outputs[edge[1] as usize]; K];
    for p in 2..K {
        others[p] = &outputs[edge[p] as usize];
    }
    others
}

/// Add to `total`, or take away, what a reader sends in the samples that `chosen` chooses by its other pins.
#[inline(always)]
fn send<L: Lanes, const B: usize, const K: usize>(
    mut total: [L::Numbers; B],
    row: &Row<L::Element, B>,
    others: [&Bits<B>; K],
    chosen: u32,
    minus: bool,
) -> [L::Numbers; B] {
    if K == 2 {
        return L::add_given(total, row, others[1], chosen, minus);
    }
    for b in 0..B {
        let mut pins = [0; 6];
        for p in 1..K {
            pins[p - 1] = others[p][b].load(Ordering::Relaxed);
        }
        total[b] = L::add(total[b], L::load(&row[b]), lut(K - 1, chosen.into(), pins), minus);
    }
    total
}

/// An edge by which something comes, or a half of one whose derivative has both signs.
#[derive(Clone, Copy, Default)]
#[repr(align(16))]
struct Live {
    /// The edge's number.
    edge: u32,
    /// Where the derivative is not 0, by the reader's other pins.
    chosen: u32,
    /// Whether it is −1 there.
    minus: bool,
}

/// Such an edge, with all that gathering needs.
#[derive(Clone, Copy)]
struct Sender<'a, E, const B: usize> {
    /// The reader's gradients.
    row: &'a Row<E, B>,
    /// The reader's first other pin.
    other: &'a Bits<B>,
    /// As in [`Live`].
    edge: u32,
    chosen: u32,
    /// Which of the gates it comes to.
    gate: u16,
    /// As in [`Live`].
    minus: bool,
}

/// Room for runs. The last that is found may be two halves.
struct Runs<'a, E, const B: usize> {
    /// What is found.
    live: [Live; RUN + 1],
    /// That of the run that comes next, and of the one after.
    senders: [[Option<Sender<'a, E, B>>; RUN + 1]; 2],
}

/// What some gates' consumers send them, gathered run by run of their edges. Which edges send anything is found a run ahead and
/// without branches, for no one can foretell it; memory is asked for then.
struct Gathering<'a, 'r, E, const B: usize> {
    edges: &'a Edges,
    tables: &'a [AtomicU8],
    outputs: &'a [Bits<B>],
    source: &'a Rows<'a, E, B>,
    gates: Range<usize>,
    runs: &'r mut Runs<'a, E, B>,
    /// Of the run that comes next: in which room it is, how many senders it has, and where its edges end.
    is_second: bool,
    count: usize,
    end: usize,
    /// Gates whose rows are begun, and those whose rows are done.
    begun: usize,
    done: usize,
}

impl<'a, 'r, E: Element, const B: usize> Gathering<'a, 'r, E, B> {
    #[inline(always)]
    fn new(
        consumer: &Consumer<'a, B>,
        source: &'a Rows<'a, E, B>,
        gates: Range<usize>,
        runs: &'r mut Runs<'a, E, B>,
    ) -> Self {
        Gathering {
            edges: consumer.edges,
            tables: consumer.tables.all(),
            outputs: consumer.outputs,
            source,
            runs,
            is_second: false,
            count: 0,
            end: consumer.edges.offsets[gates.start] as usize,
            begun: 0,
            done: 0,
            gates,
        }
    }

    /// Gather a run; how many gates' rows are done then.
    #[inline(always)]
    fn advance<L: Lanes<Element = E>, const K: usize>(&mut self, rows: &mut [Row<E, B>]) -> usize {
        let (end, count, now) = (self.end, self.count, usize::from(self.is_second));
        self.look_ahead::<L, K>();
        let offsets = &self.edges.offsets[self.gates.start..self.gates.end + 1];
        let edges = self.edges.edges.as_chunks::<K>().0;
        while self.begun < rows.len() && offsets[self.begun] as usize <= end {
            if let Some(row) = rows.get(self.begun + AHEAD) {
                row.iter().for_each(|block| L::prefetch(block));
            }
            for block in &mut rows[self.begun] {
                L::store(L::zero(), block);
            }
            self.begun += 1;
        }
        for sender in &self.runs.senders[now][..count] {
            let &Some(Sender { row, other, edge, chosen, gate, minus }) = sender else { continue };
            let others = if K == 2 { [other; K] } else { others_of(self.outputs, &edges[edge as usize]) };
            let to = &mut rows[usize::from(gate)];
            let mut total = [L::zero(); B];
            for b in 0..B {
                total[b] = L::load(&to[b]);
            }
            let total = send::<L, B, K>(total, row, others, chosen, minus);
            for b in 0..B {
                L::store(total[b], &mut to[b]);
            }
        }
        while self.done < rows.len() && offsets[self.done + 1] as usize <= end {
            self.done += 1;
        }
        self.done
    }

    /// Look through the next run.
    #[inline(always)]
    fn look_ahead<L: Lanes<Element = E>, const K: usize>(&mut self) {
        let (edges, inputs) = (self.edges.edges.as_chunks::<K>().0, self.edges.inputs.as_slice());
        let (tables, outputs, first) = (self.tables, self.outputs, self.gates.start as u16);
        let most = (self.edges.offsets[self.gates.end] as usize).min(self.end + MOST);
        let Runs { live, senders } = &mut *self.runs;
        let (mut count, mut end) = (0, self.end);
        for edge in &edges[self.end..most] {
            if count >= RUN {
                break;
            }
            let table = table_of::<K>(tables, (edge[0] >> 3) as usize);
            let Halves { first, minus, second } = halves::<K>(table, (edge[0] & 7) as usize);
            live[count] = Live { edge: end as u32, chosen: first, minus };
            count += usize::from(first != 0);
            if second != 0 {
                live[count] = Live { edge: end as u32, chosen: second, minus: true };
                count += 1;
            }
            end += 1;
        }
        self.is_second = !self.is_second;
        let senders = &mut senders[usize::from(self.is_second)];
        for (&Live { edge, chosen, minus }, sender) in live[..count].iter().zip(senders) {
            let wires = &edges[edge as usize];
            let row = self.source.of((wires[0] >> 3) as usize);
            row.iter().for_each(|block| L::prefetch(block));
            let others = others_of(outputs, wires);
            others[1..].iter().for_each(|other| L::prefetch(*other));
            let gate = inputs[edge as usize].wrapping_sub(first);
            *sender = Some(Sender { row, other: others[1], edge, chosen, gate, minus });
        }
        (self.count, self.end) = (count, end);
    }
}
