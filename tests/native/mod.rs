//! What tests of training on the CPU share: samples, constants, and a first step by the twins.
#![allow(dead_code)] // Every test binary uses a part of it.

use gatewright::circuit::export::{Inputs, Options, Outputs};
use gatewright::cpu::{Constants, Trainer};
use gatewright::data::{Head, Split};
use gatewright::network::{Conv, Form, Layer, Model};
use gatewright::random::Philox;
use gatewright::reference;
use gatewright::settings::{FrozenLayers, PoolGradient, Schedule, Settings};

/// Grey images of `pixels` random bytes, of `classes` classes.
pub fn samples(count: usize, pixels: usize, classes: u32, rng: &mut Philox) -> Split {
    Split {
        pixels: (0..count * pixels).map(|_| rng.below(256) as u8).collect(),
        labels: (0..count).map(|_| rng.below(classes) as u8).collect(),
        targets: Vec::new(),
    }
}

pub fn constants(batch: u32, bits: u32) -> Constants {
    Constants {
        batch,
        bits,
        noisy: false,
        soft: None,
        cage: None,
        temperature: 1.0,
        tau: 5.0,
        learning_rate: 0.02,
        final_fraction: 0.1,
        warmup_steps: 0,
        cosine_steps: 0,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        weight_decay: 0.0,
        seed: 7,
        pool_gradient: PoolGradient::Any,
        frozen: FrozenLayers::None,
        augmentation: None,
    }
}

/// Settings by which shaders do what `c` has the CPU do, but for the network, its gradients' format, noise and CAGE.
pub fn shader_settings(c: &Constants) -> Settings {
    Settings {
        batch: c.batch,
        cage: None,
        temperature: c.temperature,
        tau: c.tau,
        lr: c.learning_rate,
        schedule: Schedule::Constant,
        warmup: 0,
        weight_decay: c.weight_decay,
        seed: c.seed,
        ..Settings::deep()
    }
}

/// Counts of features, as nothing special asks for them.
pub fn plain_export() -> Options {
    Options {
        name: "circuit".into(),
        origin: "a test".into(),
        outputs: Outputs::Counts,
        inputs: Inputs::Features,
        pipeline: 0,
        table: None,
        head: Head::Classes,
        group: 1,
    }
}

pub fn shape(layer: &Layer) -> Option<Conv> {
    match layer.form {
        Form::Conv(conv) => Some(conv),
        Form::Dense => None,
    }
}

/// A layer's outputs by the twins.
pub fn forward(layer: &Layer, inputs: &[bool]) -> Vec<bool> {
    let Some(conv) = shape(layer) else { return reference::forward_hard(layer, inputs) };
    let real: Vec<f64> = inputs.iter().map(|&bit| f64::from(u8::from(bit))).collect();
    let tables = reference::tables_of_bits(&layer.tables, 2);
    reference::forward_conv(layer, &conv, &tables, &real).into_iter().map(|y| y == 1.0).collect()
}

/// What a layer reads of the input bits and the outputs of all layers before it.
pub fn read(layer: &Layer, signals: &[Vec<bool>]) -> Vec<bool> {
    if layer.reads.is_before() { signals[signals.len() - 1].clone() } else { signals.concat() }
}

/// What a layer is sent of one sample, in integer units.
pub enum Sent<'a> {
    /// `[gates]`, of a dense layer.
    Gates(&'a [i32]),
    /// `[gates][4]`, of a convolution's table entries.
    Tables(&'a [[i64; 4]]),
}

/// Have `of` see what each layer is sent of every sample of a network's first step, by the twins: the layer's number, the
/// layer, its input bits, and its gradients.
pub fn each_gradient(model: &Model, train: &Split, c: &Constants, mut of: impl FnMut(usize, &Layer, &[bool], Sent)) {
    let pixels = model.image.pixels();
    let chosen = reference::select_batch(c.seed, train.len() as u32, c.batch, 0, 0);
    for (place, &sample) in chosen.iter().enumerate() {
        let mut signals = vec![reference::encode(&model.encoder, &train.pixels[sample as usize * pixels..][..pixels])];
        for layer in &model.layers {
            signals.push(forward(layer, &read(layer, &signals)));
        }
        let votes: Vec<f64> =
            reference::group_sum(&signals[model.layers.len()], model.classes.len()).into_iter().collect();
        let judged = reference::loss(&votes, train.labels[sample as usize].into(), c.tau.into(), c.batch);
        let rounded = judged.gradient.iter().enumerate().map(|(class, &g)| {
            let at = class as u32 * c.batch.div_ceil(32) * 32 + place as u32;
            reference::slice_gradients(g, c.slice_scale().into(), c.bits, reference::slice_draw(c.seed, 1, at))
        });
        let mut g: Vec<i32> = rounded.flat_map(|g| std::iter::repeat_n(g, model.group())).collect();
        for (i, layer) in model.layers.iter().enumerate().rev() {
            let Some(conv) = shape(layer) else {
                of(i, layer, &read(layer, &signals[..=i]), Sent::Gates(&g));
                if !layer.reads.is_before() {
                    break; // What it reads is not trained.
                }
                g = reference::sliced_input_gradients(layer, &signals[i], &g, c.bits);
                continue;
            };
            let passes = |unit: usize, output: usize, roots: &[f64]| {
                let (unit, output, window) = (unit as u32, output as u32, roots.len() as u32);
                let drawn = reference::pool_draw(c.seed, 1, i as u32, output, place as u32, unit, window);
                reference::pool_passes(c.pool_gradient, roots, drawn as usize)
            };
            let (by_inputs, by_tables) =
                reference::sliced_conv_gradients(layer, &conv, &signals[i], &g, c.bits, &passes);
            of(i, layer, &signals[i], Sent::Tables(&by_tables));
            g = by_inputs;
        }
    }
}

/// `[layers][gates][codes]` table gradients of a network's first step, by the twins, in integer units.
pub fn table_gradients(model: &Model, train: &Split, c: &Constants) -> Vec<Vec<i64>> {
    let mut sums: Vec<Vec<i64>> = model.layers.iter().map(|l| vec![0; l.gates() << l.arity]).collect();
    each_gradient(model, train, c, |i, layer, inputs, sent| match sent {
        Sent::Gates(g) => {
            for (gate, &g) in g.iter().enumerate() {
                sums[i][(gate << layer.arity) + reference::input_code(layer, gate, inputs)] += i64::from(g);
            }
        }
        Sent::Tables(own) => sums[i].iter_mut().zip(own.as_flattened()).for_each(|(sum, own)| *sum += own),
    });
    sums
}

/// The same as a trainer has made them.
pub fn made_gradients(trainer: &Trainer, c: &Constants) -> Vec<Vec<i64>> {
    let whole = |g: &f32| (f64::from(*g) * f64::from(c.slice_scale())).round() as i64;
    trainer.table_gradients().iter().map(|layer| layer.iter().map(whole).collect()).collect()
}
