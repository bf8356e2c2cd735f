//! C99 without dependencies: 64 samples a call, or one.

use std::fmt::Write;

use super::Options;
use super::c_places;
use super::columns;
use super::expression::{self, C};
use super::head;
use super::label::Label;
use super::places;
use super::slots::Slots;
use crate::circuit::Netlist;

/// Gates a function: compilers take much longer for one long function than for many short ones.
const GATES_A_FUNCTION: usize = 64;

/// The interface.
pub fn header(netlist: &Netlist, options: &Options, label: &Label) -> String {
    let (name, upper) = (&options.name, options.name.to_uppercase());
    let words = netlist.features() + Slots::new(netlist).count + places::words(netlist);
    let stack = words * 8 + 64 * netlist.classes.len() * 4;
    let sample = match options.table {
        Some(_) => "row, pixels being its bytes",
        None => "image, pixels in [channel][row][column] order",
    };
    let mut h = format!("/*\n{} */\n", label.comment(" * "));
    let _ = write!(
        h,
        "#ifndef {upper}_H\n#define {upper}_H\n\n#include <stddef.h>\n#include <stdint.h>\n\n\
         #define {upper}_PIXELS {}\n#define {upper}_FEATURES {}\n#define {upper}_CLASSES {}\n\n\
         /* No function allocates memory or keeps state; a call takes about {stack} bytes of stack. */\n\n",
        netlist.image.pixels(),
        netlist.features(),
        netlist.classes.len()
    );
    let _ = write!(
        h,
        "#ifdef __cplusplus\nextern \"C\" {{\n#endif\n\n\
         /* Bit s of features[f] is feature f of sample s. pixels is [samples][{upper}_PIXELS], samples at most 64;\n   \
         bits of samples that are not there are 0. */\n\
         void {name}_encode64(const uint8_t *pixels, size_t samples, uint64_t features[{upper}_FEATURES]);\n\n\
         /* Votes of 64 samples: counts is [64][{upper}_CLASSES]. */\n\
         void {name}_counts64(const uint64_t features[{upper}_FEATURES], uint32_t *counts);\n\n\
         /* Votes for one {sample}. */\n\
         void {name}_counts(const uint8_t pixels[{upper}_PIXELS], uint32_t counts[{upper}_CLASSES]);\n\n"
    );
    h.push_str(&head::c_header(options));
    if let Some(table) = &options.table {
        h.push_str(&columns::c_header(table, name));
    }
    h.push_str("#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
    h
}

/// The circuit.
pub fn source(netlist: &Netlist, options: &Options, label: &Label) -> String {
    let (name, upper) = (&options.name, options.name.to_uppercase());
    let slots = Slots::new(netlist);
    let mut c = format!("/*\n{} */\n#include \"{name}.h\"\n\n", label.comment(" * "));
    array(&mut c, "uint32_t", "pixel_of_feature", netlist.encoder.pixel.iter().map(|&p| p as usize));
    array(&mut c, "uint8_t", "threshold_of_feature", netlist.encoder.threshold.iter().map(|&t| usize::from(t)));
    c.push_str(
        "/* 4 * index + 2 * (1 for an input, 0 for a gate) + (1 if the complement votes), class after class */\n",
    );
    array(&mut c, "uint32_t", "vote", netlist.votes.iter().flatten().map(|&v| slots.vote(v)));
    let ends = netlist.votes.iter().scan(0, |end, votes| {
        *end += votes.len();
        Some(*end)
    });
    array(&mut c, "uint32_t", "last_vote", ends);
    array(&mut c, "uint32_t", "always", netlist.offsets.iter().map(|&o| o as usize));
    c.push_str(&c_places::functions(netlist));
    let functions = netlist.luts.len().div_ceil(GATES_A_FUNCTION);
    for (i, luts) in netlist.luts.chunks(GATES_A_FUNCTION).enumerate() {
        let _ = writeln!(c, "static void gates_{i}(const uint64_t *x, uint64_t *w)\n{{\n    (void)x;");
        for (j, lut) in luts.iter().enumerate() {
            let operands: Vec<String> = lut.inputs().iter().map(|&s| slots.name(s)).collect();
            let output = slots.name(netlist.output_of(i * GATES_A_FUNCTION + j));
            let _ = writeln!(c, "    {output} = {};", expression::lut(lut.table, &operands, C));
        }
        c.push_str("}\n\n");
    }
    if let Some(table) = &options.table {
        c.push_str(&columns::c_source(table, name));
    }
    let most = netlist.votes.iter().map(Vec::len).max().unwrap_or(0) as u32;
    let planes = (u32::BITS - most.leading_zeros()).max(1);
    let calls: String = (0..functions).map(|i| format!("    gates_{i}(x, w);\n")).collect();
    let _ = write!(
        c,
        r#"void {name}_encode64(const uint8_t *pixels, size_t samples, uint64_t features[{upper}_FEATURES])
{{
    for (size_t f = 0; f < {upper}_FEATURES; f++) {{
        uint64_t bits = 0;
        for (size_t s = 0; s < samples && s < 64; s++) {{
            const uint8_t byte = pixels[s * {upper}_PIXELS + pixel_of_feature[f]];
            bits |= (uint64_t)(byte > threshold_of_feature[f]) << s;
        }}
        features[f] = bits;
    }}
}}

void {name}_counts64(const uint64_t features[{upper}_FEATURES], uint32_t *counts)
{{
{maps}    uint64_t w[{slots}];
    uint32_t v = 0;
    w[0] = 0;
{calls}    for (size_t k = 0; k < {upper}_CLASSES; k++) {{
        /* bit s of plane[p] is bit p of sample s's count */
        uint64_t plane[{planes}] = {{0}};
        for (; v < last_vote[k]; v++) {{
            const uint32_t index = vote[v] >> 2;
            uint64_t carry = (vote[v] & 2) ? x[index] : w[index];
            if (vote[v] & 1) {{
                carry = ~carry;
            }}
            for (size_t p = 0; p < {planes} && carry != 0; p++) {{
                const uint64_t sum = plane[p] ^ carry;
                carry &= plane[p];
                plane[p] = sum;
            }}
        }}
        for (size_t s = 0; s < 64; s++) {{
            uint32_t count = always[k];
            for (size_t p = 0; p < {planes}; p++) {{
                count += (uint32_t)((plane[p] >> s) & 1) << p;
            }}
            counts[s * {upper}_CLASSES + k] = count;
        }}
    }}
}}

void {name}_counts(const uint8_t pixels[{upper}_PIXELS], uint32_t counts[{upper}_CLASSES])
{{
    uint64_t features[{upper}_FEATURES];
    uint32_t all[64 * {upper}_CLASSES];
    {name}_encode64(pixels, 1, features);
    {name}_counts64(features, all);
    for (size_t k = 0; k < {upper}_CLASSES; k++) {{
        counts[k] = all[k];
    }}
}}

"#,
        maps = c_places::calls(netlist),
        slots = slots.count.max(1),
    );
    c.push_str(&head::c_source(options));
    c
}

/// A constant array; C has none of length 0, so an empty one gets a 0 that nothing reads.
fn array(c: &mut String, kind: &str, name: &str, values: impl Iterator<Item = usize>) {
    let mut values: Vec<String> = values.map(|v| v.to_string()).collect();
    if values.is_empty() {
        values.push("0".into());
    }
    let lines: Vec<String> = values.chunks(16).map(|line| format!("    {}", line.join(", "))).collect();
    let _ = write!(c, "static const {kind} {name}[{}] = {{\n{}\n}};\n\n", values.len(), lines.join(",\n"));
}
