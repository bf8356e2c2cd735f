//! Fewer gates, the same counts for every input.
//!
//! One pass builds the netlist anew, gate by gate, and never keeps a gate that it need not:
//! - an input that is constant, or the same as another, or that the table does not depend on, is dropped;
//! - a gate left with no input is a constant, one left with a single input is a wire: readers take over the inversion;
//! - a gate whose inputs are gates over its own other inputs is rewritten over those (f(g(a, b), b) is some h(a, b));
//! - tables are written in one form (pins ascending, output 0 for inputs that are all 0), and equal gates become one.
//!
//! A constant vote moves into its class's offset, a vote and its complement become 1, and gates that nothing reads go.
//! Passes repeat until nothing changes. Features stay as they are, so both netlists read the same inputs.

use std::collections::HashMap;

use super::netlist::table_mask;
use super::{Census, Lut, MAX_ARITY, Netlist, Signal, Vote};

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

/// The value of a signal in terms of the netlist being built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Literal {
    Constant(bool),
    Wire { signal: Signal, inverted: bool },
}

/// Simplify to a fixed point.
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

/// One pass over all gates and votes.
fn rebuild(netlist: &Netlist) -> Netlist {
    let features = netlist.features();
    let mut builder = Builder { features, luts: Vec::new(), known: HashMap::new() };
    let wire = |signal: usize| Literal::Wire { signal: signal as Signal, inverted: false };
    let mut literals: Vec<Literal> = (0..features).map(wire).collect();
    for lut in &netlist.luts {
        let inputs = lut.inputs().iter().map(|&s| literals[s as usize]);
        let literal = builder.gate(lut.table, inputs, lut.layer);
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
        luts: builder.luts,
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

/// Drop the gates that no vote depends on.
fn sweep(netlist: &Netlist) -> Netlist {
    let features = netlist.features();
    let mut live = vec![false; netlist.signals()];
    netlist.votes.iter().flatten().for_each(|v| live[v.signal as usize] = true);
    for (i, lut) in netlist.luts.iter().enumerate().rev() {
        if live[features + i] {
            lut.inputs().iter().for_each(|&s| live[s as usize] = true);
        }
    }
    let mut renumbered: Vec<Signal> = (0..features as Signal).collect();
    let mut luts = Vec::new();
    for (lut, &live) in netlist.luts.iter().zip(&live[features..]) {
        renumbered.push((features + luts.len()) as Signal);
        if live {
            let mut lut = *lut;
            lut.pins[..lut.arity as usize].iter_mut().for_each(|s| *s = renumbered[*s as usize]);
            luts.push(lut);
        }
    }
    let renumber = |v: &Vote| Vote { signal: renumbered[v.signal as usize], ..*v };
    let votes = netlist.votes.iter().map(|votes| votes.iter().map(renumber).collect()).collect();
    Netlist { luts, votes, ..netlist.clone() }
}

/// Gates built so far; no two are equal.
struct Builder {
    features: usize,
    luts: Vec<Lut>,
    known: HashMap<(u64, [Signal; MAX_ARITY], u8), Signal>,
}

/// A table over signals, while it is being reduced; the first input is the highest bit of the code.
#[derive(Debug, Clone)]
struct Function {
    table: u64,
    inputs: Vec<Signal>,
}

impl Builder {
    /// The literal that equals the gate of this table over `inputs`.
    fn gate(&mut self, table: u64, inputs: impl Iterator<Item = Literal>, layer: u32) -> Literal {
        let inputs: Vec<Literal> = inputs.collect();
        let mut function = Function::new(table, &inputs);
        function.reduce();
        while let Some(over_inner) = self.through_a_gate(&function) {
            function = over_inner;
        }
        match function.inputs[..] {
            [] => Literal::Constant(function.table & 1 == 1),
            [signal] => Literal::Wire { signal, inverted: function.table & 1 == 1 },
            _ => {
                let inverted = function.table & 1 == 1;
                let table = if inverted { !function.table } else { function.table };
                let lut = Lut::new(table, &function.inputs, layer);
                let fresh = (self.features + self.luts.len()) as Signal;
                let signal = *self.known.entry((lut.table, lut.pins, lut.arity)).or_insert(fresh);
                if signal == fresh {
                    self.luts.push(lut);
                }
                Literal::Wire { signal, inverted }
            }
        }
    }

    /// The same function with an input gate, or two, replaced by their own inputs, if that takes no more inputs in all
    /// and another gate falls out of its support.
    fn through_a_gate(&self, function: &Function) -> Option<Function> {
        let driver = |signal: Signal| (signal as usize).checked_sub(self.features).map(|i| &self.luts[i]);
        let arity = function.inputs.len();
        for first in 0..arity {
            for second in first..arity {
                let opened: Vec<Signal> = [first, second].iter().map(|&p| function.inputs[p]).collect();
                let (Some(a), Some(b)) = (driver(opened[0]), driver(opened[1])) else { continue };
                let mut support: Vec<Signal> =
                    function.inputs.iter().copied().filter(|s| !opened.contains(s)).collect();
                support.extend(a.inputs());
                support.extend(b.inputs());
                support.sort_unstable();
                support.dedup();
                if support.len() > arity {
                    continue;
                }
                let value = |signal: Signal, code: u64| {
                    let pin = support.iter().position(|&s| s == signal).unwrap_or(0);
                    (code >> (support.len() - 1 - pin)) & 1
                };
                let inner = |lut: &Lut, code: u64| {
                    let code = lut.inputs().iter().fold(0, |c, &s| (c << 1) | value(s, code));
                    u64::from(lut.output(code as u32))
                };
                let table = (0..1u64 << support.len()).fold(0, |table, code| {
                    let outer = function.inputs.iter().fold(0, |c, &s| {
                        let bit = match driver(s) {
                            Some(lut) if opened.contains(&s) => inner(lut, code),
                            _ => value(s, code),
                        };
                        (c << 1) | bit
                    });
                    table | ((function.table >> outer) & 1) << code
                });
                let mut over_inner = Function { table, inputs: support };
                over_inner.reduce();
                return Some(over_inner);
            }
        }
        None
    }
}

impl Function {
    /// A table over literals: constants and inversions go into the table.
    fn new(table: u64, literals: &[Literal]) -> Self {
        let mut function = Function { table, inputs: Vec::with_capacity(literals.len()) };
        let mut pins_left = literals.len();
        for literal in literals {
            // The pins before this one that stayed are in `inputs`; this pin comes right after them.
            let pin = function.inputs.len();
            match *literal {
                Literal::Constant(value) => {
                    function.table = cofactor(function.table, pins_left, pin, value);
                    pins_left -= 1;
                }
                Literal::Wire { signal, inverted } => {
                    if inverted {
                        let bit = 1 << (pins_left - 1 - pin);
                        function.table = permute(function.table, pins_left, |code| code ^ bit);
                    }
                    function.inputs.push(signal);
                }
            }
        }
        function
    }

    /// Merge equal inputs, drop those that do not matter, sort the rest.
    fn reduce(&mut self) {
        for pin in (0..self.inputs.len()).rev() {
            let arity = self.inputs.len();
            if let Some(twin) = self.inputs[..pin].iter().position(|&s| s == self.inputs[pin]) {
                // Only codes in which both pins agree can occur.
                let (twin_bit, bit) = (arity - 1 - twin, arity - 1 - pin);
                let agreeing = |code: u64| (code & !(1 << bit)) | ((code >> twin_bit) & 1) << bit;
                self.table = cofactor(permute(self.table, arity, agreeing), arity, pin, false);
                self.inputs.remove(pin);
            }
        }
        for pin in (0..self.inputs.len()).rev() {
            let arity = self.inputs.len();
            let low = cofactor(self.table, arity, pin, false);
            if low == cofactor(self.table, arity, pin, true) {
                self.table = low;
                self.inputs.remove(pin);
            }
        }
        let arity = self.inputs.len();
        let mut order: Vec<usize> = (0..arity).collect();
        order.sort_by_key(|&pin| self.inputs[pin]);
        // Bit `to` of a sorted code is the old pin `order[to]`.
        self.table = permute(self.table, arity, |code| {
            order
                .iter()
                .enumerate()
                .fold(0, |old, (to, &from)| old | ((code >> (arity - 1 - to)) & 1) << (arity - 1 - from))
        });
        self.inputs.sort_unstable();
    }
}

/// The table of `arity − 1` inputs that is left when `pin` is `value`.
fn cofactor(table: u64, arity: usize, pin: usize, value: bool) -> u64 {
    let below = arity - 1 - pin;
    (0..1u64 << (arity - 1)).fold(0, |out, code| {
        let full = (code >> below << (below + 1)) | u64::from(value) << below | (code & ((1 << below) - 1));
        out | ((table >> full) & 1) << code
    })
}

/// The table whose output for `code` is the old output for `old(code)`.
fn permute(table: u64, arity: usize, old: impl Fn(u64) -> u64) -> u64 {
    let out = (0..1u64 << arity).fold(0, |out, code| out | ((table >> old(code)) & 1) << code);
    out & table_mask(arity)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::ImageShape;
    use crate::network::Encoder;

    /// A netlist over three features whose single class has `votes`.
    fn netlist(luts: Vec<Lut>, votes: Vec<Vote>) -> Netlist {
        Netlist {
            image: ImageShape { channels: 1, height: 1, width: 3 },
            encoder: Encoder { pixel: vec![0, 1, 2], threshold: vec![0; 3] },
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
