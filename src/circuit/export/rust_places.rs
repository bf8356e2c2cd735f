//! Convolutions in Rust: a function a tree, which loops over places; a function a convolution, which calls them.

use std::fmt::Write;

use super::places::{self, Layout};
use super::rust::SYNTAX;
use crate::circuit::{Leaf, Netlist, Stage, Unit};

/// Names of the two arrays in which maps lie by turns.
const ARRAYS: [&str; 2] = ["even", "odd"];

/// The functions of all convolutions.
pub fn functions(netlist: &Netlist) -> String {
    let mut r = String::new();
    let maps = Layout::of_maps(&netlist.stages);
    for (number, stage) in netlist.stages.iter().enumerate() {
        for (u, unit) in stage.units.iter().enumerate() {
            tree(&mut r, &format!("conv{number}_tree{u}"), (stage, unit), [maps[number], maps[number + 1]]);
        }
        let names = if stage.units.is_empty() { ["_map", "_out"] } else { ["map", "out"] };
        let _ = writeln!(r, "/// {}", places::about(number, stage));
        let _ = writeln!(r, "fn conv{number}({}: &[u64], {}: &mut [u64]) {{", names[0], names[1]);
        for u in 0..stage.units.len() {
            let _ = writeln!(r, "    conv{number}_tree{u}(map, &mut out[{}..]);", u * maps[number + 1].plane);
        }
        r.push_str("}\n\n");
    }
    r
}

fn tree(r: &mut String, name: &str, (stage, unit): (&Stage, &Unit), [map, given]: [Layout; 2]) {
    let (stride, pool, [rows, columns]) = (stage.grid.stride, stage.grid.pool, stage.grid.places());
    let column = if stride == 1 { "x".into() } else { format!("{stride} * x") };
    let (gates, root) = places::unit(unit, |i, _| format!("a{i}[{column}]"), SYNTAX);
    let text: String = gates.iter().map(|(name, value)| format!("            let {name} = {value};\n")).collect();
    let is_read = |name: &str| text.contains(name) || root.contains(name);
    let read: Vec<(usize, &Leaf)> =
        unit.leaves.iter().enumerate().filter(|(i, _)| is_read(&format!("a{i}["))).collect();
    let [map_name, x] = if read.is_empty() { ["_map", "_x"] } else { ["map", "x"] };
    let _ = writeln!(r, "fn {name}({map_name}: &[u64], out: &mut [u64]) {{\n    for y in 0..{rows} {{");
    for (i, leaf) in read {
        let (from, row, span) = (map.leaf(leaf), stride * map.pitch, (columns - 1) * stride + 1);
        let _ = writeln!(r, "        let a{i} = &map[{from} + y * {row}..][..{span}];");
    }
    let _ = write!(
        r,
        "        let mut row = [0u64; {columns}];\n        for ({x}, bits) in row.iter_mut().enumerate() {{\n{text}            \
         *bits = {root};\n        }}\n"
    );
    let out = format!("out[y / {pool} * {}..][..{}]", given.pitch, columns / pool);
    let _ = match pool {
        1 => writeln!(r, "        out[y * {}..][..{columns}].copy_from_slice(&row);", given.pitch),
        _ => write!(
            r,
            "        for (any, bits) in {out}.iter_mut().zip(row.chunks_exact({pool})) {{\n            \
             *any |= bits.iter().fold(0, |any, bits| any | bits);\n        }}\n"
        ),
    };
    r.push_str("    }\n}\n\n");
}

/// Statements that make the maps of `features`; `x` is what gates read.
pub fn calls(netlist: &Netlist) -> String {
    let maps = Layout::of_maps(&netlist.stages);
    let Some(first) = netlist.stages.first() else {
        return "    let x = features;\n".into();
    };
    let mut r = String::new();
    for (name, words) in ARRAYS.iter().zip(places::arrays(netlist, &maps)).filter(|(_, words)| *words > 0) {
        let _ = writeln!(r, "    let mut {name} = [0u64; {words}];");
    }
    if first.grid.pad > 0 {
        let (channels, height, width) = (first.channels, first.grid.height, first.grid.width);
        let Layout { pitch, plane, origin, .. } = maps[0];
        let _ = write!(
            r,
            "    for (i, bits) in features.iter().enumerate().take({}) {{\n        \
             even[i / {} * {plane} + i / {width} % {height} * {pitch} + i % {width} + {origin}] = *bits;\n    }}\n",
            channels * height * width,
            height * width,
        );
    }
    for number in 0..netlist.stages.len() {
        let from = if number == 0 && first.grid.pad == 0 { "features" } else { ARRAYS[number % 2] };
        let (to, map) = (ARRAYS[(number + 1) % 2], maps[number + 1]);
        let clear = if number > 0 { format!("    {to}[..{}].fill(0);\n", map.words) } else { String::new() };
        let from = if from == "features" { from.to_string() } else { format!("&{from}") };
        let _ = write!(r, "{clear}    conv{number}({from}, &mut {to}[{}..]);\n", map.origin);
    }
    let _ = writeln!(r, "    let x = &{}[..];", ARRAYS[netlist.stages.len() % 2]);
    r
}
