//! A circuit as a network: gates in layers by their depth, with gates that pass on what later layers read.

use super::{Form, Layer, Model, Parametrization, Reads};
use crate::circuit::{Lut, Netlist, Signal, table_mask};

/// Most gates that a circuit may become: passing on takes a gate a layer.
const MOST_GATES: usize = 1 << 26;

impl Model {
    /// `netlist` as a network that reads its votes, of which `group` gates an output cast one, as `like` does. It has no logits.
    ///
    /// # Errors
    /// A sentence, if an output has more votes than the group, or passing on takes too many gates.
    pub fn of_netlist(netlist: &Netlist, group: usize, like: Model) -> Result<Model, String> {
        netlist.check()?;
        let features = netlist.features();
        // Constants are gates of the first layer.
        let mut level = vec![0; features];
        for lut in &netlist.luts {
            level.push(1 + lut.inputs().iter().map(|&s| level[s as usize]).max().unwrap_or(0));
        }
        let depth = level.iter().copied().max().unwrap_or(0);
        // The last layer that reads each signal; votes are a layer of their own.
        let mut last = vec![0; netlist.signals()];
        for (i, lut) in netlist.luts.iter().enumerate() {
            lut.inputs().iter().for_each(|&s| last[s as usize] = last[s as usize].max(level[features + i]));
        }
        netlist.votes.iter().flatten().for_each(|vote| last[vote.signal as usize] = depth + 1);
        let mut by_level: Vec<Vec<usize>> = vec![Vec::new(); depth + 1];
        (0..netlist.luts.len()).filter(|&i| last[features + i] > 0).for_each(|i| by_level[level[features + i]].push(i));
        let mut place: Vec<u32> = (0..netlist.signals() as u32).collect();
        let mut alive: Vec<usize> = (0..features).collect();
        let (mut layers, mut inputs, mut gates) = (Vec::new(), features, 0);
        for (number, own) in by_level.iter().enumerate().skip(1) {
            let mut made: Vec<(u64, Vec<u32>)> = Vec::new();
            let passed: Vec<usize> = alive.iter().copied().filter(|&signal| last[signal] > number).collect();
            gates += own.len() + passed.len();
            if gates > MOST_GATES {
                return Err(format!("as a network of {depth} layers it would have more than {MOST_GATES} gates"));
            }
            let wire = |lut: &Lut| lut.inputs().iter().map(|&s| place[s as usize]).collect();
            made.extend(own.iter().map(|&i| (netlist.luts[i].table, wire(&netlist.luts[i]))));
            made.extend(passed.iter().map(|&signal| (0b10, vec![place[signal]])));
            alive = own.iter().map(|&i| features + i).chain(passed).collect();
            alive.iter().enumerate().for_each(|(at, &signal)| place[signal] = at as u32);
            layers.push(layer(inputs, made));
            inputs = alive.len();
        }
        let mut votes = Vec::new();
        for ((own, &offset), class) in netlist.votes.iter().zip(&netlist.offsets).zip(&netlist.classes) {
            let never = (group as i64) - (own.len() as i64 + i64::from(offset));
            if never < 0 {
                return Err(format!("\"{class}\" has {} votes, and its group {group} gates", group as i64 - never));
            }
            let wire = |signal: Signal| vec![place[signal as usize]];
            votes.extend(own.iter().map(|vote| (if vote.inverted { 0b01 } else { 0b10 }, wire(vote.signal))));
            votes.extend((0..offset).map(|_| (1, Vec::new())));
            votes.extend((0..never).map(|_| (0, Vec::new())));
        }
        layers.push(layer(inputs, votes));
        let (image, encoder, classes) = (netlist.image, netlist.encoder.clone(), netlist.classes.clone());
        let model = Model { image, encoder, classes, layers, ..like };
        model.check()?;
        Ok(model)
    }
}

/// A layer of gates, each a table and its wires; all get as many pins as the widest has.
fn layer(inputs: usize, gates: Vec<(u64, Vec<u32>)>) -> Layer {
    let arity = gates.iter().map(|(_, wires)| wires.len()).max().unwrap_or(0).max(1);
    let widened = |&(table, ref wires): &(u64, Vec<u32>)| {
        // Pins before the first are the code's highest bits, of which the table is to know nothing.
        let own = 1u32 << wires.len();
        (0..1u32 << (arity - wires.len())).fold(0, |t, i| t | (table & table_mask(wires.len())) << (i * own))
    };
    let wires = |(_, wires): &(u64, Vec<u32>)| {
        let first = wires.first().copied().unwrap_or(0);
        std::iter::repeat_n(first, arity - wires.len()).chain(wires.clone()).collect::<Vec<u32>>()
    };
    Layer {
        form: Form::Dense,
        reads: Reads::Before,
        inputs,
        arity,
        wiring: gates.iter().flat_map(wires).collect(),
        tables: gates.iter().map(widened).collect(),
        parametrization: Parametrization::IwpSin,
        logits: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::{Engine, Vote};
    use crate::data::{Encoder, Head, ImageShape};
    use crate::random::Philox;

    #[test]
    fn a_circuit_of_any_depth_keeps_its_counts() {
        let image = ImageShape { channels: 1, height: 1, width: 7 };
        let mut rng = Philox::new(3, 0);
        let mut luts = vec![Lut::new(1, &[], 0), Lut::new(0, &[], 0)];
        for i in 2..50u32 {
            let arity = 1 + rng.below(6) as usize;
            let pins: Vec<Signal> = (0..arity).map(|_| rng.below(7 + i)).collect();
            luts.push(Lut::new(u64::from(rng.next_u32()) << 32 | u64::from(rng.next_u32()), &pins, 0));
        }
        let vote = |signal, inverted| Vote { signal, inverted };
        let netlist = Netlist {
            image,
            encoder: Encoder::thermometer(image, 1).unwrap(),
            stages: Vec::new(),
            luts,
            classes: vec!["a".into(), "b".into()],
            // A feature, a constant, and signals of many depths; one votes twice.
            votes: vec![
                vec![vote(0, true), vote(7, false), vote(30, false), vote(56, true), vote(30, true)],
                vec![vote(8, true), vote(55, false), vote(54, false)],
            ],
            offsets: vec![0, 2],
        };
        let like = Model {
            dataset: "t".into(),
            image,
            table: None,
            classes: Vec::new(),
            head: Head::Classes,
            tau: 1.0,
            encoder: netlist.encoder.clone(),
            layers: Vec::new(),
        };
        let model = Model::of_netlist(&netlist, 6, like.clone()).unwrap();
        assert_eq!(model.group(), 6);
        let bytes: Vec<u8> = (0..7 * 600).map(|_| rng.below(256) as u8).collect();
        let counts = |netlist: &Netlist| Engine::new(netlist).counts(&bytes, false);
        assert_eq!(counts(&model.netlist().unwrap()), counts(&netlist));
        let again = Model::from_bytes(&model.to_bytes().unwrap()).unwrap();
        assert_eq!(again, model);
        let told = Model::of_netlist(&netlist, 4, like).unwrap_err();
        assert!(told.contains("\"a\" has 5 votes"), "{told}");
    }
}
