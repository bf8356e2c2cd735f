//! Fewer gates, the same counts for every input.
//!
//! One pass builds the netlist anew, gate by gate, with a builder that keeps no gate that it need not keep. A constant vote moves into its class's offset, a vote and its complement become 1, and gates that nothing reads go.
//! Passes repeat until nothing changes. Features stay as they are, so both netlists read the same inputs.

use super::builder::{Builder, Literal};
use super::{Census, Netlist, Signal, Vote};

mod stages;

/// What simplification did.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Simplification {
    /// The netlist given.
    pub before: Census,
    /// The netlist made of it.
    pub after: Census,
    /// Votes that turned out to be constant, over all classes.
    pub constant_votes: usize,
    /// Passes until nothing changed, that last one included.
    pub passes: usize,
}

/// Simplify to a fixed point, convolutions once and not place by place.
pub fn simplify(netlist: &Netlist) -> (Netlist, Simplification) {
    let (mut current, mut passes) = (netlist.clone(), 0);
    loop {
        passes += 1;
        let next = sweep(&rebuild(&current));
        if next == current {
            break;
        }
        current = next;
    }
    let votes = |n: &Netlist| n.votes.iter().map(Vec::len).sum::<usize>();
    let report = Simplification {
        before: Census::of(netlist),
        after: Census::of(&current),
        constant_votes: votes(netlist) - votes(&current),
        passes,
    };
    (current, report)
}

/// Simplify, write convolutions out place by place, and simplify what that gives: at the edges of a map, trees read zeros.
pub fn simplify_flat(netlist: &Netlist) -> (Netlist, Simplification) {
    let (simple, report) = simplify(netlist);
    if simple.stages.is_empty() {
        return (simple, report);
    }
    let (flat, of_flat) = simplify(&simple.flat());
    let constant_votes = report.constant_votes + of_flat.constant_votes;
    let passes = report.passes + of_flat.passes;
    (flat, Simplification { before: report.before, after: of_flat.after, constant_votes, passes })
}

/// One pass over all gates and votes. A convolution is simplified unit by unit, at all of its places at once.
fn rebuild(netlist: &Netlist) -> Netlist {
    let (stages, of_maps) = stages::rebuild(&netlist.stages);
    let wire = |signal: usize| Literal::Wire { signal: signal as Signal, inverted: false };
    let inputs = netlist.inputs();
    let mut literals: Vec<Literal> = (0..netlist.features()).map(wire).collect();
    for (stage, channels) in netlist.stages.iter().zip(of_maps) {
        let map = literals.len();
        literals.extend(channels.iter().flat_map(|channel| channel.bits(map, stage.grid.area())));
    }
    let mut builder = Builder::new(inputs, Vec::new());
    for lut in &netlist.luts {
        let inputs = lut.inputs().iter().map(|&s| literals[s as usize]).collect::<Vec<_>>();
        let literal = builder.gate(lut.table, &inputs, lut.layer);
        literals.push(literal);
    }
    let mut offsets = netlist.offsets.clone();
    let votes = netlist.votes.iter().zip(&mut offsets).map(|(votes, offset)| {
        let mut kept: Vec<Vote> = Vec::with_capacity(votes.len());
        for vote in votes {
            match literals[vote.signal as usize] {
                Literal::Constant(value) => *offset += u32::from(value != vote.inverted),
                Literal::Wire { signal, inverted } => kept.push(Vote { signal, inverted: inverted != vote.inverted }),
            }
        }
        *offset += cancel(&mut kept);
        kept
    });
    let votes = votes.collect();
    Netlist {
        image: netlist.image,
        encoder: netlist.encoder.clone(),
        stages,
        luts: builder.into_luts(),
        classes: netlist.classes.clone(),
        votes,
        offsets,
    }
}

/// Remove pairs of a vote and its complement, exactly one of which is always cast; how many pairs there were. Votes are
/// sorted.
fn cancel(votes: &mut Vec<Vote>) -> u32 {
    votes.sort_unstable();
    let mut pairs = 0;
    let mut kept = Vec::with_capacity(votes.len());
    for of_signal in votes.chunk_by(|a, b| a.signal == b.signal) {
        let plain = of_signal.iter().filter(|v| !v.inverted).count();
        let both = plain.min(of_signal.len() - plain);
        pairs += both as u32;
        kept.extend_from_slice(&of_signal[both..of_signal.len() - both]);
    }
    *votes = kept;
    pairs
}

/// Drop the gates and units that no vote depends on.
fn sweep(netlist: &Netlist) -> Netlist {
    let inputs = netlist.inputs();
    let mut live = vec![false; netlist.signals()];
    netlist.votes.iter().flatten().for_each(|v| live[v.signal as usize] = true);
    for (i, lut) in netlist.luts.iter().enumerate().rev() {
        if live[inputs + i] {
            lut.inputs().iter().for_each(|&s| live[s as usize] = true);
        }
    }
    let maps = netlist.stages.iter().zip(netlist.maps().into_iter().skip(1));
    let of_units = maps.map(|(stage, map)| live[map].chunks_exact(stage.grid.area()).map(|bits| bits.contains(&true)));
    let (stages, units) = stages::sweep(&netlist.stages, of_units.map(Iterator::collect).collect());
    let mut renumbered: Vec<Signal> = (0..netlist.features() as Signal).collect();
    let mut inputs_left = netlist.features();
    for (stage, units) in stages.iter().zip(units) {
        let area = stage.grid.area();
        let bits = |unit: u32| (0..area).map(move |bit| (inputs_left + unit as usize * area + bit) as Signal);
        renumbered.extend(units.into_iter().flat_map(bits));
        inputs_left += stage.outputs();
    }
    let mut luts = Vec::new();
    for (lut, &live) in netlist.luts.iter().zip(&live[inputs..]) {
        renumbered.push((inputs_left + luts.len()) as Signal);
        if live {
            let mut lut = *lut;
            lut.pins[..lut.arity as usize].iter_mut().for_each(|s| *s = renumbered[*s as usize]);
            luts.push(lut);
        }
    }
    let renumber = |v: &Vote| Vote { signal: renumbered[v.signal as usize], ..*v };
    let votes = netlist.votes.iter().map(|votes| votes.iter().map(renumber).collect()).collect();
    Netlist {
        image: netlist.image,
        encoder: netlist.encoder.clone(),
        stages,
        luts,
        classes: netlist.classes.clone(),
        votes,
        offsets: netlist.offsets.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::Lut;
    use crate::data::Encoder;
    use crate::data::ImageShape;

    /// A netlist over three features whose single class has `votes`.
    fn netlist(luts: Vec<Lut>, votes: Vec<Vote>) -> Netlist {
        Netlist {
            image: ImageShape { channels: 1, height: 1, width: 3 },
            encoder: Encoder { pixel: vec![0, 1, 2], threshold: vec![0; 3] },
            stages: Vec::new(),
            luts,
            classes: vec!["only".into()],
            votes: vec![votes],
            offsets: vec![0],
        }
    }

    fn vote(signal: Signal) -> Vote {
        Vote { signal, inverted: false }
    }

    #[test]
    fn constants_fold_into_the_offset() {
        // 3 = TRUE, 4 = x0 ∧ ¬TRUE = 0, 5 = x1 ∨ TRUE = 1, 6 = x2 ⊕ TRUE = ¬x2.
        let luts = vec![
            Lut::new(1, &[], 0),
            Lut::new(0b0100, &[0, 3], 1),
            Lut::new(0b1110, &[1, 3], 1),
            Lut::new(0b0110, &[2, 3], 1),
        ];
        let (simple, report) = simplify(&netlist(luts, vec![vote(3), vote(4), vote(5), vote(6)]));
        assert!(simple.luts.is_empty());
        assert_eq!(simple.offsets, [2]);
        assert_eq!(simple.votes, [vec![Vote { signal: 2, inverted: true }]]);
        assert_eq!((report.before.gates, report.after.gates, report.constant_votes), (4, 0, 3));
    }

    #[test]
    fn equal_gates_merge_whatever_their_pins_and_polarity() {
        // x0 ∧ x1, x1 ∧ x0, NAND(x0, x1), and a three-input gate that ignores its middle pin: x0 ∧ x1.
        let luts = vec![
            Lut::new(0b1000, &[0, 1], 0),
            Lut::new(0b1000, &[1, 0], 0),
            Lut::new(0b0111, &[0, 1], 0),
            Lut::new(0b1010_0000, &[0, 2, 1], 0),
        ];
        let (simple, _) = simplify(&netlist(luts, vec![vote(3), vote(4), vote(5), vote(6)]));
        assert_eq!(simple.luts, [Lut::new(0b1000, &[0, 1], 0)]);
        // Of the four votes NAND cancels one AND: two ANDs and a constant stay.
        assert_eq!((simple.votes[0].len(), simple.offsets[0]), (2, 1));
    }

    #[test]
    fn gates_of_gates_over_the_same_inputs_collapse() {
        // (x0 ∧ x1) ∨ x1 = x1.
        let luts = vec![Lut::new(0b1000, &[0, 1], 0), Lut::new(0b1110, &[3, 1], 1)];
        let (simple, _) = simplify(&netlist(luts, vec![vote(4)]));
        assert!(simple.luts.is_empty());
        assert_eq!(simple.votes, [vec![vote(1)]]);
        // (x0 ∧ x1) ⊕ (x0 ∨ x1) = x0 ⊕ x1.
        let luts = vec![Lut::new(0b1000, &[0, 1], 0), Lut::new(0b1110, &[0, 1], 0), Lut::new(0b0110, &[3, 4], 1)];
        let (simple, _) = simplify(&netlist(luts, vec![vote(5)]));
        assert_eq!(simple.luts, [Lut::new(0b0110, &[0, 1], 1)]);
    }
}
