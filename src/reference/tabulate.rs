//! Logits to hard tables, and the confidence that CAGE looks at.

use super::parametrization;
use crate::network::Parametrization;

/// What a layer's logits select.
#[derive(Debug, Clone, PartialEq)]
pub struct Tabulated {
    /// `[gates]`: bit `c` is the output for code `c`.
    pub tables: Vec<u64>,
    /// Sum over the layer's selections of their greatest probability.
    pub confidence: f64,
}

/// Tabulate `[gates][logits]`.
pub fn tabulate(parametrization: Parametrization, logits: &[Vec<f64>]) -> Tabulated {
    Tabulated {
        tables: logits.iter().map(|z| parametrization::hard_table(parametrization, z)).collect(),
        confidence: logits.iter().map(|z| parametrization::confidence(parametrization, z)).sum(),
    }
}
