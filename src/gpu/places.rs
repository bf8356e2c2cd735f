//! Convolutions of a circuit as passes that loop over places.
//!
//! A unit is a whole tree on the device: a node that several read is there once for each, and what a leaf gives to a gate higher up is
//! passed on by gates. Units of a stage that are equally deep share a pass, so that after simplification shallow ones do not pay for
//! deep ones.

use crate::circuit::{Literal, Lut, Stage, Unit};
use crate::plan::{Buffer, Id, Page, Pass, Plan, Tuning, uniforms};

/// Words that a lane of the circuit's passes takes at once; batches are multiples of it.
pub(super) const BITS_WORDS: u32 = 4;

/// Greatest depth of a unit that is a tree on the device. A tree has 2^depth leaves, and they have registers.
const MOST_DEPTH: u32 = 4;

/// The table of a gate that passes its first input on.
const FIRST: u32 = 0b1100;

/// Whether [`passes`] takes the stage: its units are shallow, and their windows small, enough.
pub(super) fn takes(stage: &Stage) -> bool {
    stage.grid.kernel.iter().all(|&side| side < 1 << 16) && stage.units.iter().all(|unit| depth(unit) <= MOST_DEPTH)
}

/// Gates from a leaf to the root, at least 1: a leaf or a constant alone is a gate's too.
fn depth(unit: &Unit) -> u32 {
    let mut depths = vec![0; unit.leaves.len()];
    for gate in &unit.gates {
        depths.push(1 + gate.inputs().iter().map(|&n| depths[n as usize]).max().unwrap_or(0));
    }
    match unit.root {
        Literal::Constant(_) => 1,
        Literal::Wire { signal, .. } => depths[signal as usize].max(1),
    }
}

/// A unit as a whole tree of two-input gates.
struct Tree {
    /// `[2^depth − 1]`: gate j reads nodes 2j and 2j + 1, leaves being the first.
    tables: Vec<u32>,
    /// `[2^depth]`: the leaf of the unit, if any is looked at.
    leaves: Vec<Option<usize>>,
}

impl Tree {
    fn of(unit: &Unit, depth: u32) -> Self {
        let leaves = 1usize << depth;
        let mut tree = Tree { tables: vec![0; leaves - 1], leaves: vec![None; leaves] };
        match unit.root {
            Literal::Constant(value) => tree.tables[leaves - 2] = if value { 0b1111 } else { 0 },
            Literal::Wire { signal, inverted } => {
                tree.fill(unit, signal as usize, depth, 0);
                tree.tables[leaves - 2] ^= if inverted { 0b1111 } else { 0 };
            }
        }
        tree
    }

    /// Have place `i` of a level come to what `node` does; level 0 is that of leaves.
    fn fill(&mut self, unit: &Unit, node: usize, level: u32, i: usize) {
        if level == 0 {
            self.leaves[i] = Some(node);
            return;
        }
        let all = self.leaves.len();
        let (table, pins) = match node.checked_sub(unit.leaves.len()) {
            None => (FIRST, vec![node]),
            Some(gate) => {
                let gate = &unit.gates[gate];
                (table_of_two(gate), gate.inputs().iter().map(|&n| n as usize).collect())
            }
        };
        self.tables[all - (all >> (level - 1)) + i] = table;
        for (pin, node) in pins.into_iter().enumerate() {
            self.fill(unit, node, level - 1, 2 * i + pin);
        }
    }
}

/// A gate's table as if it had two inputs.
fn table_of_two(gate: &Lut) -> u32 {
    let table = gate.table as u32;
    match gate.arity {
        0 => (table & 1) * 0b1111,
        1 => ((table & 1) * 0b0011) | ((table >> 1 & 1) * FIRST),
        _ => table,
    }
}

/// A pass for every depth of `stage`'s units. Its map lies in rows from `from` on or, of the first stage, in those of `spread`; what it
/// gives lies from `to` on.
pub(super) fn passes(
    plan: &mut Plan,
    stage: &Stage,
    (from, spread): (u32, Option<Id>),
    to: u32,
    words: u32,
    tuning: &Tuning,
    [batch, signals]: [Id; 2],
) -> Vec<Pass> {
    let (grid, layer) = (stage.grid, stage.layer as usize);
    let plane = (grid.height * grid.width) as u32;
    let mut made = Vec::new();
    for depth in 1..=MOST_DEPTH {
        let mut records = Vec::new();
        let mut count = 0;
        for (channel, unit) in stage.units.iter().enumerate().filter(|(_, unit)| self::depth(unit) == depth) {
            let tree = Tree::of(unit, depth);
            count += 1;
            records.push(channel as u32);
            records.extend(&tree.tables);
            for leaf in tree.leaves {
                // What is not looked at is the first bit of the window.
                let leaf = leaf.map_or([0; 3], |leaf| {
                    let leaf = &unit.leaves[leaf];
                    [leaf.channel, leaf.dy, leaf.dx]
                });
                records.extend([leaf[0] * plane, leaf[1] << 16 | leaf[2]]);
            }
        }
        if count == 0 {
            continue;
        }
        let [rows, columns] = grid.outputs().map(|n| n as u32);
        let page = Page::of("circuit/evaluate_places")
            .number("WORKGROUP", tuning.workgroup)
            .number("DEPTH", depth)
            .number("POOL", grid.pool as u32)
            .number("STRIDE", grid.stride as u32)
            .number("PAD", grid.pad as u32)
            .number("HEIGHT", grid.height as u32)
            .number("WIDTH", grid.width as u32)
            .number("ROWS", rows)
            .number("COLUMNS", columns)
            .number("FROM", from)
            .number("TO", to)
            .flag("SPREAD", spread.is_some());
        let extent = uniforms::Layer { gates: count, words, ..bytemuck::Zeroable::zeroed() };
        let turns = (1 << depth) + (grid.pool * grid.pool) as u32 * (1 + (2 << depth));
        let mut pass = Pass::of(page)
            .of_layer(layer)
            .bind("batch", batch)
            .bind("level", plan.add(Buffer::scratch("level", 0).of_layer(layer).holding(&[extent])))
            .bind("units", plan.add(Buffer::scratch("units", 0).of_layer(layer).holding(&records)))
            .bind("signals", signals)
            .groups(tuning, count * rows * columns * (words / BITS_WORDS), tuning.workgroup, turns);
        if let Some(spread) = spread {
            pass = pass.bind("rows", spread);
        }
        made.push(pass);
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::Leaf;
    use crate::random::Philox;

    /// Units of up to 7 gates of 0 to 2 inputs that read anything before them, against the trees that they become.
    #[test]
    fn trees_are_their_units() {
        let mut rng = Philox::new(3, 0);
        for _ in 0..300 {
            let leaves: Vec<Leaf> = (0..1 + rng.below(8)).map(|dx| Leaf { channel: 0, dy: 0, dx }).collect();
            let mut gates = Vec::new();
            for j in 0..rng.below(8) {
                let nodes = leaves.len() as u32 + j;
                let pins: Vec<u32> = (0..rng.below(3)).map(|_| rng.below(nodes)).collect();
                gates.push(Lut::new(u64::from(rng.next_u32()), &pins, 0));
            }
            let nodes = (leaves.len() + gates.len()) as u32;
            let root = match rng.below(8) {
                0 => Literal::Constant(rng.below(2) == 1),
                _ => Literal::Wire { signal: nodes - 1 - rng.below(nodes.min(3)), inverted: rng.below(2) == 1 },
            };
            let unit = Unit { leaves, gates, root };
            let tree = Tree::of(&unit, depth(&unit));
            for code in 0..1u32 << unit.leaves.len() {
                let bit = |leaf: usize| code >> leaf & 1;
                let mut values: Vec<u32> = tree.leaves.iter().map(|leaf| leaf.map_or(code & 1, bit)).collect();
                for (j, table) in tree.tables.iter().enumerate() {
                    values.push(table >> (2 * values[2 * j] + values[2 * j + 1]) & 1);
                }
                let expected = unit.value(|leaf| bit(leaf.dx as usize) == 1);
                assert_eq!(values.pop(), Some(u32::from(expected)), "{unit:?}");
            }
        }
    }
}
