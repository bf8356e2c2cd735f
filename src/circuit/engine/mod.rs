//! The circuit run on the CPU: 512 samples a step, one bit a sample.
//!
//! Bytes are compared with their thresholds into bits (`encode`), convolutions run over the places of maps (`places`), a program
//! of gates over blocks of bits (`schedule` writes it, `evaluate` runs it), and bit-sliced counters add up the votes (`tally`). No code is generated:
//! the same source is compiled for each vector instruction set and the best one that the machine has is chosen when the
//! engine is made.

mod block;
mod encode;
mod evaluate;
mod gates;
mod places;
mod schedule;
mod tally;
mod transpose;

#[cfg(feature = "threads")]
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
        let portable = std::iter::once(Simd::Portable);
        #[cfg(target_arch = "x86_64")]
        {
            let avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512vl")
                && is_x86_feature_detected!("avx512vbmi");
            let avx2 = is_x86_feature_detected!("avx2");
            let wide = [(avx512, Simd::Avx512), (avx2, Simd::Avx2)];
            wide.into_iter().filter(|(has, _)| *has).map(|(_, simd)| simd).chain(portable).collect()
        }
        #[cfg(not(target_arch = "x86_64"))]
        portable.collect()
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

impl Packed {
    /// Number of samples.
    pub fn samples(&self) -> usize {
        self.samples
    }
}

/// Working memory of one thread.
struct Work {
    slots: Vec<Block>,
    rows: Vec<Block>,
    bytes: Vec<u8>,
    scores: Vec<[u32; BLOCK_SAMPLES]>,
}

/// Samples to run on.
#[derive(Clone, Copy)]
enum Input<'a> {
    /// `[sample][pixel]` bytes.
    Pixels(&'a [u8]),
    /// `[block][row]` bits.
    Rows(&'a [Block]),
}

impl Engine {
    /// Lay out `netlist`, which must pass [`Netlist::check`], for the fastest instructions that this machine has. Every
    /// LUT is evaluated as it is: run [`super::simplify`] first to have fewer.
    pub fn new(netlist: &Netlist) -> Self {
        Self::with_simd(netlist, Simd::available()[0])
    }

    /// Lay out `netlist` for `simd`, which must be among [`Simd::available`]; otherwise portable code runs.
    pub fn with_simd(netlist: &Netlist, simd: Simd) -> Self {
        let live: Vec<bool> = netlist.use_of_features().iter().map(|&n| n > 0).collect();
        let encoding = Encoding::new(&netlist.encoder, &live, netlist.image.pixels());
        let program = Program::new(netlist, &encoding);
        let simd = if Simd::available().contains(&simd) { simd } else { Simd::Portable };
        Engine { encoding, program, classes: netlist.classes.len(), gates: netlist.applications(), simd }
    }

    /// Bytes of a sample.
    pub fn pixels(&self) -> usize {
        self.encoding.pixels()
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Gates evaluated for every sample, those of convolutions at every place.
    pub fn gates(&self) -> usize {
        self.gates
    }

    /// Instructions it runs on.
    pub fn simd(&self) -> Simd {
        self.simd
    }

    /// Bytes of working memory that a block of 512 samples goes through: what should fit the second-level cache.
    pub fn working_set(&self) -> usize {
        (self.program.slots + self.program.scratch()) * size_of::<Block>()
    }

    /// Bytes that gates and votes read and write for every sample.
    pub fn bytes_moved(&self) -> f64 {
        (self.program.blocks_moved() * size_of::<Block>()) as f64 / BLOCK_SAMPLES as f64
    }

    /// Encode samples once, to be counted often. `pixels` is `[sample][pixel]`, a whole number of samples.
    pub fn encode(&self, pixels: &[u8]) -> Packed {
        let (rows, samples) = (self.encoding.rows(), pixels.len() / self.pixels());
        let mut packed = vec![Block::ZERO; samples.div_ceil(BLOCK_SAMPLES) * rows];
        let mut bytes = vec![0; self.encoding.scratch()];
        for (block, out) in packed.chunks_exact_mut(rows.max(1)).enumerate() {
            self.fill(self.block(Input::Pixels(pixels), block), &mut bytes, out);
        }
        Packed { rows: packed, samples }
    }

    /// Class counts `[sample][class]` of `[sample][pixel]` bytes: on all threads of the current rayon pool if `parallel`
    /// and the feature `threads` is there, otherwise on this thread alone.
    pub fn counts(&self, pixels: &[u8], parallel: bool) -> Vec<u32> {
        let mut counts = vec![0; pixels.len() / self.pixels() * self.classes];
        self.counts_into(pixels, &mut counts, parallel);
        counts
    }

    /// [`Engine::counts`] into memory that is there already; `counts` decides how many samples are run.
    pub fn counts_into(&self, pixels: &[u8], counts: &mut [u32], parallel: bool) {
        self.run(Input::Pixels(pixels), counts, self.classes, parallel, write_counts);
    }

    /// [`Engine::counts_into`] of samples that this engine encoded before.
    pub fn counts_packed(&self, packed: &Packed, counts: &mut [u32], parallel: bool) {
        self.run(Input::Rows(&packed.rows), counts, self.classes, parallel, write_counts);
    }

    /// Predicted classes `[sample]`, the first among equals, of `[sample][pixel]` bytes; `parallel` as for
    /// [`Engine::counts`].
    pub fn classify(&self, pixels: &[u8], parallel: bool) -> Vec<u32> {
        let mut classes = vec![0; pixels.len() / self.pixels()];
        self.run(Input::Pixels(pixels), &mut classes, 1, parallel, write_classes);
        classes
    }

    /// Run block by block and let `write` turn `[class][sample]` scores into `per_sample` results a sample.
    fn run(
        &self,
        input: Input,
        results: &mut [u32],
        per_sample: usize,
        parallel: bool,
        write: fn(&[[u32; BLOCK_SAMPLES]], &mut [u32]),
    ) {
        let one = |work: &mut Work, block: usize, results: &mut [u32]| {
            self.fill(self.block(input, block), &mut work.bytes, &mut work.slots[..self.encoding.rows()]);
            self.evaluate(work);
            write(&work.scores, results);
        };
        let size = BLOCK_SAMPLES * per_sample;
        #[cfg(feature = "threads")]
        if parallel {
            let blocks = results.par_chunks_mut(size).enumerate();
            return blocks.for_each_init(|| self.work(), |work, (block, results)| one(work, block, results));
        }
        let _ = parallel;
        let mut work = self.work();
        results.chunks_mut(size).enumerate().for_each(|(block, results)| one(&mut work, block, results));
    }

    /// The part of `input` that is block number `block`.
    fn block<'a>(&self, input: Input<'a>, block: usize) -> Input<'a> {
        match input {
            Input::Pixels(pixels) => {
                let size = BLOCK_SAMPLES * self.pixels();
                Input::Pixels(&pixels[block * size..pixels.len().min((block + 1) * size)])
            }
            Input::Rows(rows) => {
                let size = self.encoding.rows();
                Input::Rows(&rows[block * size..(block + 1) * size])
            }
        }
    }

    fn work(&self) -> Work {
        Work {
            slots: vec![Block::ZERO; self.program.slots],
            rows: vec![Block::ZERO; self.program.scratch()],
            bytes: vec![0; self.encoding.scratch()],
            scores: vec![[0; BLOCK_SAMPLES]; self.classes],
        }
    }

    /// Make one block's input rows.
    fn fill(&self, block: Input, bytes: &mut [u8], rows: &mut [Block]) {
        match block {
            Input::Rows(bits) => rows.copy_from_slice(bits),
            Input::Pixels(pixels) => match self.simd {
                // SAFETY: `with_simd` keeps Avx512 only where all four features were detected.
                #[cfg(target_arch = "x86_64")]
                Simd::Avx512 => unsafe { encode_avx512(&self.encoding, pixels, bytes, rows) },
                // SAFETY: `with_simd` keeps Avx2 only where it was detected.
                #[cfg(target_arch = "x86_64")]
                Simd::Avx2 => unsafe { encode_avx2(&self.encoding, pixels, bytes, rows) },
                Simd::Portable => self.encoding.encode(pixels, bytes, rows, transpose::portable),
            },
        }
    }

    /// Run the program on one block's slots.
    fn evaluate(&self, work: &mut Work) {
        let Work { slots, rows, scores, .. } = work;
        let program = &self.program;
        match self.simd {
            // SAFETY: as in `fill`.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512 => unsafe { evaluate_avx512(program, slots, rows, scores) },
            // SAFETY: as in `fill`.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => unsafe { evaluate_avx2(program, slots, rows, scores) },
            Simd::Portable => evaluate::run(program, slots, rows, scores),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
fn encode_avx512(encoding: &Encoding, pixels: &[u8], bytes: &mut [u8], rows: &mut [Block]) {
    encoding.encode(pixels, bytes, rows, |rows, stride, out| transpose::avx512(rows, stride, out));
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn encode_avx2(encoding: &Encoding, pixels: &[u8], bytes: &mut [u8], rows: &mut [Block]) {
    encoding.encode(pixels, bytes, rows, transpose::portable);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vbmi")]
fn evaluate_avx512(program: &Program, slots: &mut [Block], rows: &mut [Block], scores: &mut [[u32; BLOCK_SAMPLES]]) {
    evaluate::run(program, slots, rows, scores);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn evaluate_avx2(program: &Program, slots: &mut [Block], rows: &mut [Block], scores: &mut [[u32; BLOCK_SAMPLES]]) {
    evaluate::run(program, slots, rows, scores);
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
