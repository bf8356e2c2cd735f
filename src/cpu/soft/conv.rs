//! Trees by their gates' multilinear extensions, the greatest place of every window, and the adjoint.

use super::mixtures::Mixtures;
use super::rows::{LANES, NONE, Row, Vectored, add, pair, pair_adjoint, total};
use crate::circuit::Grid;
use crate::network::Conv;

/// Which place of an output's window is the greatest, the first of equal ones, for each sample.
pub type Winners = [u8; LANES];

/// A convolution forward.
pub struct Forward<'a> {
    /// Its shape.
    pub conv: Conv,
    /// `[units][leaves]`
    pub wiring: &'a [u32],
    /// `[units][gates a tree][4]`
    pub tables: &'a Mixtures,
    /// The map that it reads.
    pub inputs: &'a [Row],
    /// `[units][rows][columns]`
    pub outputs: &'a mut [Row],
    /// The same; none where there is no pool.
    pub winners: &'a mut [Winners],
}

impl Vectored for Forward<'_> {
    #[inline(always)]
    fn run(self) {
        match self.conv.depth {
            1 => self.run_depth::<2, 1>(),
            2 => self.run_depth::<4, 3>(),
            _ => self.run_depth::<8, 7>(),
        }
    }
}

impl Forward<'_> {
    #[inline(always)]
    fn run_depth<const LEAVES: usize, const GATES: usize>(self) {
        let Forward { conv, wiring, tables, inputs, outputs, winners } = self;
        let (area, pool) = (conv.area(), conv.pool as usize);
        for (unit, outputs) in outputs.chunks_exact_mut(area).enumerate() {
            let tree = Tree::<LEAVES, GATES>::of(&conv, unit, wiring, tables);
            for (place, out) in outputs.iter_mut().enumerate() {
                let (mut most, mut winner) = (NONE, [0; LANES]);
                for q in 0..pool * pool {
                    let nodes = tree.nodes(tree.leaves(place, q).map(|bit| bit.map_or(&NONE, |bit| &inputs[bit])));
                    let root = &nodes[GATES - 1];
                    for s in 0..LANES {
                        let is_greater = q == 0 || root[s] > most[s];
                        most[s] = if is_greater { root[s] } else { most[s] };
                        winner[s] = if is_greater { q as u8 } else { winner[s] };
                    }
                }
                *out = most;
                if let Some(to) = winners.get_mut(unit * area + place) {
                    *to = winner;
                }
            }
        }
    }
}

/// A convolution backward.
pub struct Backward<'a> {
    /// Its shape.
    pub conv: Conv,
    /// `[units][leaves]`
    pub wiring: &'a [u32],
    /// `[units][gates a tree][4]`
    pub tables: &'a Mixtures,
    /// The map that it reads.
    pub inputs: &'a [Row],
    /// `[units][rows][columns]`; none where there is no pool.
    pub winners: &'a [Winners],
    /// `[units][rows][columns]` gradients by its outputs.
    pub gradients: &'a [Row],
    /// `[inputs]`: what gradients by its inputs are added to, if anybody needs them.
    pub sent: Option<&'a mut [Row]>,
    /// `[units][gates a tree][4]` table gradients of these samples, which are added to what there is.
    pub sums: &'a mut [f32],
}

impl Vectored for Backward<'_> {
    #[inline(always)]
    fn run(self) {
        match self.conv.depth {
            1 => self.run_depth::<2, 1>(),
            2 => self.run_depth::<4, 3>(),
            _ => self.run_depth::<8, 7>(),
        }
    }
}

impl Backward<'_> {
    #[inline(always)]
    fn run_depth<const LEAVES: usize, const GATES: usize>(self) {
        let Backward { conv, wiring, tables, inputs, winners, gradients, mut sent, sums } = self;
        let (area, pool) = (conv.area(), conv.pool as usize);
        for (unit, sums) in sums.chunks_exact_mut(GATES * 4).enumerate() {
            let tree = Tree::<LEAVES, GATES>::of(&conv, unit, wiring, tables);
            let mut by_table = [[NONE; 4]; GATES];
            for place in 0..area {
                let g = &gradients[unit * area + place];
                for q in 0..pool * pool {
                    let own = match winners.get(unit * area + place) {
                        Some(winner) => std::array::from_fn(|s| if winner[s] == q as u8 { g[s] } else { 0.0 }),
                        None => *g,
                    };
                    let bits = tree.leaves(place, q);
                    let leaves = bits.map(|bit| bit.map_or(&NONE, |bit| &inputs[bit]));
                    let by_leaf = tree.adjoint(leaves, own, &mut by_table);
                    let Some(sent) = &mut sent else { continue };
                    for (bit, row) in bits.iter().zip(&by_leaf) {
                        if let Some(bit) = bit {
                            add(&mut sent[*bit], row);
                        }
                    }
                }
            }
            for (sum, row) in sums.iter_mut().zip(by_table.as_flattened()) {
                *sum += total(row);
            }
        }
    }
}

/// A tree and where its leaves lie.
struct Tree<const LEAVES: usize, const GATES: usize> {
    grid: Grid,
    /// Outputs a row.
    columns: usize,
    /// First bit of each leaf's channel, and its place in the window.
    leaves: [(usize, [usize; 2]); LEAVES],
    tables: [[f32; 4]; GATES],
}

impl<const LEAVES: usize, const GATES: usize> Tree<LEAVES, GATES> {
    #[inline(always)]
    fn of(conv: &Conv, unit: usize, wiring: &[u32], tables: &Mixtures) -> Self {
        let leaf = |k: usize| {
            let (channel, dy, dx) = conv.leaf(wiring[unit * LEAVES + k]);
            (channel * (conv.height * conv.width) as usize, [dy, dx])
        };
        Tree {
            grid: conv.grid(),
            columns: conv.outputs()[1],
            leaves: std::array::from_fn(leaf),
            tables: std::array::from_fn(|j| tables.get(unit * GATES + j)),
        }
    }

    /// What its leaves read for place `q` of output `place`'s window; nothing beyond the map's edges.
    #[inline(always)]
    fn leaves(&self, place: usize, q: usize) -> [Option<usize>; LEAVES] {
        let pool = self.grid.pool;
        let at = [place / self.columns * pool + q / pool, place % self.columns * pool + q % pool];
        self.leaves.map(|(first, within)| self.grid.source(within, at).map(|bit| first + bit))
    }

    /// `[gates]`, the root last.
    #[inline(always)]
    fn nodes(&self, leaves: [&Row; LEAVES]) -> [Row; GATES] {
        let mut nodes = [NONE; GATES];
        for j in 0..GATES {
            // Gate j reads nodes 2j and 2j + 1 of leaves and gates together.
            let [a, b] =
                [2 * j, 2 * j + 1].map(|node| if node < LEAVES { *leaves[node] } else { nodes[node - LEAVES] });
            nodes[j] = pair(&self.tables[j], &a, &b);
        }
        nodes
    }

    /// `[leaves]` gradients from the root's; those by the table entries are added to `by_table`.
    #[inline(always)]
    fn adjoint(&self, leaves: [&Row; LEAVES], g: Row, by_table: &mut [[Row; 4]; GATES]) -> [Row; LEAVES] {
        let nodes = self.nodes(leaves);
        let (mut by_gate, mut by_leaf) = ([NONE; GATES], [NONE; LEAVES]);
        by_gate[GATES - 1] = g;
        for j in (0..GATES).rev() {
            let [a, b] =
                [2 * j, 2 * j + 1].map(|node| if node < LEAVES { *leaves[node] } else { nodes[node - LEAVES] });
            let (by_a, by_b, entries) = pair_adjoint(&self.tables[j], &a, &b, &by_gate[j]);
            by_table[j].iter_mut().zip(&entries).for_each(|(to, row)| add(to, row));
            for (node, row) in [(2 * j, by_a), (2 * j + 1, by_b)] {
                if node < LEAVES {
                    by_leaf[node] = row;
                } else {
                    by_gate[node - LEAVES] = row;
                }
            }
        }
        by_leaf
    }
}
