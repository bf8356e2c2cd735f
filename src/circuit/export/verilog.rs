//! Verilog-2001: one module, and one for each tree of a convolution, combinational or with ranks of registers.
//!
//! Everything is a node with a level: features are at level 0, a gate, a partial sum or a comparison one above the
//! highest of its operands; a channel that a convolution gives is one wide node. With N ranks of registers the levels are cut into N + 1 stages of about equal length, and a
//! node that is read in a later stage is carried there by registers.

use std::fmt::Write;

use super::expression::{self, VERILOG};
use super::label::{Inputs, Label};
use super::verilog_places;
use super::{Options, Outputs, head, names};
use crate::circuit::{Netlist, Stage, Unit, Vote};

/// Votes added up in one expression; as many as a six-input LUT has pins.
const VOTES_A_SUM: usize = 6;

/// A wire of the module.
struct Node {
    name: String,
    width: usize,
    level: usize,
    operands: Vec<usize>,
    value: Value,
}

/// What a node is made of, over its operands.
enum Value {
    Feature(usize),
    /// A channel of the map that the features are, bit (0, 0) the lowest.
    Channel(usize),
    /// The operand with the zeros around it that the convolution of this number sees.
    Padded(usize),
    /// The channel that unit `.1` of convolution `.0` gives of the operands, the channels that it reads in their order.
    Unit(usize, usize),
    /// A bit of the operand.
    Bit(usize),
    Gate(u64),
    /// The complement of a vote.
    Complement,
    /// The sum of the operands and a constant.
    Sum(u32),
    Constant(u32),
    /// Whether the first operand is greater than the second.
    Greater,
    /// Whether the operand is greater than a constant.
    Above(u32),
    /// The second operand where the first is set, otherwise the third.
    Choose,
}

/// The module of `netlist`.
pub fn module(netlist: &Netlist, options: &Options, label: &Label) -> String {
    let mut nodes = Nodes { list: Vec::new(), of_signal: vec![0; netlist.signals()] };
    nodes.gates(netlist);
    let ports = match options.outputs {
        Outputs::Votes => nodes.votes(netlist),
        Outputs::Counts => nodes.counts(netlist),
        Outputs::Class => nodes.class(netlist),
        Outputs::Labels => nodes.labels(netlist, head::half(options)),
    };
    write(netlist, options, label, &nodes.list, &ports)
}

impl Node {
    /// How its width is declared. Bits of channels are taken, even of channels of one bit.
    fn range(&self) -> String {
        match (self.width, &self.value) {
            (1, Value::Channel(_) | Value::Padded(_) | Value::Unit(..)) => "[0:0] ".into(),
            (1, _) => String::new(),
            (width, _) => format!("[{}:0] ", width - 1),
        }
    }
}

/// An output port: its bits are the nodes, highest first.
struct Port {
    name: String,
    width: usize,
    nodes: Vec<usize>,
    about: String,
}

struct Nodes {
    list: Vec<Node>,
    /// `[signal]`: its node; 0 for signals that nothing reads.
    of_signal: Vec<usize>,
}

impl Nodes {
    fn push(&mut self, name: String, width: usize, operands: Vec<usize>, value: Value) -> usize {
        let level = operands.iter().map(|&o| self.list[o].level + 1).max().unwrap_or(0);
        self.push_at(level, name, width, operands, value)
    }

    fn push_at(&mut self, level: usize, name: String, width: usize, operands: Vec<usize>, value: Value) -> usize {
        self.list.push(Node { name, width, level, operands, value });
        self.list.len() - 1
    }

    /// `[map][channel]`: a node a channel of the features, and of the map that each convolution gives; none, if there are no
    /// convolutions.
    fn maps(&mut self, netlist: &Netlist) -> Vec<Vec<usize>> {
        let (mut channels, mut levels, mut maps) = (Vec::new(), Vec::new(), Vec::new());
        if let Some(Stage { channels: count, grid, .. }) = netlist.stages.first() {
            let channel = |c| self.push(format!("m0_{c}"), grid.height * grid.width, Vec::new(), Value::Channel(c));
            (channels, levels) = ((0..*count).map(channel).collect(), vec![0; *count]);
        }
        for (number, stage) in netlist.stages.iter().enumerate() {
            maps.push(channels.clone());
            let area = stage.grid.padded().iter().product();
            for (c, _) in stage.readers().iter().enumerate().filter(|(_, n)| **n > 0 && stage.grid.pad > 0) {
                let (name, level) = (format!("p{number}_{c}"), levels[c] as usize);
                channels[c] = self.push_at(level, name, area, vec![channels[c]], Value::Padded(number));
            }
            levels = stage.levels(&levels);
            let unit = |(u, unit): (usize, &Unit)| {
                let read: Vec<usize> = unit.channels().into_iter().map(|c| channels[c as usize]).collect();
                let below = read.iter().map(|&node| self.list[node].level).max().unwrap_or(0);
                let (name, level) = (format!("m{}_{u}", number + 1), below.max(levels[u] as usize));
                self.push_at(level, name, stage.grid.area(), read, Value::Unit(number, u))
            };
            channels = stage.units.iter().enumerate().map(unit).collect();
        }
        maps.push(channels);
        maps
    }

    /// Features and gates that something reads.
    fn gates(&mut self, netlist: &Netlist) {
        let inputs = netlist.inputs();
        let (channels, maps) = (self.maps(netlist), netlist.maps());
        for (signal, _) in netlist.fan_out().into_iter().enumerate().filter(|&(_, readers)| readers > 0) {
            self.of_signal[signal] = match (signal.checked_sub(inputs), netlist.stages.is_empty()) {
                (None, false) => {
                    let map = maps.partition_point(|map| map.end <= signal);
                    let (area, bit) = (maps[map].len() / channels[map].len(), signal - maps[map].start);
                    let channel = channels[map][bit / area];
                    let level = self.list[channel].level;
                    self.push_at(level, format!("b{signal}"), 1, vec![channel], Value::Bit(bit % area))
                }
                (None, true) => self.push(format!("x{signal}"), 1, Vec::new(), Value::Feature(signal)),
                (Some(i), _) => {
                    let lut = &netlist.luts[i];
                    let operands = lut.inputs().iter().map(|&s| self.of_signal[s as usize]).collect();
                    self.push(format!("g{i}"), 1, operands, Value::Gate(lut.table))
                }
            };
        }
    }

    /// A vote's node.
    fn vote(&mut self, name: String, vote: Vote) -> usize {
        let node = self.of_signal[vote.signal as usize];
        if vote.inverted { self.push(name, 1, vec![node], Value::Complement) } else { node }
    }

    fn votes(&mut self, netlist: &Netlist) -> Vec<Port> {
        let mut ports = Vec::new();
        for (class, votes) in netlist.votes.iter().enumerate() {
            let mut nodes: Vec<usize> =
                votes.iter().enumerate().map(|(i, &v)| self.vote(format!("v{class}_{i}"), v)).collect();
            if nodes.is_empty() {
                nodes.push(self.push(format!("v{class}_none"), 1, Vec::new(), Value::Constant(0)));
            }
            nodes.reverse();
            let about = format!("votes for class {class}, always {} more", netlist.offsets[class]);
            ports.push(Port { name: format!("votes_{class}"), width: nodes.len(), nodes, about });
        }
        ports
    }

    /// `[class]`: the node of its count, `width` bits.
    fn sums(&mut self, netlist: &Netlist, width: usize) -> Vec<usize> {
        let count = |netlist: &Netlist, class: usize| netlist.votes[class].len() as u32;
        (0..netlist.classes.len())
            .map(|class| {
                let mut most: Vec<(usize, u32)> = Vec::new();
                for (i, votes) in netlist.votes[class].chunks(VOTES_A_SUM).enumerate() {
                    let nodes = votes.iter().enumerate();
                    let nodes: Vec<usize> = nodes.map(|(j, &v)| self.vote(format!("v{class}_{i}_{j}"), v)).collect();
                    let greatest = nodes.len() as u32;
                    let sum = self.push(format!("s{class}_0_{i}"), bits(greatest), nodes, Value::Sum(0));
                    most.push((sum, greatest));
                }
                let mut round = 0;
                while most.len() > 1 {
                    round += 1;
                    let pairs: Vec<Vec<(usize, u32)>> = most.chunks(2).map(<[_]>::to_vec).collect();
                    most.clear();
                    for (i, pair) in pairs.into_iter().enumerate() {
                        let greatest = pair.iter().map(|p| p.1).sum();
                        let operands: Vec<usize> = pair.iter().map(|p| p.0).collect();
                        let sum = match operands[..] {
                            [one] => one,
                            _ => self.push(format!("s{class}_{round}_{i}"), bits(greatest), operands, Value::Sum(0)),
                        };
                        most.push((sum, greatest));
                    }
                }
                let offset = netlist.offsets[class];
                match most.first() {
                    Some(&(sum, _)) if offset == 0 && bits(count(netlist, class)) == width => sum,
                    Some(&(sum, _)) => self.push(format!("c{class}"), width, vec![sum], Value::Sum(offset)),
                    None => self.push(format!("c{class}"), width, Vec::new(), Value::Constant(offset)),
                }
            })
            .collect()
    }

    fn counts(&mut self, netlist: &Netlist) -> Vec<Port> {
        let width = bits(netlist.max_count());
        let port = |(class, node): (usize, usize)| Port {
            name: format!("count_{class}"),
            width,
            nodes: vec![node],
            about: format!("votes for class {class}"),
        };
        self.sums(netlist, width).into_iter().enumerate().map(port).collect()
    }

    /// A bit a label, of label l bit l: whether its count is greater than `half`.
    fn labels(&mut self, netlist: &Netlist, half: u32) -> Vec<Port> {
        let sums = self.sums(netlist, bits(netlist.max_count()));
        let mut nodes: Vec<usize> = Vec::new();
        for (label, sum) in sums.into_iter().enumerate() {
            nodes.push(self.push(format!("is{label}"), 1, vec![sum], Value::Above(half)));
        }
        nodes.reverse();
        vec![Port { name: "labels".into(), width: nodes.len(), nodes, about: "bit l is whether label l is set".into() }]
    }

    /// A tournament: the later class wins only with a greater count, so the first among equals stays.
    fn class(&mut self, netlist: &Netlist) -> Vec<Port> {
        let (width, index) = (bits(netlist.max_count()), bits(netlist.classes.len().saturating_sub(1) as u32));
        let mut left: Vec<(usize, usize)> = Vec::new();
        for (class, sum) in self.sums(netlist, width).into_iter().enumerate() {
            let number = self.push(format!("n{class}"), index, Vec::new(), Value::Constant(class as u32));
            left.push((sum, number));
        }
        let mut round = 0;
        while left.len() > 1 {
            let mut winners = Vec::new();
            for (i, pair) in left.chunks(2).enumerate() {
                let &[(count, number), (later_count, later_number)] = pair else {
                    winners.extend(pair);
                    continue;
                };
                let greater = self.push(format!("gt{round}_{i}"), 1, vec![later_count, count], Value::Greater);
                let count = vec![greater, later_count, count];
                let number = vec![greater, later_number, number];
                winners.push((
                    self.push(format!("max{round}_{i}"), width, count, Value::Choose),
                    self.push(format!("arg{round}_{i}"), index, number, Value::Choose),
                ));
            }
            left = winners;
            round += 1;
        }
        let nodes = left.iter().map(|&(_, number)| number).collect();
        vec![Port { name: "class_index".into(), width: index, nodes, about: "class with the most votes".into() }]
    }
}

/// Bits of the numbers up to `most`, at least 1.
fn bits(most: u32) -> usize {
    (u32::BITS - most.leading_zeros()).max(1) as usize
}

fn write(netlist: &Netlist, options: &Options, label: &Label, nodes: &[Node], ports: &[Port]) -> String {
    let ranks = options.pipeline as usize;
    let depth = ports.iter().flat_map(|p| &p.nodes).map(|&n| nodes[n].level).max().unwrap_or(0).max(1);
    // Gates that no output depends on may be deeper than the outputs.
    let stage = |level: usize| (level.saturating_sub(1) * (ranks + 1) / depth).min(ranks);
    // The last stage that reads each node.
    let mut last: Vec<usize> = nodes.iter().map(|n| stage(n.level)).collect();
    for node in nodes {
        node.operands.iter().for_each(|&o| last[o] = last[o].max(stage(node.level)));
    }
    ports.iter().flat_map(|p| &p.nodes).for_each(|&n| last[n] = ranks);
    let constant = |n: usize| matches!(nodes[n].value, Value::Constant(_));
    let at = |n: usize, at: usize| match at - stage(nodes[n].level) {
        delay if delay > 0 && !constant(n) => format!("{}_r{delay}", nodes[n].name),
        _ => nodes[n].name.clone(),
    };

    let mut v = label.comment("// ");
    v.push_str(&verilog_places::modules(netlist, &options.name));
    let mut declared = Vec::new();
    if ranks > 0 {
        let _ = writeln!(v, "// Outputs belong to the inputs of {ranks} rising edges of clk before.");
        declared.push("input  wire clk".to_string());
    }
    match options.inputs {
        Inputs::Features => declared.push(format!("input  wire [{}:0] features", netlist.features().max(1) - 1)),
        Inputs::Pixels => {
            let _ = writeln!(v, "// Byte p of an image, in [channel][row][column] order, is pixels[8*p +: 8].");
            declared.push(format!("input  wire [{}:0] pixels", 8 * netlist.image.pixels() - 1));
        }
    }
    for port in ports {
        let _ = writeln!(v, "// {}: {}.", port.name, names::comment(&port.about));
        declared.push(format!("output wire [{}:0] {}", port.width - 1, port.name));
    }
    let _ = writeln!(v, "module {} (\n  {}\n);", options.name, declared.join(",\n  "));
    if !netlist.stages.is_empty() {
        let _ = writeln!(v, "  genvar {};", verilog_places::VARIABLES);
    }
    for node in nodes {
        let here = stage(node.level);
        let operands: Vec<String> = node.operands.iter().map(|&o| at(o, here)).collect();
        let range = node.range();
        let _ = match node.value {
            Value::Unit(number, u) => {
                let stage = &netlist.stages[number];
                let read = stage.units[u].channels();
                let channel = |c: u32| operands[read.partition_point(|&other| other < c)].clone();
                let places = verilog_places::places(stage, (&options.name, number, u), channel, &node.name);
                write!(v, "  wire {range}{};\n{places}", node.name)
            }
            _ => writeln!(v, "  wire {range}{} = {};", node.name, value(netlist, options, node, &operands)),
        };
    }
    let mut clocked = String::new();
    for (n, node) in nodes.iter().enumerate().filter(|&(n, _)| !constant(n)) {
        let range = node.range();
        for delay in 1..=last[n] - stage(node.level) {
            let (to, from) = (at(n, stage(node.level) + delay), at(n, stage(node.level) + delay - 1));
            let _ = writeln!(v, "  reg {range}{to};");
            let _ = writeln!(clocked, "    {to} <= {from};");
        }
    }
    if !clocked.is_empty() {
        let _ = write!(v, "  always @(posedge clk) begin\n{clocked}  end\n");
    }
    for port in ports {
        let bits: Vec<String> = port.nodes.iter().map(|&n| at(n, ranks)).collect();
        let _ = match &bits[..] {
            [one] => writeln!(v, "  assign {} = {one};", port.name),
            _ => writeln!(v, "  assign {} = {{{}}};", port.name, bits.join(", ")),
        };
    }
    v.push_str("endmodule\n");
    v
}

fn value(netlist: &Netlist, options: &Options, node: &Node, operands: &[String]) -> String {
    match node.value {
        Value::Feature(f) => feature(netlist, options, f),
        Value::Channel(c) => {
            let bits = (c * node.width..(c + 1) * node.width).rev();
            match options.inputs {
                Inputs::Features => format!("features[{} +: {}]", c * node.width, node.width),
                Inputs::Pixels => {
                    format!("{{{}}}", bits.map(|f| feature(netlist, options, f)).collect::<Vec<_>>().join(", "))
                }
            }
        }
        Value::Padded(number) => verilog_places::padded(&netlist.stages[number], &operands[0]),
        // What drives a channel is written where it is declared.
        Value::Unit(..) => String::new(),
        Value::Bit(bit) => format!("{}[{bit}]", operands[0]),
        Value::Gate(table) => expression::lut(table, operands, VERILOG),
        Value::Complement => format!("~{}", operands[0]),
        Value::Sum(0) => operands.join(" + "),
        Value::Sum(constant) => format!("{} + {}'d{constant}", operands.join(" + "), node.width),
        Value::Constant(constant) => format!("{}'d{constant}", node.width),
        Value::Above(constant) => format!("{} > 32'd{constant}", operands[0]),
        Value::Greater => format!("{} > {}", operands[0], operands[1]),
        Value::Choose => format!("{} ? {} : {}", operands[0], operands[1], operands[2]),
    }
}

fn feature(netlist: &Netlist, options: &Options, f: usize) -> String {
    let (pixel, threshold) = (netlist.encoder.pixel[f], netlist.encoder.threshold[f]);
    match options.inputs {
        Inputs::Features => format!("features[{f}]"),
        Inputs::Pixels => format!("pixels[{} +: 8] > 8'd{threshold}", 8 * pixel),
    }
}
