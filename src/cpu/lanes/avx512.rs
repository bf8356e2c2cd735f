//! 64 bytes or 32 words a register, masks as they are. Called in functions compiled for AVX-512 only, and inlined.

use std::arch::x86_64::*;

use super::*;

/// Bytes.
pub struct Bytes;

/// Words of 16 bits, of which `N` are used.
pub struct Words<const N: u32>;

/// Four sums of sixteen partial sums each.
#[inline(always)]
fn totals_of(sums: [__m512i; 4]) -> [i32; 4] {
    // SAFETY: callers are compiled for AVX-512 F, BW and VNNI, which the machine was found to have.
    unsafe {
        let pair = |a, b| _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        let (ab, cd) = (pair(sums[0], sums[1]), pair(sums[2], sums[3]));
        let abcd = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
        let half = _mm256_add_epi32(_mm512_castsi512_si256(abcd), _mm512_extracti64x4_epi64::<1>(abcd));
        let total = _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256::<1>(half));
        bytemuck::cast(total)
    }
}

#[inline(always)]
fn near<T>(at: &T) {
    // SAFETY: a prefetch reads nothing, and `at` is a place in memory.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(at).cast()) }
}

impl Lanes for Bytes {
    type Element = i8;
    type Numbers = __m512i;
    type Mask = u64;
    type Sums = __m512i;

    const LOOKS_UP: bool = true;

    #[inline(always)]
    unsafe fn look_up<const B: usize>(
        quads: &Quads<B>,
        job: &Job<B>,
        candidates: &[u32],
        inputs: &[Bits<B>],
        made: &mut Made,
    ) {
        // SAFETY: as above, and the caller's.
        unsafe { super::quads::avx2::sums(quads, job, candidates, inputs, made) }
    }

    #[inline(always)]
    fn zero() -> __m512i {
        bytemuck::Zeroable::zeroed()
    }

    #[inline(always)]
    fn load(from: &Stored<i8>) -> __m512i {
        bytemuck::cast(from.0)
    }

    #[inline(always)]
    fn store(numbers: __m512i, to: &mut Stored<i8>) {
        to.0 = bytemuck::cast(numbers);
    }

    #[inline(always)]
    fn mask(bits: u64) -> u64 {
        bits
    }

    #[inline(always)]
    fn keep(x: __m512i, mask: u64) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_maskz_mov_epi8(mask, x) }
    }

    #[inline(always)]
    fn add(total: __m512i, g: __m512i, chosen: u64, minus: bool) -> __m512i {
        // SAFETY: as above.
        unsafe {
            let turn = _mm512_set1_epi8(-i8::from(minus));
            let turned = _mm512_xor_si512(total, turn);
            _mm512_xor_si512(_mm512_mask_adds_epi8(turned, chosen, turned, g), turn)
        }
    }

    #[inline(always)]
    fn add_signed(total: __m512i, g: __m512i, chosen: u64, negative: u64) -> __m512i {
        // SAFETY: as above.
        unsafe {
            let added = _mm512_mask_adds_epi8(total, chosen & !negative, total, g);
            _mm512_mask_subs_epi8(added, negative, added, g)
        }
    }

    #[inline(always)]
    fn no_sums() -> __m512i {
        bytemuck::Zeroable::zeroed()
    }

    #[inline(always)]
    fn add_up(sums: __m512i, x: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_dpbusd_epi32(sums, _mm512_set1_epi8(1), x) }
    }

    #[inline(always)]
    fn totals(sums: [__m512i; 4]) -> [i32; 4] {
        totals_of(sums)
    }

    #[inline(always)]
    fn move_weights(by: &WireUpdate, scores: &[i32], of_one: i32, weights: Weights) -> usize {
        // SAFETY: as above.
        unsafe { super::avx2::move_eights(by, scores, of_one, weights) }
    }

    #[inline(always)]
    fn move_pair(by: &WireUpdate, made: &Made, less: [i32; 2], weights: Weights) -> [usize; 2] {
        // SAFETY: as above.
        unsafe { super::avx2::move_pair(by, made, less, weights) }
    }

    #[inline(always)]
    fn greatest(numbers: &[f32]) -> usize {
        super::avx2::greatest_of(numbers)
    }

    #[inline(always)]
    fn prefetch<T>(at: &T) {
        near(at);
    }
}

impl<const N: u32> Lanes for Words<N> {
    type Element = i16;
    type Numbers = [__m512i; 2];
    type Mask = u64;
    type Sums = __m512i;

    #[inline(always)]
    fn zero() -> [__m512i; 2] {
        bytemuck::Zeroable::zeroed()
    }

    #[inline(always)]
    fn load(from: &Stored<i16>) -> [__m512i; 2] {
        bytemuck::cast(from.0)
    }

    #[inline(always)]
    fn store(numbers: [__m512i; 2], to: &mut Stored<i16>) {
        to.0 = bytemuck::cast(numbers);
    }

    #[inline(always)]
    fn mask(bits: u64) -> u64 {
        bits
    }

    #[inline(always)]
    fn keep(x: [__m512i; 2], mask: u64) -> [__m512i; 2] {
        // SAFETY: as above.
        unsafe { [_mm512_maskz_mov_epi16(mask as u32, x[0]), _mm512_maskz_mov_epi16((mask >> 32) as u32, x[1])] }
    }

    #[inline(always)]
    fn add(mut total: [__m512i; 2], g: [__m512i; 2], chosen: u64, minus: bool) -> [__m512i; 2] {
        let g = Self::keep(g, chosen);
        // SAFETY: as above.
        unsafe {
            let turn = _mm512_set1_epi16(-i16::from(minus));
            for i in 0..2 {
                let mut sum = _mm512_adds_epi16(_mm512_xor_si512(total[i], turn), g[i]);
                if N < 16 {
                    let most = _mm512_set1_epi16(((1 << (N - 1)) - 1) as i16);
                    let least = _mm512_set1_epi16((-(1 << (N - 1))) as i16);
                    sum = _mm512_max_epi16(_mm512_min_epi16(sum, most), least);
                }
                total[i] = _mm512_xor_si512(sum, turn);
            }
        }
        total
    }

    #[inline(always)]
    fn no_sums() -> __m512i {
        bytemuck::Zeroable::zeroed()
    }

    #[inline(always)]
    fn add_up(sums: __m512i, x: [__m512i; 2]) -> __m512i {
        // SAFETY: as above.
        unsafe {
            let one = _mm512_set1_epi16(1);
            let pairs = _mm512_add_epi32(_mm512_madd_epi16(x[0], one), _mm512_madd_epi16(x[1], one));
            _mm512_add_epi32(sums, pairs)
        }
    }

    #[inline(always)]
    fn totals(sums: [__m512i; 4]) -> [i32; 4] {
        totals_of(sums)
    }

    #[inline(always)]
    fn move_weights(by: &WireUpdate, scores: &[i32], of_one: i32, weights: Weights) -> usize {
        // SAFETY: as above.
        unsafe { super::avx2::move_eights(by, scores, of_one, weights) }
    }

    #[inline(always)]
    fn move_pair(by: &WireUpdate, made: &Made, less: [i32; 2], weights: Weights) -> [usize; 2] {
        // SAFETY: as above.
        unsafe { super::avx2::move_pair(by, made, less, weights) }
    }

    #[inline(always)]
    fn greatest(numbers: &[f32]) -> usize {
        super::avx2::greatest_of(numbers)
    }

    #[inline(always)]
    fn prefetch<T>(at: &T) {
        near(at);
    }
}
