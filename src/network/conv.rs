//! Convolutions: trees of two-input gates, whose tables are shared over the places of a map, and pools that OR places.
//!
//! A unit is a tree of depth d: 2^d leaves, 2^d − 1 gates. Its nodes are numbered so that node 0 … 2^d − 1 are the leaves,
//! node 2^d + j is gate j, which reads nodes 2j and 2j + 1, the last node is the root. Leaf (channel, dy, dx) reads, at place
//! (y, x), bit (channel, y·stride + dy − pad, x·stride + dx − pad) of the map; beyond its edges bits are 0. With a pool of p the
//! roots of p × p places are OR-ed into one output, with no overlap; places that fill no window are left out. Maps and outputs
//! lie `[channel][y][x]`.

use std::fmt::{Display, Formatter};

use serde::{Deserialize, Serialize};

use super::{Draw, Form, Initialization, Layer, Wiring};
use crate::circuit::{Lut, MAX_ARITY, Signal};
use crate::random::Philox;

/// Greatest depth of a tree.
pub const MAX_DEPTH: u32 = 3;
/// Greatest side of a pool's window.
pub const MAX_POOL: u32 = 4;

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

    /// `[rows, columns]` of places, those that fill no pool's window left out.
    pub fn places(&self) -> [usize; 2] {
        self.outputs().map(|n| n * self.pool as usize)
    }

    /// `[rows, columns]` of outputs a unit.
    pub fn outputs(&self) -> [usize; 2] {
        let along = |size: u32, kernel: u32| ((size + 2 * self.pad - kernel) / self.stride + 1) / self.pool;
        [along(self.height, self.kernel[0]) as usize, along(self.width, self.kernel[1]) as usize]
    }

    /// Outputs a unit.
    pub fn area(&self) -> usize {
        self.outputs().iter().product()
    }

    /// `[rows, columns]` of the map with its zeros around it.
    pub fn padded(&self) -> [usize; 2] {
        [self.height, self.width].map(|n| (n + 2 * self.pad) as usize)
    }

    /// (channel, dy, dx) of a wire.
    pub fn leaf(&self, wire: u32) -> (usize, usize, usize) {
        let [rows, columns] = self.kernel;
        ((wire / (rows * columns)) as usize, (wire / columns % rows) as usize, (wire % columns) as usize)
    }

    /// The bit of the map, counted over all of it, that wire `wire` reads at place (`y`, `x`); `None` beyond its edges.
    pub fn source(&self, wire: u32, y: usize, x: usize) -> Option<usize> {
        let (channel, dy, dx) = self.leaf(wire);
        let along = |at: usize, d: usize, size: u32| {
            (at * self.stride as usize + d).checked_sub(self.pad as usize).filter(|&n| n < size as usize)
        };
        let (y, x) = (along(y, dy, self.height)?, along(x, dx, self.width)?);
        Some((channel * self.height as usize + y) * self.width as usize + x)
    }

    /// Refuse an impossible shape; the error is a sentence without its subject.
    fn check(&self) -> std::result::Result<(), String> {
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

impl Layer {
    /// Draw convolutional layer number `index` of a network from the same streams as a dense one. Channels are dealt out
    /// evenly, unless wires are random; positions in the window are drawn, those of a tree are distinct. Where trees that are
    /// pooled would all pass their first leaf through, every second root starts at AND instead.
    pub fn draw_conv(index: usize, what: &Convolution, conv: Conv, draw: Draw) -> Self {
        let stream = |n: usize| Philox::new(draw.seed, (2 * index + n) as u32);
        let (units, gates) = (what.units as usize, conv.tree_gates());
        let mut rng = stream(0);
        let wiring = draw_wires(what, &conv, draw.wiring, &mut rng);
        let (parametrization, mut rng) = (draw.parametrization, stream(1));
        let per_gate = parametrization.logits(2);
        let mut logits = draw.start.draw(parametrization, units * gates, 2, &mut rng);
        if conv.pool > 1 && draw.start.initialization == Initialization::Residual {
            for unit in (1..units).step_by(2) {
                let root = (unit * gates + gates - 1) * per_gate;
                let near = draw.start.near(0b1000, parametrization, 2, &mut rng);
                logits[root..root + per_gate].copy_from_slice(&near);
            }
        }
        let tables = logits.chunks_exact(per_gate).map(|l| parametrization.hard_table(l)).collect();
        let inputs = (conv.channels * conv.height * conv.width) as usize;
        Layer { form: Form::Conv(conv), inputs, arity: 2, wiring, tables, parametrization, logits }
    }
}

/// `[units][leaves]`
fn draw_wires(what: &Convolution, conv: &Conv, wiring: Wiring, rng: &mut Philox) -> Vec<u32> {
    let (leaves, window) = (conv.leaves(), conv.kernel[0] * conv.kernel[1]);
    let mut order: Vec<u32> = (0..conv.channels).collect();
    let mut dealt = order.len();
    let mut deal = |rng: &mut Philox, not: &[u32]| loop {
        let channel = if wiring == Wiring::Random {
            rng.below(conv.channels)
        } else {
            if dealt == order.len() {
                rng.shuffle(&mut order);
                dealt = 0;
            }
            dealt += 1;
            order[dealt - 1]
        };
        if !not.contains(&channel) {
            break channel;
        }
    };
    let mut wires: Vec<u32> = Vec::with_capacity(what.units as usize * leaves);
    for _ in 0..what.units {
        let first = wires.len();
        let mut own = Vec::new();
        match what.channels {
            TreeChannels::One => own.push(deal(rng, &own)),
            TreeChannels::Two => (0..2).for_each(|_| own.push(deal(rng, &own))),
            TreeChannels::All => {}
        }
        for leaf in 0..leaves {
            let wire = loop {
                let channel = match what.channels {
                    TreeChannels::All => rng.below(conv.channels),
                    _ => own[leaf % own.len()],
                };
                let wire = channel * window + rng.below(window);
                if !wires[first..].contains(&wire) {
                    break wire;
                }
            };
            wires.push(wire);
        }
    }
    wires
}

/// Every tree has its leaves, and they lie in the window.
pub fn check(layer: &Layer, conv: &Conv) -> std::result::Result<(), String> {
    conv.check()?;
    let inputs = [conv.channels, conv.height, conv.width].iter().try_fold(1usize, |n, &x| n.checked_mul(x as usize));
    if inputs != Some(layer.inputs) || layer.arity != 2 {
        return Err(format!(
            "convolves a map of {} × {} × {} bits by gates of {} inputs, but is given {} bits; gates have 2",
            conv.channels, conv.height, conv.width, layer.arity, layer.inputs
        ));
    }
    let (gates, leaves) = (conv.tree_gates(), conv.leaves());
    if !layer.gates().is_multiple_of(gates) || layer.wiring.len() != layer.gates() / gates * leaves {
        return Err(format!("has {} gates and {} wires, which make no trees", layer.gates(), layer.wiring.len()));
    }
    match layer.wiring.iter().position(|&w| w >= conv.channels * conv.kernel[0] * conv.kernel[1]) {
        Some(at) => Err(format!("has tree {}, whose leaf {} lies beyond its window", at / leaves, at % leaves)),
        None => Ok(()),
    }
}

/// Add its LUTs, place by place, to a circuit whose first LUT is signal `first`; returns the signals of its outputs.
pub fn circuit(
    layer: &Layer,
    conv: &Conv,
    inputs: &[Signal],
    number: u32,
    first: usize,
    luts: &mut Vec<Lut>,
) -> Vec<Signal> {
    let mut add = |table: u64, pins: &[Signal]| {
        luts.push(Lut::new(table, pins, number));
        (first + luts.len() - 1) as Signal
    };
    let zero = if conv.pad > 0 { add(0, &[]) } else { 0 };
    let [rows, columns] = conv.outputs();
    let pool = conv.pool as usize;
    let mut outputs = Vec::with_capacity(layer.outputs());
    for (wires, tables) in layer.wiring.chunks_exact(conv.leaves()).zip(layer.tables.chunks_exact(conv.tree_gates())) {
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            let mut roots = Vec::with_capacity(pool * pool);
            for (y, x) in (0..pool * pool).map(|q| (row * pool + q / pool, column * pool + q % pool)) {
                let leaf = |&wire: &u32| conv.source(wire, y, x).map_or(zero, |bit| inputs[bit]);
                let mut nodes: Vec<Signal> = wires.iter().map(leaf).collect();
                for (j, &table) in tables.iter().enumerate() {
                    nodes.push(add(table, &[nodes[2 * j], nodes[2 * j + 1]]));
                }
                roots.extend(nodes.last());
            }
            // OR in as few LUTs as there can be.
            while roots.len() > 1 {
                let joined: Vec<Signal> = roots
                    .chunks(MAX_ARITY)
                    .map(|few| if few.len() == 1 { few[0] } else { add(or_table(few.len()), few) })
                    .collect();
                roots = joined;
            }
            outputs.extend(roots);
        }
    }
    outputs
}

/// The OR of `arity` inputs.
fn or_table(arity: usize) -> u64 {
    (u64::MAX >> (64 - (1u32 << arity))) & !1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Parametrization;

    fn draw(wiring: Wiring) -> Draw {
        Draw { wiring, parametrization: Parametrization::IwpSin, start: Initialization::Residual.into(), seed: 5 }
    }

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

    #[test]
    fn trees_read_as_many_channels_as_asked_for_and_all_channels_alike() {
        for (channels, most) in [(TreeChannels::One, 1), (TreeChannels::Two, 2), (TreeChannels::All, 4)] {
            let what = Convolution { channels, ..WHAT };
            let layer = Layer::draw_conv(0, &what, what.over([4, 7, 9]).unwrap(), draw(Wiring::Unique));
            layer.check().unwrap();
            let mut uses = [0; 4];
            for leaves in layer.wiring.chunks_exact(4) {
                let own: std::collections::BTreeSet<u32> = leaves.iter().map(|w| w / 6).collect();
                assert!(own.len() <= most && (most == 4 || own.len() == most), "{channels:?}");
                own.iter().for_each(|&c| uses[c as usize] += 1);
                assert!((1..4).all(|i| !leaves[..i].contains(&leaves[i])));
            }
            if most < 4 {
                assert_eq!(uses, [6 * most; 4]);
            }
        }
    }

    #[test]
    fn half_of_pooled_roots_start_at_and() {
        let layer = Layer::draw_conv(0, &WHAT, WHAT.over([4, 7, 9]).unwrap(), draw(Wiring::Unique));
        let roots: Vec<u64> = layer.tables.chunks_exact(3).map(|tables| tables[2]).collect();
        assert_eq!(roots.iter().filter(|&&t| t == 0b1000).count(), 12);
        assert_eq!(roots.iter().filter(|&&t| t == 0b1100).count(), 12);
        let what = Convolution { pool: 1, ..WHAT };
        let layer = Layer::draw_conv(0, &what, what.over([4, 7, 9]).unwrap(), draw(Wiring::Random));
        assert!(layer.tables.iter().all(|&t| t == 0b1100));
    }
}
