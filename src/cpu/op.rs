//! The original parametrization: logits of sixteen functions, of which a gate is one, or a mixture of all.
//!
//! Gates are taken [`SIDE`] at a time, side by side: what is summed over a gate's functions is summed in their order, and
//! no gate waits for another, so that vectors of any width make the same numbers.

use super::functions::exponential;
use crate::network::function_table;

/// Gates that are worked on side by side.
pub const SIDE: usize = 8;

/// Functions of two inputs.
const FUNCTIONS: usize = 16;

/// Their tables, entry c for the code c.
const TABLES: [[f32; 4]; FUNCTIONS] = {
    let mut tables = [[0.0; 4]; FUNCTIONS];
    let mut at = 0;
    while at < FUNCTIONS * 4 {
        tables[at / 4][at % 4] = ((function_table((at / 4) as u32, 4) >> (at % 4)) & 1) as f32;
        at += 1;
    }
    tables
};

/// A number of each gate.
type Side = [f32; SIDE];

/// A number of each function of each gate.
type Turned = [Side; FUNCTIONS];

/// Numbers of gates one after the other, by function.
#[inline(always)]
fn turned(numbers: &[f32]) -> Turned {
    std::array::from_fn(|i| std::array::from_fn(|gate| numbers[gate * FUNCTIONS + i]))
}

/// f of the numbers of two.
#[inline(always)]
fn both(a: &Side, b: &Side, f: impl Fn(f32, f32) -> f32) -> Side {
    std::array::from_fn(|gate| f(a[gate], b[gate]))
}

/// The greater of two numbers, the first where either is none.
#[inline(always)]
fn greater(a: f32, b: f32) -> f32 {
    if b > a { b } else { a }
}

/// exp((score − the gate's greatest) · coldness), and the sum of these over the functions. `coldness` is 1 / τ.
#[inline(always)]
fn odds(scores: &Turned, coldness: &Side) -> (Turned, Side) {
    let greatest = scores[1..].iter().fold(scores[0], |a, b| both(&a, b, greater));
    let odds =
        scores.map(|scores| std::array::from_fn(|gate| exponential((scores[gate] - greatest[gate]) * coldness[gate])));
    let total = odds.iter().fold([0.0; SIDE], |total, odds| both(&total, odds, |a, b| a + b));
    (odds, total)
}

/// softmax((z + noise) / τ) of gates one after the other.
#[inline(always)]
fn probabilities(z: &[f32], noise: &[f32], coldness: &Side) -> Turned {
    let (odds, total) = odds(&scores(z, noise), coldness);
    odds.map(|odds| both(&odds, &total, |odds, total| odds / total))
}

#[inline(always)]
fn scores(z: &[f32], noise: &[f32]) -> Turned {
    let (z, noise) = (turned(z), turned(noise));
    std::array::from_fn(|i| both(&z[i], &noise[i], |z, noise| z + noise))
}

/// The hard table of each of the gates, by its greatest logit with noise, and how sure the gate is: the greatest of the probabilities
/// of its logits alone, at τ = 1.
#[inline(always)]
pub fn select(z: &[f32], noise: &[f32]) -> ([u64; SIDE], Side) {
    let with_noise = scores(z, noise);
    let (mut best, mut which) = (with_noise[0], [0u32; SIDE]);
    for (i, scores) in (1..).zip(&with_noise[1..]) {
        for gate in 0..SIDE {
            let is_better = scores[gate] > best[gate];
            best[gate] = if is_better { scores[gate] } else { best[gate] };
            which[gate] = if is_better { i } else { which[gate] };
        }
    }
    let (odds, total) = odds(&turned(z), &[1.0; SIDE]);
    let most = odds[1..].iter().fold(odds[0], |a, b| both(&a, b, greater));
    (which.map(|function| function_table(function, 4)), both(&most, &total, |most, total| most / total))
}

/// Tables of the gates as mixtures, one after the other.
#[inline(always)]
pub fn mix(z: &[f32], noise: &[f32], coldness: f32, tables: &mut [f32]) {
    let p = probabilities(z, noise, &[coldness; SIDE]);
    for c in 0..4 {
        let mut mixed = [0.0; SIDE];
        for (p, function) in p.iter().zip(&TABLES) {
            mixed = both(&mixed, p, |mixed, p| mixed + p * function[c]);
        }
        tables.iter_mut().skip(c).step_by(4).zip(mixed).for_each(|(entry, mixed)| *entry = mixed);
    }
}

/// Gradients of the gates' logits from those of their tables, both one after the other. `coldness` is 1 / τ of each gate.
#[inline(always)]
pub fn gradients(z: &[f32], noise: &[f32], by_table: &[f32], coldness: &Side, gradients: &mut [f32]) {
    let p = probabilities(z, noise, coldness);
    let by_code: [Side; 4] = std::array::from_fn(|c| std::array::from_fn(|gate| by_table[gate * 4 + c]));
    let by_function: Turned = std::array::from_fn(|i| {
        let [a, b, c, d] = TABLES[i];
        std::array::from_fn(|gate| {
            by_code[0][gate] * a + by_code[1][gate] * b + by_code[2][gate] * c + by_code[3][gate] * d
        })
    });
    let mut mean = [0.0; SIDE];
    for (p, g) in p.iter().zip(&by_function) {
        mean = std::array::from_fn(|gate| mean[gate] + p[gate] * g[gate]);
    }
    for (i, (p, g)) in p.iter().zip(&by_function).enumerate() {
        for gate in 0..SIDE {
            gradients[gate * FUNCTIONS + i] = p[gate] * (g[gate] - mean[gate]) * coldness[gate];
        }
    }
}
