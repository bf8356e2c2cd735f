//! Votes, counts or the class as single bits, for formats that know nothing but gates.

use std::collections::VecDeque;

use super::{Options, Outputs, head};
use crate::circuit::builder::{Builder, Literal};
use crate::circuit::{Lut, Netlist};

/// Carry of a full adder: set where at least two of three inputs are.
const MAJORITY: u64 = 0b1110_1000;
/// Sum of a full adder: set where an odd number of three inputs is.
const PARITY: u64 = 0b1001_0110;
/// The second input where the first is set, otherwise the third.
const CHOOSE: u64 = 0b1100_1010;

/// LUTs with named output bits.
pub struct Logic {
    /// Signals `0..features` are inputs.
    pub features: usize,
    /// The netlist's LUTs as they are, then those that count.
    pub luts: Vec<Lut>,
    /// Names and values of the output bits.
    pub outputs: Vec<(String, Literal)>,
}

impl Logic {
    /// `netlist` with the outputs that `options` ask for made of its votes.
    pub fn new(netlist: &Netlist, options: &Options) -> Self {
        let outputs = options.outputs;
        let layer = netlist.luts.iter().map(|l| l.layer + 1).max().unwrap_or(0);
        let mut adders = Adders { builder: Builder::new(netlist.features(), netlist.luts.clone()), layer };
        let vote = |v: &crate::circuit::Vote| Literal::Wire { signal: v.signal, inverted: v.inverted };
        let mut bits = Vec::new();
        if outputs == Outputs::Votes {
            for (class, votes) in netlist.votes.iter().enumerate() {
                bits.extend(votes.iter().enumerate().map(|(i, v)| (format!("vote_{class}_{i}"), vote(v))));
            }
        } else {
            let half = if outputs == Outputs::Labels { head::half(options) } else { 0 };
            let width = (u32::BITS - netlist.max_count().max(half).leading_zeros()).max(1) as usize;
            let counts: Vec<Vec<Literal>> = netlist
                .votes
                .iter()
                .zip(&netlist.offsets)
                .map(|(votes, &offset)| adders.count(votes.iter().map(vote), offset, width))
                .collect();
            if outputs == Outputs::Counts {
                for (class, count) in counts.iter().enumerate() {
                    bits.extend(count.iter().enumerate().map(|(b, &v)| (format!("count_{class}_bit_{b}"), v)));
                }
            } else if outputs == Outputs::Labels {
                let half: Vec<Literal> = (0..width).map(|b| Literal::Constant((half >> b) & 1 == 1)).collect();
                bits.extend(
                    counts.iter().enumerate().map(|(l, count)| (format!("label_{l}"), adders.greater(count, &half))),
                );
            } else {
                let class = adders.argmax(&counts);
                bits.extend(class.into_iter().enumerate().map(|(b, v)| (format!("class_bit_{b}"), v)));
            }
        }
        Logic { features: netlist.features(), luts: adders.builder.into_luts(), outputs: bits }
    }

    /// A feature's name: its number, its pixel and what the pixel is compared with.
    pub fn input_name(netlist: &Netlist, feature: usize) -> String {
        let (pixel, threshold) = (netlist.encoder.pixel[feature], netlist.encoder.threshold[feature]);
        format!("x{feature}_pixel_{pixel}_above_{threshold}")
    }
}

/// Makes adders and comparators of LUTs.
struct Adders {
    builder: Builder,
    /// Layer number that the new LUTs get.
    layer: u32,
}

impl Adders {
    fn lut(&mut self, table: u64, inputs: &[Literal]) -> Literal {
        self.builder.gate(table, inputs, self.layer)
    }

    /// `[bit]`: the number of set votes + `offset`, `width` bits, lowest first. Three bits of a column become a sum bit in
    /// it and a carry in the next, until one is left (a carry-save tree).
    fn count(&mut self, votes: impl Iterator<Item = Literal>, offset: u32, width: usize) -> Vec<Literal> {
        let mut column: VecDeque<Literal> = votes.collect();
        (0..width)
            .map(|bit| {
                if (offset >> bit) & 1 == 1 {
                    column.push_back(Literal::Constant(true));
                }
                let mut carries = VecDeque::new();
                while column.len() > 1 {
                    let mut next = || column.pop_front().unwrap_or(Literal::Constant(false));
                    let addends = [next(), next(), next()];
                    column.push_back(self.lut(PARITY, &addends));
                    carries.push_back(self.lut(MAJORITY, &addends));
                }
                let sum = column.pop_front().unwrap_or(Literal::Constant(false));
                column = carries;
                sum
            })
            .collect()
    }

    /// `[bit]`: the number of the greatest count, the first among equals, lowest bit first.
    fn argmax(&mut self, counts: &[Vec<Literal>]) -> Vec<Literal> {
        let width = (usize::BITS - counts.len().saturating_sub(1).leading_zeros()).max(1) as usize;
        let number =
            |class: usize| -> Vec<Literal> { (0..width).map(|b| Literal::Constant((class >> b) & 1 == 1)).collect() };
        let Some(mut best) = counts.first().cloned() else { return number(0) };
        let mut index = number(0);
        for (class, count) in counts.iter().enumerate().skip(1) {
            let greater = self.greater(count, &best);
            let pick = |adders: &mut Adders, new: &[Literal], old: &[Literal]| -> Vec<Literal> {
                new.iter().zip(old).map(|(&new, &old)| adders.lut(CHOOSE, &[greater, new, old])).collect()
            };
            best = pick(self, count, &best);
            index = pick(self, &number(class), &index);
        }
        index
    }

    /// Whether `a > b`, both lowest bit first: from the lowest bit up, the highest bit that differs decides.
    fn greater(&mut self, a: &[Literal], b: &[Literal]) -> Literal {
        let mut greater = Literal::Constant(false);
        for (&a, &b) in a.iter().zip(b) {
            // a ∧ ¬b, or both equal and greater so far: the majority of a, ¬b and greater.
            greater = self.lut(MAJORITY, &[a, !b, greater]);
        }
        greater
    }
}
