//! The circuit run on the CPU: 512 samples a step, one bit a sample.
//!
//! Bytes are compared with their thresholds into bits (`encode`), a program of gates runs over blocks of bits
//! (`schedule` writes it, `evaluate` runs it), and bit-sliced counters add up the votes (`tally`). No code is generated:
//! the same source is compiled for each vector instruction set and the best one that the machine has is chosen when the
//! engine is made.

mod block;
mod encode;
mod evaluate;
mod schedule;
mod tally;

use rayon::prelude::*;

use self::block::{BLOCK_SAMPLES, Block};
use self::encode::Encoding;
use self::schedule::Program;
use super::Netlist;

/// Vector instructions that the engine is compiled for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Simd {
    /// 512 bits a step: AVX-512 F, BW, VL and VBMI.
    #[cfg(target_arch = "x86_64")]
    Avx512,
    /// 256 bits a step.
    #[cfg(target_arch = "x86_64")]
    Avx2,
    /// What every machine of this architecture has.
    Portable,
}

impl Simd {
    /// All that this machine has, the fastest first.
    pub fn available() -> Vec<Simd> {
        let mut all = vec![Simd::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") {
                all.insert(0, Simd::Avx2);
            }
            let features = [
                is_x86_feature_detected!("avx512f"),
                is_x86_feature_detected!("avx512bw"),
                is_x86_feature_detected!("avx512vl"),
                is_x86_feature_detected!("avx512vbmi"),
            ];
            if features == [true; 4] {
                all.insert(0, Simd::Avx512);
            }
        }
        all
    }

    /// Its name in reports.
    pub fn name(self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512 => "avx512",
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => "avx2",
            Simd::Portable => "portable",
        }
    }
}

/// A netlist ready to run.
#[derive(Debug, Clone)]
pub struct Engine {
    encoding: Encoding,
    program: Program,
    classes: usize,
    gates: usize,
    simd: Simd,
}

/// Input bits of many samples: `[block][row]`, made by [`Engine::encode`] for that engine alone.
#[derive(Debug, Clone)]
pub struct Packed {
    rows: Vec<Block>,
    samples: usize,
}

/// Working memory of one thread.
struct Work {
    slots: Vec<Block>,
    bytes: Vec<u8>,
    scores: Vec<[u32; BLOCK_SAMPLES]>,
}

/// What a block is made from.
#[derive(Clone, Copy)]
enum Source<'a> {
    /// `[sample][pixel]` bytes.
    Pixels(&'a [u8]),
    /// `[row]` bits.
    Rows(&'a [Block]),
}

impl Engine {
    /// Lay out `netlist` for the fastest instructions that this machine has. Every LUT is evaluated as it is: run
    /// [`super::simplify`] first to have fewer.
    pub fn new(netlist: &Netlist) -> Self {
        Self::with_simd(netlist, Simd::available()[0])
    }

    /// Lay out `netlist` for `simd`, which must be among [`Simd::available`]; otherwise portable code runs.
    pub fn with_simd(netlist: &Netlist, simd: Simd) -> Self {
        let live: Vec<bool> = netlist.fan_out()[..netlist.features()].iter().map(|&n| n > 0).collect();
        let encoding = Encoding::new(&netlist.encoder, &live, netlist.image.pixels());
        let program = Program::new(netlist, &encoding);
        let simd = if Simd::available().contains(&simd) { simd } else { Simd::Portable };
        Engine { encoding, program, classes: netlist.classes.len(), gates: netlist.luts.len(), simd }
    }

    /// Bytes of a sample.
    pub fn pixels(&self) -> usize {
        self.encoding.pixels()
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// LUTs evaluated for every sample.
    pub fn gates(&self) -> usize {
        self.gates
    }

    /// Instructions it runs on.
    pub fn simd(&self) -> Simd {
        self.simd
    }

    /// Bytes of working memory that a block of 512 samples goes through: what should fit the second-level cache.
    pub fn working_set(&self) -> usize {
        self.program.slots * size_of::<Block>()
    }

    /// Encode samples once, to be counted often. `pixels` is `[sample][pixel]`, a whole number of samples.
    pub fn encode(&self, pixels: &[u8]) -> Packed {
        let rows = self.encoding.rows();
        let blocks = pixels.len().div_ceil(self.block_bytes());
        let mut packed = Packed { rows: vec![Block::ZERO; blocks * rows], samples: pixels.len() / self.pixels() };
        if rows > 0 {
            let mut work = self.work();
            for (pixels, out) in pixels.chunks(self.block_bytes()).zip(packed.rows.chunks_exact_mut(rows)) {
                self.fill(Source::Pixels(pixels), &mut work);
                out.copy_from_slice(&work.slots[..rows]);
            }
        }
        packed
    }

    /// Class counts `[sample][class]` of `[sample][pixel]` bytes, on this thread alone.
    pub fn counts(&self, pixels: &[u8]) -> Vec<u32> {
        let mut counts = vec![0; pixels.len() / self.pixels() * self.classes];
        self.counts_into(pixels, &mut counts);
        counts
    }

    /// [`Engine::counts`] into memory that is there already.
    pub fn counts_into(&self, pixels: &[u8], counts: &mut [u32]) {
        let mut work = self.work();
        for (pixels, counts) in pixels.chunks(self.block_bytes()).zip(counts.chunks_mut(BLOCK_SAMPLES * self.classes)) {
            self.scores(Source::Pixels(pixels), &mut work);
            write_counts(&work.scores, counts);
        }
    }

    /// Class counts `[sample][class]` of samples encoded before, on this thread alone.
    pub fn counts_packed(&self, packed: &Packed, counts: &mut [u32]) {
        let (mut work, rows) = (self.work(), self.encoding.rows());
        for (block, counts) in
            counts[..packed.samples * self.classes].chunks_mut(BLOCK_SAMPLES * self.classes).enumerate()
        {
            self.scores(Source::Rows(&packed.rows[block * rows..(block + 1) * rows]), &mut work);
            write_counts(&work.scores, counts);
        }
    }

    /// Class counts `[sample][class]` of `[sample][pixel]` bytes, on all threads of the current rayon pool.
    pub fn counts_parallel(&self, pixels: &[u8]) -> Vec<u32> {
        let mut counts = vec![0; pixels.len() / self.pixels() * self.classes];
        pixels.par_chunks(self.block_bytes()).zip(counts.par_chunks_mut(BLOCK_SAMPLES * self.classes)).for_each_init(
            || self.work(),
            |work, (pixels, counts)| {
                self.scores(Source::Pixels(pixels), work);
                write_counts(&work.scores, counts);
            },
        );
        counts
    }

    /// Predicted classes `[sample]`, the first among equals, of `[sample][pixel]` bytes, on this thread alone.
    pub fn classify(&self, pixels: &[u8]) -> Vec<u32> {
        let mut classes = vec![0; pixels.len() / self.pixels()];
        let mut work = self.work();
        for (pixels, classes) in pixels.chunks(self.block_bytes()).zip(classes.chunks_mut(BLOCK_SAMPLES)) {
            self.scores(Source::Pixels(pixels), &mut work);
            write_classes(&work.scores, classes);
        }
        classes
    }

    /// [`Engine::classify`] on all threads of the current rayon pool.
    pub fn classify_parallel(&self, pixels: &[u8]) -> Vec<u32> {
        let mut classes = vec![0; pixels.len() / self.pixels()];
        pixels.par_chunks(self.block_bytes()).zip(classes.par_chunks_mut(BLOCK_SAMPLES)).for_each_init(
            || self.work(),
            |work, (pixels, classes)| {
                self.scores(Source::Pixels(pixels), work);
                write_classes(&work.scores, classes);
            },
        );
        classes
    }

    fn block_bytes(&self) -> usize {
        BLOCK_SAMPLES * self.pixels()
    }

    fn work(&self) -> Work {
        Work {
            slots: vec![Block::ZERO; self.program.slots],
            bytes: vec![0; self.encoding.scratch()],
            scores: vec![[0; BLOCK_SAMPLES]; self.classes],
        }
    }

    /// Fill the input rows of a block.
    #[inline(always)]
    fn fill(&self, source: Source, work: &mut Work) {
        let rows = &mut work.slots[..self.encoding.rows()];
        match source {
            Source::Pixels(pixels) => self.encoding.encode(pixels, &mut work.bytes, rows),
            Source::Rows(bits) => rows.copy_from_slice(bits),
        }
    }

    /// One block from its source to `work.scores`.
    fn scores(&self, source: Source, work: &mut Work) {
        match self.simd {
            // SAFETY: `with_simd` keeps Avx512 only where all four features were detected.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512 => unsafe { self.scores_avx512(source, work) },
            // SAFETY: `with_simd` keeps Avx2 only where it was detected.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => unsafe { self.scores_avx2(source, work) },
            Simd::Portable => self.scores_portable(source, work),
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
    fn scores_avx512(&self, source: Source, work: &mut Work) {
        self.scores_portable(source, work);
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn scores_avx2(&self, source: Source, work: &mut Work) {
        self.scores_portable(source, work);
    }

    #[inline(always)]
    fn scores_portable(&self, source: Source, work: &mut Work) {
        self.fill(source, work);
        evaluate::run(&self.program, &mut work.slots, &mut work.scores);
    }
}

/// `[class][sample]` to `[sample][class]`.
fn write_counts(scores: &[[u32; BLOCK_SAMPLES]], counts: &mut [u32]) {
    for (class, of_class) in scores.iter().enumerate() {
        let column = counts.iter_mut().skip(class).step_by(scores.len());
        column.zip(of_class).for_each(|(count, &score)| *count = score);
    }
}

/// `[class][sample]` to the class with the greatest score, the first among equals.
fn write_classes(scores: &[[u32; BLOCK_SAMPLES]], classes: &mut [u32]) {
    let mut best = [0; BLOCK_SAMPLES];
    let mut winner = [0; BLOCK_SAMPLES];
    for (class, scores) in scores.iter().enumerate() {
        for s in 0..BLOCK_SAMPLES {
            let better = class == 0 || scores[s] > best[s];
            best[s] = if better { scores[s] } else { best[s] };
            winner[s] = if better { class as u32 } else { winner[s] };
        }
    }
    classes.copy_from_slice(&winner[..classes.len()]);
}
