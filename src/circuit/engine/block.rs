//! 512 samples of one signal.

/// Samples in a block.
pub const BLOCK_SAMPLES: usize = 512;

/// One bit of 512 samples: bit `s % 64` of word `s / 64` is sample `s`. One cache line, one AVX-512 register.
///
/// The operations are written on words; compiled for a vector instruction set they become its instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
pub struct Block(pub [u64; BLOCK_SAMPLES / 64]);

impl Block {
    /// No sample set.
    pub const ZERO: Block = Block([0; 8]);
    /// Every sample set.
    pub const ONE: Block = Block([u64::MAX; 8]);

    /// `f` on every word.
    #[inline(always)]
    pub fn zip(self, other: Block, f: impl Fn(u64, u64) -> u64) -> Block {
        let mut out = Block::ZERO;
        for i in 0..8 {
            out.0[i] = f(self.0[i], other.0[i]);
        }
        out
    }

    /// Where `self` is set `high`, elsewhere `low`.
    #[inline(always)]
    pub fn choose(self, high: Block, low: Block) -> Block {
        let mut out = Block::ZERO;
        for i in 0..8 {
            out.0[i] = (self.0[i] & high.0[i]) | (!self.0[i] & low.0[i]);
        }
        out
    }
}

impl std::ops::Not for Block {
    type Output = Block;

    #[inline(always)]
    fn not(self) -> Block {
        self.zip(self, |a, _| !a)
    }
}
