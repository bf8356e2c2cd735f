//! A circuit's outputs as votes: those of a network whose inputs, classes and meaning it shares, or single bits.

use super::{Builder, Circuit, Literal, Parsed};
use crate::circuit::{Netlist, Signal, Vote, simplify, simplify_flat};
use crate::data::{Encoder, ImageShape};

/// Bits of a number that a LUT compares, beside what the bits below say.
const COMPARED: usize = 5;

/// What the outputs of a circuit are, as `export --outputs` names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Single votes.
    Votes,
    /// A binary number a class.
    Counts,
    /// The number of a class.
    Class,
    /// A bit a label.
    Labels,
}

/// A circuit that votes, and how many gates vote for an output.
#[derive(Debug)]
pub struct Voting {
    /// The circuit.
    pub netlist: Netlist,
    /// At least the votes of every output; what lacks is never cast.
    pub group: usize,
    /// What its outputs were.
    pub kind: Kind,
}

impl Circuit {
    /// As a circuit of its own: each input a byte that is 0 or not, each output a label that is set or not.
    pub fn plain(&self) -> Voting {
        let inputs = self.inputs.len();
        let (luts, outputs) = self.luts(inputs, &(0..inputs as Signal).collect::<Vec<_>>());
        let encoder = Encoder { pixel: (0..inputs as u32).collect(), threshold: vec![0; inputs] };
        let (votes, offsets) = outputs.into_iter().map(|output| votes([output])).unzip();
        let classes = self.outputs.iter().map(|(name, _)| name.clone()).collect();
        let image = ImageShape { channels: 1, height: 1, width: inputs };
        Voting {
            netlist: Netlist { image, encoder, stages: Vec::new(), luts, classes, votes, offsets },
            group: 1,
            kind: Kind::Labels,
        }
    }

    /// As a circuit with the inputs and classes of `like`, of which `group` gates an output vote. Inputs and outputs are
    /// known by the names that exports give them, or, where these are lost, by their order.
    ///
    /// # Errors
    /// A sentence, if it is of other inputs or outputs.
    pub fn like(&self, like: &Netlist, group: usize) -> Parsed<Voting> {
        let features = like.features();
        let (mut luts, mut outputs) = self.luts(features, &self.features(features)?);
        let classes = like.classes.len();
        let (kind, places) = self.kind(like, group)?;
        if let Some(places) = places {
            outputs = places.into_iter().map(|place| outputs[place]).collect();
        }
        let mut builder = Builder::new(features, std::mem::take(&mut luts));
        let mut greater = |number: &[Literal], than: usize| {
            let chunks = number.chunks(COMPARED).enumerate();
            chunks.fold(Literal::Constant(false), |below, (i, bits)| {
                let than = than >> (i * COMPARED) & ((1 << bits.len()) - 1);
                // The code's bits are these, the highest first, then what is below.
                let is_set = |code: usize| (code >> 1) > than || (code >> 1) == than && code & 1 == 1;
                let table = (0..2usize << bits.len()).filter(|&code| is_set(code)).fold(0, |t, code| t | 1 << code);
                let inputs: Vec<Literal> = bits.iter().rev().copied().chain([below]).collect();
                builder.gate(table, &inputs, 0)
            })
        };
        let (cast, group): (Vec<Vec<Literal>>, usize) = match kind {
            Kind::Votes => {
                let (lengths, offsets) = vote_lengths(like, group, outputs.len())?;
                let mut rest = outputs.as_slice();
                let of = |(length, offset): (usize, u32)| {
                    let (own, after) = rest.split_at(length);
                    rest = after;
                    own.iter().copied().chain((0..offset).map(|_| Literal::Constant(true))).collect()
                };
                (lengths.into_iter().zip(offsets).map(of).collect(), group)
            }
            Kind::Counts => {
                let unary = |number: &[Literal]| (0..group).map(|than| greater(number, than)).collect();
                (outputs.chunks(outputs.len() / classes).map(unary).collect(), group)
            }
            Kind::Class => {
                let mut is = |class: usize| {
                    let not_above = !greater(&outputs, class);
                    let above = class.checked_sub(1).map_or(Literal::Constant(true), |below| greater(&outputs, below));
                    [not_above, above]
                };
                let both: Vec<[Literal; 2]> = (0..classes).map(&mut is).collect();
                (both.iter().map(|both| vec![builder.gate(0b1000, both, 0)]).collect(), 1)
            }
            Kind::Labels => (outputs.iter().map(|&output| vec![output]).collect(), 1),
        };
        let (votes, offsets): (Vec<_>, Vec<_>) = cast.into_iter().map(votes).unzip();
        let luts = builder.into_luts();
        let (image, encoder, classes) = (like.image, like.encoder.clone(), like.classes.clone());
        let netlist = Netlist { image, encoder, stages: Vec::new(), luts, classes, votes, offsets };
        Ok(Voting { netlist, group, kind })
    }

    /// `[input]`: the feature that it is.
    fn features(&self, features: usize) -> Parsed<Vec<Signal>> {
        let number = |name: &str| name.strip_prefix('x')?.split('_').next()?.parse::<usize>().ok();
        let by_name: Option<Vec<usize>> = self.inputs.iter().map(|(name, _)| number(name)).collect();
        match by_name {
            Some(numbers) => match numbers.iter().find(|&&n| n >= features) {
                Some(n) => Err(format!("it has an input for feature {n}, and the model has {features}")),
                None => Ok(numbers.into_iter().map(|n| n as Signal).collect()),
            },
            None if self.inputs.len() == features => Ok((0..features as Signal).collect()),
            None => Err(format!(
                "its {} inputs are not named as exports name them, and the model has {features} features, so which is \
                 which is not known",
                self.inputs.len()
            )),
        }
    }

    /// What the outputs are, and where each in turn is found if names tell it.
    fn kind(&self, like: &Netlist, group: usize) -> Parsed<(Kind, Option<Vec<usize>>)> {
        let classes = like.classes.len();
        let parse = |name: &str| -> Option<(Kind, [usize; 2])> {
            let (word, rest) = name.split_once('_')?;
            let numbers: Vec<usize> = rest.split('_').filter_map(|part| part.parse().ok()).collect();
            match (word, &numbers[..]) {
                ("vote", &[class, vote]) => Some((Kind::Votes, [class, vote])),
                ("count", &[class, bit]) => Some((Kind::Counts, [class, bit])),
                ("class", &[bit]) => Some((Kind::Class, [0, bit])),
                ("label", &[label]) => Some((Kind::Labels, [label, 0])),
                _ => None,
            }
        };
        let named: Option<Vec<(Kind, [usize; 2])>> = self.outputs.iter().map(|(name, _)| parse(name)).collect();
        let count = self.outputs.len();
        let class_bits = (usize::BITS - classes.saturating_sub(1).leading_zeros()).max(1) as usize;
        let fits = |kind: Kind| match kind {
            Kind::Votes => vote_lengths(like, group, count).is_ok(),
            Kind::Counts => count.is_multiple_of(classes) && (1..=32).contains(&(count / classes)),
            Kind::Class => count == class_bits,
            Kind::Labels => count == classes,
        };
        if let Some(named) = named
            && let Some(&(kind, _)) = named.first()
            && named.iter().all(|&(other, _)| other == kind)
        {
            let mut places: Vec<usize> = (0..count).collect();
            places.sort_by_key(|&place| named[place].1);
            return match fits(kind) {
                true => Ok((kind, Some(places))),
                false => Err(format!(
                    "its {count} outputs are {kind:?} of another network, or of a circuit simplified in another way; \
                     export the counts"
                )),
            };
        }
        let most = u32::BITS - (group as u32).leading_zeros();
        let is_count = fits(Kind::Counts) && (count / classes) as u32 <= most && count > classes;
        let possible = [(Kind::Votes, fits(Kind::Votes)), (Kind::Counts, is_count), (Kind::Class, fits(Kind::Class))];
        let mut possible = possible.into_iter().filter(|(_, fits)| *fits).map(|(kind, _)| kind);
        match (possible.next(), possible.next()) {
            (Some(kind), None) => Ok((kind, None)),
            _ => Err(format!(
                "what its {count} outputs are is not told by their names, and not by their number; keep the names that \
                 exports give them (abc: write_aiger -s, write_blif)"
            )),
        }
    }
}

/// `[class]`: of how many votes and offsets an export of `like`, as it is or simplified, has `count` outputs.
fn vote_lengths(like: &Netlist, group: usize, count: usize) -> Parsed<(Vec<usize>, Vec<u32>)> {
    let classes = like.classes.len();
    if count == classes * group {
        return Ok((vec![group; classes], vec![0; classes]));
    }
    // Of convolutions, as they are simplified whole and written out after that.
    let simple = simplify(like).0;
    let simple = [simplify_flat(&simple).0, simple];
    let lengths = |simple: &Netlist| simple.votes.iter().map(Vec::len).collect::<Vec<usize>>();
    let votes = |simple: &Netlist| lengths(simple).iter().sum::<usize>();
    match simple.iter().find(|&simple| votes(simple) == count) {
        Some(simple) => Ok((lengths(simple), simple.offsets.clone())),
        None => Err(format!("it has {count} votes, and the model {}", votes(&simple[1]))),
    }
}

/// Signals that vote, and votes that are always cast.
fn votes(literals: impl IntoIterator<Item = Literal>) -> (Vec<Vote>, u32) {
    let (mut votes, mut offset) = (Vec::new(), 0);
    for literal in literals {
        match literal {
            Literal::Constant(value) => offset += u32::from(value),
            Literal::Wire { signal, inverted } => votes.push(Vote { signal, inverted }),
        }
    }
    (votes, offset)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::circuit::export::{Format, Inputs, Options, Outputs, export};
    use crate::circuit::{Engine, Lut};
    use crate::data::Head;
    use crate::random::Philox;

    /// Random LUTs over 8 features, 3 classes of 12 votes.
    fn netlist() -> Netlist {
        let image = ImageShape { channels: 1, height: 1, width: 8 };
        let mut rng = Philox::new(5, 0);
        let luts: Vec<Lut> = (0..60u32)
            .map(|i| {
                let pins: Vec<Signal> = (0..3).map(|_| rng.below(8 + i)).collect();
                Lut::new(u64::from(rng.below(256)), &pins, 0)
            })
            .collect();
        let votes =
            (0..3).map(|class| (0..12).map(|i| Vote { signal: 32 + 12 * class + i, inverted: false }).collect());
        Netlist {
            image,
            encoder: Encoder::thermometer(image, 1).unwrap(),
            stages: Vec::new(),
            luts,
            classes: ["a", "b", "c"].map(String::from).to_vec(),
            votes: votes.collect(),
            offsets: vec![0; 3],
        }
    }

    fn all_bytes() -> Vec<u8> {
        (0..256u32).flat_map(|code| (0..8).map(move |bit| if (code >> bit) & 1 == 1 { 255 } else { 0 })).collect()
    }

    #[test]
    fn what_is_exported_comes_back_with_the_same_counts() {
        let (trained, bytes) = (netlist(), all_bytes());
        let (simple, _) = simplify(&trained);
        let expected = Engine::new(&trained).counts(&bytes, false);
        for format in [Format::Blif, Format::Aag, Format::Aig] {
            for outputs in [Outputs::Votes, Outputs::Counts, Outputs::Class] {
                for (circuit, is_simple) in [(&simple, true), (&trained, false)] {
                    let options = Options {
                        name: "t".into(),
                        origin: "a test".into(),
                        outputs,
                        inputs: Inputs::Features,
                        pipeline: 0,
                        table: None,
                        head: Head::Classes,
                        group: 12,
                    };
                    let file = export(circuit, format, &options).unwrap().remove(0).bytes;
                    let read = Circuit::read(&file).unwrap();
                    let mut unnamed = Circuit::read(&file).unwrap();
                    unnamed.inputs.iter_mut().chain(&mut unnamed.outputs).for_each(|(name, _)| *name = "n".into());
                    for circuit in [read, unnamed] {
                        let voting = circuit.like(&trained, 12).unwrap();
                        voting.netlist.check().unwrap();
                        let counts = Engine::new(&voting.netlist).counts(&bytes, false);
                        let told = format!("{format:?} {outputs:?} simple {is_simple}");
                        if outputs == Outputs::Class {
                            let best = |votes: &[u32]| (1..3).fold(0, |b, c| if votes[c] > votes[b] { c } else { b });
                            for (counts, votes) in counts.chunks(3).zip(expected.chunks(3)) {
                                let one = (0..3).map(|c| u32::from(c == best(votes))).collect::<Vec<_>>();
                                assert_eq!(counts, one, "{told}");
                            }
                        } else {
                            assert_eq!((counts, voting.group), (expected.clone(), 12), "{told}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn circuits_of_other_networks_are_refused() {
        let like = netlist();
        let told = |text: &str| Circuit::read(text.as_bytes()).unwrap().like(&like, 12).unwrap_err();
        let other = ".model t\n.inputs x9_pixel_1_above_3\n.outputs vote_0_0\n.names vote_0_0\n.end\n";
        assert!(told(other).contains("feature 9"), "{}", told(other));
        let few = ".model t\n.inputs a b\n.outputs class_bit_0 class_bit_1\n.names class_bit_0\n.names class_bit_1\n";
        assert!(told(few).contains("2 inputs"));
        let votes = ".model t\n.inputs x0\n.outputs vote_0_0\n.names vote_0_0\n.end\n";
        assert!(told(votes).contains("export the counts"), "{}", told(votes));
        let unnamed = ".model t\n.inputs x0\n.outputs y\n.names y\n.end\n";
        assert!(told(unnamed).contains("keep the names"), "{}", told(unnamed));
    }

    #[test]
    fn a_circuit_of_its_own_tells_bits() {
        let text =
            ".model t\n.inputs a b\n.outputs y z one\n.names a b y\n11 1\n.names a z\n0 1\n.names one\n1\n.end\n";
        let voting = Circuit::read(text.as_bytes()).unwrap().plain();
        let counts = Engine::new(&voting.netlist).counts(&[0, 0, 7, 0, 0, 255, 1, 1], false);
        assert_eq!(counts, [0, 1, 1, 0, 0, 1, 0, 1, 1, 1, 0, 1]);
        assert_eq!((voting.netlist.classes[2].as_str(), voting.group), ("one", 1));
    }

    #[test]
    fn numbers_of_any_width_are_compared() {
        for bits in [1usize, 4, 5, 6, 11] {
            let names: Vec<String> = (0..bits).map(|bit| format!("count_0_bit_{bit}")).collect();
            let inputs: Vec<String> = (0..bits).map(|bit| format!("x{bit}")).collect();
            let mut text = format!(".model t\n.inputs {}\n.outputs {}\n", inputs.join(" "), names.join(" "));
            inputs.iter().zip(&names).for_each(|(x, y)| text += &format!(".names {x} {y}\n1 1\n"));
            let image = ImageShape { channels: 1, height: 1, width: bits };
            let like = Netlist {
                image,
                encoder: Encoder { pixel: (0..bits as u32).collect(), threshold: vec![0; bits] },
                stages: Vec::new(),
                luts: Vec::new(),
                classes: vec!["a".into()],
                votes: vec![Vec::new()],
                offsets: vec![0],
            };
            let group = (1 << bits) - 1;
            let voting = Circuit::read(text.as_bytes()).unwrap().like(&like, group).unwrap();
            let bytes = (0..=group).flat_map(|n| (0..bits).map(move |bit| (n >> bit & 1) as u8)).collect::<Vec<_>>();
            let counts = Engine::new(&voting.netlist).counts(&bytes, false);
            assert_eq!(counts, (0..=group as u32).collect::<Vec<_>>(), "{bits} bits");
        }
    }
}
