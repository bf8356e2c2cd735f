//! Builds LUTs and keeps none that it need not keep.
//!
//! - An input that is constant, or the same as another, or that the table does not depend on, is dropped.
//! - A gate left with no input is a constant, one left with a single input is a wire: readers take over the inversion.
//! - A gate whose inputs are gates over its own other inputs is rewritten over those: f(g(a, b), b) is some h(a, b).
//! - Tables are written in one form (pins ascending, output 0 for inputs that are all 0), and equal gates become one.

use std::collections::HashMap;

use super::{Lut, MAX_ARITY, Signal, table_mask};

/// The value of a signal in terms of the netlist being built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Literal {
    /// The same for every input.
    Constant(bool),
    /// A signal or its complement.
    Wire {
        /// Number of the signal.
        signal: Signal,
        /// True for the complement.
        inverted: bool,
    },
}

impl std::ops::Not for Literal {
    type Output = Literal;

    fn not(self) -> Literal {
        match self {
            Literal::Constant(value) => Literal::Constant(!value),
            Literal::Wire { signal, inverted } => Literal::Wire { signal, inverted: !inverted },
        }
    }
}

/// Gates built so far; no two that it made are equal.
pub struct Builder {
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
    /// Start with `features` inputs and `luts`, which stay as they are.
    pub fn new(features: usize, luts: Vec<Lut>) -> Self {
        Builder { features, luts, known: HashMap::new() }
    }

    /// The LUTs, in topological order.
    pub fn into_luts(self) -> Vec<Lut> {
        self.luts
    }

    /// The literal that equals the gate of this table over `inputs`, at most 6, the first the highest bit of the code.
    pub fn gate(&mut self, table: u64, inputs: &[Literal], layer: u32) -> Literal {
        let mut function = Function::new(table, inputs);
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
