//! What a layer is by its form: checked, and made a circuit.

use super::dense;
use super::layer::{Form, Layer};

impl Layer {
    /// Check that its parts fit together; the error is a sentence without its subject, the layer.
    pub fn check(&self) -> std::result::Result<(), String> {
        if !(1..=6).contains(&self.arity) {
            return Err(format!("has gates of {} inputs; 1 to 6 are possible", self.arity));
        }
        match self.form {
            Form::Dense => dense::check(self)?,
        }
        if self.arity < 6 && self.tables.iter().any(|t| t >> (1 << self.arity) != 0) {
            return Err(format!("has table bits beyond its {} codes", 1 << self.arity));
        }
        Ok(())
    }

    /// What it is in a circuit: of every row, in order, the table and the inputs.
    pub fn luts(&self) -> impl Iterator<Item = (u64, &[u32])> {
        match self.form {
            Form::Dense => dense::luts(self),
        }
    }
}
