//! One dense layer of look-up gates.

use super::{Parametrization, Start, Wiring};
use crate::random::Philox;

/// A dense layer: every gate reads `arity` outputs of the layer before through a table of 2^arity entries.
#[derive(Debug, Clone, PartialEq)]
pub struct Layer {
    /// Features of the layer before.
    pub inputs: usize,
    /// Inputs a gate, 1 to 6.
    pub arity: usize,
    /// `[gates][arity]` u32, each below `inputs`; the first pin is the highest bit of the code.
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
    /// Draw layer number `index` of a network: stream `2·index` of the seed wires it, stream `2·index + 1` fills it.
    pub fn draw(index: usize, inputs: usize, gates: usize, arity: usize, draw: Draw) -> Self {
        let stream = |n: usize| Philox::new(draw.seed, (2 * index + n) as u32);
        let wiring = draw.wiring.draw(inputs, gates, arity, &mut stream(0));
        let logits = draw.start.draw(draw.parametrization, gates, arity, &mut stream(1));
        let parametrization = draw.parametrization;
        let tables =
            logits.chunks_exact(parametrization.logits(arity)).map(|l| parametrization.hard_table(l)).collect();
        Layer { inputs, arity, wiring, tables, parametrization, logits }
    }

    /// Number of gates.
    pub fn gates(&self) -> usize {
        self.tables.len()
    }
}
