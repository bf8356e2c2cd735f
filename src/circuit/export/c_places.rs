//! Convolutions in C: functions of some trees each, which loop over places; a function a convolution, which calls them.

use std::fmt::Write;

use super::expression::C;
use super::places::{self, Layout, TREES_A_FUNCTION};
use crate::circuit::{Netlist, Stage, Unit};

/// The functions of all convolutions.
pub fn functions(netlist: &Netlist) -> String {
    let mut c = String::new();
    let maps = Layout::of_maps(&netlist.stages);
    for (number, stage) in netlist.stages.iter().enumerate() {
        let [map, given] = [maps[number], maps[number + 1]];
        let _ = writeln!(c, "/* {} */", places::about(number, stage));
        for (group, units) in stage.units.chunks(TREES_A_FUNCTION).enumerate() {
            let _ = writeln!(
                c,
                "static void conv{number}_trees{group}(const uint64_t *restrict m, uint64_t *restrict o)\n{{"
            );
            trees(&mut c, stage, units, [map, given]);
            c.push_str("}\n\n");
        }
        let _ = writeln!(c, "static void conv{number}(const uint64_t *m, uint64_t *o)\n{{");
        if stage.units.is_empty() {
            c.push_str("    (void)m;\n    (void)o;\n");
        }
        for group in 0..stage.units.len().div_ceil(TREES_A_FUNCTION) {
            let _ = writeln!(c, "    conv{number}_trees{group}(m, o + {});", group * TREES_A_FUNCTION * given.plane);
        }
        c.push_str("}\n\n");
    }
    c
}

/// A loop over places, in which n is what a place sees of the map and r where what its trees give goes.
fn trees(c: &mut String, stage: &Stage, units: &[Unit], [map, given]: [Layout; 2]) {
    let (stride, pool, [rows, columns]) = (stage.grid.stride, stage.grid.pool, stage.grid.places());
    let _ = write!(
        c,
        "    for (size_t y = 0; y < {rows}; y++) {{\n        for (size_t x = 0; x < {columns}; x++) {{\n            \
         const uint64_t *n = m + y * {} + x * {stride};\n            \
         uint64_t *r = o + y / {pool} * {} + x / {pool};\n            (void)n;\n",
        stride * map.pitch,
        given.pitch
    );
    c.push_str(&places::blocks(units, [map, given], pool > 1, "const uint64_t", C));
    c.push_str("        }\n    }\n");
}

/// Statements that make the maps of `features`, and `x`, what gates read.
pub fn calls(netlist: &Netlist) -> String {
    let maps = Layout::of_maps(&netlist.stages);
    let Some(first) = netlist.stages.first() else {
        return "    const uint64_t *x = features;\n".into();
    };
    let (channels, height, width) = (first.channels, first.grid.height, first.grid.width);
    let (Layout { pitch, plane, origin, .. }, words) = (maps[0], places::words(netlist));
    let mut c = format!(
        "    uint64_t maps[{words}];\n    const uint64_t *x = maps;\n    \
         for (size_t i = 0; i < {words}; i++) {{\n        maps[i] = 0;\n    }}\n    \
         for (size_t i = 0; i < {}; i++) {{\n        \
         maps[i / {} * {plane} + i / {width} % {height} * {pitch} + i % {width} + {origin}] = features[i];\n    }}\n",
        channels * height * width,
        height * width,
    );
    for (number, pair) in maps.windows(2).enumerate() {
        let (from, to) = (pair[0].first, pair[1].first + pair[1].origin);
        let _ = writeln!(c, "    conv{number}(maps + {from}, maps + {to});");
    }
    c
}
