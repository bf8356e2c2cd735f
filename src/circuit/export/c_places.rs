//! Convolutions in C: a function a tree, which loops over places; a function a convolution, which calls them.

use std::fmt::Write;

use super::c::SYNTAX;
use super::places::{self, Layout};
use crate::circuit::{Netlist, Stage, Unit};

/// Names of the two arrays in which maps lie by turns.
const ARRAYS: [&str; 2] = ["even", "odd"];

/// 64-bit words of stack that the maps take.
pub fn words(netlist: &Netlist) -> usize {
    places::arrays(netlist, &Layout::of_maps(&netlist.stages)).iter().sum()
}

/// The functions of all convolutions.
pub fn functions(netlist: &Netlist) -> String {
    let mut c = String::new();
    let maps = Layout::of_maps(&netlist.stages);
    for (number, stage) in netlist.stages.iter().enumerate() {
        let _ = writeln!(c, "/* {} */", places::about(number, stage));
        if stage.grid.pool > 1 && !stage.units.is_empty() {
            let ([_, columns], pool) = (stage.grid.places(), stage.grid.pool);
            let _ = write!(
                c,
                "static void conv{number}_or(const uint64_t *r, uint64_t *o)\n{{\n    for (size_t x = 0; x < {columns}; x++) {{\n        \
                 o[x / {pool}] |= r[x];\n    }}\n}}\n\n"
            );
        }
        for (u, unit) in stage.units.iter().enumerate() {
            tree(&mut c, &format!("conv{number}"), u, (stage, unit), [maps[number], maps[number + 1]]);
        }
        let _ = writeln!(c, "static void conv{number}(const uint64_t *m, uint64_t *o)\n{{");
        if stage.units.is_empty() {
            c.push_str("    (void)m;\n    (void)o;\n");
        }
        for u in 0..stage.units.len() {
            let _ = writeln!(c, "    conv{number}_tree{u}(m, o + {});", u * maps[number + 1].plane);
        }
        c.push_str("}\n\n");
    }
    c
}

fn tree(c: &mut String, conv: &str, u: usize, (stage, unit): (&Stage, &Unit), [map, given]: [Layout; 2]) {
    let (stride, pool, [rows, columns]) = (stage.grid.stride, stage.grid.pool, stage.grid.places());
    let column = if stride == 1 { "x".into() } else { format!("{stride} * x") };
    let (gates, root) = places::unit(unit, |_, leaf| format!("n[{column} + {}]", map.leaf(leaf)), SYNTAX);
    let _ = write!(
        c,
        "static void {conv}_tree{u}(const uint64_t *restrict m, uint64_t *restrict o)\n{{\n    \
         for (size_t y = 0; y < {rows}; y++) {{\n"
    );
    let reads = gates.iter().map(|(_, value)| value).chain([&root]).any(|value| value.contains("n["));
    let _ = match reads {
        true => writeln!(c, "        const uint64_t *n = m + y * {};", stride * map.pitch),
        false => writeln!(c, "        (void)m;"),
    };
    let _ = match pool {
        1 => writeln!(c, "        uint64_t *r = o + y * {};", given.pitch),
        _ => writeln!(c, "        uint64_t r[{columns}];"),
    };
    let _ = writeln!(c, "        for (size_t x = 0; x < {columns}; x++) {{");
    for (name, value) in gates {
        let _ = writeln!(c, "            const uint64_t {name} = {value};");
    }
    let _ = write!(c, "            r[x] = {root};\n        }}\n");
    if pool > 1 {
        let _ = writeln!(c, "        {conv}_or(r, o + y / {pool} * {});", given.pitch);
    }
    c.push_str("    }\n}\n\n");
}

/// Statements that make the maps of `features`, and `x`, what gates read.
pub fn calls(netlist: &Netlist) -> String {
    let maps = Layout::of_maps(&netlist.stages);
    let Some(first) = netlist.stages.first() else {
        return "    const uint64_t *x = features;\n".into();
    };
    let mut c = String::new();
    for (name, words) in ARRAYS.iter().zip(places::arrays(netlist, &maps)).filter(|(_, words)| *words > 0) {
        let _ = writeln!(c, "    uint64_t {name}[{words}];");
    }
    let _ = writeln!(c, "    const uint64_t *x = {};", ARRAYS[netlist.stages.len() % 2]);
    let clear = |name: &str, map: Layout| match map.words {
        0 => String::new(),
        words => format!("    for (size_t i = 0; i < {words}; i++) {{\n        {name}[i] = 0;\n    }}\n"),
    };
    if first.grid.pad > 0 {
        let (channels, height, width) = (first.channels, first.grid.height, first.grid.width);
        let Layout { pitch, plane, origin, .. } = maps[0];
        c.push_str(&clear(ARRAYS[0], maps[0]));
        let _ = write!(
            c,
            "    for (size_t i = 0; i < {}; i++) {{\n        \
             even[i / {} * {plane} + i / {width} % {height} * {pitch} + i % {width} + {origin}] = features[i];\n    }}\n",
            channels * height * width,
            height * width,
        );
    }
    for number in 0..netlist.stages.len() {
        let from = if number == 0 && first.grid.pad == 0 { "features" } else { ARRAYS[number % 2] };
        let (to, map) = (ARRAYS[(number + 1) % 2], maps[number + 1]);
        c.push_str(&clear(to, map));
        let _ = writeln!(c, "    conv{number}({from}, {to} + {});", map.origin);
    }
    c
}
