//! Real tables for the soft forward pass.

use super::parametrization;
use crate::network::Parametrization;

/// `[gates][codes]` tables of `[gates][logits]` at a temperature, with `noise` of the logits' shape.
pub fn tabulate_soft(
    parametrization: Parametrization,
    logits: &[Vec<f64>],
    noise: &[Vec<f64>],
    temperature: f64,
) -> Vec<Vec<f64>> {
    let table =
        |(z, noise): (&Vec<f64>, &Vec<f64>)| parametrization::soft_table(parametrization, z, noise, temperature);
    logits.iter().zip(noise).map(table).collect()
}

/// `[gates][codes]` zeros and ones of hard `tables` of gates of `arity` inputs.
pub fn tables_of_bits(tables: &[u64], arity: usize) -> Vec<Vec<f64>> {
    tables.iter().map(|t| (0..1 << arity).map(|c| f64::from((t >> c) as u32 & 1)).collect()).collect()
}
