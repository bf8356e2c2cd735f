//! Convolutions in Verilog: a module a tree, instances of it generated at every place.

use std::fmt::Write;

use super::places::{self, Layout};
use super::verilog::SYNTAX;
use crate::circuit::{Netlist, Stage};

/// The modules of the trees of all convolutions, for the module `name`.
pub fn modules(netlist: &Netlist, name: &str) -> String {
    let mut v = String::new();
    for (number, stage) in netlist.stages.iter().enumerate() {
        for (u, unit) in stage.units.iter().enumerate() {
            let (gates, root) = places::unit(unit, |i, _| format!("a[{i}]"), SYNTAX);
            let last = unit.leaves.len().max(1) - 1;
            let _ = writeln!(v, "module {name}_conv{number}_tree{u}(input wire [{last}:0] a, output wire v);");
            gates.iter().for_each(|(name, value)| v.push_str(&format!("  wire {name} = {value};\n")));
            let _ = writeln!(v, "  assign v = {root};\nendmodule");
        }
    }
    v
}

/// Names of the variables of generated places, to be declared once.
pub const VARIABLES: &str = "channel, row, column, place";

/// What drives the wire `to`, the map of convolution `number` of the module `name`, from the map `from`.
pub fn generate(stage: &Stage, name: &str, number: usize, from: &str, to: &str) -> String {
    let (grid, [rows, columns]) = (stage.grid, stage.grid.outputs());
    let (height, width, pad, pool, stride) = (grid.height, grid.width, grid.pad, grid.pool, grid.stride);
    let map = Layout::of_maps(std::slice::from_ref(stage))[0];
    let mut v = format!("  // {}\n", places::about(number, stage));
    let from = if pad > 0 && map.words > 0 {
        let (padded, high) = (format!("conv{number}_map"), height + 2 * pad);
        let _ = write!(
            v,
            "  wire [{}:0] {padded};\n  generate\n    \
             for (channel = 0; channel < {channels}; channel = channel + 1) begin : {padded}_channel\n      \
             for (row = 0; row < {high}; row = row + 1) begin : {padded}_row\n        \
             if (row < {pad} || row >= {end})\n          \
             assign {padded}[(channel * {high} + row) * {pitch} +: {pitch}] = {{{pitch}{{1'b0}}}};\n        \
             else\n          \
             assign {padded}[(channel * {high} + row) * {pitch} +: {pitch}] = {{{{{pad}{{1'b0}}}}, \
             {from}[(channel * {height} + row - {pad}) * {width} +: {width}], {{{pad}{{1'b0}}}}}};\n      \
             end\n    end\n  endgenerate\n",
            map.words - 1,
            channels = stage.channels,
            end = pad + height,
            pitch = map.pitch,
        );
        padded
    } else {
        from.to_string()
    };
    if stage.units.is_empty() {
        return v;
    }
    let _ = writeln!(
        v,
        "  generate\n    for (row = 0; row < {rows}; row = row + 1) begin : conv{number}_row\n      \
         for (column = 0; column < {columns}; column = column + 1) begin : conv{number}_column"
    );
    for (u, unit) in stage.units.iter().enumerate() {
        let source = |leaf| {
            let at = format!("{} + row * {} + column * {}", map.leaf(leaf), pool * stride * map.pitch, pool * stride);
            let of_place = format!("place / {pool} * {} + place % {pool} * {stride}", stride * map.pitch);
            if pool > 1 { format!("{from}[{at} + {of_place}]") } else { format!("{from}[{at}]") }
        };
        let mut pins: Vec<String> = unit.leaves.iter().rev().map(source).collect();
        if pins.is_empty() {
            pins.push("1'b0".into());
        }
        let (tree, bit) = (format!("{name}_conv{number}_tree{u}"), u * rows * columns);
        let bit = format!("{to}[{bit} + row * {columns} + column]");
        let pins = pins.join(", ");
        let _ = match pool {
            1 => writeln!(v, "        {tree} t{u}(.a({{{pins}}}), .v({bit}));"),
            _ => write!(
                v,
                "        wire [{last}:0] r{u};\n        \
                 for (place = 0; place <= {last}; place = place + 1) begin : p{u}\n          \
                 {tree} t(.a({{{pins}}}), .v(r{u}[place]));\n        end\n        assign {bit} = |r{u};\n",
                last = pool * pool - 1,
            ),
        };
    }
    v.push_str("      end\n    end\n  endgenerate\n");
    v
}
