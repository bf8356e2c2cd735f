//! Sums of a gradient row's numbers over any set of samples, looked up four samples at a time.
//!
//! Where many gates share a row, as those of a class do, what each subset of four neighbouring samples comes to is found once, and
//! a sum over 128 samples is 32 look-ups. `PSHUFB` looks up 32 at once: byte by byte, 16 candidates of two pins.

use std::sync::atomic::Ordering;

use super::super::bits::Bits;
use super::BLOCK;

/// Candidates whose sums are looked up at once.
pub const MANY: usize = 16;

/// Fours of two blocks.
const FOURS: usize = 2 * BLOCK / 4;

/// Bits of a sum that its low byte has, so that four of these may be added in a byte; 16 of the high ones may be, too.
const LOW: u32 = 6;

/// What the subsets of a row's fours of samples come to, of numbers from −127 to 127.
#[derive(Debug)]
#[repr(align(64))]
pub struct Quads<const B: usize> {
    /// `[fours / 4][4][low, high][2][16]`: a subset's sum is low + 64 · high. Twice, for both halves of a register.
    bytes: [[[[u8; 32]; 2]; 4]; FOURS / 4],
}

/// Sums that are asked for: of [`MANY`] candidates of each of two pins.
#[derive(Debug, Clone, Copy)]
pub struct Job<const B: usize> {
    /// The samples that count.
    pub samples: [[u64; B]; 2],
    /// Whether it is their numbers' negatives.
    pub minus: [bool; 2],
    /// Where the candidates begin. A candidate is a row of bits; its sum is over samples whose bit is 1.
    pub from: [usize; 2],
}

/// What a job comes to.
pub type Made = [[i32; MANY]; 2];

impl<const B: usize> Quads<B> {
    /// Of a row whose sample s has the number `number(s)`.
    #[inline(always)]
    pub fn of(number: impl Fn(usize) -> i32) -> Self {
        let mut quads = Quads { bytes: [[[[0; 32]; 2]; 4]; FOURS / 4] };
        for (four, [low, high]) in quads.bytes.iter_mut().flatten().take(B * BLOCK / 4).enumerate() {
            let mut sums = [0; 16];
            for subset in 1usize..16 {
                let last = subset.trailing_zeros() as usize;
                sums[subset] = sums[subset & (subset - 1)] + number(4 * four + last);
                for half in [0, 16] {
                    low[half + subset] = (sums[subset] & ((1 << LOW) - 1)) as u8;
                    high[half + subset] = (sums[subset] >> LOW) as u8;
                }
            }
        }
        quads
    }

    /// Do `job`, on any machine.
    #[inline(always)]
    pub fn sums(&self, job: &Job<B>, candidates: &[u32], inputs: &[Bits<B>], made: &mut Made) {
        for i in 0..2 {
            for (candidate, made) in candidates[job.from[i]..][..MANY].iter().zip(&mut made[i]) {
                let mut sum = 0;
                for b in 0..B {
                    let mut bits = inputs[*candidate as usize][b].load(Ordering::Relaxed) & job.samples[i][b];
                    for [low, high] in self.bytes[b * BLOCK / 16..][..BLOCK / 16].iter().flatten() {
                        let subset = bits as usize & 15;
                        sum += i32::from(low[subset]) + (i32::from(high[subset] as i8) << LOW);
                        bits >>= 4;
                    }
                }
                *made = if job.minus[i] { -sum } else { sum };
            }
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub mod avx2 {
    //! By AVX2. A function of its own, which has registers to itself; plain loops, since what closures call is not compiled for it.

    use std::arch::x86_64::*;

    use super::*;

    /// Do `job`.
    ///
    /// # Safety
    /// Candidates are numbers of `inputs`.
    #[inline(always)]
    pub unsafe fn sums<const B: usize>(
        quads: &Quads<B>,
        job: &Job<B>,
        candidates: &[u32],
        inputs: &[Bits<B>],
        made: &mut Made,
    ) {
        let of = [candidates[job.from[0]..].first_chunk(), candidates[job.from[1]..].first_chunk()];
        let [Some(first), Some(second)] = of else { return };
        // SAFETY: callers are compiled for AVX2, which the machine was found to have; and the caller's.
        unsafe {
            let [mut even, mut odd] = [[_mm256_setzero_si256(); 8]; 2];
            columns(&job.samples, [first, second], inputs, 0, &mut even);
            columns(&job.samples, [first, second], inputs, 1, &mut odd);
            look_up(quads, &even, &odd, job.minus, made);
        }
    }

    /// Every second candidate's row from number `from` on, byte by byte: `[pairs of columns][column][row]`, of the first pin in the lower
    /// half and of the second in the upper. Not inlined, as what follows, so that each has registers enough.
    ///
    /// # Safety
    /// Candidates are numbers of `inputs`.
    #[target_feature(enable = "avx2")]
    #[inline(never)]
    unsafe fn columns<const B: usize>(
        samples: &[[u64; B]; 2],
        candidates: [&[u32; MANY]; 2],
        inputs: &[Bits<B>],
        from: usize,
        to: &mut [__m256i; 8],
    ) {
        let samples = _mm256_set_m128i(load(&samples[1]), load(&samples[0]));
        let mut rows = [samples; 8];
        for i in 0..8 {
            let (first, second) = (candidates[0][2 * i + from], candidates[1][2 * i + from]);
            // SAFETY: the caller's.
            let (first, second) =
                unsafe { (inputs.get_unchecked(first as usize), inputs.get_unchecked(second as usize)) };
            rows[i] = _mm256_and_si256(_mm256_set_m128i(row(second), row(first)), samples);
        }
        *to = interleaved(interleaved(interleaved(rows)));
    }

    /// Look up all columns of even rows and of odd ones.
    #[target_feature(enable = "avx2")]
    #[inline(never)]
    fn look_up<const B: usize>(
        quads: &Quads<B>,
        even: &[__m256i; 8],
        odd: &[__m256i; 8],
        minus: [bool; 2],
        made: &mut Made,
    ) {
        let [a, b, c, d, e, f, g, h] = &quads.bytes;
        let mut sums = block([a, b, c, d], [even[0], even[1], even[2], even[3]], [odd[0], odd[1], odd[2], odd[3]]);
        if B > 1 {
            let of_second = block([e, f, g, h], [even[4], even[5], even[6], even[7]], [odd[4], odd[5], odd[6], odd[7]]);
            sums[0] = _mm256_add_epi16(sums[0], of_second[0]);
            sums[1] = _mm256_add_epi16(sums[1], of_second[1]);
        }
        let minus = [-i16::from(minus[0]), -i16::from(minus[1])];
        let minus = _mm256_set_m128i(_mm_set1_epi16(minus[1]), _mm_set1_epi16(minus[0]));
        let even = _mm256_sub_epi16(_mm256_xor_si256(sums[0], minus), minus);
        let odd = _mm256_sub_epi16(_mm256_xor_si256(sums[1], minus), minus);
        let (first, second) = (_mm256_unpacklo_epi16(even, odd), _mm256_unpackhi_epi16(even, odd));
        *made = bytemuck::cast([
            _mm256_cvtepi16_epi32(_mm256_castsi256_si128(first)),
            _mm256_cvtepi16_epi32(_mm256_castsi256_si128(second)),
            _mm256_cvtepi16_epi32(_mm256_extracti128_si256::<1>(first)),
            _mm256_cvtepi16_epi32(_mm256_extracti128_si256::<1>(second)),
        ]);
    }

    #[inline(always)]
    fn load<const B: usize>(samples: &[u64; B]) -> __m128i {
        // SAFETY: callers are compiled for AVX2, which the machine was found to have.
        unsafe { _mm_set_epi64x(if B > 1 { samples[B - 1] as i64 } else { 0 }, samples[0] as i64) }
    }

    /// A row of bits. No step writes what it reads here.
    #[inline(always)]
    fn row<const B: usize>(bits: &Bits<B>) -> __m128i {
        // SAFETY: as above; a row has 8 bytes for a block, and all of them are read.
        unsafe {
            let at = std::ptr::from_ref(bits).cast();
            if B > 1 { _mm_loadu_si128(at) } else { _mm_loadl_epi64(at) }
        }
    }

    /// Row i and row i + 4, byte by byte, for all i.
    #[inline(always)]
    fn interleaved(r: [__m256i; 8]) -> [__m256i; 8] {
        // SAFETY: as above.
        unsafe {
            [
                _mm256_unpacklo_epi8(r[0], r[4]),
                _mm256_unpackhi_epi8(r[0], r[4]),
                _mm256_unpacklo_epi8(r[1], r[5]),
                _mm256_unpackhi_epi8(r[1], r[5]),
                _mm256_unpacklo_epi8(r[2], r[6]),
                _mm256_unpackhi_epi8(r[2], r[6]),
                _mm256_unpacklo_epi8(r[3], r[7]),
                _mm256_unpackhi_epi8(r[3], r[7]),
            ]
        }
    }

    /// Tables of a pair of columns, aligned as all are.
    type Columns = [[[u8; 32]; 2]; 4];

    /// Look up a block's four pairs of columns of even and of odd rows: sums of even rows, and of odd ones, in words.
    #[inline(always)]
    fn block(fours: [&Columns; 4], even: [__m256i; 4], odd: [__m256i; 4]) -> [__m256i; 2] {
        // SAFETY: as above.
        unsafe {
            let mut high = _mm256_setzero_si256();
            let low = [
                pair(fours[0], even[0], odd[0], &mut high),
                pair(fours[1], even[1], odd[1], &mut high),
                pair(fours[2], even[2], odd[2], &mut high),
                pair(fours[3], even[3], odd[3], &mut high),
            ];
            // Even rows' bytes are the low ones of words.
            let byte = _mm256_set1_epi16(255);
            let of_even = _mm256_add_epi16(
                _mm256_add_epi16(_mm256_and_si256(low[0], byte), _mm256_and_si256(low[1], byte)),
                _mm256_add_epi16(_mm256_and_si256(low[2], byte), _mm256_and_si256(low[3], byte)),
            );
            let of_odd = _mm256_add_epi16(
                _mm256_add_epi16(_mm256_srli_epi16::<8>(low[0]), _mm256_srli_epi16::<8>(low[1])),
                _mm256_add_epi16(_mm256_srli_epi16::<8>(low[2]), _mm256_srli_epi16::<8>(low[3])),
            );
            let high = [_mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(high)), _mm256_srai_epi16::<8>(high)];
            [
                _mm256_add_epi16(of_even, _mm256_slli_epi16::<{ LOW as i32 }>(high[0])),
                _mm256_add_epi16(of_odd, _mm256_slli_epi16::<{ LOW as i32 }>(high[1])),
            ]
        }
    }

    /// Look up two columns of even and odd rows; low parts of both, and high ones added to `high`.
    #[inline(always)]
    fn pair(fours: &Columns, even: __m256i, odd: __m256i, high: &mut __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe {
            let mask = _mm256_set1_epi8(15);
            let (first, second) = (_mm256_unpacklo_epi8(even, odd), _mm256_unpackhi_epi8(even, odd));
            let subsets = [
                _mm256_and_si256(first, mask),
                _mm256_and_si256(_mm256_srli_epi16::<4>(first), mask),
                _mm256_and_si256(second, mask),
                _mm256_and_si256(_mm256_srli_epi16::<4>(second), mask),
            ];
            let mut low = _mm256_setzero_si256();
            for i in 0..4 {
                let of_low = _mm256_load_si256(std::ptr::from_ref(&fours[i][0]).cast());
                let of_high = _mm256_load_si256(std::ptr::from_ref(&fours[i][1]).cast());
                low = _mm256_add_epi8(low, _mm256_shuffle_epi8(of_low, subsets[i]));
                *high = _mm256_add_epi8(*high, _mm256_shuffle_epi8(of_high, subsets[i]));
            }
            low
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::random::Philox;

    fn check<const B: usize>(sums: impl Fn(&Quads<B>, &Job<B>, &[u32], &[Bits<B>], &mut Made)) {
        let mut rng = Philox::new(11, 0);
        for round in 0..40 {
            // Extremes, and anything.
            let numbers: Vec<i32> = (0..B * BLOCK)
                .map(|_| match round {
                    0 => 127,
                    1 => -127,
                    2 => [-127, 127][rng.below(2) as usize],
                    _ => rng.below(255) as i32 - 127,
                })
                .collect();
            let word = |rng: &mut Philox| u64::from(rng.next_u32()) << 32 | u64::from(rng.next_u32());
            let inputs: Vec<Bits<B>> = (0u64..40)
                .map(|i| std::array::from_fn(|_| AtomicU64::new(if i < 2 { i.wrapping_neg() } else { word(&mut rng) })))
                .collect();
            let candidates: Vec<u32> = (0..50).map(|i| if i % 16 < 2 { i % 2 } else { rng.below(40) }).collect();
            let quads = Quads::of(|s| numbers[s]);
            for from in [[0, 16], [32, 34], [5, 5]] {
                let job = Job {
                    samples: std::array::from_fn(|_| {
                        std::array::from_fn(|_| if round < 4 { u64::MAX } else { word(&mut rng) })
                    }),
                    minus: std::array::from_fn(|i| rng.below(2) == i as u32),
                    from,
                };
                let mut made = [[0; MANY]; 2];
                sums(&quads, &job, &candidates, &inputs, &mut made);
                for i in 0..2 {
                    for (&candidate, made) in candidates[job.from[i]..].iter().zip(made[i]) {
                        let is_set = |s: usize| {
                            let word = inputs[candidate as usize][s / BLOCK].load(Ordering::Relaxed);
                            (word & job.samples[i][s / BLOCK]) >> (s % BLOCK) & 1 == 1
                        };
                        let sum: i32 = (0..B * BLOCK).filter(|&s| is_set(s)).map(|s| numbers[s]).sum();
                        assert_eq!(made, if job.minus[i] { -sum } else { sum });
                    }
                }
            }
        }
    }

    #[test]
    fn sums_are_those_of_the_numbers() {
        check::<1>(Quads::sums);
        check::<2>(Quads::sums);
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn sums_by_vectors_are_those_of_the_numbers() {
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the machine has AVX2, and there are as many inputs as candidates go.
            check::<1>(|quads, job, candidates, inputs, made| unsafe {
                avx2::sums(quads, job, candidates, inputs, made);
            });
            // SAFETY: as above.
            check::<2>(|quads, job, candidates, inputs, made| unsafe {
                avx2::sums(quads, job, candidates, inputs, made);
            });
        }
    }
}
