//! Logits to hard tables, and the confidence that CAGE looks at.

use super::parametrization;
use crate::network::Parametrization;

/// What a layer's logits select.
#[derive(Debug, Clone, PartialEq)]
pub struct Tabulated {
    /// `[gates]`: bit `c` is the output for code `c`.
    pub tables: Vec<u64>,
    /// `[gates]`: sum over the gate's selections of their greatest probability, without noise.
    pub confidences: Vec<f64>,
}

/// Tabulate `[gates][logits]` with `noise` of the same shape.
pub fn tabulate(parametrization: Parametrization, logits: &[Vec<f64>], noise: &[Vec<f64>]) -> Tabulated {
    let table = |(z, noise): (&Vec<f64>, &Vec<f64>)| parametrization::hard_table(parametrization, z, noise);
    Tabulated {
        tables: logits.iter().zip(noise).map(table).collect(),
        confidences: logits.iter().map(|z| parametrization::confidence(parametrization, z)).collect(),
    }
}
