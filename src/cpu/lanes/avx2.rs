//! 32 bytes or 16 words a register. Every function here is called in functions compiled for AVX2 only, and inlined.

use std::arch::x86_64::*;

use super::*;

/// Bytes. Byte 8j + i of a block is that of sample 8i + j, so that the eight bytes of a word have bit j of the sample's word of
/// bits for their own.
pub struct Bytes;

/// Which byte of a block is sample `sample`'s.
#[inline(always)]
pub fn place_of_byte(sample: usize) -> usize {
    sample % 8 * 8 + sample / 8
}

/// Words of 16 bits, of which `N` are used.
pub struct Words<const N: u32>;

/// Bit j in all bytes of word j.
const OWN: [[u64; 4]; 2] = {
    const FIRST: u64 = 0x0101_0101_0101_0101;
    [[FIRST, FIRST << 1, FIRST << 2, FIRST << 3], [FIRST << 4, FIRST << 5, FIRST << 6, FIRST << 7]]
};

/// What a table of one input chooses: where its bits `of` are `is`.
struct Given {
    of: [[u64; 4]; 2],
    is: [[u64; 4]; 2],
}

/// Nothing turned over, and every bit.
static TURN: [[u64; 4]; 2] = [[0; 4], [u64::MAX; 4]];

/// `[table]`: nothing is never, 0 is 0 always.
static GIVEN: [Given; 4] = {
    const NONE: [[u64; 4]; 2] = [[0; 4]; 2];
    [
        Given { of: NONE, is: [[u64::MAX; 4]; 2] },
        Given { of: OWN, is: NONE },
        Given { of: OWN, is: OWN },
        Given { of: NONE, is: NONE },
    ]
};

/// All ones in the bytes whose bit is set.
#[inline(always)]
fn byte_mask(bits: u64) -> [__m256i; 2] {
    // SAFETY: callers are compiled for AVX2, which the machine was found to have.
    unsafe {
        let all = _mm256_set1_epi64x(bits as i64);
        let [low, high]: [__m256i; 2] = bytemuck::cast(OWN);
        [_mm256_cmpeq_epi8(_mm256_and_si256(all, low), low), _mm256_cmpeq_epi8(_mm256_and_si256(all, high), high)]
    }
}

/// All ones in the words of 16 bits whose bit is set.
#[inline(always)]
fn word_mask(bits: u64) -> [__m256i; 4] {
    // SAFETY: as above.
    unsafe {
        let one = _mm256_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, -32768);
        let mut mask = [one; 4];
        for (quarter, mask) in mask.iter_mut().enumerate() {
            let spread = _mm256_set1_epi16((bits >> (16 * quarter)) as i16);
            *mask = _mm256_cmpeq_epi16(_mm256_and_si256(spread, one), one);
        }
        mask
    }
}

/// Four sums of eight partial sums each.
#[inline(always)]
fn totals_of(sums: [__m256i; 4]) -> [i32; 4] {
    // SAFETY: as above.
    unsafe {
        let ab = _mm256_hadd_epi32(sums[0], sums[1]);
        let cd = _mm256_hadd_epi32(sums[2], sums[3]);
        let abcd = _mm256_hadd_epi32(ab, cd);
        let total = _mm_add_epi32(_mm256_castsi256_si128(abcd), _mm256_extracti128_si256::<1>(abcd));
        bytemuck::cast(total)
    }
}

/// Move candidates' weights, eight at a time. Not inlined, so that it has registers enough.
#[target_feature(enable = "avx2")]
#[inline(never)]
pub fn move_eights(by: &WireUpdate, scores: &[i32], of_one: i32, weights: Weights) -> usize {
    greatest_of(weights.moved::<8>(by, scores, of_one))
}

/// Move the weights of two pins' candidates, eight at a time.
#[target_feature(enable = "avx2")]
#[inline(never)]
pub fn move_pair(by: &WireUpdate, made: &Made, less: [i32; 2], weights: Weights) -> [usize; 2] {
    let moved = weights.moved_pair::<8, MANY>(by, made, less);
    let (first, second) = moved.split_at(MANY);
    [greatest_of(first), greatest_of(second)]
}

/// Where the first of the greatest of some numbers is. Without a branch, for no one can foretell it.
#[inline(always)]
pub fn greatest_of(numbers: &[f32]) -> usize {
    let (eights, rest) = numbers.as_chunks::<8>();
    if eights.is_empty() || eights.len() > 8 || !rest.is_empty() {
        return super::greatest(numbers);
    }
    // SAFETY: as above.
    unsafe {
        let mut most = _mm256_loadu_ps(eights[0].as_ptr());
        for eight in &eights[1..] {
            most = _mm256_max_ps(_mm256_loadu_ps(eight.as_ptr()), most);
        }
        let four = _mm_max_ps(_mm256_castps256_ps128(most), _mm256_extractf128_ps::<1>(most));
        let two = _mm_max_ps(four, _mm_movehl_ps(four, four));
        let one = _mm_max_ps(two, _mm_movehdup_ps(two));
        let most = _mm256_broadcastss_ps(one);
        let mut are = 0;
        for (i, eight) in eights.iter().enumerate() {
            let equal = _mm256_cmp_ps::<_CMP_EQ_OQ>(_mm256_loadu_ps(eight.as_ptr()), most);
            are |= u64::from(_mm256_movemask_ps(equal) as u32) << (8 * i);
        }
        if are == 0 { super::greatest(numbers) } else { are.trailing_zeros() as usize }
    }
}

#[inline(always)]
fn near<T>(at: &T) {
    // SAFETY: a prefetch reads nothing, and `at` is a place in memory.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(at).cast()) }
}

impl Lanes for Bytes {
    type Element = i8;
    type Numbers = [__m256i; 2];
    type Mask = [__m256i; 2];
    type Sums = __m256i;

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
    fn place(sample: usize) -> usize {
        place_of_byte(sample)
    }

    #[inline(always)]
    fn zero() -> [__m256i; 2] {
        bytemuck::Zeroable::zeroed()
    }

    #[inline(always)]
    fn load(from: &Stored<i8>) -> [__m256i; 2] {
        bytemuck::cast(from.0)
    }

    #[inline(always)]
    fn store(numbers: [__m256i; 2], to: &mut Stored<i8>) {
        to.0 = bytemuck::cast(numbers);
    }

    #[inline(always)]
    fn mask(bits: u64) -> [__m256i; 2] {
        byte_mask(bits)
    }

    #[inline(always)]
    fn keep(x: [__m256i; 2], mask: [__m256i; 2]) -> [__m256i; 2] {
        // SAFETY: as above.
        unsafe { [_mm256_and_si256(x[0], mask[0]), _mm256_and_si256(x[1], mask[1])] }
    }

    /// t − g saturated is −1 − (−1 − t + g) saturated, and −1 − x is x with every bit turned over.
    #[inline(always)]
    fn add(total: [__m256i; 2], g: [__m256i; 2], chosen: u64, minus: bool) -> [__m256i; 2] {
        let g = Self::keep(g, byte_mask(chosen));
        // SAFETY: as above.
        unsafe {
            let turn = _mm256_set1_epi8(-i8::from(minus));
            let one = |t, g| _mm256_xor_si256(_mm256_adds_epi8(_mm256_xor_si256(t, turn), g), turn);
            [one(total[0], g[0]), one(total[1], g[1])]
        }
    }

    #[inline(always)]
    fn no_sums() -> __m256i {
        bytemuck::Zeroable::zeroed()
    }

    /// Sums of pairs in words of 16 bits, which hold 63 times four of the greatest.
    #[inline(always)]
    fn add_up(sums: __m256i, x: [__m256i; 2]) -> __m256i {
        // SAFETY: as above.
        unsafe {
            let ones = _mm256_set1_epi8(1);
            let pairs = _mm256_add_epi16(_mm256_maddubs_epi16(ones, x[0]), _mm256_maddubs_epi16(ones, x[1]));
            _mm256_add_epi16(sums, pairs)
        }
    }

    #[inline(always)]
    fn totals(sums: [__m256i; 4]) -> [i32; 4] {
        // SAFETY: as above.
        unsafe {
            let one = _mm256_set1_epi16(1);
            let [a, b, c, d] = sums;
            totals_of([
                _mm256_madd_epi16(a, one),
                _mm256_madd_epi16(b, one),
                _mm256_madd_epi16(c, one),
                _mm256_madd_epi16(d, one),
            ])
        }
    }

    #[inline(always)]
    fn add_given<const B: usize>(
        mut total: [[__m256i; 2]; B],
        g: &[Stored<i8>; B],
        other: &Bits<B>,
        chosen: u32,
        minus: bool,
    ) -> [[__m256i; 2]; B] {
        let Given { of, is } = &GIVEN[chosen as usize & 3];
        // SAFETY: as above.
        unsafe {
            let turn = bytemuck::cast(TURN[usize::from(minus)]);
            for b in 0..B {
                let all = _mm256_set1_epi64x(other[b].load(Ordering::Relaxed) as i64);
                let g = Self::load(&g[b]);
                for i in 0..2 {
                    let mask = _mm256_cmpeq_epi8(_mm256_and_si256(all, bytemuck::cast(of[i])), bytemuck::cast(is[i]));
                    let turned = _mm256_xor_si256(total[b][i], turn);
                    let turned = _mm256_adds_epi8(turned, _mm256_and_si256(g[i], mask));
                    total[b][i] = _mm256_xor_si256(turned, turn);
                }
            }
        }
        total
    }

    /// Sums in words of 16 bits, which hold those of 192 of the greatest.
    #[inline(always)]
    fn sums_by_code<const B: usize, const K: usize, const CODES: usize>(
        g: &[Stored<i8>; B],
        pins: [&Bits<B>; K],
    ) -> [i32; CODES] {
        const { assert!(B <= 3) }
        if K != 2 {
            return super::sums_by_code::<Self, B, K, CODES>(g, pins);
        }
        let mut made = [0; CODES];
        // SAFETY: as above.
        unsafe {
            let one = _mm256_set1_epi8(1);
            let (first, second) = (_mm256_setr_epi64x(0, 1, 2, 3), _mm256_setr_epi64x(4, 5, 6, 7));
            // Of all samples, of those where the last pin is 1, where the first is, and where both are.
            let mut sums = [Self::no_sums(); 4];
            for b in 0..B {
                let [low, high] = Self::load(&g[b]);
                let pairs = _mm256_add_epi16(_mm256_maddubs_epi16(one, low), _mm256_maddubs_epi16(one, high));
                sums[0] = _mm256_add_epi16(sums[0], pairs);
                let x = _mm256_set1_epi64x(pins[0][b].load(Ordering::Relaxed) as i64);
                let y = _mm256_set1_epi64x(pins[1][b].load(Ordering::Relaxed) as i64);
                let x = [_mm256_srlv_epi64(x, first), _mm256_srlv_epi64(x, second)];
                let y = [_mm256_srlv_epi64(y, first), _mm256_srlv_epi64(y, second)];
                let x = [_mm256_and_si256(x[0], one), _mm256_and_si256(x[1], one)];
                let y = [_mm256_and_si256(y[0], one), _mm256_and_si256(y[1], one)];
                let of = [y, x, [_mm256_and_si256(x[0], y[0]), _mm256_and_si256(x[1], y[1])]];
                for i in 0..3 {
                    let pairs = [_mm256_maddubs_epi16(of[i][0], low), _mm256_maddubs_epi16(of[i][1], high)];
                    sums[i + 1] = _mm256_add_epi16(sums[i + 1], _mm256_add_epi16(pairs[0], pairs[1]));
                }
            }
            let [s, t, u, v] = sums;
            let st = _mm256_add_epi16(_mm256_unpacklo_epi16(s, t), _mm256_unpackhi_epi16(s, t));
            let uv = _mm256_add_epi16(_mm256_unpacklo_epi16(u, v), _mm256_unpackhi_epi16(u, v));
            let stuv = _mm256_add_epi16(_mm256_unpacklo_epi32(st, uv), _mm256_unpackhi_epi32(st, uv));
            let half = _mm_add_epi16(_mm256_castsi256_si128(stuv), _mm256_extracti128_si256::<1>(stuv));
            let words = _mm_add_epi16(half, _mm_unpackhi_epi64(half, half));
            // What has a pin at 1 is taken from what has it at 1 or 0.
            let last = _mm_setr_epi8(2, 3, -1, -1, 6, 7, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1);
            let words = _mm_sub_epi16(words, _mm_shuffle_epi8(words, last));
            let words = _mm_sub_epi16(words, _mm_srli_epi64::<32>(words));
            let four: [i32; 4] = bytemuck::cast(_mm_cvtepi16_epi32(words));
            made.copy_from_slice(&four);
        }
        made
    }

    #[inline(always)]
    fn signed(x: [__m256i; 2], negative: u64) -> [__m256i; 2] {
        let [low, high] = byte_mask(negative);
        // SAFETY: as above.
        unsafe {
            [_mm256_sub_epi8(_mm256_xor_si256(x[0], low), low), _mm256_sub_epi8(_mm256_xor_si256(x[1], high), high)]
        }
    }

    #[inline(always)]
    fn even(x: [__m256i; 2]) -> [__m256i; 2] {
        // SAFETY: as above.
        unsafe {
            let least = _mm256_set1_epi8(-127);
            [_mm256_max_epi8(x[0], least), _mm256_max_epi8(x[1], least)]
        }
    }

    /// Sums of pairs in words of 16 bits, as in [`dots`](Lanes::dots).
    #[inline(always)]
    fn add_dot(sums: __m256i, x: [__m256i; 2], mask: u64) -> __m256i {
        // SAFETY: as above.
        unsafe {
            let one = _mm256_set1_epi8(1);
            let all = _mm256_set1_epi64x(mask as i64);
            let low = _mm256_and_si256(_mm256_srlv_epi64(all, _mm256_setr_epi64x(0, 1, 2, 3)), one);
            let high = _mm256_and_si256(_mm256_srlv_epi64(all, _mm256_setr_epi64x(4, 5, 6, 7)), one);
            let pairs = _mm256_add_epi16(_mm256_maddubs_epi16(low, x[0]), _mm256_maddubs_epi16(high, x[1]));
            _mm256_add_epi16(sums, pairs)
        }
    }

    /// Sums of pairs in words of 16 bits, which hold 64 of the greatest.
    #[inline(always)]
    fn dots<const B: usize>(numbers: &[[__m256i; 2]; B], rows: [&Bits<B>; 4]) -> [i32; 4] {
        let mut sums = [Self::no_sums(); 4];
        // SAFETY: as above.
        unsafe {
            let one = _mm256_set1_epi8(1);
            let (first, second) = (_mm256_setr_epi64x(0, 1, 2, 3), _mm256_setr_epi64x(4, 5, 6, 7));
            for i in 0..4 {
                for b in 0..B {
                    let all = _mm256_set1_epi64x(rows[i][b].load(Ordering::Relaxed) as i64);
                    let low = _mm256_and_si256(_mm256_srlv_epi64(all, first), one);
                    let high = _mm256_and_si256(_mm256_srlv_epi64(all, second), one);
                    let low = _mm256_maddubs_epi16(low, numbers[b][0]);
                    let high = _mm256_maddubs_epi16(high, numbers[b][1]);
                    sums[i] = _mm256_add_epi16(sums[i], _mm256_add_epi16(low, high));
                }
            }
        }
        Self::totals(sums)
    }

    #[inline(always)]
    fn move_weights(by: &WireUpdate, scores: &[i32], of_one: i32, weights: Weights) -> usize {
        // SAFETY: as above.
        unsafe { move_eights(by, scores, of_one, weights) }
    }

    #[inline(always)]
    fn move_pair(by: &WireUpdate, made: &Made, less: [i32; 2], weights: Weights) -> [usize; 2] {
        // SAFETY: as above.
        unsafe { move_pair(by, made, less, weights) }
    }

    #[inline(always)]
    fn greatest(numbers: &[f32]) -> usize {
        greatest_of(numbers)
    }

    #[inline(always)]
    fn prefetch<T>(at: &T) {
        near(at);
    }
}

impl<const N: u32> Lanes for Words<N> {
    type Element = i16;
    type Numbers = [__m256i; 4];
    type Mask = [__m256i; 4];
    type Sums = __m256i;

    #[inline(always)]
    fn zero() -> [__m256i; 4] {
        bytemuck::Zeroable::zeroed()
    }

    #[inline(always)]
    fn load(from: &Stored<i16>) -> [__m256i; 4] {
        bytemuck::cast(from.0)
    }

    #[inline(always)]
    fn store(numbers: [__m256i; 4], to: &mut Stored<i16>) {
        to.0 = bytemuck::cast(numbers);
    }

    #[inline(always)]
    fn mask(bits: u64) -> [__m256i; 4] {
        word_mask(bits)
    }

    #[inline(always)]
    fn keep(mut x: [__m256i; 4], mask: [__m256i; 4]) -> [__m256i; 4] {
        for i in 0..4 {
            // SAFETY: as above.
            x[i] = unsafe { _mm256_and_si256(x[i], mask[i]) };
        }
        x
    }

    #[inline(always)]
    fn add(mut total: [__m256i; 4], g: [__m256i; 4], chosen: u64, minus: bool) -> [__m256i; 4] {
        let g = Self::keep(g, word_mask(chosen));
        // SAFETY: as above.
        unsafe {
            let turn = _mm256_set1_epi16(-i16::from(minus));
            for i in 0..4 {
                let mut sum = _mm256_adds_epi16(_mm256_xor_si256(total[i], turn), g[i]);
                if N < 16 {
                    let most = _mm256_set1_epi16(((1 << (N - 1)) - 1) as i16);
                    let least = _mm256_set1_epi16((-(1 << (N - 1))) as i16);
                    sum = _mm256_max_epi16(_mm256_min_epi16(sum, most), least);
                }
                total[i] = _mm256_xor_si256(sum, turn);
            }
        }
        total
    }

    #[inline(always)]
    fn no_sums() -> __m256i {
        bytemuck::Zeroable::zeroed()
    }

    #[inline(always)]
    fn add_up(sums: __m256i, x: [__m256i; 4]) -> __m256i {
        // SAFETY: as above.
        unsafe {
            let one = _mm256_set1_epi16(1);
            let a = _mm256_add_epi32(_mm256_madd_epi16(x[0], one), _mm256_madd_epi16(x[1], one));
            let b = _mm256_add_epi32(_mm256_madd_epi16(x[2], one), _mm256_madd_epi16(x[3], one));
            _mm256_add_epi32(sums, _mm256_add_epi32(a, b))
        }
    }

    #[inline(always)]
    fn totals(sums: [__m256i; 4]) -> [i32; 4] {
        totals_of(sums)
    }

    #[inline(always)]
    fn move_weights(by: &WireUpdate, scores: &[i32], of_one: i32, weights: Weights) -> usize {
        // SAFETY: as above.
        unsafe { move_eights(by, scores, of_one, weights) }
    }

    #[inline(always)]
    fn move_pair(by: &WireUpdate, made: &Made, less: [i32; 2], weights: Weights) -> [usize; 2] {
        // SAFETY: as above.
        unsafe { move_pair(by, made, less, weights) }
    }

    #[inline(always)]
    fn greatest(numbers: &[f32]) -> usize {
        greatest_of(numbers)
    }

    #[inline(always)]
    fn prefetch<T>(at: &T) {
        near(at);
    }
}
