//! Sums of a gradient row's numbers over any set of samples, looked up four samples at a time.
//!
//! Where many gates share a row, as those of a class do, what each subset of four neighbouring samples comes to is found once, and
//! a sum over 128 samples is 32 look-ups. `PSHUFB` looks up 32 at once: byte by byte, 16 candidates of two pins. A subset's sum is
//! kept as what it is more than the least of its four, so that bytes have no sign, and those of as many fours are added up in a byte as
//! the numbers that there are let fit: of a trained network's mostly all.

use std::sync::atomic::Ordering;

use super::super::bits::{BLOCK, Bits};

/// Candidates whose sums are looked up at once.
pub const MANY: usize = 16;

/// Samples of a pair of columns of bytes, which are looked up together.
const COLUMNS: usize = 16;
/// Their fours.
const FOURS: usize = COLUMNS / 4;
/// Pairs of columns of two blocks.
const PAIRS: usize = 2 * BLOCK / COLUMNS;

/// The samples of each subset of four: all ones in the bytes of the subsets that have sample i. Twice, for both halves of a register.
const HAVING: [[u8; 32]; 4] = {
    let mut all = [[0; 32]; 4];
    let mut at = 0;
    while at < 4 * 32 {
        all[at / 32][at % 32] = 0u8.wrapping_sub((((at % 32) >> (at / 32)) & 1) as u8);
        at += 1;
    }
    all
};

/// What is done after a pair of columns has been added up in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    /// Nothing: what comes next fits, too.
    Nothing,
    /// Bytes are added to words, and begin anew.
    Widened,
    /// So they are after every four.
    WidenedByFours,
}

/// What the subsets of a row's fours of samples come to.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Quads<const B: usize> {
    /// `[pairs][fours][2][16]`: a subset's sum, less the least of its four's. Twice, for both halves of a register.
    bytes: [[[u8; 32]; FOURS]; PAIRS],
    /// `[pairs]`
    after: [After; PAIRS],
    /// What all fours' least come to.
    least: i16,
}

/// Sums that are asked for: of [`MANY`] candidates of each of two pins.
#[derive(Debug, Clone, Copy)]
pub struct Job<const B: usize> {
    /// The samples that count, each if the candidate's bit is 1.
    pub samples: [[u64; B]; 2],
    /// Those of them that count if it is 0.
    pub turned: [[u64; B]; 2],
    /// Where the candidates begin. A candidate is a row of bits.
    pub from: [usize; 2],
}

/// What a job comes to.
pub type Made = [[i32; MANY]; 2];

impl<const B: usize> Quads<B> {
    /// Of a row whose sample s has the number `number(s)`; none if numbers are so great that bytes cannot hold what four come to, which
    /// those up to 63 are not.
    #[inline(always)]
    pub fn of(number: impl Fn(usize) -> i32) -> Option<Self> {
        let mut quads = Quads { bytes: [[[0; 32]; FOURS]; PAIRS], after: [After::Nothing; PAIRS], least: 0 };
        // What has been added up in bytes before this pair of columns, at most.
        let mut before = 0;
        for pair in 0..B * BLOCK / COLUMNS {
            let mut most = [0; FOURS];
            for (four, most) in most.iter_mut().enumerate() {
                let mut least = 0;
                let mut bytes = [0u8; 32];
                for (i, having) in HAVING.iter().enumerate() {
                    let number = number(pair * COLUMNS + 4 * four + i);
                    least += number.min(0);
                    *most += number.abs();
                    bytes.iter_mut().zip(having).for_each(|(sum, has)| *sum = sum.wrapping_add(number as u8 & has));
                }
                bytes.iter_mut().for_each(|sum| *sum = sum.wrapping_sub(least as u8));
                quads.bytes[pair][four] = bytes;
                quads.least += least as i16;
            }
            let all: i32 = most.iter().sum();
            if pair > 0 && before > 0 && before + all > 255 {
                quads.after[pair - 1] = After::Widened;
                before = 0;
            }
            before += all;
            if all > 255 {
                quads.after[pair] = After::WidenedByFours;
                before = 0;
            }
            if most.iter().any(|&most| most > 255) {
                return None;
            }
        }
        if before > 0 {
            quads.after[B * BLOCK / COLUMNS - 1] = After::Widened;
        }
        Some(quads)
    }

    /// Do `job`, on any machine.
    #[inline(always)]
    pub fn sums(&self, job: &Job<B>, candidates: &[u32], inputs: &[Bits<B>], made: &mut Made) {
        let pins = job.samples.iter().zip(&job.turned).zip(job.from).zip(made);
        for (((samples, turned), from), made) in pins {
            for (candidate, made) in candidates[from..][..MANY].iter().zip(made) {
                *made = self.least.into();
                for b in 0..B {
                    let mut bits = (inputs[*candidate as usize][b].load(Ordering::Relaxed) & samples[b]) ^ turned[b];
                    for sums in self.bytes[b * PAIRS / 2..][..PAIRS / 2].iter().flatten() {
                        *made += i32::from(sums[bits as usize & 15]);
                        bits >>= 4;
                    }
                }
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
            let even = columns(job, [first, second], inputs, 0);
            let odd = columns(job, [first, second], inputs, 1);
            look_up(quads, &even, &odd, made);
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
        job: &Job<B>,
        candidates: [&[u32; MANY]; 2],
        inputs: &[Bits<B>],
        from: usize,
    ) -> [__m256i; 8] {
        let samples = _mm256_set_m128i(load(&job.samples[1]), load(&job.samples[0]));
        let turned = _mm256_set_m128i(load(&job.turned[1]), load(&job.turned[0]));
        let mut rows = [samples; 8];
        for i in 0..8 {
            let (first, second) = (candidates[0][2 * i + from], candidates[1][2 * i + from]);
            // SAFETY: the caller's.
            let (first, second) =
                unsafe { (inputs.get_unchecked(first as usize), inputs.get_unchecked(second as usize)) };
            let both = _mm256_set_m128i(row(second), row(first));
            rows[i] = _mm256_xor_si256(_mm256_and_si256(both, samples), turned);
        }
        interleaved(interleaved(interleaved(rows)))
    }

    /// Look up all columns of even rows and of odd ones.
    #[target_feature(enable = "avx2")]
    #[inline(never)]
    fn look_up<const B: usize>(quads: &Quads<B>, even: &[__m256i; 8], odd: &[__m256i; 8], made: &mut Made) {
        let mut words = [_mm256_set1_epi16(quads.least); 2];
        let mut bytes = _mm256_setzero_si256();
        for pair in 0..B * BLOCK / COLUMNS {
            let mask = _mm256_set1_epi8(15);
            let first = _mm256_unpacklo_epi8(even[pair], odd[pair]);
            let second = _mm256_unpackhi_epi8(even[pair], odd[pair]);
            let subsets = [
                _mm256_and_si256(first, mask),
                _mm256_and_si256(_mm256_srli_epi16::<4>(first), mask),
                _mm256_and_si256(second, mask),
                _mm256_and_si256(_mm256_srli_epi16::<4>(second), mask),
            ];
            let fours = &quads.bytes[pair];
            let sums = [
                _mm256_shuffle_epi8(table(&fours[0]), subsets[0]),
                _mm256_shuffle_epi8(table(&fours[1]), subsets[1]),
                _mm256_shuffle_epi8(table(&fours[2]), subsets[2]),
                _mm256_shuffle_epi8(table(&fours[3]), subsets[3]),
            ];
            if quads.after[pair] == After::WidenedByFours {
                for sums in sums {
                    widen(&mut words, sums);
                }
                continue;
            }
            let [a, b] = [_mm256_add_epi8(sums[0], sums[1]), _mm256_add_epi8(sums[2], sums[3])];
            bytes = _mm256_add_epi8(bytes, _mm256_add_epi8(a, b));
            if quads.after[pair] == After::Widened {
                widen(&mut words, bytes);
                bytes = _mm256_setzero_si256();
            }
        }
        let (first, second) = (_mm256_unpacklo_epi16(words[0], words[1]), _mm256_unpackhi_epi16(words[0], words[1]));
        *made = bytemuck::cast([
            _mm256_cvtepi16_epi32(_mm256_castsi256_si128(first)),
            _mm256_cvtepi16_epi32(_mm256_castsi256_si128(second)),
            _mm256_cvtepi16_epi32(_mm256_extracti128_si256::<1>(first)),
            _mm256_cvtepi16_epi32(_mm256_extracti128_si256::<1>(second)),
        ]);
    }

    /// Add bytes to words: even rows' are the low ones.
    #[inline(always)]
    fn widen(words: &mut [__m256i; 2], bytes: __m256i) {
        // SAFETY: callers are compiled for AVX2, which the machine was found to have.
        unsafe {
            words[0] = _mm256_add_epi16(words[0], _mm256_and_si256(bytes, _mm256_set1_epi16(255)));
            words[1] = _mm256_add_epi16(words[1], _mm256_srli_epi16::<8>(bytes));
        }
    }

    /// A four's table, aligned as all are.
    #[inline(always)]
    fn table(four: &[u8; 32]) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_load_si256(std::ptr::from_ref(four).cast()) }
    }

    #[inline(always)]
    fn load<const B: usize>(samples: &[u64; B]) -> __m128i {
        // SAFETY: as above.
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
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::random::Philox;

    /// Numbers up to `most` in size, at its ends in the first rounds.
    fn numbers(round: usize, most: i32, count: usize, rng: &mut Philox) -> Vec<i32> {
        let number = |_| match round {
            0 => most,
            1 => -most,
            2 => [-most, most][rng.below(2) as usize],
            // Some that fit bytes with more and some with fewer of their neighbours.
            3..10 => (rng.below(2 * most as u32 + 1) as i32 - most) >> rng.below(6),
            _ => rng.below(2 * most as u32 + 1) as i32 - most,
        };
        (0..count).map(number).collect()
    }

    fn check<const B: usize>(sums: impl Fn(&Quads<B>, &Job<B>, &[u32], &[Bits<B>], &mut Made)) {
        let mut rng = Philox::new(11, 0);
        for (round, most) in (0..20).flat_map(|round| [63, 32, 7, 1].map(|most| (round, most))) {
            let numbers = numbers(round, most, B * BLOCK, &mut rng);
            let word = |rng: &mut Philox| u64::from(rng.next_u32()) << 32 | u64::from(rng.next_u32());
            let inputs: Vec<Bits<B>> = (0u64..40)
                .map(|i| std::array::from_fn(|_| AtomicU64::new(if i < 2 { i.wrapping_neg() } else { word(&mut rng) })))
                .collect();
            let candidates: Vec<u32> = (0..50).map(|i| if i % 16 < 2 { i % 2 } else { rng.below(40) }).collect();
            let quads = Quads::of(|s| numbers[s]).unwrap();
            for from in [[0, 16], [32, 34], [5, 5]] {
                let samples = [[0; B]; 2].map(|all| all.map(|_| if round < 4 { u64::MAX } else { word(&mut rng) }));
                let turned =
                    samples.map(|all| all.map(|samples| if round % 2 < 1 { 0 } else { samples & word(&mut rng) }));
                let job = Job { samples, turned, from };
                let mut made = [[0; MANY]; 2];
                sums(&quads, &job, &candidates, &inputs, &mut made);
                for i in 0..2 {
                    for (&candidate, made) in candidates[job.from[i]..].iter().zip(made[i]) {
                        let is_set = |s: usize| {
                            let bit = |word: u64| word >> (s % BLOCK) & 1 == 1;
                            let block = s / BLOCK;
                            let x = bit(inputs[candidate as usize][block].load(Ordering::Relaxed));
                            bit(job.samples[i][block]) && x != bit(job.turned[i][block])
                        };
                        let sum: i32 = (0..B * BLOCK).filter(|&s| is_set(s)).map(|s| numbers[s]).sum();
                        assert_eq!(made, sum);
                    }
                }
            }
        }
    }

    #[test]
    fn numbers_of_which_bytes_hold_no_four_are_not_looked_up() {
        for (last, fits) in [(66, true), (67, false), (-66, true), (-67, false), (127, false)] {
            // Of a four three come to 189, and the last to what is left of 255, or to more.
            let number = |s: usize| if s == 77 { last } else { [63, -63][s % 2] };
            assert_eq!(Quads::<2>::of(number).is_some(), fits, "{last}");
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
