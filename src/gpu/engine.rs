//! The circuit run on a GPU: packed words, a dispatch a level, votes counted where they are cast.
//!
//! A batch goes bytes → `encode` → rows of bits → `evaluate_places` a convolution → `evaluate_level` a level → `count_votes`. All of it
//! lies in one buffer `[rows][words]` u32, bit s % 32 of word s / 32 being sample s: the input bits that are read, then the maps that
//! convolutions give, then the gates.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::device::Gpu;
use super::places::{self, BITS_WORDS};
use super::session::Session;
use crate::circuit::{Lut, Netlist, Vote};
use crate::data::Encoder;
use crate::plan::{
    Buffer, Bytes, EncoderIds, EncoderTable, Id, List, Page, Pass, Plan, Tuning, encode, padded_rows, uniforms,
};
use crate::{Error, Result};

/// Bits of `count_votes`' counters; a lane counts fewer than 2^11 votes in one dispatch.
const PLANES: u32 = 11;

/// Most 32-sample words a batch.
const MOST_WORDS: u64 = 2048;

/// Bytes that a batch's rows, pixels or counts may each take where a smaller batch helps: what every device binds, and
/// on software drivers what the caches hold.
const MOST_BYTES: u64 = 128 << 20;
const MOST_BYTES_SOFTWARE: u64 = 4 << 20;

/// A netlist on a device, ready to run.
pub struct GpuEngine {
    session: Session,
    circuit: CircuitPlan,
    pixels: usize,
    gates: usize,
}

/// A netlist's buffers and passes.
struct CircuitPlan {
    plan: Plan,
    all: List,
    /// A full batch's extent.
    extent: uniforms::Batch,
    batch: Id,
    pixel_rows: Id,
    counts: Id,
}

/// Which row of the signal buffer each signal has.
struct Rows {
    /// What `encode` writes to rows 0, 1, …: each comparison that is read, once.
    encoder: Encoder,
    /// `[signal]`; unread features have none of their own and are given row 0.
    of: Vec<u32>,
    /// All rows; the last is written by no gate and read by the pins that fill up a level's narrower gates.
    count: u32,
}

impl Rows {
    fn new(netlist: &Netlist) -> Self {
        let mut encoder = Encoder { pixel: Vec::new(), threshold: Vec::new() };
        let mut known = HashMap::new();
        let read = netlist.use_of_features();
        let mut of = Vec::with_capacity(netlist.signals());
        for (f, comparison) in netlist.encoder.pixel.iter().zip(&netlist.encoder.threshold).enumerate() {
            of.push(if read[f] == 0 {
                0
            } else {
                *known.entry(comparison).or_insert_with(|| {
                    encoder.pixel.push(*comparison.0);
                    encoder.threshold.push(*comparison.1);
                    encoder.pixel.len() as u32 - 1
                })
            });
        }
        let first = encoder.pixel.len() as u32;
        let behind = (netlist.signals() - netlist.features()) as u32;
        of.extend((0..behind).map(|i| first + i));
        Rows { encoder, of, count: first + behind + 1 }
    }

    /// `lut`'s record in a level of gates with `arity` pins, as `evaluate_level` reads it.
    fn record(&self, lut: &Lut, row: u32, arity: usize, out: &mut Vec<u32>) {
        // Pins that fill up come first, and the table is repeated for their other value.
        let table = (usize::from(lut.arity)..arity).fold(lut.table, |table, pins| table | table << (1u32 << pins));
        out.push(row);
        out.push(table as u32);
        if arity > 5 {
            out.push((table >> 32) as u32);
        }
        out.extend((usize::from(lut.arity)..arity).map(|_| self.count - 1));
        out.extend(lut.inputs().iter().map(|&s| self.of[s as usize]));
    }
}

/// The plan of `netlist` in batches of 128 samples.
pub fn plan_circuit(netlist: &Netlist, tuning: &Tuning) -> Plan {
    let netlist = &laid_out(netlist);
    CircuitPlan::make(netlist, &Rows::new(netlist), BITS_WORDS, tuning).plan
}

/// The netlist as passes take it: written out place by place where a convolution is none that they loop over.
fn laid_out(netlist: &Netlist) -> Cow<'_, Netlist> {
    if netlist.stages.iter().all(places::takes) { Cow::Borrowed(netlist) } else { netlist.flat() }
}

impl CircuitPlan {
    /// Plan `netlist` in batches of `words` words of samples, whose signals lie in `rows`.
    fn make(netlist: &Netlist, rows: &Rows, words: u32, tuning: &Tuning) -> Self {
        let (pixels, classes) = (netlist.image.pixels(), netlist.classes.len());
        let row_words = pixels.div_ceil(4) as u32;
        let extent = uniforms::Batch {
            samples: words * 32,
            size: words * 32,
            words,
            row_words,
            classes: classes as u32,
            shard: words * 32,
            ..bytemuck::Zeroable::zeroed()
        };
        let mut plan = Plan::default();
        let batch = plan.add(Buffer::scratch("batch", 0).holding(&[extent]));
        let pixel_rows = plan.add(Buffer::scratch("pixels", u64::from(row_words) * u64::from(words) * 128));
        let signals = plan.add(Buffer::scratch("signals", u64::from(rows.count) * u64::from(words) * 4));
        let counts = plan.add(Buffer::scratch("class counts", classes as u64 * u64::from(words) * 128));

        let in_order: Vec<u32> = (0..extent.size).collect();
        let chosen = plan.add(Buffer::scratch("samples in order", 0).holding(&in_order));
        let table = EncoderTable::of(&rows.encoder.pixel, &rows.encoder.threshold, row_words);
        let encoder = EncoderIds {
            offsets: plan.add(Buffer::scratch("encoder offsets", 0).holding(&table.offsets)),
            features: plan.add(Buffer::scratch("encoder features", 0).holding(&table.features)),
        };
        let bytes = Bytes { batch, chosen, shards: vec![pixel_rows] };
        let shape = [row_words, words, table.most_features];
        let mut passes = vec![encode(false, &bytes, encoder, tuning, shape).bind("bits", signals)];
        passes.extend(convolutions(&mut plan, netlist, rows, words, tuning, [batch, signals]));
        passes.extend(levels(&mut plan, netlist, rows, words, tuning, [batch, signals]));
        passes.extend(votes(&mut plan, netlist, rows, words, tuning, [batch, signals, counts]));
        let all = plan.list(passes);
        CircuitPlan { plan, all, extent, batch, pixel_rows, counts }
    }
}

/// The passes of every convolution, each behind those of the map that it reads.
fn convolutions(
    plan: &mut Plan,
    netlist: &Netlist,
    rows: &Rows,
    words: u32,
    tuning: &Tuning,
    [batch, signals]: [Id; 2],
) -> Vec<Pass> {
    let maps = netlist.maps();
    let mut passes = Vec::new();
    // Simplification may leave convolutions without a unit.
    for (i, stage) in netlist.stages.iter().enumerate().filter(|(_, stage)| !stage.units.is_empty()) {
        // Input bits lie where they are known, once each; maps in order.
        let spread = (i == 0)
            .then(|| plan.add(Buffer::scratch("rows of the features", 0).holding(&rows.of[..netlist.features()])));
        let [from, to] = [i, i + 1].map(|map| rows.of[maps[map].start]);
        passes.extend(places::passes(plan, stage, (from, spread), to, words, tuning, [batch, signals]));
    }
    passes
}

/// A pass a level.
fn levels(
    plan: &mut Plan,
    netlist: &Netlist,
    rows: &Rows,
    words: u32,
    tuning: &Tuning,
    [batch, signals]: [Id; 2],
) -> Vec<Pass> {
    let mut levels: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (i, &level) in netlist.levels()[netlist.inputs()..].iter().enumerate() {
        levels.entry(level).or_default().push(i);
    }
    let pass = |(level, gates): (u32, Vec<usize>)| {
        let arity = gates.iter().map(|&i| usize::from(netlist.luts[i].arity)).max().unwrap_or(0).max(1);
        let mut records = Vec::new();
        for &i in &gates {
            rows.record(&netlist.luts[i], rows.of[netlist.inputs() + i], arity, &mut records);
        }
        let count = gates.len() as u32;
        let extent = uniforms::Layer { gates: count, inputs: rows.count, words, ..bytemuck::Zeroable::zeroed() };
        let level = level as usize;
        Pass::of(evaluate_level(arity, tuning.workgroup))
            .of_layer(level)
            .bind("batch", batch)
            .bind("level", plan.add(Buffer::scratch("level", 0).of_layer(level).holding(&[extent])))
            .bind("gates", plan.add(Buffer::scratch("gates", 0).of_layer(level).holding(&records)))
            .bind("signals", signals)
            .groups(tuning, count * (words / BITS_WORDS), tuning.workgroup, 1 + arity as u32)
    };
    levels.into_iter().map(pass).collect()
}

/// As many passes as the class with the most votes needs.
fn votes(
    plan: &mut Plan,
    netlist: &Netlist,
    rows: &Rows,
    words: u32,
    tuning: &Tuning,
    [batch, signals, counts]: [Id; 3],
) -> Vec<Pass> {
    let vote = |v: &Vote| rows.of[v.signal as usize] << 1 | u32::from(v.inverted);
    let cast: Vec<u32> = netlist.votes.iter().flatten().map(vote).collect();
    let cast = plan.add(Buffer::scratch("votes", 0).holding(&cast));
    let (workgroup, lanes) = (tuning.workgroup, tuning.most_lanes);
    let most = lanes * ((1 << PLANES) - 1);
    let rounds = netlist.votes.iter().map(|v| (v.len() as u32).div_ceil(most)).max().unwrap_or(0).max(1);
    let pass = |round: u32| {
        let mut first = 0;
        let range = |(votes, &offset): (&Vec<Vote>, &u32)| {
            let end = first + votes.len() as u32;
            let from = (first + round * most).min(end);
            first = end;
            [from, (from + most).min(end), if round == 0 { offset } else { 0 }, u32::from(round > 0)]
        };
        let ranges: Vec<[u32; 4]> = netlist.votes.iter().zip(&netlist.offsets).map(range).collect();
        Pass::of(count_votes(workgroup, lanes))
            .of_layer(round as usize)
            .bind("batch", batch)
            .bind("ranges", plan.add(Buffer::scratch("votes of classes", 0).holding(&ranges)))
            .bind("votes", cast)
            .bind("signals", signals)
            .bind("counts", counts)
            .grid([netlist.classes.len() as u32, words.div_ceil(workgroup / lanes)])
    };
    (0..rounds).map(pass).collect()
}

/// The page for a level of gates of up to `arity` pins.
fn evaluate_level(arity: usize, workgroup: u32) -> Page {
    Page::of("circuit/evaluate_level").number("ARITY", arity as u32).number("WORKGROUP", workgroup)
}

/// The page that counts votes, `lanes` lanes a class and word.
fn count_votes(workgroup: u32, lanes: u32) -> Page {
    Page::of("circuit/count_votes").number("WORKGROUP", workgroup).number("LANES", lanes).number("PLANES", PLANES)
}

impl GpuEngine {
    /// Put `netlist` on `gpu`, its convolutions as loops over their places. Every LUT is evaluated as it is: run
    /// [`crate::circuit::simplify`] first to have fewer.
    ///
    /// # Errors
    /// [`Error::Run`] if the netlist's parts do not fit together, [`Error::Gpu`] if it is too large for the device.
    pub fn new(gpu: &Arc<Gpu>, netlist: &Netlist) -> Result<Self> {
        Self::with_tuning(gpu, netlist, Tuning::for_adapter(&gpu.adapter))
    }

    /// [`GpuEngine::new`] with passes shaped by `tuning`, which changes speed alone.
    ///
    /// # Errors
    /// As for [`GpuEngine::new`].
    pub fn with_tuning(gpu: &Arc<Gpu>, netlist: &Netlist, tuning: Tuning) -> Result<Self> {
        netlist.check().map_err(Error::Run)?;
        let netlist = &laid_out(netlist);
        let rows = Rows::new(netlist);
        let pixels = netlist.image.pixels();
        let bytes_a_word =
            [u64::from(rows.count) * 4, pixels.div_ceil(4) as u64 * 128, netlist.classes.len() as u64 * 128];
        let mut circuit = CircuitPlan::make(netlist, &rows, batch_words(gpu, bytes_a_word), &tuning);
        // The pages count rows and votes in 32 bits.
        let mut limits = gpu.limits();
        limits.buffer_bytes = limits.buffer_bytes.min(u64::from(u32::MAX));
        if let Some(problem) = circuit.plan.too_large(&limits) {
            return Err(Error::Gpu(format!("{problem}; run the circuit by --engine cpu")));
        }
        let session = Session::open(gpu, std::mem::take(&mut circuit.plan), &[])?;
        Ok(GpuEngine { session, circuit, pixels, gates: netlist.applications() })
    }

    /// Gates evaluated for every sample.
    pub fn gates(&self) -> usize {
        self.gates
    }

    /// Samples that go through the device at once.
    pub fn batch(&self) -> usize {
        self.circuit.extent.size as usize
    }

    /// Its buffers and passes.
    pub fn plan(&self) -> &Plan {
        self.session.plan()
    }

    /// Class counts `[sample][class]` of `[sample][pixel]` bytes, a whole number of samples.
    ///
    /// # Errors
    /// [`Error::Gpu`] if the device fails.
    pub fn counts(&self, pixels: &[u8]) -> Result<Vec<u32>> {
        let (circuit, classes) = (&self.circuit, self.circuit.extent.classes as usize);
        let mut counts = Vec::with_capacity(pixels.len() / self.pixels * classes);
        for rows in pixels.chunks(self.batch() * self.pixels) {
            let samples = rows.len() / self.pixels;
            let words = (samples as u32).div_ceil(32).next_multiple_of(BITS_WORDS);
            self.session.write(circuit.pixel_rows, 0, &padded_rows(rows, self.pixels));
            self.session.write(circuit.batch, 0, &[uniforms::Batch { words, ..circuit.extent }]);
            self.session.submit(&circuit.all, 1)?;
            counts.extend(self.session.read::<u32>(circuit.counts, samples * classes)?);
        }
        Ok(counts)
    }
}

/// Words a batch, so that buffers of each of `bytes` a word are no larger than helps.
fn batch_words(gpu: &Gpu, bytes: [u64; 3]) -> u32 {
    let most = if gpu.adapter.is_software() { MOST_BYTES_SOFTWARE } else { MOST_BYTES };
    let unit = u64::from(BITS_WORDS);
    let largest = bytes.into_iter().max().unwrap_or(1).max(1);
    let words = (most / largest).min(MOST_WORDS) / unit * unit;
    words.max(unit) as u32
}
