//! What exports that loop over places share: where maps lie, and a unit as expressions.

use std::fmt::Write;

use super::expression::{self, Syntax};
use crate::circuit::{Leaf, Literal, Netlist, Stage, Unit};

/// Trees that one function loops over places with: a loop a tree would take compilers ten times as long.
pub const TREES_A_FUNCTION: usize = 32;

/// A map in the array of all maps, with the zeros that the convolution which reads it sees around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    /// Words from a row to the next.
    pub pitch: usize,
    /// Words of a channel.
    pub plane: usize,
    /// Words of the map before bit (0, 0) of channel 0.
    pub origin: usize,
    /// Words of the map.
    pub words: usize,
    /// Words of the array before the map.
    pub first: usize,
}

impl Layout {
    fn new(channels: usize, [rows, columns]: [usize; 2], pad: usize) -> Self {
        let pitch = columns + 2 * pad;
        let plane = pitch * (rows + 2 * pad);
        Layout { pitch, plane, origin: pad * pitch + pad, words: channels * plane, first: 0 }
    }

    /// The map that each convolution reads, and last the one that the last gives, which has no zeros around it.
    pub fn of_maps(stages: &[Stage]) -> Vec<Layout> {
        let read = |stage: &Stage| {
            let grid = stage.grid;
            Layout::new(stage.channels, [grid.height, grid.width], grid.pad)
        };
        let given = stages.last().map(|stage| Layout::new(stage.units.len(), stage.grid.outputs(), 0));
        let mut first = 0;
        let behind = |map: Layout| {
            first += map.words;
            Layout { first: first - map.words, ..map }
        };
        stages.iter().map(read).chain(given).map(behind).collect()
    }

    /// Words of the array before bit (`y`, `x`) of channel `channel`.
    fn bit(&self, channel: usize, [y, x]: [usize; 2]) -> usize {
        self.first + self.origin + channel * self.plane + y * self.pitch + x
    }

    /// Words from the array's first to the one that a leaf reads at place (0, 0).
    pub fn leaf(&self, leaf: &Leaf) -> usize {
        let [dy, dx] = leaf.at();
        leaf.channel as usize * self.plane + dy * self.pitch + dx
    }
}

/// Words of the array in which all maps lie, the features' first; none, if there are no convolutions.
pub fn words(netlist: &Netlist) -> usize {
    Layout::of_maps(&netlist.stages).last().map_or(0, |map| map.first + map.words)
}

/// `[input]`: where the signals that are no gates' lie in what gates read, the array of all maps or the features alone.
pub fn inputs(netlist: &Netlist) -> Vec<usize> {
    let Some(first) = netlist.stages.first() else {
        return (0..netlist.features()).collect();
    };
    let read = [(first.channels, [first.grid.height, first.grid.width])];
    let given = netlist.stages.iter().map(|stage| (stage.units.len(), stage.grid.outputs()));
    let mut inputs = Vec::with_capacity(netlist.inputs());
    for (map, (channels, [rows, columns])) in Layout::of_maps(&netlist.stages).iter().zip(read.into_iter().chain(given))
    {
        for (channel, y) in (0..channels).flat_map(|channel| (0..rows).map(move |y| (channel, y))) {
            inputs.extend((0..columns).map(|x| map.bit(channel, [y, x])));
        }
    }
    inputs
}

/// A block of statements a unit, that set its place of `r` by what `n` has; `constant` is how the language names a value.
pub fn blocks(units: &[Unit], [map, given]: [Layout; 2], is_pooled: bool, constant: &str, syntax: Syntax) -> String {
    let or = if is_pooled { "|=" } else { "=" };
    let mut text = String::new();
    for (u, of) in units.iter().enumerate() {
        let (gates, root) = unit(of, |_, leaf| format!("n[{}]", map.leaf(leaf)), syntax);
        text.push_str("            {\n");
        // Writing to a String cannot fail.
        for (name, value) in gates {
            let _ = writeln!(text, "                {constant} {name} = {value};");
        }
        let _ = write!(text, "                r[{}] {or} {root};\n            }}\n", u * given.plane);
    }
    text
}

/// A unit's gates that matter, each a name and an expression in terms of leaves and of gates before it, and what it gives.
pub fn unit(unit: &Unit, leaf: impl Fn(usize, &Leaf) -> String, syntax: Syntax) -> (Vec<(String, String)>, String) {
    let Literal::Wire { signal: root, inverted } = unit.root else {
        let is_one = unit.root == Literal::Constant(true);
        return (Vec::new(), if is_one { syntax.one } else { syntax.zero }.to_string());
    };
    let leaves = unit.leaves.len();
    let mut matters = vec![false; leaves + unit.gates.len()];
    matters[root as usize] = true;
    for (j, gate) in unit.gates.iter().enumerate().rev().filter(|(j, _)| *j + leaves <= root as usize) {
        if matters[leaves + j] {
            gate.inputs().iter().enumerate().for_each(|(pin, &n)| matters[n as usize] |= gate.depends_on(pin));
        }
    }
    let name = |node: u32| match (node as usize).checked_sub(leaves) {
        None => leaf(node as usize, &unit.leaves[node as usize]),
        Some(gate) => format!("g{gate}"),
    };
    let gates = unit.gates.iter().enumerate().filter(|(j, _)| matters[leaves + j]);
    let expression = |gate: &crate::circuit::Lut| {
        let operands: Vec<String> = gate.inputs().iter().map(|&n| name(n)).collect();
        expression::lut(gate.table, &operands, syntax)
    };
    let gates = gates.map(|(j, gate)| (format!("g{j}"), expression(gate))).collect();
    (gates, format!("{}{}", if inverted { syntax.not } else { "" }, name(root)))
}

/// What people are told of a convolution.
pub fn about(number: usize, stage: &Stage) -> String {
    let (grid, [rows, columns]) = (stage.grid, stage.grid.places());
    let pool = if grid.pool > 1 { format!(", OR of {0} x {0}", grid.pool) } else { String::new() };
    format!(
        "Convolution {number}: {} trees at {rows} x {columns} places of a map of {} x {} x {}{pool}.",
        stage.units.len(),
        stage.channels,
        grid.height,
        grid.width
    )
}
