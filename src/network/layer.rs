//! One layer of look-up gates.

use serde::{Deserialize, Serialize};

use super::{Conv, Parametrization, Start, Wiring};

/// What a layer makes of its tables. Whatever its form, it is three arrays: wiring, tables and logits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Form {
    /// Every table is one gate, which reads rows of its own.
    #[default]
    Dense,
    /// Trees of tables, shared over the places of a map, `[units][gates a tree]`; `wiring` is
    /// `[units][leaves a tree]`, (channel, dy, dx) as one number.
    Conv(Conv),
}

impl Form {
    /// Whether it is the form that files need not name.
    pub fn is_dense(&self) -> bool {
        *self == Form::Dense
    }
}

/// Which rows a layer reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reads {
    /// Those of the layer before; of a first layer, the input bits.
    #[default]
    Before,
    /// The input bits, and after them the outputs of every layer before, first to last.
    All,
}

impl Reads {
    /// Whether it is what files need not say.
    pub fn is_before(&self) -> bool {
        *self == Reads::Before
    }
}

/// A layer: tables of 2^arity entries, and what its form makes of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// What it makes of its tables.
    pub form: Form,
    /// Which rows it reads.
    pub reads: Reads,
    /// How many these are.
    pub inputs: usize,
    /// Inputs a gate, 1 to 6.
    pub arity: usize,
    /// `[gates][arity]` u32, each below `inputs`; the first pin is the highest bit of the code. See [`Form::Conv`] for that of trees.
    pub wiring: Vec<u32>,
    /// `[gates]`: bit `c` of a gate's table is its output for code `c`.
    pub tables: Vec<u64>,
    /// How `logits` become tables.
    pub parametrization: Parametrization,
    /// `[gates][parametrization.logits(arity)]` f32; empty in a model that was written without them.
    pub logits: Vec<f32>,
}

/// What a network's layers are drawn from: `layers × gates`, all drawn alike.
#[derive(Debug, Clone, Copy)]
pub struct Draw {
    /// How wires are drawn.
    pub wiring: Wiring,
    /// How logits become tables.
    pub parametrization: Parametrization,
    /// How logits are drawn.
    pub start: Start,
    /// Seed of wires and logits.
    pub seed: u64,
}

impl Layer {
    /// Of gates that begin at `logits`.
    pub(super) fn begun(
        form: Form,
        (inputs, arity): (usize, usize),
        wiring: Vec<u32>,
        parametrization: Parametrization,
        logits: Vec<f32>,
    ) -> Self {
        let of_gates = logits.chunks_exact(parametrization.logits(arity));
        let tables = of_gates.map(|logits| parametrization.hard_table(logits)).collect();
        Layer { form, reads: Reads::Before, inputs, arity, wiring, tables, parametrization, logits }
    }

    /// Number of gates, each with a table of its own.
    pub fn gates(&self) -> usize {
        self.tables.len()
    }

    /// Rows that the next layer reads.
    pub fn outputs(&self) -> usize {
        match self.form {
            Form::Dense => self.gates(),
            Form::Conv(conv) => self.gates() / conv.tree_gates() * conv.area(),
        }
    }
}
