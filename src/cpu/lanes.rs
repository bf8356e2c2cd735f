//! The integers of a gate's gradient row, 64 samples at a time, by the vector instructions that there are.
//!
//! A consumer is a masked saturating addition, a table entry's sum a masked sum. Masks are words of a bit a sample. AVX-512
//! takes them as they are; AVX2 spreads them to bytes, which it keeps in an order that makes this two instructions. The
//! gathering and summing itself is written once, over [`Lanes`].

use std::sync::atomic::Ordering;

use super::bits::Bits;
use super::lut::lut;
use super::simd::Simd;

/// Samples of a block: a word of bits.
pub const BLOCK: usize = 64;

/// 64 samples' integers as they are kept, one cache line or two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Stored<E>(pub [E; BLOCK]);

/// What an integer of a gradient can be kept as.
pub trait Element: bytemuck::Pod + Send + Sync + std::fmt::Debug {
    /// From a number within its range.
    fn of(value: i32) -> Self;
    /// As a number.
    fn value(self) -> i32;
    /// Numbers that lie sample by sample, in the order in which code for `simd` keeps them.
    fn ordered(_simd: Simd, numbers: Stored<Self>) -> Stored<Self> {
        numbers
    }
}

impl Element for i8 {
    #[inline(always)]
    fn of(value: i32) -> Self {
        value as i8
    }

    #[inline(always)]
    fn value(self) -> i32 {
        self.into()
    }

    fn ordered(simd: Simd, numbers: Stored<i8>) -> Stored<i8> {
        match simd {
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => Stored(std::array::from_fn(|at| numbers.0[at % 8 * 8 + at / 8])),
            _ => numbers,
        }
    }
}

impl Element for i16 {
    #[inline(always)]
    fn of(value: i32) -> Self {
        value as i16
    }

    #[inline(always)]
    fn value(self) -> i32 {
        self.into()
    }
}

/// Operations on 64 samples' integers; sums saturate at the ends of their range.
pub trait Lanes: Sized {
    /// What a number is kept as.
    type Element: Element;
    /// 64 numbers in registers.
    type Numbers: Copy;
    /// A mask in the form that suits [`Lanes::keep`].
    type Mask: Copy;
    /// Partial sums of numbers, of at most 32 [`Lanes::add_up`].
    type Sums: Copy;

    /// 64 zeros.
    fn zero() -> Self::Numbers;
    /// From memory.
    fn load(from: &Stored<Self::Element>) -> Self::Numbers;
    /// To memory.
    fn store(numbers: Self::Numbers, to: &mut Stored<Self::Element>);
    /// A mask from a bit a sample.
    fn mask(bits: u64) -> Self::Mask;
    /// The numbers of the samples in the mask, zeros elsewhere.
    fn keep(numbers: Self::Numbers, mask: Self::Mask) -> Self::Numbers;
    /// `total + g`, or `total − g` if `minus`, for the samples `chosen`; saturates.
    fn add(total: Self::Numbers, g: Self::Numbers, chosen: u64, minus: bool) -> Self::Numbers;
    /// `total + g` for the samples `chosen`, but `total − g` for those in `negative` too; saturates.
    #[inline(always)]
    fn add_signed(total: Self::Numbers, g: Self::Numbers, chosen: u64, negative: u64) -> Self::Numbers {
        Self::add(Self::add(total, g, chosen & !negative, false), g, negative, true)
    }
    /// No sums yet.
    fn no_sums() -> Self::Sums;
    /// Add 64 numbers to the sums.
    fn add_up(sums: Self::Sums, numbers: Self::Numbers) -> Self::Sums;
    /// What four sums come to.
    fn totals(sums: [Self::Sums; 4]) -> [i32; 4];
    /// `total + g`, or `total − g` if `minus`, for the samples that `chosen`, a table of one input, chooses by their bits of
    /// `other`; saturates.
    #[inline(always)]
    fn add_given<const B: usize>(
        mut total: [Self::Numbers; B],
        g: &[Stored<Self::Element>; B],
        other: &Bits<B>,
        chosen: u32,
        minus: bool,
    ) -> [Self::Numbers; B] {
        for b in 0..B {
            let chosen = lut(1, chosen.into(), [other[b].load(Ordering::Relaxed), 0, 0, 0, 0, 0]);
            total[b] = Self::add(total[b], Self::load(&g[b]), chosen, minus);
        }
        total
    }
    /// The same, but the least for the one whose negative there is not.
    #[inline(always)]
    fn even(numbers: Self::Numbers) -> Self::Numbers {
        let negated = Self::add(Self::zero(), numbers, u64::MAX, true);
        Self::add(Self::zero(), negated, u64::MAX, true)
    }
    /// Of [`even`](Lanes::even) numbers the negatives, for the samples in `negative`.
    #[inline(always)]
    fn signed(numbers: Self::Numbers, negative: u64) -> Self::Numbers {
        Self::add_signed(Self::zero(), numbers, u64::MAX, negative)
    }
    /// Add to sums the [`even`](Lanes::even) numbers of the samples in a mask; at most 64 times.
    #[inline(always)]
    fn add_dot(sums: Self::Sums, numbers: Self::Numbers, mask: u64) -> Self::Sums {
        Self::add_up(sums, Self::keep(numbers, Self::mask(mask)))
    }
    /// The sums of the numbers of the samples with each input code of `K` pins.
    #[inline(always)]
    fn sums_by_code<const B: usize, const K: usize, const CODES: usize>(
        g: &[Stored<Self::Element>; B],
        pins: [&Bits<B>; K],
    ) -> [i32; CODES] {
        sums_by_code::<Self, B, K, CODES>(g, pins)
    }
    /// For each of four rows of bits the sum of the numbers of the samples whose bit is 1.
    #[inline(always)]
    fn dots<const B: usize>(numbers: &[Self::Numbers; B], rows: [&Bits<B>; 4]) -> [i32; 4] {
        // Plain loops: what closures call is not compiled for the instructions of their callers.
        let mut sums = [Self::no_sums(); 4];
        for i in 0..4 {
            for b in 0..B {
                let mask = Self::mask(rows[i][b].load(Ordering::Relaxed));
                sums[i] = Self::add_up(sums[i], Self::keep(numbers[b], mask));
            }
        }
        Self::totals(sums)
    }
    /// Have the memory at `at` brought near.
    fn prefetch<T>(at: &T);
}

#[inline(always)]
fn sums_by_code<L: Lanes, const B: usize, const K: usize, const CODES: usize>(
    g: &[Stored<L::Element>; B],
    pins: [&Bits<B>; K],
) -> [i32; CODES] {
    // First over the samples where all pins of a set are 1, for every set; the last pin is bit 0.
    let mut sums = [L::no_sums(); CODES];
    for b in 0..B {
        let mut nodes = [L::load(&g[b]); CODES];
        for bit in 0..K {
            let mask = L::mask(pins[K - 1 - bit][b].load(Ordering::Relaxed));
            for i in 0..1 << bit {
                nodes[i | 1 << bit] = L::keep(nodes[i], mask);
            }
        }
        for (sum, node) in sums.iter_mut().zip(nodes) {
            *sum = L::add_up(*sum, node);
        }
    }
    let mut totals = [0; CODES];
    for (four, sums) in totals.chunks_exact_mut(4).zip(sums.chunks_exact(4)) {
        four.copy_from_slice(&L::totals([sums[0], sums[1], sums[2], sums[3]]));
    }
    // What has a pin at 1 is taken from what has it at 1 or 0.
    for bit in 0..K {
        for i in 0..CODES {
            if i & 1 << bit == 0 {
                totals[i] -= totals[i | 1 << bit];
            }
        }
    }
    totals
}

/// The same on plain numbers, `N` bits kept as `E`.
pub struct Portable<E, const N: u32>(std::marker::PhantomData<E>);

impl<E: Element, const N: u32> Lanes for Portable<E, N> {
    type Element = E;
    type Numbers = [E; BLOCK];
    type Mask = u64;
    type Sums = i32;

    #[inline(always)]
    fn zero() -> [E; BLOCK] {
        [E::of(0); BLOCK]
    }

    #[inline(always)]
    fn load(from: &Stored<E>) -> [E; BLOCK] {
        from.0
    }

    #[inline(always)]
    fn store(numbers: [E; BLOCK], to: &mut Stored<E>) {
        to.0 = numbers;
    }

    #[inline(always)]
    fn mask(bits: u64) -> u64 {
        bits
    }

    #[inline(always)]
    fn keep(mut numbers: [E; BLOCK], mask: u64) -> [E; BLOCK] {
        for (s, x) in numbers.iter_mut().enumerate() {
            *x = E::of(x.value() & -((mask >> s) as i32 & 1));
        }
        numbers
    }

    #[inline(always)]
    fn add(mut total: [E; BLOCK], g: [E; BLOCK], chosen: u64, minus: bool) -> [E; BLOCK] {
        let (least, most) = (-(1 << (N - 1)), (1 << (N - 1)) - 1);
        let sign = if minus { -1 } else { 1 };
        for (s, (x, g)) in total.iter_mut().zip(g).enumerate() {
            let sent = (sign * g.value()) & -((chosen >> s) as i32 & 1);
            *x = E::of((x.value() + sent).clamp(least, most));
        }
        total
    }

    #[inline(always)]
    fn no_sums() -> i32 {
        0
    }

    #[inline(always)]
    fn add_up(sums: i32, numbers: [E; BLOCK]) -> i32 {
        sums + numbers.iter().map(|x| x.value()).sum::<i32>()
    }

    #[inline(always)]
    fn totals(sums: [i32; 4]) -> [i32; 4] {
        sums
    }

    #[inline(always)]
    fn prefetch<T>(_: &T) {}
}

#[cfg(target_arch = "x86_64")]
pub mod avx2 {
    //! 32 bytes or 16 words a register. Every function here is called in functions compiled for AVX2 only, and inlined.

    use std::arch::x86_64::*;

    use super::*;

    /// Bytes. Byte 8j + i of a block is that of sample 8i + j, so that the eight bytes of a word have bit j of the sample's word of
    /// bits for their own.
    pub struct Bytes;

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
            OWN.map(|own| {
                let own = bytemuck::cast(own);
                _mm256_cmpeq_epi8(_mm256_and_si256(all, own), own)
            })
        }
    }

    /// All ones in the words of 16 bits whose bit is set.
    #[inline(always)]
    fn word_mask(bits: u64) -> [__m256i; 4] {
        // SAFETY: as above.
        unsafe {
            let one = _mm256_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, -32768);
            std::array::from_fn(|quarter| {
                let spread = _mm256_set1_epi16((bits >> (16 * quarter)) as i16);
                _mm256_cmpeq_epi16(_mm256_and_si256(spread, one), one)
            })
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
            totals_of(sums.map(|sums| unsafe { _mm256_madd_epi16(sums, _mm256_set1_epi16(1)) }))
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
                        let mask =
                            _mm256_cmpeq_epi8(_mm256_and_si256(all, bytemuck::cast(of[i])), bytemuck::cast(is[i]));
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
        fn keep(x: [__m256i; 4], mask: [__m256i; 4]) -> [__m256i; 4] {
            // SAFETY: as above.
            std::array::from_fn(|i| unsafe { _mm256_and_si256(x[i], mask[i]) })
        }

        #[inline(always)]
        fn add(total: [__m256i; 4], g: [__m256i; 4], chosen: u64, minus: bool) -> [__m256i; 4] {
            let g = Self::keep(g, word_mask(chosen));
            // SAFETY: as above.
            std::array::from_fn(|i| unsafe {
                let turn = _mm256_set1_epi16(-i16::from(minus));
                let mut sum = _mm256_adds_epi16(_mm256_xor_si256(total[i], turn), g[i]);
                if N < 16 {
                    let most = _mm256_set1_epi16(((1 << (N - 1)) - 1) as i16);
                    let least = _mm256_set1_epi16((-(1 << (N - 1))) as i16);
                    sum = _mm256_max_epi16(_mm256_min_epi16(sum, most), least);
                }
                _mm256_xor_si256(sum, turn)
            })
        }

        #[inline(always)]
        fn no_sums() -> __m256i {
            bytemuck::Zeroable::zeroed()
        }

        #[inline(always)]
        fn add_up(sums: __m256i, x: [__m256i; 4]) -> __m256i {
            // SAFETY: as above.
            unsafe {
                let pairs = x.map(|x| _mm256_madd_epi16(x, _mm256_set1_epi16(1)));
                let (a, b) = (_mm256_add_epi32(pairs[0], pairs[1]), _mm256_add_epi32(pairs[2], pairs[3]));
                _mm256_add_epi32(sums, _mm256_add_epi32(a, b))
            }
        }

        #[inline(always)]
        fn totals(sums: [__m256i; 4]) -> [i32; 4] {
            totals_of(sums)
        }

        #[inline(always)]
        fn prefetch<T>(at: &T) {
            near(at);
        }
    }
}

#[cfg(target_arch = "x86_64")]
pub mod avx512 {
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
        fn add(total: [__m512i; 2], g: [__m512i; 2], chosen: u64, minus: bool) -> [__m512i; 2] {
            let g = Self::keep(g, chosen);
            // SAFETY: as above.
            std::array::from_fn(|i| unsafe {
                let turn = _mm512_set1_epi16(-i16::from(minus));
                let mut sum = _mm512_adds_epi16(_mm512_xor_si512(total[i], turn), g[i]);
                if N < 16 {
                    let most = _mm512_set1_epi16(((1 << (N - 1)) - 1) as i16);
                    let least = _mm512_set1_epi16((-(1 << (N - 1))) as i16);
                    sum = _mm512_max_epi16(_mm512_min_epi16(sum, most), least);
                }
                _mm512_xor_si512(sum, turn)
            })
        }

        #[inline(always)]
        fn no_sums() -> __m512i {
            bytemuck::Zeroable::zeroed()
        }

        #[inline(always)]
        fn add_up(sums: __m512i, x: [__m512i; 2]) -> __m512i {
            // SAFETY: as above.
            unsafe {
                let pairs = x.map(|x| _mm512_madd_epi16(x, _mm512_set1_epi16(1)));
                _mm512_add_epi32(sums, _mm512_add_epi32(pairs[0], pairs[1]))
            }
        }

        #[inline(always)]
        fn totals(sums: [__m512i; 4]) -> [i32; 4] {
            totals_of(sums)
        }

        #[inline(always)]
        fn prefetch<T>(at: &T) {
            near(at);
        }
    }
}
