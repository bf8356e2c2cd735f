//! Convolutions in a circuit: trees of gates that are the same at every place of a map, and so are held once.
//!
//! A map is `[channel][row][column]` bits. A stage reads one, the features or what the stage before it gives, and gives one, a
//! channel a unit. With a pool of p, bit (y, x) of a channel is the OR of the unit's values at the p · p places from
//! (y · p, x · p) on.

use super::{Literal, Lut, MAX_ARITY, Signal, table_mask};

/// Where the places of a stage lie on the map that it reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Rows of the map.
    pub height: usize,
    /// Columns of the map.
    pub width: usize,
    /// Rows and columns of the window that a place sees.
    pub kernel: [usize; 2],
    /// Bits of the map from one place to the next, both ways.
    pub stride: usize,
    /// Rows and columns of zeros around the map.
    pub pad: usize,
    /// Side of the windows whose places are OR-ed.
    pub pool: usize,
}

impl Grid {
    /// `[rows, columns]` of the map that a unit gives; the kernel must fit the padded map.
    pub fn outputs(&self) -> [usize; 2] {
        let along = |size: usize, kernel: usize| ((size + 2 * self.pad - kernel) / self.stride + 1) / self.pool;
        [along(self.height, self.kernel[0]), along(self.width, self.kernel[1])]
    }

    /// Bits of the map that a unit gives.
    pub fn area(&self) -> usize {
        self.outputs().iter().product()
    }

    /// `[rows, columns]` of places, those that fill no pool's window left out.
    pub fn places(&self) -> [usize; 2] {
        self.outputs().map(|n| n * self.pool)
    }

    /// `[rows, columns]` of the map with its zeros around it.
    pub fn padded(&self) -> [usize; 2] {
        [self.height, self.width].map(|n| n + 2 * self.pad)
    }

    /// The bit of a channel, row by row, at (`dy`, `dx`) of the window of place (`y`, `x`); `None` beyond the map's edges.
    #[inline]
    pub fn source(&self, [dy, dx]: [usize; 2], [y, x]: [usize; 2]) -> Option<usize> {
        let along =
            |at: usize, d: usize, size: usize| (at * self.stride + d).checked_sub(self.pad).filter(|&n| n < size);
        Some(along(y, dy, self.height)? * self.width + along(x, dx, self.width)?)
    }

    /// Whether (`dy`, `dx`) of the window lies on the map at every place.
    fn is_inside(&self, [dy, dx]: [usize; 2]) -> bool {
        let [rows, columns] = self.places();
        let corners = [[0, 0], [rows.saturating_sub(1), columns.saturating_sub(1)]];
        corners.iter().all(|&place| self.source([dy, dx], place).is_some())
    }
}

/// A bit of the window: what a tree reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Leaf {
    /// Channel of the map.
    pub channel: u32,
    /// Row of the window.
    pub dy: u32,
    /// Column of the window.
    pub dx: u32,
}

impl Leaf {
    /// Its row and column.
    pub fn at(&self) -> [usize; 2] {
        [self.dy as usize, self.dx as usize]
    }
}

/// The gates of one channel of the map that a stage gives.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Unit {
    /// Node `i < leaves.len()` is what leaf `i` reads.
    pub leaves: Vec<Leaf>,
    /// Gate `j`, of at most two inputs, is node `leaves.len() + j` and reads only nodes before it.
    pub gates: Vec<Lut>,
    /// What it gives at a place, in terms of its nodes.
    pub root: Literal,
}

impl Unit {
    /// Its value where leaf `i` reads `leaf(i)`.
    pub fn value(&self, leaf: impl Fn(&Leaf) -> bool) -> bool {
        let mut nodes: Vec<bool> = self.leaves.iter().map(leaf).collect();
        for gate in &self.gates {
            let code = gate.inputs().iter().fold(0, |code, &n| (code << 1) | u32::from(nodes[n as usize]));
            nodes.push(gate.output(code));
        }
        match self.root {
            Literal::Constant(value) => value,
            Literal::Wire { signal, inverted } => nodes[signal as usize] != inverted,
        }
    }

    /// Channels that it reads, in order.
    pub fn channels(&self) -> Vec<u32> {
        let mut channels: Vec<u32> = self.leaves.iter().map(|leaf| leaf.channel).collect();
        channels.sort_unstable();
        channels.dedup();
        channels
    }

    /// `[gate]`: how many of its pins read it.
    pub fn readers(&self) -> Vec<u32> {
        let mut readers = vec![0; self.gates.len()];
        for &pin in self.gates.iter().flat_map(Lut::inputs) {
            if let Some(gate) = (pin as usize).checked_sub(self.leaves.len()) {
                readers[gate] += 1;
            }
        }
        readers
    }

    /// The gate that gives its value, if one does.
    pub fn root_gate(&self) -> Option<usize> {
        match self.root {
            Literal::Constant(_) => None,
            Literal::Wire { signal, .. } => (signal as usize).checked_sub(self.leaves.len()),
        }
    }

    /// Gates on the longest path to its root, where those to channel `c` number `below[c]`.
    fn level(&self, below: &[u32]) -> u32 {
        let mut levels: Vec<u32> = self.leaves.iter().map(|leaf| below[leaf.channel as usize]).collect();
        for gate in &self.gates {
            let deepest = gate.inputs().iter().map(|&n| levels[n as usize]).max();
            levels.push(deepest.map_or(0, |level| level + 1));
        }
        match self.root {
            Literal::Constant(_) => 0,
            Literal::Wire { signal, .. } => levels[signal as usize],
        }
    }

    fn check(&self, channels: usize, kernel: [usize; 2]) -> std::result::Result<(), String> {
        let is_outside = |leaf: &&Leaf| {
            leaf.channel as usize >= channels || leaf.dy as usize >= kernel[0] || leaf.dx as usize >= kernel[1]
        };
        if let Some(leaf) = self.leaves.iter().find(is_outside) {
            return Err(format!("reads ({}, {}, {}), which lies beyond its window", leaf.channel, leaf.dy, leaf.dx));
        }
        for (j, gate) in self.gates.iter().enumerate() {
            if gate.arity > 2 || gate.table & !gate.mask() != 0 {
                return Err(format!("has gate {j}, which is none of two inputs"));
            }
            if let Some(n) = gate.inputs().iter().find(|&&n| n as usize >= self.leaves.len() + j) {
                return Err(format!("has gate {j}, which reads node {n} that no earlier gate drives"));
            }
        }
        match self.root {
            Literal::Wire { signal, .. } if signal as usize >= self.leaves.len() + self.gates.len() => {
                Err(format!("gives node {signal}, which it does not have"))
            }
            _ => Ok(()),
        }
    }
}

/// A convolution: units, each applied at every place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// Where its places lie.
    pub grid: Grid,
    /// Channels of the map that it reads.
    pub channels: usize,
    /// Channels of the map that it gives.
    pub units: Vec<Unit>,
    /// Layer of the model that it came from, the first is 0.
    pub layer: u32,
}

impl Stage {
    /// Bits of the map that it reads.
    pub fn inputs(&self) -> usize {
        self.channels * self.grid.height * self.grid.width
    }

    /// Bits of the map that it gives.
    pub fn outputs(&self) -> usize {
        self.units.len() * self.grid.area()
    }

    /// Gates of all units.
    pub fn gates(&self) -> usize {
        self.units.iter().map(|unit| unit.gates.len()).sum()
    }

    /// Places of a unit.
    pub fn places(&self) -> usize {
        self.grid.places().iter().product()
    }

    /// The map that it gives of one sample's `map`.
    pub fn run(&self, map: &[bool]) -> Vec<bool> {
        let (grid, plane) = (self.grid, self.grid.height * self.grid.width);
        let ([rows, columns], pool) = (grid.outputs(), grid.pool);
        let at = |unit: &Unit, y: usize, x: usize| {
            unit.value(|leaf| {
                grid.source(leaf.at(), [y, x]).is_some_and(|bit| map[leaf.channel as usize * plane + bit])
            })
        };
        let mut given = Vec::with_capacity(self.outputs());
        for unit in &self.units {
            for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                given.push((0..pool * pool).any(|q| at(unit, row * pool + q / pool, column * pool + q % pool)));
            }
        }
        given
    }

    /// `[unit]`: gates on the longest path from a feature, ORs of the pool included, where those to channel `c` are `below[c]`.
    pub fn levels(&self, below: &[u32]) -> Vec<u32> {
        let (mut ors, mut left) = (0, self.grid.pool * self.grid.pool);
        while left > 1 {
            (ors, left) = (ors + 1, left.div_ceil(MAX_ARITY));
        }
        self.units.iter().map(|unit| unit.level(below) + ors).collect()
    }

    /// `[channel]`: leaves that read it.
    pub fn readers(&self) -> Vec<u32> {
        let mut readers = vec![0; self.channels];
        self.units.iter().flat_map(|unit| &unit.leaves).for_each(|leaf| readers[leaf.channel as usize] += 1);
        readers
    }

    /// `[bit of the map that it reads]`: leaves that read it, counted at every place.
    pub fn use_of_map(&self) -> Vec<u32> {
        let mut of_leaf = std::collections::BTreeMap::new();
        self.units.iter().flat_map(|unit| &unit.leaves).for_each(|leaf| *of_leaf.entry(leaf).or_insert(0) += 1);
        let mut uses = vec![0; self.inputs()];
        let ([rows, columns], plane) = (self.grid.places(), self.grid.height * self.grid.width);
        for (leaf, count) in of_leaf {
            for (y, x) in (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))) {
                if let Some(bit) = self.grid.source(leaf.at(), [y, x]) {
                    uses[leaf.channel as usize * plane + bit] += count;
                }
            }
        }
        uses
    }

    /// What `leaf` always reads where its channel is always `value`: 0 beyond the edges, so a channel of ones is known only
    /// to leaves that never look there.
    pub fn always(&self, leaf: &Leaf, value: bool) -> Option<bool> {
        (!value || self.grid.is_inside(leaf.at())).then_some(value)
    }

    /// Add its LUTs, place by place, to a circuit whose first LUT is signal `first`, over the signals `inputs` of its map;
    /// returns the signals of the map that it gives.
    pub fn unroll(&self, inputs: &[Signal], first: usize, luts: &mut Vec<Lut>) -> Vec<Signal> {
        let mut add = |table: u64, pins: &[Signal]| {
            luts.push(Lut::new(table, pins, self.layer));
            (first + luts.len() - 1) as Signal
        };
        let (grid, plane) = (self.grid, self.grid.height * self.grid.width);
        let zero = if grid.pad > 0 { add(0, &[]) } else { 0 };
        let ([rows, columns], pool) = (grid.outputs(), grid.pool);
        let mut outputs = Vec::with_capacity(self.outputs());
        for unit in &self.units {
            for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
                let Literal::Wire { signal, inverted } = unit.root else {
                    outputs.push(add(u64::from(unit.root == Literal::Constant(true)), &[]));
                    continue;
                };
                let mut roots = Vec::with_capacity(pool * pool);
                for place in (0..pool * pool).map(|q| [row * pool + q / pool, column * pool + q % pool]) {
                    let leaf = |leaf: &Leaf| {
                        grid.source(leaf.at(), place).map_or(zero, |bit| inputs[leaf.channel as usize * plane + bit])
                    };
                    let mut nodes: Vec<Signal> = unit.leaves.iter().map(leaf).collect();
                    for gate in &unit.gates {
                        let pins: Vec<Signal> = gate.inputs().iter().map(|&n| nodes[n as usize]).collect();
                        nodes.push(add(gate.table, &pins));
                    }
                    let root = nodes[signal as usize];
                    roots.push(if inverted { add(0b01, &[root]) } else { root });
                }
                // OR in as few LUTs as there can be: 1 for every code but the first.
                while roots.len() > 1 {
                    let joined: Vec<Signal> = roots
                        .chunks(MAX_ARITY)
                        .map(|few| if few.len() == 1 { few[0] } else { add(!1 & table_mask(few.len()), few) })
                        .collect();
                    roots = joined;
                }
                outputs.extend(roots);
            }
        }
        outputs
    }

    /// Whether its parts fit together; the error is a sentence without its subject.
    pub fn check(&self) -> std::result::Result<(), String> {
        let Grid { height, width, kernel, stride, pad, pool } = self.grid;
        let fits = [height, width].iter().zip(kernel).all(|(&size, kernel)| (1..=size + 2 * pad).contains(&kernel));
        if stride == 0 || pool == 0 || !fits || self.grid.area() == 0 {
            return Err(format!("has no place on a map of {height} × {width} bits"));
        }
        for (u, unit) in self.units.iter().enumerate() {
            unit.check(self.channels, kernel).map_err(|problem| format!("has unit {u}, which {problem}"))?;
        }
        Ok(())
    }
}
