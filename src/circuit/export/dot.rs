//! Graphviz: gates by layer, named by function; dashed edges are complemented votes.

use std::fmt::Write;

use super::Options;
use super::label::Label;
use super::logic::Logic;
use super::names;
use crate::circuit::{FUNCTION_NAMES, Lut, Netlist, Signal, function_number};

/// The graph of `netlist`: features that are read, gates, classes.
pub fn graph(netlist: &Netlist, options: &Options, label: &Label) -> String {
    let features = netlist.features();
    let name = |signal: Signal| match (signal as usize).checked_sub(features) {
        None => format!("x{signal}"),
        Some(lut) => format!("g{lut}"),
    };
    let mut d = label.comment("// ");
    let _ = writeln!(d, "digraph {} {{\n  rankdir=LR;\n  node [shape=box, fontsize=10];", options.name);
    let _ = writeln!(d, "  subgraph cluster_features {{\n    label=\"features\";");
    for (f, _) in netlist.fan_out()[..features].iter().enumerate().filter(|&(_, &readers)| readers > 0) {
        let _ = writeln!(d, "    x{f} [label=\"{}\"];", Logic::input_name(netlist, f).replace('_', " "));
    }
    d.push_str("  }\n");
    let layers = netlist.luts.iter().map(|l| l.layer + 1).max().unwrap_or(0);
    for layer in 0..layers {
        let _ = writeln!(d, "  subgraph cluster_layer_{layer} {{\n    label=\"layer {layer}\";");
        for (i, lut) in netlist.luts.iter().enumerate().filter(|(_, lut)| lut.layer == layer) {
            let _ = writeln!(d, "    g{i} [label=\"{}\"];", function(lut));
        }
        d.push_str("  }\n");
    }
    for (class, class_name) in netlist.classes.iter().enumerate() {
        let (class_name, offset) = (names::comment(class_name).replace('"', "'"), netlist.offsets[class]);
        let _ = writeln!(d, "  class{class} [shape=ellipse, label=\"{class_name}, {offset} votes always\"];");
    }
    for (i, lut) in netlist.luts.iter().enumerate() {
        for (pin, &input) in lut.inputs().iter().enumerate() {
            let _ = writeln!(d, "  {} -> g{i} [headlabel=\"{}\"];", name(input), char::from(b'a' + pin as u8));
        }
    }
    for (class, votes) in netlist.votes.iter().enumerate() {
        for vote in votes {
            let style = if vote.inverted { " [style=dashed]" } else { "" };
            let _ = writeln!(d, "  {} -> class{class}{style};", name(vote.signal));
        }
    }
    d.push_str("}\n");
    d
}

/// What a gate computes.
fn function(lut: &Lut) -> String {
    match (lut.arity, lut.table) {
        (0, table) => (if table == 0 { "FALSE" } else { "TRUE" }).to_string(),
        (1, 0b10) => "A".to_string(),
        (1, 0b01) => "NOT A".to_string(),
        (2, table) => FUNCTION_NAMES[function_number(table)].to_string(),
        (arity, table) => format!("LUT{arity} {table:#x}"),
    }
}
