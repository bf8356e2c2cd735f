//! What a netlist is made of, counted.

use serde::Serialize;

use super::{Lut, Netlist, Stage};

/// Names of the 16 functions of two inputs in the field's order: 0 FALSE, 1 AND, 3 A, 5 B, 6 XOR, … 15 TRUE.
pub const FUNCTION_NAMES: [&str; 16] = [
    "FALSE",
    "A AND B",
    "A AND NOT B",
    "A",
    "NOT A AND B",
    "B",
    "A XOR B",
    "A OR B",
    "A NOR B",
    "A XNOR B",
    "NOT B",
    "A OR NOT B",
    "NOT A",
    "NOT A OR B",
    "A NAND B",
    "TRUE",
];

/// Number of a two-input table in the field's order: the outputs for codes 0, 1, 2, 3 are its bits from the highest.
pub fn function_number(table: u64) -> usize {
    (0..4).fold(0, |number, code| (number << 1) | ((table >> code) & 1) as usize)
}

/// Counts over a whole netlist.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Census {
    /// Gates in all, those of a convolution counted once.
    pub gates: usize,
    /// Gates evaluated for a sample, those of a convolution at every place.
    pub applications: usize,
    /// Gates on the longest path from a feature to a vote.
    pub depth: u32,
    /// Features that the encoder has.
    pub features: usize,
    /// Features that a gate or a vote reads.
    pub live_features: usize,
    /// Bytes of the image that those features look at.
    pub live_pixels: usize,
    /// Votes in all.
    pub votes: usize,
    /// Votes that are always cast, over all classes.
    pub constant_votes: u32,
    /// The model's layers, first to last; gates made by simplification count where they came from.
    pub layers: Vec<LayerCensus>,
    /// `[arity]`: gates of 0 to 6 inputs.
    pub by_arity: [usize; 7],
    /// `[readers]`: gates that so many pins and votes read.
    pub fan_out: Vec<usize>,
    /// Two-input gates by function, in the field's order of [`FUNCTION_NAMES`].
    pub by_function: [usize; 16],
}

/// Counts over a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LayerCensus {
    /// Gates of the layer.
    pub gates: usize,
    /// Places at which each is evaluated.
    pub places: usize,
    /// Gates that nothing reads.
    pub unread: usize,
    /// Most readers of one gate.
    pub most_readers: u32,
    /// Two-input gates by function.
    pub by_function: [usize; 16],
}

impl Census {
    /// Count `netlist`.
    pub fn of(netlist: &Netlist) -> Self {
        let of_features = netlist.use_of_features();
        let mut pixels: Vec<u32> =
            netlist.encoder.pixel.iter().zip(&of_features).filter(|&(_, &n)| n > 0).map(|(&p, _)| p).collect();
        pixels.sort_unstable();
        pixels.dedup();
        let gates = gates(netlist);
        let of_luts = netlist.luts.iter().map(|l| l.layer as usize + 1);
        let depth = netlist.stages.iter().map(|s| s.layer as usize + 1).chain(of_luts).max().unwrap_or(0);
        let empty = LayerCensus { gates: 0, places: 1, unread: 0, most_readers: 0, by_function: [0; 16] };
        let mut layers = vec![empty; depth];
        netlist.stages.iter().for_each(|stage| layers[stage.layer as usize].places = stage.places());
        let (mut by_arity, mut by_function) = ([0; 7], [0; 16]);
        let mut fan_out = vec![0; gates.iter().map(|(_, n)| *n as usize + 1).max().unwrap_or(0)];
        for (lut, readers) in gates {
            let layer = &mut layers[lut.layer as usize];
            fan_out[readers as usize] += 1;
            layer.gates += 1;
            layer.unread += usize::from(readers == 0);
            layer.most_readers = layer.most_readers.max(readers);
            by_arity[lut.arity as usize] += 1;
            if let Some(number) = two_input_function(lut) {
                layer.by_function[number] += 1;
                by_function[number] += 1;
            }
        }
        Census {
            gates: netlist.gates(),
            applications: netlist.applications(),
            depth: netlist.depth(),
            features: netlist.features(),
            live_features: of_features.iter().filter(|&&n| n > 0).count(),
            live_pixels: pixels.len(),
            votes: netlist.votes.iter().map(Vec::len).sum(),
            constant_votes: netlist.offsets.iter().sum(),
            layers,
            by_arity,
            fan_out,
            by_function,
        }
    }
}

/// Every gate and how many pins and votes read it, those of a convolution counted once.
fn gates(netlist: &Netlist) -> Vec<(&Lut, u32)> {
    let (inputs, readers) = (netlist.inputs(), netlist.fan_out());
    let mut gates = Vec::with_capacity(netlist.gates());
    for (i, (stage, map)) in netlist.stages.iter().zip(netlist.maps().into_iter().skip(1)).enumerate() {
        let of_luts = readers[map].chunks_exact(stage.grid.area()).map(|bits| bits.iter().sum());
        let of_next = netlist.stages.get(i + 1).map_or_else(|| vec![0; stage.units.len()], Stage::readers);
        let of_units = of_next.iter().zip(of_luts).map(|(next, luts): (&u32, u32)| next + luts);
        for (unit, of_unit) in stage.units.iter().zip(of_units) {
            let mut of_gates = unit.readers();
            if let Some(root) = unit.root_gate() {
                of_gates[root] += of_unit;
            }
            gates.extend(unit.gates.iter().zip(of_gates));
        }
    }
    gates.extend(netlist.luts.iter().zip(readers[inputs..].iter().copied()));
    gates
}

/// `[pixel]`: pins and votes that read a feature of the pixel, those of a convolution counted at every place.
pub fn pixel_use(netlist: &Netlist) -> Vec<u32> {
    let mut uses = vec![0; netlist.image.pixels()];
    for (&pixel, readers) in netlist.encoder.pixel.iter().zip(netlist.use_of_features()) {
        uses[pixel as usize] += readers;
    }
    uses
}

/// The function number of a gate of exactly two inputs.
fn two_input_function(lut: &Lut) -> Option<usize> {
    (lut.arity == 2).then(|| function_number(lut.table))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::function_table;

    #[test]
    fn numbers_and_names_follow_the_field() {
        for number in 0..16 {
            assert_eq!(function_number(function_table(number as u32, 4)), number);
        }
        assert_eq!(FUNCTION_NAMES[function_number(0b1000)], "A AND B");
        assert_eq!(FUNCTION_NAMES[function_number(0b1100)], "A");
        assert_eq!(FUNCTION_NAMES[function_number(0b0100)], "A AND NOT B");
        assert_eq!(FUNCTION_NAMES[function_number(0b1011)], "NOT A OR B", "set unless a = 1 and b = 0: code 2");
    }
}
