//! Every kernel against its f64 twin in `gatewright::reference`, on the best adapter and under wgpu's default limits.
//!
//! Bits, counts and indices must agree exactly. So must gradients whose sums f32 holds exactly. Elsewhere the tolerance
//! is the number of roundings times their size, with the accuracies that WGSL promises of built-in functions: exp
//! 3 + 2|x| ULP, log 3 ULP or 2⁻²¹, division 2.5 ULP, sin and cos 2⁻¹¹ absolute.

mod batch;
mod conv;
mod dense;
#[path = "../device/mod.rs"]
mod device;
mod tables;
mod votes;

use device::{
    Bench, Held, SINE_ERROR, ULP, assert_near, batch_of, bf16, constants, devices, extents, gradient_words, kept,
    kept_error, load_activations, load_gradients, pack, random_bits, random_layer, state, store_activations,
    store_gradients, table_words, training, transposed, unpack,
};
use gatewright::data::{Encoder, Head, ImageShape, Split, Target, Task, Values};
use gatewright::network::{Layer, Parametrization};
use gatewright::plan::{CageScope, GradientFormat, Page, uniforms};
use gatewright::random::{Philox, key};
use gatewright::reference::{self, CageState, Constants, Moments, Step, parametrization as twin};
use gatewright::settings::{Cage, Settings};
use gatewright::train::HISTORY;
use gatewright::train::pages;
use gatewright::train::{Augmentation, Way};

fn reals(count: usize, rng: &mut Philox) -> Vec<f32> {
    (0..count).map(|_| rng.normal() as f32).collect()
}

/// `[gates][per_gate]` f64 of a flat f32 slice.
fn gates(flat: &[f32], per_gate: usize) -> Vec<Vec<f64>> {
    flat.chunks_exact(per_gate).map(|gate| gate.iter().map(|&x| f64::from(x)).collect()).collect()
}

/// `[rows][columns]` uniform numbers, multiples of 1/65535 as activations are stored.
fn random_fractions(rows: usize, columns: usize, rng: &mut Philox) -> Vec<Vec<f64>> {
    (0..rows).map(|_| (0..columns).map(|_| f64::from(rng.below(65_536)) / 65_535.0).collect()).collect()
}
