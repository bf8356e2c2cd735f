//! Rust without std and without unsafe: 64 samples a call, or one.

use std::fmt::Write;

use super::Options;
use super::columns;
use super::expression::{self, RUST};
use super::head;
use super::label::Label;
use super::rust_places;
use super::slots::Slots;
use crate::circuit::Netlist;

/// Gates a function: compilers take much longer for one long function than for many short ones.
const GATES_A_FUNCTION: usize = 256;

/// A crate of one file.
pub fn source(netlist: &Netlist, options: &Options, label: &Label) -> String {
    let slots = Slots::new(netlist);
    let (features, classes) = (netlist.features(), netlist.classes.len());
    let most = netlist.votes.iter().map(Vec::len).max().unwrap_or(0) as u32;
    let planes = (u32::BITS - most.leading_zeros()).max(1);
    let mut r = label.comment("//! ");
    let _ = write!(
        r,
        "#![no_std]\n#![forbid(unsafe_code)]\n\n\
         /// Bytes of an image.\npub const PIXELS: usize = {};\n\
         /// Feature bits.\npub const FEATURES: usize = {features};\n\
         /// Classes.\npub const CLASSES: usize = {classes};\n\n\
         const WORDS: usize = {};\n\n",
        netlist.image.pixels(),
        slots.count.max(1),
    );
    array(&mut r, "PIXEL_OF_FEATURE", "u32", netlist.encoder.pixel.iter().map(|&p| p as usize));
    array(&mut r, "THRESHOLD_OF_FEATURE", "u8", netlist.encoder.threshold.iter().map(|&t| usize::from(t)));
    r.push_str(
        "/// 4 * index + 2 * (1 for an input, 0 for a gate) + (1 if the complement votes), class after class.\n",
    );
    array(&mut r, "VOTES", "u32", netlist.votes.iter().flatten().map(|&v| slots.vote(v)));
    array(&mut r, "VOTES_OF_CLASS", "usize", netlist.votes.iter().map(Vec::len));
    array(&mut r, "ALWAYS", "u32", netlist.offsets.iter().map(|&o| o as usize));
    r.push_str(&rust_places::functions(netlist));
    let inputs = if netlist.stages.is_empty() { "[u64; FEATURES]" } else { "[u64]" };
    for (i, luts) in netlist.luts.chunks(GATES_A_FUNCTION).enumerate() {
        let body: String = luts
            .iter()
            .enumerate()
            .map(|(j, lut)| {
                let operands: Vec<String> = lut.inputs().iter().map(|&s| slots.name(s)).collect();
                let output = slots.name(netlist.output_of(i * GATES_A_FUNCTION + j));
                format!("    {output} = {};\n", expression::lut(lut.table, &operands, RUST))
            })
            .collect();
        let x = if body.contains("x[") { "x" } else { "_x" };
        let _ = write!(r, "fn gates_{i}({x}: &{inputs}, w: &mut [u64; WORDS]) {{\n{body}}}\n\n");
    }
    if let Some(table) = &options.table {
        r.push_str(&columns::rust(table));
    }
    let functions = netlist.luts.len().div_ceil(GATES_A_FUNCTION);
    let calls: String = (0..functions).map(|i| format!("    gates_{i}(x, &mut w);\n")).collect();
    let working = if functions > 0 { "let mut w" } else { "let w" };
    let maps = rust_places::calls(netlist);
    let _ = write!(
        r,
        r#"/// Bit `s` of word `f` is feature `f` of image `s`; at most 64 images, the bits of absent ones are 0.
pub fn encode64(images: &[[u8; PIXELS]]) -> [u64; FEATURES] {{
    let mut features = [0; FEATURES];
    for ((bits, &pixel), &threshold) in features.iter_mut().zip(&PIXEL_OF_FEATURE).zip(&THRESHOLD_OF_FEATURE) {{
        for (s, image) in images.iter().take(64).enumerate() {{
            *bits |= u64::from(image[pixel as usize] > threshold) << s;
        }}
    }}
    features
}}

/// Votes of 64 images, `[image][class]`.
pub fn counts64(features: &[u64; FEATURES]) -> [[u32; CLASSES]; 64] {{
{maps}    {working} = [0u64; WORDS];
{calls}    let mut counts = [ALWAYS; 64];
    let mut votes = &VOTES[..];
    for (class, &own) in VOTES_OF_CLASS.iter().enumerate() {{
        // Bit s of planes[p] is bit p of image s's count.
        let mut planes = [0u64; {planes}];
        let (own, rest) = votes.split_at(own);
        votes = rest;
        for vote in own {{
            let index = (vote >> 2) as usize;
            let word = if vote & 2 != 0 {{ x[index] }} else {{ w[index] }};
            let mut carry = if vote & 1 != 0 {{ !word }} else {{ word }};
            for plane in &mut planes {{
                (*plane, carry) = (*plane ^ carry, *plane & carry);
            }}
        }}
        for (s, counts) in counts.iter_mut().enumerate() {{
            for (p, plane) in planes.iter().enumerate() {{
                counts[class] += ((plane >> s & 1) as u32) << p;
            }}
        }}
    }}
    counts
}}

/// Votes for one sample: the bytes of a row, or of an image in `[channel][row][column]` order.
pub fn counts(image: &[u8; PIXELS]) -> [u32; CLASSES] {{
    counts64(&encode64(core::slice::from_ref(image)))[0]
}}
"#
    );
    r.push_str(&head::rust(options));
    r
}

fn array(r: &mut String, name: &str, kind: &str, values: impl Iterator<Item = usize>) {
    let values: Vec<String> = values.map(|v| v.to_string()).collect();
    let lines: String = values.chunks(16).map(|line| format!("    {},\n", line.join(", "))).collect();
    let _ = write!(r, "const {name}: [{kind}; {}] = [\n{lines}];\n\n", values.len());
}
