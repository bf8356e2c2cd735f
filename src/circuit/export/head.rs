//! What counts say, in exported code: the class, the labels that are set, or values.

use std::fmt::Write;

use super::{Options, names};
use crate::circuit::Netlist;
use crate::data::{Head, Values};

/// The count that a label's must be greater than for it to be set.
pub fn half(options: &Options) -> u32 {
    (options.group / 2) as u32
}

/// What people are told of the outputs; a line each.
pub fn about(netlist: &Netlist, options: &Options) -> Vec<String> {
    let outputs = netlist.classes.iter().enumerate().map(|(i, name)| format!("{i} {}", names::comment(name)));
    let list = outputs.collect::<Vec<_>>().join(", ");
    match &options.head {
        Head::Classes => vec![format!("Classes: {list}.")],
        Head::Labels => vec![format!("Labels, each set where its count is greater than {}: {list}.", half(options))],
        Head::Values(values) => {
            let mut lines = vec![format!("Counts: {list}.")];
            lines.extend((0..values.targets.len()).map(|t| formula(values, t, options.group)));
            lines
        }
    }
}

/// How target `t` is made of counts.
fn formula(values: &Values, t: usize, group: usize) -> String {
    let (target, bits) = (&values.targets[t], values.bits as usize);
    let counts: Vec<String> = (0..bits)
        .map(|bit| match bit {
            0 => format!("count {}", t * bits),
            _ => format!("{} * count {}", 1u32 << bit, t * bits + bit),
        })
        .collect();
    let most = ((1u64 << bits) - 1) * group as u64;
    let (least, greatest) = (target.least, target.greatest);
    let name = names::comment(&target.name);
    format!("{name} is {least:?} + ({greatest:?} - {least:?}) * ({}) / {most}.", counts.join(" + "))
}

/// A list of numbers that reads as doubles to the same bits.
fn doubles(numbers: impl Iterator<Item = f64>) -> String {
    numbers.map(|n| format!("{n:?}")).collect::<Vec<_>>().join(", ")
}

/// Declaration of the function that says what one image is, for the C header.
pub fn c_header(options: &Options) -> String {
    let (name, upper) = (&options.name, options.name.to_uppercase());
    match &options.head {
        Head::Classes => format!(
            "/* Class of one sample: the one with the most votes, the first among equals. */\n\
             uint32_t {name}_class(const uint8_t pixels[{upper}_PIXELS]);\n\n"
        ),
        Head::Labels => format!(
            "/* Labels of one sample: 1 where more than half of the label's gates vote for it, else 0. */\n\
             void {name}_labels(const uint8_t pixels[{upper}_PIXELS], uint8_t labels[{upper}_CLASSES]);\n\n"
        ),
        Head::Values(values) => format!(
            "#define {upper}_TARGETS {}\n\n/* Values of one sample, in their own units. */\n\
             void {name}_values(const uint8_t pixels[{upper}_PIXELS], double values[{upper}_TARGETS]);\n\n",
            values.targets.len()
        ),
    }
}

/// Its definition.
pub fn c_source(options: &Options) -> String {
    let (name, upper, group) = (&options.name, options.name.to_uppercase(), options.group);
    let mut c = String::new();
    // Writing to a String cannot fail.
    let _ = match &options.head {
        Head::Classes => write!(
            c,
            r#"uint32_t {name}_class(const uint8_t pixels[{upper}_PIXELS])
{{
    uint32_t counts[{upper}_CLASSES];
    uint32_t best = 0;
    {name}_counts(pixels, counts);
    for (uint32_t k = 1; k < {upper}_CLASSES; k++) {{
        if (counts[k] > counts[best]) {{
            best = k;
        }}
    }}
    return best;
}}
"#
        ),
        Head::Labels => write!(
            c,
            r#"void {name}_labels(const uint8_t pixels[{upper}_PIXELS], uint8_t labels[{upper}_CLASSES])
{{
    uint32_t counts[{upper}_CLASSES];
    {name}_counts(pixels, counts);
    for (uint32_t k = 0; k < {upper}_CLASSES; k++) {{
        labels[k] = counts[k] > {half};
    }}
}}
"#,
            half = half(options)
        ),
        Head::Values(values) => write!(
            c,
            r#"void {name}_values(const uint8_t pixels[{upper}_PIXELS], double values[{upper}_TARGETS])
{{
    static const double least[{upper}_TARGETS] = {{{least}}};
    static const double greatest[{upper}_TARGETS] = {{{greatest}}};
    uint32_t counts[{upper}_CLASSES];
    {name}_counts(pixels, counts);
    for (uint32_t t = 0; t < {upper}_TARGETS; t++) {{
        double sum = 0.0;
        for (uint32_t bit = 0; bit < {bits}; bit++) {{
            sum += (double)(UINT32_C(1) << bit) / {most}.0 * (double)counts[t * {bits} + bit];
        }}
        values[t] = least[t] + (greatest[t] - least[t]) * (sum / {group}.0);
    }}
}}
"#,
            bits = values.bits,
            most = (1u32 << values.bits) - 1,
            least = doubles(values.targets.iter().map(|t| t.least)),
            greatest = doubles(values.targets.iter().map(|t| t.greatest)),
        ),
    };
    c
}

/// The function that says what one image is, for the exported Rust file.
pub fn rust(options: &Options) -> String {
    match &options.head {
        Head::Classes => r#"
/// Class of one sample: the one with the most votes, the first among equals.
pub fn class(image: &[u8; PIXELS]) -> usize {
    let counts = counts(image);
    (1..CLASSES).fold(0, |best, class| if counts[class] > counts[best] { class } else { best })
}
"#
        .into(),
        Head::Labels => format!(
            r#"
/// Labels of one sample: set where more than half of the label's gates vote for it.
pub fn labels(image: &[u8; PIXELS]) -> [bool; CLASSES] {{
    counts(image).map(|count| count > {})
}}
"#,
            half(options)
        ),
        Head::Values(values) => format!(
            r#"
/// Targets.
pub const TARGETS: usize = {targets};

/// Values of one sample, in their own units.
pub fn values(image: &[u8; PIXELS]) -> [f64; TARGETS] {{
    const RANGES: [(f64, f64); TARGETS] = [{ranges}];
    let counts = counts(image);
    let mut values = [0.0; TARGETS];
    for (t, (value, (least, greatest))) in values.iter_mut().zip(RANGES).enumerate() {{
        let mut sum = 0.0;
        for (bit, &count) in counts[t * {bits}..(t + 1) * {bits}].iter().enumerate() {{
            sum += f64::from(1u32 << bit) / {most}.0 * f64::from(count);
        }}
        *value = least + (greatest - least) * (sum / {group}.0);
    }}
    values
}}
"#,
            targets = values.targets.len(),
            bits = values.bits,
            most = (1u32 << values.bits) - 1,
            group = options.group,
            ranges = values
                .targets
                .iter()
                .map(|t| format!("({:?}, {:?})", t.least, t.greatest))
                .collect::<Vec<_>>()
                .join(", "),
        ),
    }
}
