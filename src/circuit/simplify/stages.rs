//! Convolutions with fewer gates: a unit is built anew once, for all of its places.
//!
//! What holds at every place is used: constants, wires, equal nodes within a unit, equal units, units that nothing reads. A root's
//! inversion stays with it, since a pool ORs what comes of it and beyond the map's edges a reader sees 0, not its complement.

use std::collections::HashMap;

use crate::circuit::builder::{Builder, Literal};
use crate::circuit::{Leaf, Lut, Signal, Stage, Unit};

/// What is known of a channel of a map.
#[derive(Debug, Clone, Copy)]
pub struct Channel {
    /// The first channel that is the same at every place; itself, if there is none before it.
    same: u32,
    /// Its value, if it is the same everywhere.
    constant: Option<bool>,
}

impl Channel {
    /// Of its `area` bits, where the map's first is signal `map`.
    pub fn bits(self, map: usize, area: usize) -> impl Iterator<Item = Literal> {
        let first = map + self.same as usize * area;
        let wire = move |bit: usize| Literal::Wire { signal: (first + bit) as Signal, inverted: false };
        (0..area).map(move |bit| self.constant.map_or(wire(bit), Literal::Constant))
    }
}

/// The same maps by fewer gates, and what is known of the channels of each.
pub fn rebuild(stages: &[Stage]) -> (Vec<Stage>, Vec<Vec<Channel>>) {
    let features = stages.first().map_or(0, |stage| stage.channels as u32);
    let mut channels: Vec<Channel> = (0..features).map(|same| Channel { same, constant: None }).collect();
    let (mut rebuilt, mut of_maps) = (Vec::with_capacity(stages.len()), Vec::with_capacity(stages.len()));
    for stage in stages {
        let units: Vec<Unit> = stage.units.iter().map(|unit| unit_anew(unit, stage, &channels)).collect();
        let mut known = HashMap::new();
        channels.clear();
        for (number, unit) in units.iter().enumerate() {
            let constant = if let Literal::Constant(value) = unit.root { Some(value) } else { None };
            let same = *known.entry(unit).or_insert(number as u32);
            channels.push(Channel { same, constant });
        }
        rebuilt.push(Stage { units, ..*stage });
        of_maps.push(channels.clone());
    }
    (rebuilt, of_maps)
}

fn unit_anew(unit: &Unit, stage: &Stage, channels: &[Channel]) -> Unit {
    // A leaf is a constant, or reads the first of equal channels.
    let read = |leaf: &Leaf| {
        let Channel { same, constant } = channels[leaf.channel as usize];
        let always = constant.and_then(|value| stage.always(leaf, value));
        always.map_or(Ok(Leaf { channel: same, ..*leaf }), Err)
    };
    let read: Vec<Result<Leaf, bool>> = unit.leaves.iter().map(read).collect();
    let mut leaves: Vec<Leaf> = read.iter().filter_map(|leaf| leaf.ok()).collect();
    leaves.sort_unstable();
    leaves.dedup();
    let literal = |leaf: &Result<Leaf, bool>| match leaf {
        Ok(leaf) => Literal::Wire { signal: leaves.partition_point(|l| l < leaf) as Signal, inverted: false },
        Err(value) => Literal::Constant(*value),
    };
    let mut nodes: Vec<Literal> = read.iter().map(literal).collect();
    let mut builder = Builder::new(leaves.len(), Vec::new());
    for gate in &unit.gates {
        let pins: Vec<Literal> = gate.inputs().iter().map(|&n| nodes[n as usize]).collect();
        nodes.push(builder.gate(gate.table, &pins, gate.layer));
    }
    let root = match unit.root {
        Literal::Wire { signal, inverted } if inverted => !nodes[signal as usize],
        Literal::Wire { signal, .. } => nodes[signal as usize],
        constant => constant,
    };
    without_the_unread(&leaves, &builder.into_luts(), root)
}

/// The unit of these leaves and gates, of which those stay that its root depends on.
fn without_the_unread(leaves: &[Leaf], gates: &[Lut], root: Literal) -> Unit {
    let mut live = vec![false; leaves.len() + gates.len()];
    if let Literal::Wire { signal, .. } = root {
        live[signal as usize] = true;
    }
    for (j, gate) in gates.iter().enumerate().rev() {
        if live[leaves.len() + j] {
            gate.inputs().iter().for_each(|&n| live[n as usize] = true);
        }
    }
    let mut left = 0;
    let place = |&live: &bool| {
        left += u32::from(live);
        left.saturating_sub(1)
    };
    let places: Vec<Signal> = live.iter().map(place).collect();
    let (of_leaves, of_gates) = live.split_at(leaves.len());
    let gate = |gate: &Lut| {
        let mut gate = *gate;
        gate.pins[..gate.arity as usize].iter_mut().for_each(|n| *n = places[*n as usize]);
        gate
    };
    Unit {
        leaves: leaves.iter().zip(of_leaves).filter(|(_, live)| **live).map(|(leaf, _)| *leaf).collect(),
        gates: gates.iter().zip(of_gates).filter(|(_, live)| **live).map(|(g, _)| gate(g)).collect(),
        root: match root {
            Literal::Wire { signal, inverted } => Literal::Wire { signal: places[signal as usize], inverted },
            constant => constant,
        },
    }
}

/// Drop the units that nothing reads, where look-up tables read of each stage's units those that are `live`. Also returns their new
/// numbers, `[stage][unit]`.
pub fn sweep(stages: &[Stage], mut live: Vec<Vec<bool>>) -> (Vec<Stage>, Vec<Vec<u32>>) {
    for (i, stage) in stages.iter().enumerate().skip(1).rev() {
        let (below, own) = live.split_at_mut(i);
        let read = stage.units.iter().zip(&own[0]).filter(|(_, live)| **live);
        read.flat_map(|(unit, _)| &unit.leaves).for_each(|leaf| below[i - 1][leaf.channel as usize] = true);
    }
    // Features stay as they are.
    let features = stages.first().map_or(0, |stage| stage.channels);
    let mut numbers: Vec<u32> = (0..features as u32).collect();
    let (mut kept, mut of_stages) = (Vec::with_capacity(stages.len()), Vec::with_capacity(stages.len()));
    for (stage, live) in stages.iter().zip(&live) {
        let mut units: Vec<Unit> = Vec::new();
        let mut own = Vec::with_capacity(stage.units.len());
        for (unit, &live) in stage.units.iter().zip(live) {
            own.push(units.len() as u32);
            if live {
                let mut unit = unit.clone();
                unit.leaves.iter_mut().for_each(|leaf| leaf.channel = numbers[leaf.channel as usize]);
                units.push(unit);
            }
        }
        let channels = kept.last().map_or(stage.channels, |before: &Stage| before.units.len());
        kept.push(Stage { units, channels, ..*stage });
        of_stages.push(own.clone());
        numbers = own;
    }
    (kept, of_stages)
}
