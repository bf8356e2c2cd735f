//! AIGER 1.9 (Biere, Heljanko, Wieringa: "AIGER 1.9 and beyond", 2011): two-input ANDs and inverters, as text or bytes.

use std::collections::HashMap;
use std::fmt::Write;

use super::Options;
use super::label::Label;
use super::logic::Logic;
use crate::circuit::Netlist;
use crate::circuit::builder::Literal;

/// AIGER's literals: 2 · variable, + 1 for the complement; 0 is false and 1 is true. Variables count from 1, inputs
/// first.
struct Graph {
    inputs: u32,
    /// `[and]`: the operands of variable `inputs + 1 + and`, the greater literal first, both below the variable's own.
    ands: Vec<(u32, u32)>,
    known: HashMap<(u32, u32), u32>,
    outputs: Vec<u32>,
}

/// `aag`.
pub fn ascii(netlist: &Netlist, options: &Options, label: &Label) -> String {
    let (graph, logic) = Graph::of(netlist, options);
    let mut a = graph.header("aag");
    a.extend((0..graph.inputs).map(|i| format!("{}\n", 2 * (i + 1))));
    a.extend(graph.outputs.iter().map(|o| format!("{o}\n")));
    for (i, (left, right)) in graph.ands.iter().enumerate() {
        let _ = writeln!(a, "{} {left} {right}", 2 * (graph.inputs as usize + 1 + i));
    }
    a + &symbols(netlist, &logic, label)
}

/// `aig`: an AND is written as two differences, seven bits a byte, the lowest first.
pub fn binary(netlist: &Netlist, options: &Options, label: &Label) -> Vec<u8> {
    let (graph, logic) = Graph::of(netlist, options);
    let mut a = graph.header("aig");
    a.extend(graph.outputs.iter().map(|o| format!("{o}\n")));
    let mut a = a.into_bytes();
    for (i, &(left, right)) in graph.ands.iter().enumerate() {
        let own = 2 * (graph.inputs + 1 + i as u32);
        for mut difference in [own - left, left - right] {
            while difference >= 0x80 {
                a.push(difference as u8 | 0x80);
                difference >>= 7;
            }
            a.push(difference as u8);
        }
    }
    a.extend(symbols(netlist, &logic, label).into_bytes());
    a
}

fn symbols(netlist: &Netlist, logic: &Logic, label: &Label) -> String {
    let mut a = String::new();
    for f in 0..logic.features {
        let _ = writeln!(a, "i{f} {}", Logic::input_name(netlist, f));
    }
    for (i, (name, _)) in logic.outputs.iter().enumerate() {
        let _ = writeln!(a, "o{i} {name}");
    }
    a.push_str("c\n");
    a + &label.comment("")
}

impl Graph {
    fn of(netlist: &Netlist, options: &Options) -> (Self, Logic) {
        let logic = Logic::new(netlist, options);
        let inputs = logic.features as u32;
        let mut graph = Graph { inputs, ands: Vec::new(), known: HashMap::new(), outputs: Vec::new() };
        let mut literals: Vec<u32> = (1..=inputs).map(|variable| 2 * variable).collect();
        for lut in &logic.luts {
            let operands: Vec<u32> = lut.inputs().iter().map(|&s| literals[s as usize]).collect();
            literals.push(graph.lut(lut.table, &operands));
        }
        let outputs = logic.outputs.iter().map(|(_, literal)| match *literal {
            Literal::Constant(value) => u32::from(value),
            Literal::Wire { signal, inverted } => literals[signal as usize] ^ u32::from(inverted),
        });
        graph.outputs = outputs.collect();
        (graph, logic)
    }

    fn header(&self, kind: &str) -> String {
        let (inputs, ands) = (self.inputs as usize, self.ands.len());
        format!("{kind} {} {inputs} 0 {} {ands}\n", inputs + ands, self.outputs.len())
    }

    /// The first operand, the highest bit of the code, chooses between the table's halves.
    fn lut(&mut self, table: u64, operands: &[u32]) -> u32 {
        let Some((&x, rest)) = operands.split_first() else { return (table & 1) as u32 };
        let half = 1u32 << rest.len();
        let ones = u64::MAX >> (64 - half);
        let (low, high) = (table & ones, (table >> half) & ones);
        let (low, high) = (self.lut(low, rest), self.lut(high, rest));
        if low == high {
            return low;
        }
        let (where_low, where_high) = (self.and(x ^ 1, low), self.and(x, high));
        // a ∨ b = ¬(¬a ∧ ¬b)
        self.and(where_low ^ 1, where_high ^ 1) ^ 1
    }

    fn and(&mut self, a: u32, b: u32) -> u32 {
        let (left, right) = (a.max(b), a.min(b));
        match (left, right) {
            (_, 0) => 0,
            (_, 1) => left,
            _ if left == right => left,
            _ if left == right ^ 1 => 0,
            _ => {
                let fresh = 2 * (self.inputs + 1 + self.ands.len() as u32);
                let literal = *self.known.entry((left, right)).or_insert(fresh);
                if literal == fresh {
                    self.ands.push((left, right));
                }
                literal
            }
        }
    }
}
