//! Training on the CPU against the twins, against the shaders, and against itself.

use gatewright::cpu::{CageConstants, Constants, Scope, Simd, Trainer};
use gatewright::data::{Encoder, Head, ImageShape, Split};
use gatewright::network::{Draw, Initialization, Layer, Model, Parametrization, Wiring};
use gatewright::random::Philox;
use gatewright::reference;

/// Grey images of `pixels` random bytes, of `classes` classes.
fn samples(count: usize, pixels: usize, classes: u32, rng: &mut Philox) -> Split {
    Split {
        pixels: (0..count * pixels).map(|_| rng.below(256) as u8).collect(),
        labels: (0..count).map(|_| rng.below(classes) as u8).collect(),
        targets: Vec::new(),
    }
}

fn model(pixels: usize, layers: &[usize], classes: usize, arity: usize, p: Parametrization, seed: u64) -> Model {
    let image = ImageShape { channels: 1, height: 1, width: pixels };
    let encoder = Encoder::thermometer(image, 1).unwrap();
    let draw = Draw { wiring: Wiring::Random, parametrization: p, start: Initialization::Gaussian.into(), seed };
    let mut inputs = encoder.features();
    let layers = layers.iter().enumerate().map(|(i, &gates)| {
        let layer = Layer::draw(i, inputs, gates, arity, draw);
        inputs = gates;
        layer
    });
    Model {
        dataset: "random".into(),
        image,
        table: None,
        head: Head::Classes,
        classes: (0..classes).map(|c| c.to_string()).collect(),
        tau: 5.0,
        layers: layers.collect(),
        encoder,
    }
}

fn constants(batch: u32, bits: u32) -> Constants {
    Constants {
        batch,
        bits,
        noisy: false,
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
        augmentation: None,
    }
}

/// `[layers][gates][codes]` table gradients of a network's first step, by the twins, in integer units.
fn table_gradients(model: &Model, train: &Split, c: &Constants) -> Vec<Vec<i64>> {
    let mut sums: Vec<Vec<i64>> = model.layers.iter().map(|l| vec![0; l.gates() << l.arity]).collect();
    let pixels = model.image.pixels();
    let chosen = reference::select_batch(c.seed, train.len() as u32, c.batch, 0, 0);
    for (place, &sample) in chosen.iter().enumerate() {
        let mut signals = vec![reference::encode(&model.encoder, &train.pixels[sample as usize * pixels..][..pixels])];
        for layer in &model.layers {
            signals.push(reference::forward_hard(layer, &signals[signals.len() - 1]));
        }
        let votes: Vec<f64> = reference::group_sum(&signals[model.layers.len()], model.classes.len())
            .into_iter()
            .map(f64::from)
            .collect();
        let judged = reference::loss(&votes, train.labels[sample as usize].into(), c.tau.into(), c.batch);
        let rounded = judged.gradient.iter().enumerate().map(|(class, &g)| {
            let at = class as u32 * c.batch.div_ceil(32) * 32 + place as u32;
            reference::slice_gradients(g, c.slice_scale().into(), c.bits, reference::slice_draw(c.seed, 1, at))
        });
        let mut g: Vec<i32> = rounded.flat_map(|g| std::iter::repeat_n(g, model.group())).collect();
        for (i, layer) in model.layers.iter().enumerate().rev() {
            for (gate, &g) in g.iter().enumerate() {
                sums[i][(gate << layer.arity) + reference::input_code(layer, gate, &signals[i])] += i64::from(g);
            }
            g = reference::sliced_input_gradients(layer, &signals[i], &g, c.bits);
        }
    }
    sums
}

fn made_gradients(trainer: &Trainer, c: &Constants) -> Vec<Vec<i64>> {
    let whole = |g: &f32| (f64::from(*g) * f64::from(c.slice_scale())).round() as i64;
    trainer.table_gradients().iter().map(|layer| layer.iter().map(whole).collect()).collect()
}

#[test]
fn table_gradients_are_the_twins_to_the_bit_saturation_included() {
    let mut rng = Philox::new(1, 0);
    for (i, (bits, layers, classes)) in [
        (8, vec![33, 7, 400, 30], 10),
        (12, vec![65, 8, 1500, 21], 3),
        (16, vec![40, 9, 130, 20], 10),
        (8, vec![20], 2),
        (8, vec![50, 12], 4),
        (12, vec![131, 77, 1000], 10),
    ]
    .into_iter()
    .enumerate()
    {
        for arity in 2..=6 {
            let batch = [31, 64, 65, 128, 200][(i + arity) % 5];
            let train = samples(batch as usize + 13, 50, classes as u32, &mut rng);
            let model = model(50, &layers, classes, arity, Parametrization::IwpSigmoid, arity as u64);
            let c = constants(batch, bits);
            let expected = table_gradients(&model, &train, &c);
            for simd in Simd::available() {
                for threads in [1, 3] {
                    let mut trainer = Trainer::new(c.clone(), model.clone(), &train, threads, simd).unwrap();
                    trainer.run(1);
                    let made = made_gradients(&trainer, &c);
                    for (layer, (made, expected)) in made.iter().zip(&expected).enumerate() {
                        let differ = made.iter().zip(expected).filter(|(a, b)| a != b).count();
                        assert_eq!(
                            differ, 0,
                            "{bits} bits, {layers:?}, {arity} pins, batch {batch}, layer {layer}, {simd:?}"
                        );
                    }
                }
            }
        }
    }
}

fn noisy_settings(c: Constants, i: usize) -> Constants {
    let scope = [Scope::Network, Scope::Layer, Scope::Gate][i % 3];
    let cage = CageConstants { tau_min: 0.5, tau_max: 3.0, decay: 0.9, scope };
    Constants { cage: Some(cage), noisy: i % 2 == 1, cosine_steps: 50, weight_decay: 0.01, ..c }
}

#[test]
fn the_same_bytes_come_out_for_every_number_of_threads_and_every_vector_width() {
    let mut rng = Philox::new(2, 0);
    for (i, p) in Parametrization::ALL.into_iter().enumerate() {
        for bits in [8, 12] {
            let train = samples(300, 60, 5, &mut rng);
            let arity = if p == Parametrization::Op { 2 } else { 2 + i };
            let model = model(60, &[700, 650, 555], 5, arity, p, 3);
            let c = noisy_settings(constants([128, 100, 64, 250, 1][i], bits), i + bits as usize / 4);
            let mut first = None;
            for simd in Simd::available() {
                for threads in [1, 2, 3, 8] {
                    let mut trainer = Trainer::new(c.clone(), model.clone(), &train, threads, simd).unwrap();
                    trainer.run(3);
                    trainer.run(4);
                    let state = trainer.state();
                    let tables = trainer.download().clone();
                    let (state0, tables0) = first.get_or_insert((state.clone(), tables.clone()));
                    assert!(*state0 == state, "{p:?}, {threads} threads, {simd:?}");
                    assert!(*tables0 == tables, "{p:?}, {threads} threads, {simd:?}");
                }
            }
        }
    }
}

#[test]
fn a_restored_trainer_goes_on_to_the_bit() {
    let mut rng = Philox::new(4, 0);
    let train = samples(300, 60, 5, &mut rng);
    for i in 0..6 {
        let c = noisy_settings(constants(96, 8), i);
        let model = model(60, &[300, 255], 5, 2, Parametrization::ALL[i % 5], 3);
        let simd = Simd::available()[0];
        let mut straight = Trainer::new(c.clone(), model.clone(), &train, 2, simd).unwrap();
        straight.run(9);
        let mut begun = Trainer::new(c.clone(), model.clone(), &train, 2, simd).unwrap();
        begun.run(5);
        let state = begun.state();
        let mut resumed = Trainer::new(c.clone(), model.clone(), &train, 2, simd).unwrap();
        let tensor = |name: &str, bytes: u64| match state.iter().find(|(n, b)| n == name && b.len() as u64 == bytes) {
            Some((_, bytes)) => Ok(bytes.as_slice()),
            None => Err(name.to_string()),
        };
        resumed.restore(tensor).unwrap();
        resumed.run(4);
        assert!(resumed.state() == straight.state(), "{i}");
        assert!(resumed.restore(|name: &str, _| Err::<&[u8], _>(name.to_string())).is_err());
    }
}

/// What an image shows is told by one of its first bytes: whether it is bright.
#[test]
fn every_kind_of_gate_learns() {
    let mut rng = Philox::new(5, 0);
    let mut train = samples(500, 20, 2, &mut rng);
    for (sample, label) in train.labels.iter_mut().enumerate() {
        *label = u8::from(train.pixels[sample * 20] > 127);
    }
    for p in Parametrization::ALL {
        for arity in (2..=6).filter(|&k| p.can_have(k)) {
            for noisy in [false, true] {
                let model = model(20, &[200, 100], 2, arity, p, 6);
                let c = Constants { noisy, tau: 4.0, learning_rate: 0.05, ..constants(100, 8) };
                let mut trainer = Trainer::new(c, model, &train, 2, Simd::available()[0]).unwrap();
                trainer.run(150);
                let [loss, accuracy] = trainer.history(149);
                assert!(accuracy > 0.9, "{p:?} of {arity} pins, noisy {noisy}: loss {loss}, accuracy {accuracy}");
            }
        }
    }
}

/// Not a test: `cargo test --release --test cpu -- --ignored --nocapture speed` tells milliseconds a step.
#[test]
#[ignore = "a measurement"]
fn speed() {
    let mut rng = Philox::new(6, 0);
    let number = |name: &str, or: usize| std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(or);
    let (layers, gates, batch) = (number("LAYERS", 6), number("GATES", 8000), number("BATCH", 128));
    let (arity, bits, rounds) = (number("ARITY", 2), number("BITS", 8), number("ROUNDS", 20));
    let train = samples(2000, 784, 10, &mut rng);
    let model = model(784, &vec![gates; layers], 10, arity, Parametrization::IwpSin, 3);
    for simd in Simd::available().into_iter().filter(|s| *s != Simd::Portable || number("PORTABLE", 0) == 1) {
        for threads in [1, 2] {
            let mut trainer =
                Trainer::new(constants(batch as u32, bits as u32), model.clone(), &train, threads, simd).unwrap();
            trainer.run(5);
            let times: Vec<f64> = (0..rounds)
                .map(|_| {
                    let from = std::time::Instant::now();
                    trainer.run(10);
                    from.elapsed().as_secs_f64() * 100.0
                })
                .collect();
            let least = times.iter().copied().fold(f64::INFINITY, f64::min);
            println!("{simd:?}, {threads} threads: {least:.3} ms a step");
            let mut best: Vec<(String, f64)> = Vec::new();
            for _ in 0..rounds * 5 {
                for (i, (label, time)) in trainer.timed_step().into_iter().enumerate() {
                    let time = time.as_secs_f64() * 1e3;
                    match best.get_mut(i) {
                        Some(best) => best.1 = best.1.min(time),
                        None => best.push((label, time)),
                    }
                }
            }
            best.iter().for_each(|(label, ms)| println!("   {label:<24} {ms:.4}"));
        }
    }
}
