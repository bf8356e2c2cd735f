//! Bytes to input bits: 64 pixels at a time are compared with their thresholds, then turned from sample-major to
//! signal-major.

use super::block::{BLOCK_SAMPLES, Block};
use super::transpose::{SIDE, Square};
use crate::data::Encoder;

/// Pixels of a strip.
const LANES: usize = SIDE;
/// Samples whose comparisons share a byte.
const GROUP: usize = 8;

/// 64 neighbouring bytes of a sample and a threshold for each: they give 64 blocks of bits.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Strip {
    /// First byte within the sample.
    first: usize,
    /// `[lane]`: the bit is set where the byte is greater.
    thresholds: [u8; LANES],
}

/// An encoder laid out for speed: strips of 64 comparisons. Input row `64 · strip + lane` is one feature's bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoding {
    /// Bytes of a sample.
    pixels: usize,
    strips: Vec<Strip>,
    /// `[features]`: the row that holds the feature; 0 for features that nothing reads.
    row: Vec<u32>,
}

impl Encoding {
    /// Lay out the features for which `live` is true. `pixels` is the number of bytes of a sample.
    pub fn new(encoder: &Encoder, live: &[bool], pixels: usize) -> Self {
        // The features of a 64-byte tile, one strip for the first of each pixel, one for the second, and so on. The last
        // tile ends where the sample ends, so that nothing beyond it is read.
        let tiles = pixels.div_ceil(LANES);
        let first_of = |tile: usize| (tile * LANES).min(pixels.saturating_sub(LANES));
        let mut in_tile: Vec<Vec<usize>> = vec![Vec::new(); tiles];
        for f in (0..encoder.features()).filter(|&f| live[f]) {
            in_tile[encoder.pixel[f] as usize / LANES].push(f);
        }
        let mut strips: Vec<Strip> = Vec::new();
        let mut row = vec![0; encoder.features()];
        for (tile, features) in in_tile.iter().enumerate() {
            let (first, base) = (first_of(tile), strips.len());
            let mut used = [0; LANES];
            for &f in features {
                let lane = encoder.pixel[f] as usize - first;
                let strip = base + used[lane];
                used[lane] += 1;
                if strip == strips.len() {
                    strips.push(Strip { first, thresholds: [u8::MAX; LANES] });
                }
                strips[strip].thresholds[lane] = encoder.threshold[f];
                row[f] = (strip * LANES + lane) as u32;
            }
        }
        Encoding { pixels, strips, row }
    }

    /// Bytes of a sample.
    pub fn pixels(&self) -> usize {
        self.pixels
    }

    /// Rows of a block of input bits.
    pub fn rows(&self) -> usize {
        self.strips.len() * LANES
    }

    /// The row of feature `f`.
    pub fn row(&self, f: usize) -> u32 {
        self.row[f]
    }

    /// Bytes of working memory that [`Encoding::encode`] wants: `[sample/8][strip][lane]`.
    pub fn scratch(&self) -> usize {
        BLOCK_SAMPLES / GROUP * self.group_bytes()
    }

    /// Bytes between groups: an odd number of cache lines, so that a strip's bytes fall into different sets of a cache.
    fn group_bytes(&self) -> usize {
        (self.strips.len() | 1) * LANES
    }

    /// Encode up to 512 samples: `pixels` is `[sample][pixel]`, `rows` is `[row]`; samples that are not there are 0.
    /// `transpose` is the one of [`super::transpose`] that suits the instructions this is compiled for.
    #[inline(always)]
    pub fn encode(
        &self,
        pixels: &[u8],
        scratch: &mut [u8],
        rows: &mut [Block],
        transpose: impl Fn(&[u8], usize, &mut Square),
    ) {
        let groups = pixels.len().div_ceil(GROUP * self.pixels);
        let (compared, absent) = scratch.split_at_mut(groups * self.group_bytes());
        absent.fill(0);
        let samples = pixels.chunks(GROUP * self.pixels);
        for (samples, compared) in samples.zip(compared.chunks_exact_mut(self.group_bytes())) {
            let strips = self.strips.iter().zip(compared.as_chunks_mut::<LANES>().0);
            if samples.len() == GROUP * self.pixels && self.pixels >= LANES {
                let mut group = [&[][..]; GROUP];
                let mut rest = samples;
                for sample in &mut group {
                    (*sample, rest) = rest.split_at(self.pixels);
                }
                for (strip, bits) in strips {
                    *bits = strip.compare_group(&group);
                }
            } else {
                for (strip, bits) in strips {
                    *bits = strip.compare(samples, self.pixels);
                }
            }
        }
        let bits: &mut [u8] = bytemuck::cast_slice_mut(rows);
        for (strip, bits) in bits.as_chunks_mut::<{ SIDE * SIDE }>().0.iter_mut().enumerate() {
            transpose(&scratch[strip * LANES..], self.group_bytes(), bits);
        }
    }
}

impl Strip {
    /// Bit `s` of byte `lane` is sample `s` of a whole group.
    #[inline(always)]
    fn compare_group(&self, group: &[&[u8]; GROUP]) -> [u8; LANES] {
        let mut lanes = [&[][..]; GROUP];
        for s in 0..GROUP {
            lanes[s] = &group[s][self.first..][..LANES];
        }
        let mut bits = [0u8; LANES];
        for (lane, bits) in bits.iter_mut().enumerate() {
            for (s, lanes) in lanes.iter().enumerate() {
                *bits = bits.wrapping_add(if lanes[lane] > self.thresholds[lane] { 1 << s } else { 0 });
            }
        }
        bits
    }

    /// Bit `s` of byte `lane` is sample `s` of up to 8 samples of `pixels` bytes.
    #[inline(always)]
    fn compare(&self, samples: &[u8], pixels: usize) -> [u8; LANES] {
        let mut bits = [0u8; LANES];
        for (s, sample) in samples.chunks_exact(pixels).enumerate() {
            for ((bits, &byte), &threshold) in bits.iter_mut().zip(&sample[self.first..]).zip(&self.thresholds) {
                *bits |= u8::from(byte > threshold) << s;
            }
        }
        bits
    }
}

#[cfg(test)]
mod tests {
    use super::super::transpose;
    use super::*;
    use crate::random::Philox;

    #[test]
    fn rows_hold_the_encoders_bits_whatever_the_image() {
        let mut rng = Philox::new(1, 0);
        for (pixels, features, samples) in [(5, 9, 3), (63, 200, 512), (64, 64, 9), (100, 700, 77), (784, 1500, 511)] {
            let encoder = Encoder {
                pixel: (0..features).map(|_| rng.below(pixels)).collect(),
                threshold: (0..features).map(|_| rng.below(256) as u8).collect(),
            };
            let live: Vec<bool> = (0..features).map(|_| rng.below(4) > 0).collect();
            let bytes: Vec<u8> = (0..samples * pixels).map(|_| rng.below(256) as u8).collect();
            let encoding = Encoding::new(&encoder, &live, pixels as usize);
            let mut rows = vec![Block::ONE; encoding.rows()];
            encoding.encode(&bytes, &mut vec![1; encoding.scratch()], &mut rows, transpose::portable);
            for f in (0..features as usize).filter(|&f| live[f]) {
                let block = rows[encoding.row(f) as usize];
                for s in 0..BLOCK_SAMPLES {
                    let bit = (block.0[s / 64] >> (s % 64)) & 1 == 1;
                    let expected = bytes.chunks_exact(pixels as usize).nth(s).is_some_and(|b| encoder.bit(f, b));
                    assert_eq!(bit, expected, "{pixels} pixels, feature {f}, sample {s}");
                }
            }
        }
    }
}
