//! Gates as the engine evaluates them: polarities are chosen so that few functions are left.

use crate::circuit::{Lut, Signal};

/// What gates of at most two inputs compute. Polarities are chosen so that every gate gives 0 for inputs that are all 0,
/// which leaves these functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// 0
    Zero,
    /// a
    Copy,
    /// a ∧ b
    And,
    /// a ∧ ¬b
    AndNot,
    /// a ∨ b
    Or,
    /// a ⊕ b
    Xor,
}

/// Gates that run together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Group {
    /// Of at most two inputs.
    Narrow(Kind),
    /// Any table of so many inputs, 3 to 6.
    Wide(u8),
}

/// A LUT as it is evaluated, in slots' polarity.
pub struct Gate {
    /// How it is evaluated.
    pub group: Group,
    /// Its table, which is 0 at code 0.
    pub table: u64,
    /// What it reads.
    pub inputs: [Signal; 6],
    /// How many of these.
    pub arity: usize,
    /// What it drives.
    pub output: Signal,
}

impl Gate {
    /// What it computes, if it is of at most two inputs.
    pub fn kind(&self) -> Option<Kind> {
        match self.group {
            Group::Narrow(kind) => Some(kind),
            Group::Wide(_) => None,
        }
    }
}

/// Every LUT of a list behind `inputs` signals with its polarity chosen, and for every signal whether its slot holds the complement.
pub fn gates_of(inputs: usize, luts: &[Lut]) -> (Vec<Gate>, Vec<bool>) {
    let mut inverted = vec![false; inputs];
    let gates = luts.iter().enumerate().map(|(i, lut)| {
        let flips = lut.inputs().iter().fold(0, |code, &s| (code << 1) | u32::from(inverted[s as usize]));
        let mut table =
            (0..1 << lut.arity).fold(0, |table, code| table | (u64::from(lut.output(code ^ flips)) << code));
        inverted.push(table & 1 == 1);
        if table & 1 == 1 {
            table = !table & lut.mask();
        }
        gate(lut, table, (inputs + i) as Signal)
    });
    let gates = gates.collect();
    (gates, inverted)
}

/// The gate of a LUT with this table, which is 0 at code 0.
fn gate(lut: &Lut, table: u64, output: Signal) -> Gate {
    let [a, b, ..] = lut.pins;
    use Group::{Narrow, Wide};
    let (group, first, second) = match (lut.arity, table) {
        (0..=2, 0) => (Narrow(Kind::Zero), a, b),
        (1, _) | (2, 0b1100) => (Narrow(Kind::Copy), a, b),
        (2, 0b1010) => (Narrow(Kind::Copy), b, a),
        (2, 0b1000) => (Narrow(Kind::And), a, b),
        (2, 0b0100) => (Narrow(Kind::AndNot), a, b),
        (2, 0b0010) => (Narrow(Kind::AndNot), b, a),
        (2, 0b0110) => (Narrow(Kind::Xor), a, b),
        (2, _) => (Narrow(Kind::Or), a, b),
        (arity, _) => (Wide(arity), a, b),
    };
    let mut inputs = lut.pins;
    [inputs[0], inputs[1]] = [first, second];
    Gate { group, table, inputs, arity: lut.arity as usize, output }
}
