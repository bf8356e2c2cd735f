//! The integers of a gate's gradient row, 64 samples at a time, by the vector instructions that there are.
//!
//! A consumer is a masked saturating addition, a table entry's sum a masked sum. Masks are words of a bit a sample. AVX-512
//! takes them as they are; AVX2 spreads them to bytes, which it keeps in an order that makes this two instructions. The
//! gathering and summing itself is written once, over [`Lanes`].

#[cfg(target_arch = "x86_64")]
pub mod avx2;
#[cfg(target_arch = "x86_64")]
pub mod avx512;
mod quads;

pub use quads::{Job, MANY, Made, Quads};

use std::sync::atomic::Ordering;

pub use super::bits::BLOCK;
use super::bits::Bits;
use super::lut::lut;
use super::simd::Simd;
use super::weights::{Weights, WireUpdate};

/// 64 samples' integers as they are kept, one cache line or two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct Stored<E>(pub [E; BLOCK]);

/// A gate's gradients of `B` blocks of 64 samples.
pub type Row<E, const B: usize> = [Stored<E>; B];

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
            Simd::Avx2 => {
                let mut ordered = numbers;
                for (sample, number) in numbers.0.into_iter().enumerate() {
                    ordered.0[avx2::place_of_byte(sample)] = number;
                }
                ordered
            }
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
    /// Whether sums of a row that many gates share are looked up sooner than added up.
    const LOOKS_UP: bool = false;
    /// Where a block's number of sample `sample` is kept.
    #[inline(always)]
    fn place(sample: usize) -> usize {
        sample
    }
    /// What the subsets of a row's fours come to, if bytes can hold it.
    #[inline(always)]
    fn quads<const B: usize>(row: &[Stored<Self::Element>; B]) -> Option<Quads<B>> {
        Quads::of(|sample| row[sample / BLOCK].0[Self::place(sample % BLOCK)].value())
    }
    /// Do `job`: sums of a row over the samples of candidates.
    ///
    /// # Safety
    /// Candidates are numbers of `inputs`.
    #[inline(always)]
    unsafe fn look_up<const B: usize>(
        quads: &Quads<B>,
        job: &Job<B>,
        candidates: &[u32],
        inputs: &[Bits<B>],
        made: &mut Made,
    ) {
        quads.sums(job, candidates, inputs, made);
    }
    /// Move candidates' weights by their scores, by Adam; where the greatest is then, the first of equals.
    #[inline(always)]
    fn move_weights(by: &WireUpdate, scores: &[i32], of_one: i32, weights: Weights) -> usize {
        let moved = weights.moved::<1>(by, scores, of_one);
        greatest(moved)
    }
    /// Move the weights of [`MANY`] candidates of each of two pins by the gradients 2 `made` − `less`, by Adam; where each one's greatest is
    /// then, the first of equals.
    #[inline(always)]
    fn move_pair(by: &WireUpdate, made: &Made, less: [i32; 2], weights: Weights) -> [usize; 2] {
        let moved = weights.moved_pair::<1, MANY>(by, made, less);
        let (first, second) = moved.split_at(MANY);
        [greatest(first), greatest(second)]
    }
    /// Where the first of the greatest of some numbers is; 0 where there is none.
    #[inline(always)]
    fn greatest(numbers: &[f32]) -> usize {
        greatest(numbers)
    }
    /// Have the memory at `at` brought near.
    fn prefetch<T>(at: &T);
}

/// Where the first of the greatest of `numbers` is; 0 where there is none.
#[inline(always)]
fn greatest(numbers: &[f32]) -> usize {
    let first = numbers.first().copied().unwrap_or_default();
    let greatest = numbers.iter().fold(first, |a, &b| if b > a { b } else { a });
    numbers.iter().position(|&number| number == greatest).unwrap_or(0)
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

    const LOOKS_UP: bool = N == 8;

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
