//! Convolutions on blocks: a loop over places a gate, in rows that stay in the first-level cache.
//!
//! Maps lie in slots, with zeros around them, so that a leaf of a tree is a view of the map, moved by its place in the window,
//! and border and inside are one loop. A unit takes some rows of windows at a time: its inner gates run over all of their places
//! into rows of their own, its last gate and the OR of the pool are one loop, which writes the next map.

use std::ops::Range;

use super::block::Block;
use super::gates::{Gate, Kind, gates_of};
use crate::circuit::{Grid, Literal, Stage, Unit};

/// Blocks of rows that a unit's inner gates may fill together: half of a first-level cache.
const ROWS: usize = 256;

/// A map in slots.
#[derive(Debug, Clone, Copy)]
pub struct Map {
    /// First slot, of the zeros around channel 0 if there are any.
    first: usize,
    /// Slots from a row to the next.
    pitch: usize,
    /// Slots of a channel.
    plane: usize,
    /// Rows and columns of zeros around.
    pad: usize,
    channels: usize,
}

impl Map {
    /// Of `channels` of `[rows, columns]`, from slot `first` on.
    pub fn new(first: usize, channels: usize, [rows, columns]: [usize; 2], pad: usize) -> Self {
        let pitch = columns + 2 * pad;
        Map { first, pitch, plane: pitch * (rows + 2 * pad), pad, channels }
    }

    /// The slot behind its last.
    pub fn end(&self) -> usize {
        self.first + self.channels * self.plane
    }

    /// The slot of a bit.
    pub fn slot(&self, channel: usize, [y, x]: [usize; 2]) -> usize {
        self.first + channel * self.plane + (y + self.pad) * self.pitch + x + self.pad
    }
}

/// Places of what a gate reads: a view of the map, or a row that was made before.
#[derive(Debug, Clone, Copy)]
enum Operand {
    /// Slots from the map's first to the one that it reads at place (0, 0).
    Map(usize),
    /// Number of the row.
    Row(usize),
}

/// A gate at all places of a row.
#[derive(Debug, Clone, Copy)]
struct RowGate {
    kind: Kind,
    inputs: [Operand; 2],
}

/// A unit as it is evaluated.
#[derive(Debug, Clone)]
struct Code {
    /// Leaves that are gathered into rows first, into [`Places::gathered`].
    gathered: Range<usize>,
    /// Its inner gates, into [`Places::gates`].
    gates: Range<usize>,
    /// Its last gate.
    root: RowGate,
    /// Whether the complement of that is its value.
    inverted: bool,
    /// Channel of the map that it gives.
    channel: usize,
}

/// A stage laid out to be evaluated block by block.
#[derive(Debug, Clone)]
pub struct Places {
    grid: Grid,
    input: Map,
    output: Map,
    units: Vec<Code>,
    gates: Vec<RowGate>,
    /// As in [`Operand::Map`].
    gathered: Vec<usize>,
    /// Blocks from a row of places to the next, in what gates read.
    pitch: usize,
    /// Rows of windows at a time.
    windows: usize,
    /// Blocks of a row.
    row: usize,
    /// Rows of the unit that has most.
    rows: usize,
}

impl Places {
    /// Lay out `stage`, which reads `input` and writes `output`, a map behind it.
    pub fn new(stage: &Stage, input: Map, output: Map) -> Self {
        let grid = stage.grid;
        let [_, columns] = grid.places();
        let pitch = if grid.stride == 1 { input.pitch } else { columns };
        let (units, gates, gathered) = (Vec::new(), Vec::new(), Vec::new());
        let mut places = Places { grid, input, output, units, gates, gathered, pitch, windows: 1, row: 0, rows: 0 };
        // Trees of one channel after each other, so that it stays near.
        let mut order: Vec<usize> = (0..stage.units.len()).collect();
        order.sort_by_key(|&u| stage.units[u].leaves.first().map(|leaf| leaf.channel));
        order.into_iter().for_each(|u| places.add(u, &stage.units[u]));
        let windows = ROWS / places.rows.max(1) / (grid.pool * pitch);
        places.windows = windows.clamp(1, grid.outputs()[0]);
        places.row = places.windows * grid.pool * pitch;
        places
    }

    fn add(&mut self, channel: usize, unit: &Unit) {
        let (gates, polarity) = gates_of(unit.leaves.len(), &unit.gates);
        let leaves = unit.leaves.len();
        let at = |i: usize| {
            let leaf = unit.leaves[i];
            leaf.channel as usize * self.input.plane + leaf.dy as usize * self.input.pitch + leaf.dx as usize
        };
        // Only views of neighbouring places are rows as they are.
        let is_gathered = self.grid.stride > 1;
        let gathered = self.gathered.len()..self.gathered.len() + if is_gathered { leaves } else { 0 };
        let operand = |node: u32| match (node as usize).checked_sub(leaves) {
            Some(gate) => Operand::Row(gathered.len() + gate),
            None if is_gathered => Operand::Row(node as usize),
            None => Operand::Map(at(node as usize)),
        };
        let row_gate = |gate: &Gate| match gate.kind().unwrap_or(Kind::Zero) {
            Kind::Zero => RowGate { kind: Kind::Zero, inputs: [Operand::Row(0); 2] },
            Kind::Copy => RowGate { kind: Kind::Copy, inputs: [operand(gate.inputs[0]); 2] },
            kind => RowGate { kind, inputs: [operand(gate.inputs[0]), operand(gate.inputs[1])] },
        };
        let (root, inverted, inner) = match unit.root {
            Literal::Constant(value) => (RowGate { kind: Kind::Zero, inputs: [Operand::Row(0); 2] }, value, 0),
            Literal::Wire { signal, inverted } => {
                let inverted = inverted != polarity[signal as usize];
                match (signal as usize).checked_sub(leaves) {
                    Some(last) => (row_gate(&gates[last]), inverted, last),
                    None => (RowGate { kind: Kind::Copy, inputs: [operand(signal); 2] }, inverted, 0),
                }
            }
        };
        let first = self.gates.len();
        let made: Vec<RowGate> = gates[..inner].iter().map(row_gate).collect();
        let sources: Vec<usize> = gathered.clone().zip(0..).map(|(_, i)| at(i)).collect();
        self.gates.extend(made);
        self.gathered.extend(sources);
        self.rows = self.rows.max(gathered.len() + inner);
        self.units.push(Code { gathered, gates: first..self.gates.len(), root, inverted, channel });
    }

    /// Blocks of working memory that [`Places::run`] wants.
    pub fn scratch(&self) -> usize {
        self.rows.max(1) * self.row
    }

    /// Blocks that one run reads and writes.
    pub fn blocks_moved(&self) -> usize {
        let places: usize = self.grid.places().iter().product();
        let moved = |gate: &RowGate| match gate.kind {
            Kind::Zero => 0,
            Kind::Copy => 1,
            _ => 2,
        };
        let inner: usize = self.gates.iter().map(|gate| moved(gate) + 1).sum();
        let roots: usize = self.units.iter().map(|unit| moved(&unit.root)).sum();
        (inner + roots + 2 * self.gathered.len()) * places + self.units.len() * self.grid.area()
    }

    /// Evaluate every unit at every place. Around the maps in `slots` are zeros, which stay.
    #[inline(always)]
    pub fn run(&self, slots: &mut [Block], rows: &mut [Block]) {
        let (below, above) = slots.split_at_mut(self.output.first);
        let map = &below[self.input.first..];
        let [height, _] = self.grid.outputs();
        for unit in &self.units {
            for first in (0..height).step_by(self.windows) {
                let windows = self.windows.min(height - first);
                self.run_unit(unit, first, windows, map, above, rows);
            }
        }
    }

    /// Some rows of windows of a unit.
    #[inline(always)]
    fn run_unit(
        &self,
        unit: &Code,
        first: usize,
        windows: usize,
        map: &[Block],
        out: &mut [Block],
        rows: &mut [Block],
    ) {
        let Grid { stride, pool, .. } = self.grid;
        let [_, columns] = self.grid.places();
        let (top, height) = (first * pool * stride * self.input.pitch, windows * pool);
        // Between two rows of places lie blocks that no output reads.
        let length = (height - 1) * self.pitch + columns;
        for (row, &source) in rows.chunks_exact_mut(self.row).zip(&self.gathered[unit.gathered.clone()]) {
            for (y, row) in row.chunks_mut(self.pitch).take(height).enumerate() {
                let from = &map[source + top + y * stride * self.input.pitch..];
                row.iter_mut().zip(from.iter().step_by(stride)).for_each(|(to, from)| *to = *from);
            }
        }
        for (j, gate) in self.gates[unit.gates.clone()].iter().enumerate() {
            let (done, rest) = rows.split_at_mut((unit.gathered.len() + j) * self.row);
            let [a, b] = gate.inputs.map(|operand| self.view(operand, top, length, map, done));
            let row = &mut rest[..length];
            match gate.kind {
                Kind::Zero => row.fill(Block::ZERO),
                Kind::Copy => row.copy_from_slice(a),
                Kind::And => each(row, a, b, |a, b| a & b),
                Kind::AndNot => each(row, a, b, |a, b| a & !b),
                Kind::Or => each(row, a, b, |a, b| a | b),
                Kind::Xor => each(row, a, b, |a, b| a ^ b),
            }
        }
        let [a, b] = unit.root.inputs.map(|operand| self.view(operand, top, length, map, rows));
        let out = &mut out[self.output.slot(unit.channel, [first, 0]) - self.output.first..];
        let mut windows = Windows { out, out_pitch: self.output.pitch, pitch: self.pitch, windows, columns, pool };
        match (unit.root.kind, unit.inverted) {
            (Kind::Zero, false) => windows.fill(Block::ZERO),
            (Kind::Zero, true) => windows.fill(Block::ONE),
            (Kind::Copy, false) => windows.each(a, b, |a, _| a),
            (Kind::Copy, true) => windows.each(a, b, |a, _| !a),
            (Kind::And, false) => windows.each(a, b, |a, b| a & b),
            (Kind::And, true) => windows.each(a, b, |a, b| !(a & b)),
            (Kind::AndNot, false) => windows.each(a, b, |a, b| a & !b),
            (Kind::AndNot, true) => windows.each(a, b, |a, b| !a | b),
            (Kind::Or, false) => windows.each(a, b, |a, b| a | b),
            (Kind::Or, true) => windows.each(a, b, |a, b| !(a | b)),
            (Kind::Xor, false) => windows.each(a, b, |a, b| a ^ b),
            (Kind::Xor, true) => windows.each(a, b, |a, b| !(a ^ b)),
        }
    }

    #[inline(always)]
    fn view<'a>(
        &self,
        operand: Operand,
        top: usize,
        length: usize,
        map: &'a [Block],
        rows: &'a [Block],
    ) -> &'a [Block] {
        match operand {
            Operand::Map(at) => &map[at + top..][..length],
            Operand::Row(row) => rows.get(row * self.row..).map_or(&[], |row| &row[..length.min(row.len())]),
        }
    }
}

#[inline(always)]
fn each(out: &mut [Block], a: &[Block], b: &[Block], f: impl Fn(u64, u64) -> u64) {
    for ((out, &a), &b) in out.iter_mut().zip(a).zip(b) {
        *out = a.zip(b, &f);
    }
}

/// Rows of windows, and where their ORs go.
struct Windows<'a> {
    out: &'a mut [Block],
    /// Blocks from a row of outputs to the next.
    out_pitch: usize,
    /// Blocks from a row of places to the next.
    pitch: usize,
    windows: usize,
    /// Columns of places.
    columns: usize,
    pool: usize,
}

impl Windows<'_> {
    #[inline(always)]
    fn fill(&mut self, value: Block) {
        for row in self.out.chunks_mut(self.out_pitch).take(self.windows) {
            row[..self.columns / self.pool].fill(value);
        }
    }

    /// The OR over each window of `f` of `a` and `b` at its places.
    #[inline(always)]
    fn each(&mut self, a: &[Block], b: &[Block], f: impl Fn(u64, u64) -> u64) {
        match self.pool {
            1 => self.each_of::<1>(a, b, f),
            2 => self.each_of::<2>(a, b, f),
            3 => self.each_of::<3>(a, b, f),
            4 => self.each_of::<4>(a, b, f),
            pool => self.each_by(pool, a, b, f),
        }
    }

    #[inline(always)]
    fn each_of<const POOL: usize>(&mut self, a: &[Block], b: &[Block], f: impl Fn(u64, u64) -> u64) {
        self.each_by(POOL, a, b, f);
    }

    #[inline(always)]
    fn each_by(&mut self, pool: usize, a: &[Block], b: &[Block], f: impl Fn(u64, u64) -> u64) {
        for (window, out) in self.out.chunks_mut(self.out_pitch).take(self.windows).enumerate() {
            let top = window * pool * self.pitch;
            for (column, out) in out[..self.columns / pool].iter_mut().enumerate() {
                let mut any = Block::ZERO;
                for y in 0..pool {
                    let at = top + y * self.pitch + column * pool;
                    let places = a[at..at + pool].iter().zip(&b[at..at + pool]);
                    places.for_each(|(&a, &b)| any = any.zip(a.zip(b, &f), |any, bits| any | bits));
                }
                *out = any;
            }
        }
    }
}
