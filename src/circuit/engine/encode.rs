//! Bytes to input bits: 64 pixels at a time are compared with their thresholds, then turned from sample-major to
//! signal-major.

use super::block::{BLOCK_SAMPLES, Block};
use crate::network::Encoder;

/// Pixels of a strip.
const LANES: usize = 64;
/// Samples whose comparisons share a byte.
const GROUP: usize = 8;
/// Bytes of a strip's bits for one block: `[lane][sample/8]`.
const STRIP_BYTES: usize = LANES * BLOCK_SAMPLES / 8;

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

    /// Bytes of working memory that [`Encoding::encode`] wants.
    pub fn scratch(&self) -> usize {
        self.strips.len() * STRIP_BYTES
    }

    /// Encode up to 512 samples: `pixels` is `[sample][pixel]`, `rows` is `[row]`; samples that are not there are 0.
    #[inline(always)]
    pub fn encode(&self, pixels: &[u8], scratch: &mut [u8], rows: &mut [Block]) {
        let samples = pixels.len() / self.pixels;
        for group in 0..BLOCK_SAMPLES / GROUP {
            let here = (group * GROUP).min(samples)..((group + 1) * GROUP).min(samples);
            let bytes = &pixels[here.start * self.pixels..here.end * self.pixels];
            for (strip, bits) in self.strips.iter().zip(scratch.chunks_exact_mut(STRIP_BYTES)) {
                let bits = &mut bits[group * LANES..(group + 1) * LANES];
                bits.copy_from_slice(&strip.compare(bytes, self.pixels));
            }
        }
        for (bits, rows) in scratch.chunks_exact_mut(STRIP_BYTES).zip(rows.chunks_exact_mut(LANES)) {
            transpose(bits, bytemuck::cast_slice_mut(rows));
        }
    }
}

impl Strip {
    /// Bit `s` of byte `lane` is sample `s` of up to 8 samples.
    #[inline(always)]
    fn compare(&self, bytes: &[u8], pixels: usize) -> [u8; LANES] {
        let mut bits = [0u8; LANES];
        for (s, sample) in bytes.chunks_exact(pixels).enumerate() {
            match sample[self.first..].first_chunk::<LANES>() {
                Some(lanes) => {
                    for lane in 0..LANES {
                        bits[lane] |= u8::from(lanes[lane] > self.thresholds[lane]) << s;
                    }
                }
                None => {
                    for (lane, &byte) in sample[self.first..].iter().enumerate() {
                        bits[lane] |= u8::from(byte > self.thresholds[lane]) << s;
                    }
                }
            }
        }
        bits
    }
}

/// Transpose 64 × 64 bytes: `[sample/8][lane]` in `bytes` to `[lane][sample/8]` in `out`; both are overwritten.
///
/// A perfect shuffle (the halves interleaved) rotates the 12 bits of every byte's address by one; six of them exchange
/// its two halves.
#[inline(always)]
fn transpose(bytes: &mut [u8], out: &mut [u8]) {
    for _ in 0..3 {
        shuffle(bytes, out);
        shuffle(out, bytes);
    }
    out.copy_from_slice(bytes);
}

/// Interleave the halves of `from` into `to`.
#[inline(always)]
fn shuffle(from: &[u8], to: &mut [u8]) {
    let (low, high) = from.split_at(from.len() / 2);
    for ((pair, &l), &h) in to.chunks_exact_mut(2).zip(low).zip(high) {
        pair[0] = l;
        pair[1] = h;
    }
}

#[cfg(test)]
mod tests {
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
            encoding.encode(&bytes, &mut vec![0; encoding.scratch()], &mut rows);
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
