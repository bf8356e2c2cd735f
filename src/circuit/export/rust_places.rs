//! Convolutions in Rust: functions of some trees each, which loop over places; a function a convolution, which calls them.

use std::fmt::Write;

use super::expression::RUST;
use super::places::{self, Layout, TREES_A_FUNCTION};
use crate::circuit::{Netlist, Stage, Unit};

/// The functions of all convolutions.
pub fn functions(netlist: &Netlist) -> String {
    let mut r = String::new();
    let maps = Layout::of_maps(&netlist.stages);
    for (number, stage) in netlist.stages.iter().enumerate() {
        let [map, given] = [maps[number], maps[number + 1]];
        for (group, units) in stage.units.chunks(TREES_A_FUNCTION).enumerate() {
            let _ = writeln!(r, "fn conv{number}_trees{group}(map: &[u64], out: &mut [u64]) {{");
            trees(&mut r, stage, units, [map, given]);
            r.push_str("}\n\n");
        }
        let names = if stage.units.is_empty() { ["_map", "_out"] } else { ["map", "out"] };
        let _ = writeln!(r, "/// {}", places::about(number, stage));
        let _ = writeln!(r, "fn conv{number}({}: &[u64], {}: &mut [u64]) {{", names[0], names[1]);
        for group in 0..stage.units.len().div_ceil(TREES_A_FUNCTION) {
            let first = group * TREES_A_FUNCTION * given.plane;
            let _ = writeln!(r, "    conv{number}_trees{group}(map, &mut out[{first}..]);");
        }
        r.push_str("}\n\n");
    }
    r
}

/// A loop over places, in which n is what a place sees of the map and r where what its trees give goes. Both are arrays of known
/// lengths, so that no index into them is checked at run time.
fn trees(r: &mut String, stage: &Stage, units: &[Unit], [map, given]: [Layout; 2]) {
    let (stride, pool, [rows, columns]) = (stage.grid.stride, stage.grid.pool, stage.grid.places());
    let body = places::blocks(units, [map, given], pool > 1, "let", RUST);
    let leaves = units.iter().flat_map(|unit| &unit.leaves);
    let seen = leaves.map(|leaf| map.leaf(leaf) + 1).max().unwrap_or(0);
    let n = if body.contains("n[") { "n" } else { "_n" };
    let _ = write!(
        r,
        "    for y in 0..{rows} {{\n        for x in 0..{columns} {{\n            \
         let {n}: &[u64; {seen}] = map[y * {} + x * {stride}..].first_chunk().unwrap();\n            \
         let r: &mut [u64; {}] = out[y / {pool} * {} + x / {pool}..].first_chunk_mut().unwrap();\n\
         {body}        }}\n    }}\n",
        stride * map.pitch,
        (units.len() - 1) * given.plane + 1,
        given.pitch
    );
}

/// Statements that make the maps of `features`; `x` is what gates read.
pub fn calls(netlist: &Netlist) -> String {
    let maps = Layout::of_maps(&netlist.stages);
    let Some(first) = netlist.stages.first() else {
        return "    let x = features;\n".into();
    };
    let (channels, height, width) = (first.channels, first.grid.height, first.grid.width);
    let Layout { pitch, plane, origin, .. } = maps[0];
    let mut r = format!(
        "    let mut maps = [0u64; {}];\n    for (i, bits) in features.iter().enumerate().take({}) {{\n        \
         maps[i / {} * {plane} + i / {width} % {height} * {pitch} + i % {width} + {origin}] = *bits;\n    }}\n",
        places::words(netlist),
        channels * height * width,
        height * width,
    );
    for (number, pair) in maps.windows(2).enumerate() {
        let (from, to, origin) = (pair[0].first, pair[1].first, pair[1].origin);
        let _ = writeln!(
            r,
            "    let (before, given) = maps.split_at_mut({to});\n    \
             conv{number}(&before[{from}..], &mut given[{origin}..]);"
        );
    }
    r.push_str("    let x = &maps[..];\n");
    r
}
