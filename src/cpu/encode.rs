//! Bytes to bits: 64 neighbouring bytes of a sample are compared with as many thresholds at a time, and the answers of 64
//! samples gathered in words.

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
        samples: impl Iterator<Item = &'a [u8]>,
        bits: &[Bits<B>],
    ) {
        let strip = &self.strips[strip];
        let words = match simd {
            // SAFETY: a `Simd` that a step runs on is one that the machine was found to have; AVX-512's have AVX2.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512 | Simd::Avx2 => unsafe { strip.words_avx2(self.pixels, samples) },
            Simd::Portable => strip.words(self.pixels, samples),
        };
        for (&feature, word) in strip.features.iter().zip(words) {
            if feature != NOTHING {
                bits[feature as usize][block].store(word, Ordering::Relaxed);
            }
        }
    }
}

impl Strip {
    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn words_avx2<'a>(&self, pixels: usize, samples: impl Iterator<Item = &'a [u8]>) -> [u64; SIDE] {
        self.words(pixels, samples)
    }

    /// `[lane]`: the samples' bits. Plain loops over the lanes, which become vector instructions.
    #[inline(always)]
    fn words<'a>(&self, pixels: usize, samples: impl Iterator<Item = &'a [u8]>) -> [u64; SIDE] {
        // `[samples / 8][lane]`: a byte of each word.
        let mut eights = [[0u8; SIDE]; BLOCK / 8];
        let mut padded = [0; SIDE];
        for (s, sample) in samples.enumerate().take(BLOCK) {
            let own = &sample[self.first..pixels];
            let bytes = own.first_chunk().unwrap_or_else(|| {
                padded[..own.len()].copy_from_slice(own);
                &padded
            });
            let eight = &mut eights[s / 8];
            for i in 0..SIDE {
                eight[i] |= if bytes[i] > self.thresholds[i] { 1 << (s % 8) } else { 0 };
            }
        }
        let mut words = [0; SIDE];
        for (e, eight) in eights.iter().enumerate() {
            for i in 0..SIDE {
                words[i] |= u64::from(eight[i]) << (8 * e);
            }
        }
        words
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
