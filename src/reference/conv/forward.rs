//! Trees on real activations, bits being 0 and 1.

use super::place_of;
use crate::network::{Conv, Layer};
use crate::reference::code_weight;

/// `[units][rows][columns]` outputs of one sample's map `[channels][rows][columns]`: the trees of the multilinear extensions of
/// `tables`, `[units · gates a tree][4]`, and of every pool's window the greatest, which of bits is their OR.
pub fn forward_conv(layer: &Layer, conv: &Conv, tables: &[Vec<f64>], inputs: &[f64]) -> Vec<f64> {
    let window = (conv.pool * conv.pool) as usize;
    let units = layer.gates() / conv.tree_gates();
    let outputs = (0..units).flat_map(|unit| (0..conv.area()).map(move |place| (unit, place)));
    let root =
        |unit, place, q| nodes(layer, conv, unit, place_of(conv, place, q), tables, inputs)[2 * conv.leaves() - 2];
    outputs.map(|(unit, place)| (0..window).map(|q| root(unit, place, q)).fold(f64::NEG_INFINITY, f64::max)).collect()
}

/// `[2^d leaves, then 2^d − 1 gates]`: what the nodes of tree `unit` come to at a place.
pub fn nodes(
    layer: &Layer,
    conv: &Conv,
    unit: usize,
    (y, x): (usize, usize),
    tables: &[Vec<f64>],
    inputs: &[f64],
) -> Vec<f64> {
    let wires = &layer.wiring[unit * conv.leaves()..][..conv.leaves()];
    let leaf = |&wire: &u32| conv.source(wire, y, x).map_or(0.0, |bit| inputs[bit]);
    let mut nodes: Vec<f64> = wires.iter().map(leaf).collect();
    for (j, table) in tables[unit * conv.tree_gates()..][..conv.tree_gates()].iter().enumerate() {
        let pins = [nodes[2 * j], nodes[2 * j + 1]];
        nodes.push(table.iter().enumerate().map(|(code, p)| p * code_weight(code, &pins)).sum());
    }
    nodes
}
