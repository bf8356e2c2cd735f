//! What layers are: the forms that they come in.

use serde::{Deserialize, Serialize};

use super::{Layer, dense};

/// What a layer makes of its tables. Whatever its form, it is three arrays: wiring, tables and logits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// Every table is one gate, which reads rows of its own.
    #[default]
    Dense,
}

impl Form {
    /// Whether it is the form that files need not name.
    pub fn is_dense(&self) -> bool {
        *self == Form::Dense
    }
}

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
