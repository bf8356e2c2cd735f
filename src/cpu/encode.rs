//! Bytes to bits: 64 neighbouring bytes of a sample are compared with as many thresholds at a time, and 64 samples' answers
//! turned around.

use std::sync::atomic::Ordering;

use super::bits::Bits;
use super::lanes::BLOCK;
use super::simd::Simd;
use crate::data::Encoder;

/// Bytes of a strip.
const SIDE: usize = 64;

/// What a lane of a strip that has no feature writes.
const NOTHING: u32 = u32::MAX;

/// 64 neighbouring bytes of a sample, with a threshold each.
#[derive(Debug)]
struct Strip {
    /// First byte within the sample.
    first: usize,
    /// `[lane]`: the bit is set where the byte is greater.
    thresholds: [u8; SIDE],
    /// `[lane]`: the feature, or [`NOTHING`].
    features: [u32; SIDE],
}

/// An encoder laid out in strips.
#[derive(Debug)]
pub struct Encoding {
    /// Bytes of a sample.
    pixels: usize,
    strips: Vec<Strip>,
}

impl Encoding {
    /// Lay `encoder` out for samples of `pixels` bytes.
    pub fn new(encoder: &Encoder, pixels: usize) -> Self {
        // A strip for the first feature of each byte of a tile, one for the second, and so on. The last tile ends where
        // the sample ends, so that nothing beyond it is read.
        let first_of = |tile: usize| (tile * SIDE).min(pixels.saturating_sub(SIDE));
        let mut in_tile: Vec<Vec<usize>> = vec![Vec::new(); pixels.div_ceil(SIDE)];
        for (f, &pixel) in encoder.pixel.iter().enumerate() {
            in_tile[pixel as usize / SIDE].push(f);
        }
        let mut strips: Vec<Strip> = Vec::new();
        for (tile, features) in in_tile.iter().enumerate() {
            let (first, base) = (first_of(tile), strips.len());
            let mut used = [0; SIDE];
            for &f in features {
                let lane = encoder.pixel[f] as usize - first;
                let strip = base + used[lane];
                used[lane] += 1;
                if strip == strips.len() {
                    strips.push(Strip { first, thresholds: [u8::MAX; SIDE], features: [NOTHING; SIDE] });
                }
                strips[strip].thresholds[lane] = encoder.threshold[f];
                strips[strip].features[lane] = f as u32;
            }
        }
        Encoding { pixels, strips }
    }

    /// How many strips there are.
    pub fn strips(&self) -> usize {
        self.strips.len()
    }

    /// Make the bits of strip `strip` of block `block` of `bits`, `[features]`. `samples` are its samples' bytes, up to 64;
    /// samples that are not there are 0.
    pub fn encode<'a, const B: usize>(
        &self,
        simd: Simd,
        strip: usize,
        block: usize,
        samples: impl ExactSizeIterator<Item = &'a [u8]>,
        bits: &[Bits<B>],
    ) {
        let strip = &self.strips[strip];
        let mut words = [0; BLOCK];
        for (word, sample) in words.iter_mut().zip(samples) {
            *word = match sample[strip.first..self.pixels].first_chunk() {
                Some(bytes) => greater(simd, bytes, &strip.thresholds),
                None => {
                    let mut bytes = [0; SIDE];
                    bytes[..self.pixels].copy_from_slice(sample);
                    greater(simd, &bytes, &strip.thresholds)
                }
            };
        }
        transpose(&mut words);
        for (&feature, word) in strip.features.iter().zip(words) {
            if feature != NOTHING {
                bits[feature as usize][block].store(word, Ordering::Relaxed);
            }
        }
    }
}

/// Bit i is whether byte i is greater than threshold i.
#[inline]
fn greater(simd: Simd, bytes: &[u8; SIDE], thresholds: &[u8; SIDE]) -> u64 {
    match simd {
        // SAFETY: a `Simd` that a step runs on is one that the machine was found to have; AVX-512's have AVX2.
        #[cfg(target_arch = "x86_64")]
        Simd::Avx512 | Simd::Avx2 => unsafe { greater_avx2(bytes, thresholds) },
        Simd::Portable => {
            let mut answers = [0u8; SIDE];
            for (answer, (byte, threshold)) in answers.iter_mut().zip(bytes.iter().zip(thresholds)) {
                *answer = u8::from(byte > threshold);
            }
            // Bit 0 of byte i of eight goes to bit i of the highest.
            answers.as_chunks::<8>().0.iter().enumerate().fold(0, |word, (i, &eight)| {
                word | (u64::from_le_bytes(eight).wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * i)
            })
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn greater_avx2(bytes: &[u8; SIDE], thresholds: &[u8; SIDE]) -> u64 {
    use std::arch::x86_64::*;
    let (bytes, thresholds): ([__m256i; 2], [__m256i; 2]) = (bytemuck::cast(*bytes), bytemuck::cast(*thresholds));
    let half = |i: usize| {
        let is_not_greater = _mm256_cmpeq_epi8(_mm256_max_epu8(bytes[i], thresholds[i]), thresholds[i]);
        u64::from(!_mm256_movemask_epi8(is_not_greater) as u32)
    };
    half(0) | half(1) << 32
}

/// Bit j of word i becomes bit i of word j (Hacker's Delight, section 7-3).
fn transpose(words: &mut [u64; 64]) {
    let mut mask = 0x0000_0000_ffff_ffff;
    let mut step = 32;
    while step > 0 {
        for first in (0..64).step_by(2 * step) {
            for i in first..first + step {
                let swap = ((words[i] >> step) ^ words[i + step]) & mask;
                words[i] ^= swap << step;
                words[i + step] ^= swap;
            }
        }
        step /= 2;
        mask ^= mask << step;
    }
}

#[cfg(test)]
mod tests {
    use super::super::bits::signals;
    use super::*;
    use crate::random::Philox;

    #[test]
    fn bits_are_the_encoders_whatever_the_image() {
        let mut rng = Philox::new(1, 0);
        for (pixels, features, samples) in [(5, 9, 3), (63, 200, 64), (64, 64, 9), (100, 700, 64), (784, 1500, 63)] {
            let encoder = Encoder {
                pixel: (0..features).map(|_| rng.below(pixels)).collect(),
                threshold: (0..features).map(|_| rng.below(256) as u8).collect(),
            };
            let bytes: Vec<u8> = (0..samples * pixels).map(|_| rng.below(256) as u8).collect();
            let encoding = Encoding::new(&encoder, pixels as usize);
            for simd in Simd::available() {
                let bits = signals::<2>(features as usize);
                for strip in 0..encoding.strips() {
                    encoding.encode(simd, strip, 1, bytes.chunks_exact(pixels as usize), &bits);
                }
                for (f, row) in bits.iter().enumerate() {
                    let made = row[1].load(Ordering::Relaxed);
                    for s in 0..64 {
                        let sample = bytes.chunks_exact(pixels as usize).nth(s);
                        let expected = sample.is_some_and(|bytes| encoder.bit(f, bytes));
                        assert_eq!((made >> s) & 1 == 1, expected, "{pixels} pixels, feature {f}, sample {s}");
                    }
                }
            }
        }
    }
}
