//! Convolutional layers: drawn, checked, and made circuits.

use super::{Conv, Convolution, Draw, Form, Initialization, Layer, TreeChannels, Wiring};
use crate::circuit::{Leaf, Literal, Lut, Signal, Stage, Unit};
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
    if !layer.reads.is_before() {
        return Err("is a convolution, which reads the layer before it and no other".into());
    }
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

/// Its trees in a circuit, in which it is layer `number`.
pub fn stage(layer: &Layer, conv: &Conv, number: u32) -> Stage {
    let leaves = conv.leaves() as Signal;
    let unit = |(wires, tables): (&[u32], &[u64])| {
        let leaf = |&wire: &u32| {
            let (channel, dy, dx) = conv.leaf(wire);
            Leaf { channel: channel as u32, dy: dy as u32, dx: dx as u32 }
        };
        let gates = tables.iter().zip(0..).map(|(&table, j)| Lut::new(table, &[2 * j, 2 * j + 1], number));
        let root = Literal::Wire { signal: leaves + tables.len() as Signal - 1, inverted: false };
        Unit { leaves: wires.iter().map(leaf).collect(), gates: gates.collect(), root }
    };
    let (wires, tables) = (layer.wiring.chunks_exact(conv.leaves()), layer.tables.chunks_exact(conv.tree_gates()));
    let units = wires.zip(tables).map(unit).collect();
    Stage { grid: conv.grid(), channels: conv.channels as usize, units, layer: number }
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
