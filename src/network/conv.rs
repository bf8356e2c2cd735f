//! The shape of convolutions: trees of two-input gates, whose tables are shared over the places of a map, and pools that OR places.
//!
//! A unit is a tree of depth d: 2^d leaves, 2^d − 1 gates. Its nodes are numbered so that node 0 … 2^d − 1 are the leaves,
//! node 2^d + j is gate j, which reads nodes 2j and 2j + 1, the last node is the root. Leaf (channel, dy, dx) reads, at place
//! (y, x), bit (channel, y·stride + dy − pad, x·stride + dx − pad) of the map; beyond its edges bits are 0. With a pool of p the
//! roots of p × p places are OR-ed into one output, with no overlap; places that fill no window are left out. Maps and outputs
//! lie `[channel][y][x]`.

use std::fmt::{Display, Formatter};

use serde::{Deserialize, Serialize};

use crate::circuit::Grid;

/// Greatest depth of a tree.
pub const MAX_DEPTH: u32 = 3;
/// Greatest side of a pool's window.
pub const MAX_POOL: u32 = 4;

/// Outputs of a band, unless a row has more.
const BAND: usize = 32;

/// The shape of a convolutional layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Conv {
    /// Channels of the map that it reads.
    pub channels: u32,
    /// Rows of that map.
    pub height: u32,
    /// Columns of that map.
    pub width: u32,
    /// Rows and columns of the window that leaves lie in.
    pub kernel: [u32; 2],
    /// Bits of the map from one place to the next, both ways.
    pub stride: u32,
    /// Rows and columns of zeros around the map.
    pub pad: u32,
    /// Gates from leaf to root, 1 to [`MAX_DEPTH`].
    pub depth: u32,
    /// Side of the windows whose places are OR-ed, 1 to [`MAX_POOL`].
    pub pool: u32,
}

/// From how many channels of the map a tree's leaves are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TreeChannels {
    /// One.
    One,
    /// Two, in turns.
    Two,
    /// Each leaf from any.
    All,
}

/// A convolution as it is asked for: all but the map that it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convolution {
    /// Trees, each a channel of its output.
    pub units: u32,
    /// As [`Conv::kernel`].
    pub kernel: [u32; 2],
    /// As [`Conv::stride`].
    pub stride: u32,
    /// As [`Conv::pad`].
    pub pad: u32,
    /// As [`Conv::depth`].
    pub depth: u32,
    /// Where leaves are drawn from.
    pub channels: TreeChannels,
    /// As [`Conv::pool`].
    pub pool: u32,
}

impl Convolution {
    /// Gates of all trees.
    pub fn gates(&self) -> usize {
        self.units as usize * ((1 << self.depth) - 1)
    }

    /// Over a map of these `[channels, height, width]`.
    ///
    /// # Errors
    /// A sentence without its subject, if it does not go over such a map.
    pub fn over(&self, [channels, height, width]: [u32; 3]) -> std::result::Result<Conv, String> {
        let Convolution { kernel, stride, pad, depth, pool, .. } = *self;
        let conv = Conv { channels, height, width, kernel, stride, pad, depth, pool };
        conv.check()?;
        let sources = match self.channels {
            TreeChannels::One => 1,
            TreeChannels::Two => 2,
            TreeChannels::All => channels,
        };
        if sources > channels {
            return Err(format!("takes trees of {sources} channels, but is given {channels}"));
        }
        let places = sources as usize * (kernel[0] * kernel[1]) as usize;
        // Leaves take their channels in turns, so each of two has half of them.
        if places < conv.leaves() {
            return Err(format!("has trees of {} leaves, but only {places} places to read from", conv.leaves()));
        }
        Ok(conv)
    }
}

impl Conv {
    /// Leaves a tree.
    pub fn leaves(&self) -> usize {
        1 << self.depth
    }

    /// Gates a tree.
    pub fn tree_gates(&self) -> usize {
        self.leaves() - 1
    }

    /// Where its places lie.
    pub fn grid(&self) -> Grid {
        let [height, width, stride, pad, pool] =
            [self.height, self.width, self.stride, self.pad, self.pool].map(|n| n as usize);
        Grid { height, width, kernel: self.kernel.map(|n| n as usize), stride, pad, pool }
    }

    /// `[rows, columns]` of places, those that fill no pool's window left out.
    pub fn places(&self) -> [usize; 2] {
        self.grid().places()
    }

    /// `[rows, columns]` of outputs a unit.
    pub fn outputs(&self) -> [usize; 2] {
        self.grid().outputs()
    }

    /// Outputs a unit.
    pub fn area(&self) -> usize {
        self.grid().area()
    }

    /// Rows of outputs that training takes at once: the order of sums that saturate follows.
    pub fn band(&self) -> usize {
        (BAND / self.outputs()[1]).max(1)
    }

    /// `[rows, columns]` of the map with its zeros around it.
    pub fn padded(&self) -> [usize; 2] {
        self.grid().padded()
    }

    /// (channel, dy, dx) of a wire.
    pub fn leaf(&self, wire: u32) -> (usize, usize, usize) {
        let [rows, columns] = self.kernel;
        ((wire / (rows * columns)) as usize, (wire / columns % rows) as usize, (wire % columns) as usize)
    }

    /// The bit of the map, counted over all of it, that wire `wire` reads at place (`y`, `x`); `None` beyond its edges.
    pub fn source(&self, wire: u32, y: usize, x: usize) -> Option<usize> {
        let (channel, dy, dx) = self.leaf(wire);
        Some(channel * (self.height * self.width) as usize + self.grid().source([dy, dx], [y, x])?)
    }

    /// Refuse batches of `batch` samples with gradients of `bits` bits if a table's sum over places and samples could pass 32 bits; the
    /// error is a sentence.
    pub fn check_sums(&self, batch: u32, bits: u32) -> std::result::Result<(), String> {
        let places = self.places().iter().product::<usize>() as u64;
        if (places * u64::from(batch)) << (bits - 1) < 1 << 31 {
            return Ok(());
        }
        Err(format!(
            "a table shared by {places} places sums gradients of {bits} bits past 32 bits over a batch of {batch}; choose \
             --gradients int8, or a smaller --batch"
        ))
    }

    /// Refuse an impossible shape; the error is a sentence without its subject.
    pub fn check(&self) -> std::result::Result<(), String> {
        let sizes = [self.channels, self.height, self.width];
        if sizes.iter().any(|n| !(1..=1 << 20).contains(n)) || self.pad > 64 {
            return Err(format!("reads a map of {} × {} × {}, padded by {}", sizes[0], sizes[1], sizes[2], self.pad));
        }
        if !(1..=MAX_DEPTH).contains(&self.depth) {
            return Err(format!("has trees of depth {}; 1 to {MAX_DEPTH} are possible", self.depth));
        }
        if !(1..=MAX_POOL).contains(&self.pool) || !(1..=64).contains(&self.stride) {
            return Err(format!(
                "has stride {} and pool {}; 1 to 64 and 1 to {MAX_POOL} are possible",
                self.stride, self.pool
            ));
        }
        let sides = [self.height, self.width].map(|n| n + 2 * self.pad);
        if (0..2).any(|i| !(1..=sides[i].min(64)).contains(&self.kernel[i])) || self.area() == 0 {
            return Err(format!(
                "has windows of {}x{} and a pool of {}, which find no place on a map of {} × {} padded by {}",
                self.kernel[0], self.kernel[1], self.pool, self.height, self.width, self.pad
            ));
        }
        Ok(())
    }
}

/// `3x3 over 9 × 32 × 32, pad 1, trees of depth 2, OR pool 2`.
impl Display for Conv {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let Conv { channels, height, width, kernel, stride, pad, depth, pool } = self;
        write!(f, "{}x{} over {channels} × {height} × {width}", kernel[0], kernel[1])?;
        if *pad > 0 {
            write!(f, ", pad {pad}")?;
        }
        if *stride > 1 {
            write!(f, ", stride {stride}")?;
        }
        write!(f, ", trees of depth {depth}")?;
        if *pool > 1 {
            write!(f, ", OR pool {pool}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHAT: Convolution =
        Convolution { units: 24, kernel: [3, 2], stride: 1, pad: 1, depth: 2, channels: TreeChannels::One, pool: 2 };

    #[test]
    fn shapes_follow_kernel_stride_padding_and_pool() {
        let conv = WHAT.over([4, 7, 9]).unwrap();
        // 7 + 2 − 3 + 1 = 7 rows of places, 9 + 2 − 2 + 1 = 10 columns; windows of two fit three and five times.
        assert_eq!((conv.outputs(), conv.places(), conv.leaves(), conv.tree_gates()), ([3, 5], [6, 10], 4, 3));
        let strided = Convolution { stride: 2, pool: 1, ..WHAT }.over([4, 7, 9]).unwrap();
        assert_eq!(strided.outputs(), [4, 5]);
        // Channel 2, dy 1, dx 0: at place (3, 4) the bit of row 3 + 1 − 1, column 4 + 0 − 1.
        assert_eq!(conv.source(2 * 6 + 2, 3, 4), Some((2 * 7 + 3) * 9 + 3));
        assert_eq!(conv.source(0, 0, 4), None, "a row above the map");
        for bad in [
            Convolution { depth: 4, ..WHAT },
            Convolution { depth: 3, ..WHAT },
            Convolution { kernel: [10, 3], ..WHAT },
            Convolution { pool: 5, ..WHAT },
            Convolution { stride: 0, ..WHAT },
        ] {
            assert!(bad.over([4, 7, 9]).is_err(), "{bad:?}");
        }
        assert!(Convolution { channels: TreeChannels::Two, ..WHAT }.over([1, 7, 9]).is_err());
    }
}
