//! The circuit run on a GPU: packed words, a dispatch a level, votes counted where they are cast.
//!
//! A batch goes bytes → `encode` → rows of bits → `evaluate_level` a level → `count_votes`. All of it lies in one buffer
//! `[rows][words]` u32, bit s % 32 of word s / 32 being sample s: the input bits that are read, then the gates.

use std::collections::{BTreeMap, HashMap};

use super::{Lut, Netlist};
use crate::data::Encoder;
use crate::gpu::shader::Variant;
use crate::gpu::{Gpu, Pass, structs};
use crate::train::{EncoderTable, PassMaker, Tuning, padded_rows};
use crate::{Error, Result};

/// Bits of `count_votes`' counters; a lane counts fewer than 2^11 votes in one dispatch.
const PLANES: u32 = 11;

/// Words a lane of `evaluate_level` takes at once; batches are multiples of it.
const BITS_WORDS: u32 = 4;

/// Most 32-sample words a batch.
const MOST_WORDS: u64 = 2048;

/// Bytes that a batch's rows, pixels or counts may each take where a smaller batch helps: what every device binds, and
/// on software drivers what the caches hold.
const MOST_BYTES: u64 = 128 << 20;
const MOST_BYTES_SOFTWARE: u64 = 4 << 20;

/// A netlist on a device, ready to run.
pub struct GpuEngine<'a> {
    gpu: &'a Gpu,
    batch: structs::Batch,
    batch_uniform: wgpu::Buffer,
    pixel_rows: wgpu::Buffer,
    counts: wgpu::Buffer,
    passes: Vec<Pass>,
    pixels: usize,
    gates: usize,
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
        let read = netlist.fan_out();
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
        let first_gate = encoder.pixel.len() as u32;
        of.extend((0..netlist.luts.len() as u32).map(|i| first_gate + i));
        Rows { encoder, of, count: first_gate + netlist.luts.len() as u32 + 1 }
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

impl<'a> GpuEngine<'a> {
    /// Put `netlist` on `gpu`. Every LUT is evaluated as it is: run [`super::simplify`] first to have fewer.
    ///
    /// # Errors
    /// [`Error::Run`] if the netlist's parts do not fit together, [`Error::Gpu`] if it is too large for the device.
    pub fn new(gpu: &'a Gpu, netlist: &Netlist) -> Result<Self> {
        Self::with_tuning(gpu, netlist, Tuning::for_adapter(&gpu.adapter))
    }

    /// [`GpuEngine::new`] with kernels shaped by `tuning`, which changes speed alone.
    pub fn with_tuning(gpu: &'a Gpu, netlist: &Netlist, tuning: Tuning) -> Result<Self> {
        netlist.check().map_err(Error::Run)?;
        let rows = Rows::new(netlist);
        let (pixels, classes) = (netlist.image.pixels(), netlist.classes.len());
        let row_words = pixels.div_ceil(4) as u32;
        let words = batch_words(gpu, &[u64::from(rows.count) * 4, u64::from(row_words) * 128, classes as u64 * 128])?;
        let batch = structs::Batch {
            samples: words * 32,
            size: words * 32,
            words,
            first: 0,
            row_words,
            features: rows.encoder.features() as u32,
            key0: 0,
            key1: 0,
            classes: classes as u32,
            shard: words * 32,
            width: 1,
            height: 1,
            shift: 0,
            flip: 0,
            least_side: 16_384,
            ring: 0,
            offset: 0,
            pad: [0; 3],
        };
        let words = u64::from(words);
        let batch_uniform = gpu.uniform("batch", &batch);
        let pixel_rows = gpu.storage("pixels", u64::from(row_words) * words * 128);
        let signals = gpu.storage("signals", u64::from(rows.count) * words * 4);
        let counts = gpu.storage("class counts", classes as u64 * words * 128);

        let mut make = PassMaker::new(gpu, tuning);
        let mut passes = Vec::new();

        // A word of pixels has at most 4 · 256 comparisons, each 33 turns.
        let chosen = gpu.storage_of("samples in order", &(0..batch.size).collect::<Vec<u32>>());
        let table = EncoderTable::upload(gpu, &rows.encoder, row_words);
        let mut most = vec![0; row_words as usize];
        rows.encoder.pixel.iter().for_each(|&pixel| most[pixel as usize / 4] += 1);
        let most = most.into_iter().max().unwrap_or(0);
        let grid = make.groups(row_words * batch.words, 64, 33 + 33 * most);
        let buffers = [
            (0, &batch_uniform),
            (1, &chosen),
            (2, &pixel_rows),
            (3, &table.offsets),
            (4, &table.features),
            (5, &signals),
        ];
        passes.push(make.pass(Variant::of("encode"), "encode".into(), &buffers, grid));

        let mut levels: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (i, &level) in netlist.levels()[netlist.features()..].iter().enumerate() {
            levels.entry(level).or_default().push(i);
        }
        for (level, gates) in levels {
            let arity = gates.iter().map(|&i| usize::from(netlist.luts[i].arity)).max().unwrap_or(0).max(1);
            let mut records = Vec::new();
            for &i in &gates {
                rows.record(&netlist.luts[i], rows.of[netlist.features() + i], arity, &mut records);
            }
            check_binding(gpu, records.len() as u64 * 4)?;
            let shape = structs::Layer {
                gates: gates.len() as u32,
                inputs: rows.count,
                words: batch.words,
                group: 1,
                first_partial: 0,
                first_gate: 0,
                index: 0,
                pad: 0,
            };
            let workgroup = tuning.workgroup;
            let variant = Variant { arity, workgroup, bits_words: BITS_WORDS, ..Variant::of("evaluate_level") };
            let (shape_uniform, records) = (gpu.uniform("level", &shape), gpu.storage_of("gates", &records));
            let buffers = [(0, &batch_uniform), (1, &shape_uniform), (2, &records), (3, &signals)];
            let grid = make.groups(shape.gates * (batch.words / BITS_WORDS), workgroup, 1 + arity as u32);
            passes.push(make.pass(variant, format!("evaluate_level {level}"), &buffers, grid));
        }

        let vote = |v: &super::Vote| rows.of[v.signal as usize] << 1 | u32::from(v.inverted);
        let votes: Vec<u32> = netlist.votes.iter().flatten().map(vote).collect();
        check_binding(gpu, votes.len() as u64 * 4)?;
        let votes = gpu.storage_of("votes", &votes);
        let (workgroup, lanes) = (tuning.workgroup, tuning.most_lanes);
        let variant = Variant { workgroup, lanes, planes: PLANES, ..Variant::of("count_votes") };
        let most = lanes * ((1 << PLANES) - 1);
        let rounds = netlist.votes.iter().map(|v| (v.len() as u32).div_ceil(most)).max().unwrap_or(0).max(1);
        for round in 0..rounds {
            let mut first = 0;
            let ranges: Vec<[u32; 4]> = netlist
                .votes
                .iter()
                .zip(&netlist.offsets)
                .map(|(votes, &offset)| {
                    let end = first + votes.len() as u32;
                    let from = (first + round * most).min(end);
                    first = end;
                    [from, (from + most).min(end), if round == 0 { offset } else { 0 }, u32::from(round > 0)]
                })
                .collect();
            let ranges = gpu.storage_of("votes of classes", &ranges);
            let buffers = [(0, &batch_uniform), (1, &ranges), (2, &votes), (3, &signals), (4, &counts)];
            let grid = [batch.classes, batch.words.div_ceil(workgroup / lanes)];
            passes.push(make.pass(variant, format!("count_votes {round}"), &buffers, grid));
        }
        gpu.check()?;
        Ok(GpuEngine { gpu, batch, batch_uniform, pixel_rows, counts, passes, pixels, gates: netlist.luts.len() })
    }

    /// LUTs evaluated for every sample.
    pub fn gates(&self) -> usize {
        self.gates
    }

    /// Samples that go through the device at once.
    pub fn batch(&self) -> usize {
        self.batch.size as usize
    }

    /// Class counts `[sample][class]` of `[sample][pixel]` bytes, a whole number of samples.
    ///
    /// # Errors
    /// [`Error::Gpu`] if the device fails.
    pub fn counts(&self, pixels: &[u8]) -> Result<Vec<u32>> {
        let classes = self.batch.classes as usize;
        let mut counts = Vec::with_capacity(pixels.len() / self.pixels * classes);
        for rows in pixels.chunks(self.batch() * self.pixels) {
            let samples = rows.len() / self.pixels;
            let words = (samples as u32).div_ceil(32).next_multiple_of(BITS_WORDS);
            self.gpu.write(&self.pixel_rows, &padded_rows(rows, self.pixels));
            self.gpu.write(&self.batch_uniform, &[structs::Batch { words, ..self.batch }]);
            let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
            {
                let mut pass = encoder.begin_compute_pass(&Default::default());
                self.passes.iter().for_each(|p| p.record(&mut pass));
            }
            self.gpu.queue.submit([encoder.finish()]);
            counts.extend(self.gpu.read::<u32>(&self.counts, samples * classes)?);
        }
        Ok(counts)
    }
}

/// Words a batch, so that a buffer of each of `bytes` a word can be bound, and is no larger than helps.
fn batch_words(gpu: &Gpu, bytes: &[u64]) -> Result<u32> {
    let most = if gpu.adapter.is_software() { MOST_BYTES_SOFTWARE } else { MOST_BYTES };
    let unit = u64::from(BITS_WORDS);
    let largest = bytes.iter().copied().max().unwrap_or(1).max(1);
    let words = (most / largest).min(MOST_WORDS) / unit * unit;
    let words = words.max(unit);
    check_binding(gpu, words * largest)?;
    Ok(words as u32)
}

fn check_binding(gpu: &Gpu, bytes: u64) -> Result<()> {
    let limit = gpu.device.limits().max_storage_buffer_binding_size.min(u64::from(u32::MAX));
    if bytes <= limit {
        return Ok(());
    }
    Err(Error::Gpu(format!(
        "the circuit needs {bytes} bytes in one piece, but {} binds {limit}; run it by --engine cpu",
        gpu.adapter.name
    )))
}
