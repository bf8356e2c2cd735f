//! What a layer is by its form: checked, and made a circuit.

use super::layer::{Form, Layer};
use super::{dense, trees};
use crate::circuit::{Lut, Signal, Stage};

impl Layer {
    /// Check that its parts fit together; the error is a sentence without its subject, the layer.
    pub fn check(&self) -> std::result::Result<(), String> {
        if !(1..=6).contains(&self.arity) {
            return Err(format!("has gates of {} inputs; 1 to 6 are possible", self.arity));
        }
        match self.form {
            Form::Dense => dense::check(self)?,
            Form::Conv(shape) => trees::check(self, &shape)?,
        }
        if self.arity < 6 && self.tables.iter().any(|t| t >> (1 << self.arity) != 0) {
            return Err(format!("has table bits beyond its {} codes", 1 << self.arity));
        }
        Ok(())
    }

    /// Add what it is to the LUTs of a circuit, the first of which is signal `first`: its inputs are the signals `inputs`.
    /// Returns those of its outputs.
    pub fn circuit(&self, inputs: &[Signal], number: u32, first: usize, luts: &mut Vec<Lut>) -> Vec<Signal> {
        match self.form {
            Form::Dense => dense::circuit(self, inputs, number, first, luts),
            Form::Conv(shape) => trees::stage(self, &shape, number).unroll(inputs, first, luts),
        }
    }

    /// What it is as a convolution of a circuit, in which it is layer `number`, if it is one.
    pub fn stage(&self, number: u32) -> Option<Stage> {
        match self.form {
            Form::Dense => None,
            Form::Conv(shape) => Some(trees::stage(self, &shape, number)),
        }
    }
}
