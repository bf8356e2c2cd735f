//! Convolutional layers: drawn, checked, and made circuits.

use super::{Conv, Convolution, Draw, Form, Initialization, Layer, TreeChannels, Wiring};
use crate::circuit::{Lut, MAX_ARITY, Signal, table_mask};
use crate::random::Philox;

impl Layer {
    /// Draw convolutional layer number `index` of a network from the same streams as a dense one. Channels are dealt out
    /// evenly, unless wires are random; positions in the window are drawn, those of a tree are distinct. Where trees that are
    /// pooled would all pass their first leaf through, every second root starts at AND instead.
    pub fn draw_conv(index: usize, what: &Convolution, conv: Conv, draw: Draw) -> Self {
        let stream = |n: usize| Philox::new(draw.seed, (2 * index + n) as u32);
        let (units, gates) = (what.units as usize, conv.tree_gates());
        let mut rng = stream(0);
        let wiring = draw_wires(what, &conv, draw.wiring, &mut rng);
        let (parametrization, mut rng) = (draw.parametrization, stream(1));
        let per_gate = parametrization.logits(2);
        let mut logits = draw.start.draw(parametrization, units * gates, 2, &mut rng);
        if conv.pool > 1 && draw.start.initialization == Initialization::Residual {
            for unit in (1..units).step_by(2) {
                let root = (unit * gates + gates - 1) * per_gate;
                let near = draw.start.near(0b1000, parametrization, 2, &mut rng);
                logits[root..root + per_gate].copy_from_slice(&near);
            }
        }
        let inputs = (conv.channels * conv.height * conv.width) as usize;
        Self::begun(Form::Conv(conv), (inputs, 2), wiring, parametrization, logits)
    }
}

/// `[units][leaves]`
fn draw_wires(what: &Convolution, conv: &Conv, wiring: Wiring, rng: &mut Philox) -> Vec<u32> {
    let (leaves, window) = (conv.leaves(), conv.kernel[0] * conv.kernel[1]);
    let mut order: Vec<u32> = (0..conv.channels).collect();
    let mut dealt = order.len();
    let mut deal = |rng: &mut Philox, not: &[u32]| loop {
        let channel = if wiring == Wiring::Random {
            rng.below(conv.channels)
        } else {
            if dealt == order.len() {
                rng.shuffle(&mut order);
                dealt = 0;
            }
            dealt += 1;
            order[dealt - 1]
        };
        if !not.contains(&channel) {
            break channel;
        }
    };
    let mut wires: Vec<u32> = Vec::with_capacity(what.units as usize * leaves);
    for _ in 0..what.units {
        let first = wires.len();
        let mut own = Vec::new();
        match what.channels {
            TreeChannels::One => own.push(deal(rng, &own)),
            TreeChannels::Two => (0..2).for_each(|_| own.push(deal(rng, &own))),
            TreeChannels::All => {}
        }
        for leaf in 0..leaves {
            let wire = loop {
                let channel = match what.channels {
                    TreeChannels::All => rng.below(conv.channels),
                    _ => own[leaf % own.len()],
                };
                let wire = channel * window + rng.below(window);
                if !wires[first..].contains(&wire) {
                    break wire;
                }
            };
            wires.push(wire);
        }
    }
    wires
}

/// Every tree has its leaves, and they lie in the window.
pub fn check(layer: &Layer, conv: &Conv) -> std::result::Result<(), String> {
    conv.check()?;
    let inputs = [conv.channels, conv.height, conv.width].iter().try_fold(1usize, |n, &x| n.checked_mul(x as usize));
    if inputs != Some(layer.inputs) || layer.arity != 2 {
        return Err(format!(
            "convolves a map of {} × {} × {} bits by gates of {} inputs, but is given {} bits; gates have 2",
            conv.channels, conv.height, conv.width, layer.arity, layer.inputs
        ));
    }
    let (gates, leaves) = (conv.tree_gates(), conv.leaves());
    if !layer.gates().is_multiple_of(gates) || layer.wiring.len() != layer.gates() / gates * leaves {
        return Err(format!("has {} gates and {} wires, which make no trees", layer.gates(), layer.wiring.len()));
    }
    match layer.wiring.iter().position(|&w| w >= conv.channels * conv.kernel[0] * conv.kernel[1]) {
        Some(at) => Err(format!("has tree {}, whose leaf {} lies beyond its window", at / leaves, at % leaves)),
        None => Ok(()),
    }
}

/// Add its LUTs, place by place, to a circuit whose first LUT is signal `first`; returns the signals of its outputs.
pub fn circuit(
    layer: &Layer,
    conv: &Conv,
    inputs: &[Signal],
    number: u32,
    first: usize,
    luts: &mut Vec<Lut>,
) -> Vec<Signal> {
    let mut add = |table: u64, pins: &[Signal]| {
        luts.push(Lut::new(table, pins, number));
        (first + luts.len() - 1) as Signal
    };
    let zero = if conv.pad > 0 { add(0, &[]) } else { 0 };
    let [rows, columns] = conv.outputs();
    let pool = conv.pool as usize;
    let mut outputs = Vec::with_capacity(layer.outputs());
    for (wires, tables) in layer.wiring.chunks_exact(conv.leaves()).zip(layer.tables.chunks_exact(conv.tree_gates())) {
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            let mut roots = Vec::with_capacity(pool * pool);
            for (y, x) in (0..pool * pool).map(|q| (row * pool + q / pool, column * pool + q % pool)) {
                let leaf = |&wire: &u32| conv.source(wire, y, x).map_or(zero, |bit| inputs[bit]);
                let mut nodes: Vec<Signal> = wires.iter().map(leaf).collect();
                for (j, &table) in tables.iter().enumerate() {
                    nodes.push(add(table, &[nodes[2 * j], nodes[2 * j + 1]]));
                }
                roots.extend(nodes.last());
            }
            // OR in as few LUTs as there can be: 1 for every code but the first.
            while roots.len() > 1 {
                let joined: Vec<Signal> = roots
                    .chunks(MAX_ARITY)
                    .map(|few| if few.len() == 1 { few[0] } else { add(!1 & table_mask(few.len()), few) })
                    .collect();
                roots = joined;
            }
            outputs.extend(roots);
        }
    }
    outputs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Parametrization;

    fn draw(wiring: Wiring) -> Draw {
        Draw { wiring, parametrization: Parametrization::IwpSin, start: Initialization::Residual.into(), seed: 5 }
    }

    const WHAT: Convolution =
        Convolution { units: 24, kernel: [3, 2], stride: 1, pad: 1, depth: 2, channels: TreeChannels::One, pool: 2 };

    #[test]
    fn trees_read_as_many_channels_as_asked_for_and_all_channels_alike() {
        for (channels, most) in [(TreeChannels::One, 1), (TreeChannels::Two, 2), (TreeChannels::All, 4)] {
            let what = Convolution { channels, ..WHAT };
            let layer = Layer::draw_conv(0, &what, what.over([4, 7, 9]).unwrap(), draw(Wiring::Unique));
            layer.check().unwrap();
            let mut uses = [0; 4];
            for leaves in layer.wiring.chunks_exact(4) {
                let own: std::collections::BTreeSet<u32> = leaves.iter().map(|w| w / 6).collect();
                assert!(own.len() <= most && (most == 4 || own.len() == most), "{channels:?}");
                own.iter().for_each(|&c| uses[c as usize] += 1);
                assert!((1..4).all(|i| !leaves[..i].contains(&leaves[i])));
            }
            if most < 4 {
                assert_eq!(uses, [6 * most; 4]);
            }
        }
    }

    #[test]
    fn half_of_pooled_roots_start_at_and() {
        let layer = Layer::draw_conv(0, &WHAT, WHAT.over([4, 7, 9]).unwrap(), draw(Wiring::Unique));
        let roots: Vec<u64> = layer.tables.chunks_exact(3).map(|tables| tables[2]).collect();
        assert_eq!(roots.iter().filter(|&&t| t == 0b1000).count(), 12);
        assert_eq!(roots.iter().filter(|&&t| t == 0b1100).count(), 12);
        let what = Convolution { pool: 1, ..WHAT };
        let layer = Layer::draw_conv(0, &what, what.over([4, 7, 9]).unwrap(), draw(Wiring::Random));
        assert!(layer.tables.iter().all(|&t| t == 0b1100));
    }
}
