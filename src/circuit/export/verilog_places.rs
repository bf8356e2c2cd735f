//! Convolutions in Verilog: a module a tree, instances of it generated at every place.

use std::fmt::Write;

use super::expression::VERILOG;
use super::places::{self, Layout};
use crate::circuit::{Grid, Leaf, Netlist, Stage};

/// The modules of the trees of all convolutions, for the module `name`.
pub fn modules(netlist: &Netlist, name: &str) -> String {
    let mut v = String::new();
    for (number, stage) in netlist.stages.iter().enumerate() {
        let _ = writeln!(v, "// {}", places::about(number, stage));
        for (u, unit) in stage.units.iter().enumerate() {
            let (gates, root) = places::unit(unit, |i, _| format!("a[{i}]"), VERILOG);
            let last = unit.leaves.len().max(1) - 1;
            let _ = writeln!(v, "module {name}_conv{number}_tree{u}(input wire [{last}:0] a, output wire v);");
            gates.iter().for_each(|(name, value)| v.push_str(&format!("  wire {name} = {value};\n")));
            let _ = writeln!(v, "  assign v = {root};\nendmodule");
        }
    }
    v
}

/// Names of the variables of generated places, to be declared once.
pub const VARIABLES: &str = "row, column, place";

/// A channel of a map, a wire `from`, with the zeros around it that `stage` sees.
pub fn padded(stage: &Stage, from: &str) -> String {
    let Layout { pitch, origin, .. } = Layout::of_maps(std::slice::from_ref(stage))[0];
    let (height, width) = (stage.grid.height, stage.grid.width);
    let rows: Vec<String> = (0..height).rev().map(|y| format!("{from}[{} +: {width}]", y * width)).collect();
    let between = format!(", {{{}{{1'b0}}}}, ", pitch - width);
    format!("{{{{{origin}{{1'b0}}}}, {}, {{{origin}{{1'b0}}}}}}", rows.join(&between))
}

/// What drives the wire `to`, what unit `u` of convolution `number` of the module `name` gives; `channel` tells the wires of the
/// padded channels that it reads.
pub fn places(
    stage: &Stage,
    (name, number, u): (&str, usize, usize),
    channel: impl Fn(u32) -> String,
    to: &str,
) -> String {
    let (Grid { pool, stride, .. }, [rows, columns]) = (stage.grid, stage.grid.outputs());
    let map = Layout::of_maps(std::slice::from_ref(stage))[0];
    let pin = |leaf: &Leaf| {
        let [dy, dx] = leaf.at();
        let (down, right) = (stride * map.pitch, stride);
        let first = format!("{} + row * {} + column * {}", dy * map.pitch + dx, pool * down, pool * right);
        let of_place =
            if pool > 1 { format!(" + place / {pool} * {down} + place % {pool} * {right}") } else { String::new() };
        format!("{}[{first}{of_place}]", channel(leaf.channel))
    };
    let mut pins: Vec<String> = stage.units[u].leaves.iter().rev().map(pin).collect();
    if pins.is_empty() {
        pins.push("1'b0".into());
    }
    let (tree, pins) = (format!("{name}_conv{number}_tree{u}"), pins.join(", "));
    let bit = format!("{to}[row * {columns} + column]");
    let place = match pool {
        1 => format!("        {tree} t(.a({{{pins}}}), .v({bit}));\n"),
        _ => format!(
            "        wire [{last}:0] r;\n        \
             for (place = 0; place <= {last}; place = place + 1) begin : places\n          \
             {tree} t(.a({{{pins}}}), .v(r[place]));\n        end\n        assign {bit} = |r;\n",
            last = pool * pool - 1,
        ),
    };
    format!(
        "  generate\n    for (row = 0; row < {rows}; row = row + 1) begin : {to}_rows\n      \
         for (column = 0; column < {columns}; column = column + 1) begin : columns\n{place}      \
         end\n    end\n  endgenerate\n"
    )
}
