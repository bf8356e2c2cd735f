//! Soft methods on the CPU against the twins, against the shaders, and against themselves.

mod native;

use std::path::Path;
use std::process::{Command, Output};

use gatewright::cpu::{Constants, Simd, Trainer};
use gatewright::data::{Encoder, Head, ImageShape, Split};
use gatewright::gpu::Gpu;
use gatewright::network::{
    Convolution, Draw, Form, Initialization, Layer, Model, Parametrization, TreeChannels, Wiring,
};
use gatewright::plan::{GradientFormat, Tuning};
use gatewright::random::Philox;
use gatewright::reference::{self, Run};
use gatewright::settings::{Method, PoolGradient, Schedule, Settings};
use gatewright::train::{self, Evaluator, Mode, State, Tensor};
use native::samples;
use proptest::prelude::*;

const DENSE: ImageShape = ImageShape { channels: 1, height: 1, width: 30 };
const MAP: ImageShape = ImageShape { channels: 2, height: 9, width: 7 };

/// Settings of small networks; the rate falls, weights decay, and Adam's ε keeps errors of gradients small.
fn settings(layers: &[usize], arity: usize, parametrization: Parametrization, method: Method, batch: u32) -> Settings {
    Settings {
        layers: layers.to_vec(),
        arity,
        parametrization,
        method,
        gradients: GradientFormat::F32,
        cage: None,
        temperature: 0.7,
        epsilon: 0.1,
        tau: 2.0,
        lr: 0.3,
        weight_decay: 0.05,
        schedule: Schedule::Cosine,
        steps: 10,
        warmup: 2,
        batch,
        thresholds: 2,
        seed: 5,
        ..Settings::deep()
    }
}

/// Convolutions, then dense layers, over an image's thresholds.
fn model(image: ImageShape, convolutions: &[Convolution], settings: &Settings, classes: usize) -> Model {
    let encoder = Encoder::thermometer(image, settings.thresholds).unwrap();
    let encoder = if convolutions.is_empty() { encoder } else { encoder.by_maps(image) };
    let draw = Draw {
        wiring: Wiring::Random,
        parametrization: settings.parametrization,
        start: Initialization::Gaussian.into(),
        seed: settings.seed,
    };
    let mut layers: Vec<Layer> = Vec::new();
    let mut map = [(settings.thresholds * image.channels) as u32, image.height as u32, image.width as u32];
    for (i, what) in convolutions.iter().enumerate() {
        let conv = what.over(map).unwrap();
        map = [what.units, conv.outputs()[0] as u32, conv.outputs()[1] as u32];
        layers.push(Layer::draw_conv(i, what, conv, draw));
    }
    for &gates in &settings.layers {
        let inputs = layers.last().map_or(encoder.features(), Layer::outputs);
        layers.push(Layer::draw(layers.len(), inputs, gates, settings.arity, draw));
    }
    let classes = (0..classes).map(|c| c.to_string()).collect();
    let tau = settings.tau;
    let made =
        Model { dataset: "random".into(), image, table: None, head: Head::Classes, classes, tau, encoder, layers };
    made.check().unwrap();
    made
}

fn conv(units: u32, kernel: [u32; 2], rest: (u32, u32, u32, TreeChannels, u32)) -> Convolution {
    let (stride, pad, depth, channels, pool) = rest;
    Convolution { units, kernel, stride, pad, depth, channels, pool }
}

fn shapes() -> Vec<Vec<Convolution>> {
    use TreeChannels::{All, One, Two};
    vec![
        vec![conv(5, [3, 3], (1, 1, 2, One, 2)), conv(6, [3, 2], (1, 1, 2, One, 1))],
        vec![conv(4, [2, 3], (2, 1, 1, All, 1)), conv(7, [3, 3], (1, 1, 3, Two, 2))],
        vec![conv(3, [3, 3], (1, 2, 3, Two, 3))],
    ]
}

fn trainer<'a>(settings: &Settings, model: &Model, train: &'a Split, threads: usize, simd: Simd) -> Trainer<'a> {
    Trainer::new(Constants::of(settings, false).unwrap(), model.clone(), train, threads, simd).unwrap()
}

/// `made` and `twin` differ by at most `tolerance` of the greatest of the layer's.
fn near(what: &str, made: &[f32], twin: &[f64], tolerance: f64) {
    assert_eq!(made.len(), twin.len(), "{what}");
    let greatest = twin.iter().fold(1e-12, |most: f64, x| most.max(x.abs()));
    for (i, (made, twin)) in made.iter().zip(twin).enumerate() {
        assert!((f64::from(*made) - twin).abs() < tolerance * greatest, "{what} {i}: {made} against {twin}");
    }
}

/// Sums of 77 or 300 numbers, each of a few roundings, after tables whose error is 2e-6 at most: 1e-4 of the greatest leaves room.
#[test]
fn steps_of_dense_networks_are_the_twins() {
    let mut rng = Philox::new(1, 0);
    for parametrization in Parametrization::ALL {
        for arity in (2..=6).filter(|&k| parametrization.can_have(k)) {
            for method in [Method::SoftMix, Method::SoftGumbel] {
                // One micro-batch with a part of a block; several.
                let batch = if arity == 3 { 300 } else { 77 };
                let settings = settings(&[40, 33, 27], arity, parametrization, method, batch);
                let train = samples(340, DENSE.pixels(), 3, &mut rng);
                let model = model(DENSE, &[], &settings, 3);
                let mut run = Run::new(&settings, model.clone(), &train);
                let mut trainer = trainer(&settings, &model, &train, 2, Simd::available()[0]);
                for step in 0..3 {
                    let what = format!("{parametrization:?}, {arity} pins, {method:?}, step {step}");
                    let expected = run.train_step();
                    trainer.run(1).unwrap();
                    let [loss, accuracy] = trainer.history(step);
                    assert!((f64::from(loss) - expected.loss).abs() < 1e-4, "{what}: {loss}, {}", expected.loss);
                    assert!((f64::from(accuracy) - expected.accuracy).abs() < 0.02, "{what}");
                    let made = trainer.table_gradients();
                    for (l, (made, twin)) in made.iter().zip(&expected.table_gradients).enumerate() {
                        near(&format!("{what}, table gradient of layer {l}"), made, &twin.concat(), 2e-4);
                    }
                    for (l, (layer, twin)) in trainer.download().layers.iter().zip(&run.logits).enumerate() {
                        near(&format!("{what}, logit of layer {l}"), &layer.logits, &twin.concat(), 1e-4);
                    }
                }
            }
        }
    }
}

#[test]
fn gradients_of_convolutions_are_the_twins() {
    for (i, convolutions) in shapes().iter().enumerate() {
        for parametrization in [Parametrization::Op, Parametrization::IwpSin] {
            let settings = settings(&[20, 15], 2, parametrization, Method::SoftMix, 50);
            let train = samples(60, MAP.pixels(), 5, &mut Philox::new(2 + i as u64, 0));
            let model = model(MAP, convolutions, &settings, 5);
            let mut trainer = trainer(&settings, &model, &train, 2, Simd::available()[0]);
            let votes = trainer.evaluate(&train, Mode::Training).votes;
            trainer.run(1).unwrap();
            let (sums, twin_votes) = first_step(&settings, &model, &train);
            for (l, (made, twin)) in trainer.table_gradients().iter().zip(&sums).enumerate() {
                near(&format!("network {i}, {parametrization:?}, layer {l}"), made, &twin.concat(), 2e-4);
            }
            near(&format!("network {i}, votes"), &votes, &twin_votes.concat(), 1e-5);
        }
    }
}

/// `[layers][gates][codes]` table gradients of the first step, and `[samples][classes]` votes before it, by the twins.
fn first_step(settings: &Settings, model: &Model, train: &Split) -> (Vec<Vec<Vec<f64>>>, Vec<Vec<f64>>) {
    let tables: Vec<Vec<Vec<f64>>> = model
        .layers
        .iter()
        .map(|layer| {
            let count = layer.parametrization.logits(layer.arity);
            let logits: Vec<Vec<f64>> =
                layer.logits.chunks_exact(count).map(|z| z.iter().map(|&z| z.into()).collect()).collect();
            let none = vec![vec![0.0; count]; logits.len()];
            reference::tabulate_soft(layer.parametrization, &logits, &none, settings.temperature.into())
        })
        .collect();
    let activations = |sample: usize| {
        let pixels = &train.pixels[sample * model.image.pixels()..][..model.image.pixels()];
        let bits = reference::encode(&model.encoder, pixels);
        let mut all: Vec<Vec<f64>> = vec![bits.into_iter().map(|b| f64::from(u8::from(b))).collect()];
        for (layer, tables) in model.layers.iter().zip(&tables) {
            all.push(match layer.form {
                Form::Conv(conv) => reference::forward_conv(layer, &conv, tables, &all[all.len() - 1]),
                Form::Dense => reference::forward_soft(layer, tables, &all[all.len() - 1]),
            });
        }
        all
    };
    let votes = |of: &[Vec<f64>]| reference::group_sum_soft(&of[model.layers.len()], model.classes.len());
    let mut sums: Vec<Vec<Vec<f64>>> = tables.iter().map(|layer| vec![vec![0.0; 4]; layer.len()]).collect();
    for sample in reference::select_batch(settings.seed, train.len() as u32, settings.batch, 0, 0) {
        let all = activations(sample as usize);
        let label = train.labels[sample as usize].into();
        let judged = reference::loss(&votes(&all), label, settings.tau.into(), settings.batch);
        let mut gradients: Vec<f64> =
            judged.gradient.iter().flat_map(|&g| std::iter::repeat_n(g, model.group())).collect();
        for (i, layer) in model.layers.iter().enumerate().rev() {
            let greatest = |_: usize, _: usize, roots: &[f64]| reference::pool_passes(PoolGradient::First, roots, 0);
            let adjoints = match layer.form {
                Form::Conv(conv) => reference::backward_conv(layer, &conv, &tables[i], &all[i], &gradients, &greatest),
                Form::Dense => reference::backward_soft(layer, &tables[i], &all[i], &gradients),
            };
            for (sum, own) in sums[i].iter_mut().zip(&adjoints.tables) {
                sum.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
            }
            gradients = adjoints.inputs;
        }
    }
    (sums, (0..train.len()).map(|sample| votes(&activations(sample))).collect())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the shape: threads, vector instructions and a break change no byte.
    #[test]
    fn the_same_bytes_come_out(
        (shape, arity, batch) in (0usize..5, 2usize..=6, 1u32..400),
        method in prop::sample::select(vec![Method::SoftMix, Method::SoftGumbel]),
        parametrization in prop::sample::select(Parametrization::ALL.to_vec()),
        threads in 1usize..=4,
        seed in any::<u64>(),
    ) {
        let convolutions = shapes().get(shape).cloned().unwrap_or_default();
        let arity = if convolutions.is_empty() && parametrization.can_have(arity) { arity } else { 2 };
        let gradients = [GradientFormat::F32, GradientFormat::Bf16, GradientFormat::F16][batch as usize % 3];
        let settings = Settings { seed, gradients, ..settings(&[50, 28], arity, parametrization, method, batch) };
        let train = samples(batch as usize + 9, MAP.pixels(), 4, &mut Philox::new(seed, 0));
        let model = model(MAP, &convolutions, &settings, 4);
        let mut whole = trainer(&settings, &model, &train, 1, Simd::Portable);
        whole.run(3).unwrap();
        let judged = whole.evaluate(&train, Mode::Training);
        for simd in Simd::available() {
            let mut broken = trainer(&settings, &model, &train, threads, simd);
            broken.run(2).unwrap();
            let state = broken.state();
            let mut resumed = trainer(&settings, &model, &train, threads, simd);
            let tensor = |name: &str, _: u64| state.iter().find(|(n, _)| n == name).map(|(_, b)| b.as_slice()).ok_or(());
            resumed.restore(tensor).unwrap();
            resumed.run(1).unwrap();
            prop_assert!(resumed.state() == whole.state(), "{:?} on {} threads", simd, threads);
            prop_assert!(resumed.evaluate(&train, Mode::Training) == judged);
        }
    }
}

/// A step errs by roundings on both, and Adam's ε keeps them small; states of one are states of the other.
#[test]
fn shaders_train_the_same_and_checkpoints_go_both_ways() {
    let gpu = Gpu::open(None).unwrap();
    for (i, convolutions) in [Vec::new(), shapes()[0].clone(), Vec::new()].iter().enumerate() {
        let method = [Method::SoftGumbel, Method::SoftMix, Method::SoftMix][i];
        let gradients = [GradientFormat::F32, GradientFormat::F16, GradientFormat::Bf16][i];
        let settings = Settings { gradients, ..settings(&[60, 40], 2, Parametrization::Op, method, 96) };
        let train = samples(150, MAP.pixels(), 4, &mut Philox::new(9, 0));
        let model = model(MAP, convolutions, &settings, 4);
        let mut shaders = train::Trainer::with_model(&gpu, &settings, model.clone(), &train, Tuning::SOFTWARE).unwrap();
        let mut own = trainer(&settings, &model, &train, 2, Simd::available()[0]);
        shaders.submit(2).unwrap();
        own.run(2).unwrap();
        let mut resumed = trainer(&settings, &model, &train, 2, Simd::available()[0]);
        let theirs = shaders.state().unwrap();
        resumed.restore(|name, bytes| theirs.tensor(name, bytes)).unwrap();
        let tensors = own.state().into_iter().map(|(name, bytes)| Tensor { name, bytes });
        shaders.restore(&State { tensors: tensors.collect() }).unwrap();
        shaders.submit(2).unwrap();
        own.run(2).unwrap();
        resumed.run(2).unwrap();
        let evaluator = Evaluator::new(&shaders, &train).unwrap();
        for mode in [Mode::Hard, Mode::SelectedSoft, Mode::Training] {
            let theirs = evaluator.run(&mut shaders, mode).unwrap().votes;
            let (theirs, ours) = (theirs, own.evaluate(&train, mode).votes);
            let apart = theirs.iter().zip(&ours).filter(|(a, b)| (*a - *b).abs() > 2e-3).count();
            // A selected gate on the edge may fall to the other side.
            assert!(apart * 50 <= ours.len(), "network {i}, {mode:?}: {apart} of {}", ours.len());
        }
        let layers = shaders.download().unwrap().layers.iter().zip(&own.download().layers);
        for ((theirs, ours), resumed) in layers.zip(&resumed.download().layers) {
            for ((a, b), c) in theirs.logits.iter().zip(&ours.logits).zip(&resumed.logits) {
                assert!((a - b).abs() < 2e-3 && (a - c).abs() < 2e-3, "network {i}: {a}, {b}, {c}");
            }
        }
    }
}

fn gatewright(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gatewright")).args(args).output().unwrap()
}

/// A run by the command, a break and another number of threads: the same model, judged as it was trained.
#[test]
fn a_run_is_the_same_over_a_break() {
    let folder = tempfile::tempdir().unwrap();
    let of = |name: &str| folder.path().join(name).to_str().unwrap().to_string();
    let shape = ["train", "--adapter", "cpu", "--method", "soft-gumbel", "--layers", "3x200", "--eval-every", "20"];
    let run = |name: &str, more: &[&str]| {
        let made = gatewright(&[&shape[..], &["--out", &of(name)], more].concat());
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    run("straight", &["--steps", "40", "--threads", "1", "--schedule", "constant"]);
    run("broken", &["--steps", "20", "--threads", "2", "--schedule", "constant"]);
    let resumed = gatewright(&["train", "--resume", &of("broken"), "--steps", "40", "--threads", "3"]);
    assert!(resumed.status.success(), "{}", String::from_utf8_lossy(&resumed.stderr));
    let read = |name: &str| std::fs::read(Path::new(&of(name)).join("model.safetensors")).unwrap();
    assert!(read("straight") == read("broken"));
    let refused = gatewright(&["train", "--adapter", "cpu,cpu", "--method", "soft-mix", "--steps", "2"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && said.contains("by one rank"), "{said}");
}
