//! Training on the CPU against the twins, against the shaders, and against itself.

mod native;

use std::path::Path;
use std::process::{Command, Output};

use gatewright::cpu::{Constants, Simd, Trainer};
use gatewright::data::{Encoder, Head, ImageShape, Split};
use gatewright::gpu::Gpu;
use gatewright::network::{
    Candidates, Draw, Initialization, Layer, Learning, Model, Parametrization, Pool, WireRule, Wiring,
};
use gatewright::plan::CageScope;
use gatewright::plan::GradientFormat;
use gatewright::plan::Tuning;
use gatewright::random::Philox;
use gatewright::reference;
use gatewright::settings::{Cage, FrozenLayers};
use gatewright::settings::{LearnedLayers, Settings};
use gatewright::train::{self, Mode, State, Tensor};
use native::{Sent, constants, each_gradient, made_gradients, samples, shader_settings, table_gradients};
use proptest::prelude::*;

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
                    trainer.run(1).unwrap();
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
    let scope = [CageScope::Network, CageScope::Layer, CageScope::Gate][i % 3];
    let cage = Cage { tau_min: 0.5, tau_max: 3.0, decay: 0.9, scope };
    Constants { cage: Some(cage), noisy: i % 2 == 1, cosine_steps: 50, weight_decay: 0.01, ..c }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the shape: vector instructions and threads give the state of one thread of portable code, byte for byte.
    #[test]
    fn vector_code_gives_what_portable_code_gives(
        widths in prop::collection::vec(1usize..300, 0..4),
        (classes, group) in (2usize..12, 1usize..40),
        (arity, batch, bits) in (2usize..=6, 1u32..300, prop::sample::select(vec![8u32, 12, 16])),
        (pixels, threads) in (8usize..200, 1usize..=3),
        parametrization in prop::sample::select(Parametrization::ALL.to_vec()),
        (noisy, scope) in (any::<bool>(), prop::sample::select(vec![CageScope::Network, CageScope::Layer, CageScope::Gate])),
        seed in any::<u64>(),
    ) {
        let arity = if parametrization.can_have(arity) { arity } else { 2 };
        let layers: Vec<usize> = widths.iter().map(|w| w + arity).chain([classes * group]).collect();
        let mut rng = Philox::new(seed, 0);
        let train = samples(batch as usize + 5, pixels, classes as u32, &mut rng);
        let model = model(pixels, &layers, classes, arity, parametrization, seed);
        let cage = Cage { scope, ..Cage::default() };
        let c = Constants { noisy, cage: Some(cage), seed, ..constants(batch, bits) };
        let state = |simd, threads| {
            let mut trainer = Trainer::new(c.clone(), model.clone(), &train, threads, simd).unwrap();
            trainer.run(3).unwrap();
            trainer.state()
        };
        let portable = state(Simd::Portable, 1);
        for simd in Simd::available() {
            for ((name, made), (_, expected)) in state(simd, threads).iter().zip(&portable) {
                prop_assert!(made == expected, "{name} by {simd:?} on {threads} threads");
            }
        }
    }
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
                    trainer.run(3).unwrap();
                    trainer.run(4).unwrap();
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
        straight.run(9).unwrap();
        let mut begun = Trainer::new(c.clone(), model.clone(), &train, 2, simd).unwrap();
        begun.run(5).unwrap();
        let state = begun.state();
        let mut resumed = Trainer::new(c.clone(), model.clone(), &train, 2, simd).unwrap();
        let tensor = |name: &str, bytes: u64| match state.iter().find(|(n, b)| n == name && b.len() as u64 == bytes) {
            Some((_, bytes)) => Ok(bytes.as_slice()),
            None => Err(name.to_string()),
        };
        resumed.restore(tensor).unwrap();
        resumed.run(4).unwrap();
        assert!(resumed.state() == straight.state(), "{i}");
        assert!(resumed.restore(|name: &str, _| Err::<&[u8], _>(name.to_string())).is_err());
    }
}

/// Settings by which shaders do what `c` has the CPU do.
fn settings_of(
    c: &Constants,
    gradients: GradientFormat,
    p: Parametrization,
    arity: usize,
    layers: &[usize],
) -> Settings {
    Settings { layers: layers.to_vec(), arity, parametrization: p, gradients, ..shader_settings(c) }
}

/// First moments of every layer in `state`, as whole numbers of what a unit of a clamped gate's table gradient makes of them
/// in the first step of a run.
fn whole_moments(state: &[(String, Vec<u8>)], c: &Constants) -> Vec<Vec<i64>> {
    let unit = (1.0 - f64::from(c.beta1)) * 0.5 / f64::from(c.slice_scale());
    let moments = state.iter().filter(|(name, _)| name.ends_with("moments"));
    let whole = |[m, _]: [f32; 2]| {
        let units = f64::from(m) / unit;
        // Three roundings of f32, of at most 2^-24 of it each.
        assert!((units - units.round()).abs() < 1e-3 + 2e-7 * units.abs(), "{units} is no whole number");
        units.round() as i64
    };
    moments.map(|(_, bytes)| bytemuck::pod_collect_to_vec(bytes).into_iter().map(whole).collect()).collect()
}

/// By name, in order.
fn sorted(mut state: Vec<(String, Vec<u8>)>) -> Vec<(String, Vec<u8>)> {
    state.sort();
    state
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytemuck::pod_collect_to_vec(bytes)
}

fn named(state: State) -> Vec<(String, Vec<u8>)> {
    sorted(state.tensors.into_iter().map(|t| (t.name, t.bytes)).collect())
}

/// A step of the shaders and one of the CPU's, from each other's states too. A clamped gate's first moments tell its table
/// gradients.
#[test]
fn table_gradients_are_the_shaders_to_the_bit_and_checkpoints_go_both_ways() {
    let gpu = Gpu::open(None).unwrap();
    let mut rng = Philox::new(7, 0);
    let p = Parametrization::IwpClamp;
    for (i, (format, layers)) in [
        (GradientFormat::Int8, vec![33, 7, 400, 30]),
        (GradientFormat::Int12, vec![90, 60]),
        (GradientFormat::Int16, vec![50, 9, 300]),
        (GradientFormat::Int4, vec![230]),
    ]
    .into_iter()
    .enumerate()
    {
        let (arity, batch) = ([2, 4, 6, 3][i], 70 + 31 * i as u32);
        let train = samples(500, 50, 10, &mut rng);
        let model = model(50, &layers, 10, arity, p, 8);
        let c = constants(batch, format.bits());
        let settings = settings_of(&c, format, p, arity, &layers);
        let tuning = Tuning::for_adapter(&gpu.adapter);
        let mut shaders = train::Trainer::with_model(&gpu, &settings, model.clone(), &train, tuning).unwrap();
        let mut own = Trainer::new(c.clone(), model, &train, 2, Simd::available()[0]).unwrap();
        let begun = own.state();
        shaders.submit(1).unwrap();
        own.run(1).unwrap();
        let (theirs, ours) = (named(shaders.state().unwrap()), sorted(own.state()));
        assert_eq!(whole_moments(&theirs, &c), whole_moments(&ours, &c), "{format:?}");
        let names = |state: &[(String, Vec<u8>)]| state.iter().map(|(n, b)| (n.clone(), b.len())).collect::<Vec<_>>();
        assert_eq!(names(&theirs), names(&ours));

        let tensors = begun.iter().map(|(name, bytes)| Tensor { name: name.clone(), bytes: bytes.clone() });
        shaders.restore(&State { tensors: tensors.collect() }).unwrap();
        shaders.submit(1).unwrap();
        assert_eq!(whole_moments(&named(shaders.state().unwrap()), &c), whole_moments(&ours, &c));

        // From the shaders' state the CPU goes on to the batch after, and so do they.
        let state = State { tensors: theirs.into_iter().map(|(name, bytes)| Tensor { name, bytes }).collect() };
        own.restore(|name, bytes| state.tensor(name, bytes)).unwrap();
        shaders.restore(&state).unwrap();
        own.run(1).unwrap();
        shaders.submit(1).unwrap();
        let (theirs, ours) = (named(shaders.state().unwrap()), sorted(own.state()));
        for ((name, theirs), (_, ours)) in theirs.iter().zip(&ours).filter(|((name, _), _)| name.ends_with("logits")) {
            let both = bytemuck::pod_collect_to_vec::<u8, f32>(theirs).into_iter();
            for (theirs, ours) in both.zip(bytemuck::pod_collect_to_vec::<u8, f32>(ours)) {
                // A step is 0.02 at most, of which the optimizer's roundings are a small part.
                assert!((theirs - ours).abs() < 1e-5, "{format:?}, {name}: {theirs} and {ours}");
            }
        }
    }
}

#[test]
fn gradients_of_four_bits_go_with_one_trained_layer() {
    let train = samples(100, 50, 10, &mut Philox::new(7, 1));
    let of = |layers: &[usize], frozen: Vec<usize>| {
        let c = Constants { frozen: FrozenLayers::Of(frozen), ..constants(64, 4) };
        let model = model(50, layers, 10, 2, Parametrization::IwpSin, 8);
        Trainer::new(c, model, &train, 1, Simd::Portable).map(|_| ()).map_err(|e| e.to_string())
    };
    assert!(of(&[90, 60], Vec::new()).unwrap_err().contains("layer 0 needs"));
    assert_eq!((of(&[60], Vec::new()), of(&[90, 60], vec![0])), (Ok(()), Ok(())));
}

/// How the wires of `model` learn, among `count` candidates a pin, every `every`-th step up to `until`.
fn learning(model: &Model, count: usize, rule: WireRule, rate: f32, every: u32, until: u32) -> Learning {
    let draw = |i| Some(Candidates::draw(Pool::Any, count, (model, &[]), i, 5));
    Learning { rule, rate, every, until, layers: (0..model.layers.len()).map(draw).collect() }
}

/// Scores of every wire of a network's first step, by the twins: `[layers][pins][count + 1]`.
fn wire_scores(model: &Model, learning: &Learning, train: &Split, c: &Constants) -> Vec<Vec<Vec<i64>>> {
    let candidates: Vec<Vec<Vec<u32>>> = learning
        .layers
        .iter()
        .flatten()
        .map(|own| own.wires.chunks_exact(own.count).map(<[u32]>::to_vec).collect())
        .collect();
    let zeros = |own: &Vec<Vec<u32>>| own.iter().map(|pin| vec![0; pin.len() + 1]).collect();
    let mut scores: Vec<Vec<Vec<i64>>> = candidates.iter().map(zeros).collect();
    each_gradient(model, train, c, |i, layer, inputs, sent| {
        let Sent::Gates(g) = sent else { panic!("wires of convolutions are not scored") };
        reference::add_wire_scores(layer, &candidates[i], inputs, g, c.bits, &mut scores[i]);
    });
    scores
}

#[test]
fn wire_scores_are_the_twins_to_the_bit_and_so_are_the_wires() {
    let mut rng = Philox::new(21, 0);
    // One micro-batch of a block, of two, and several; fewer candidates than are looked up at once, as many, and more.
    let cases = [
        (2, 8, 50, 3),
        (3, 12, 128, 16),
        (4, 16, 300, 5),
        (5, 8, 100, 6),
        (6, 8, 65, 8),
        (2, 8, 300, 16),
        (3, 8, 300, 37),
    ];
    for (i, (arity, bits, batch, candidates)) in cases.into_iter().enumerate() {
        let train = samples(400, 90, 5, &mut rng);
        let model = model(90, &[130, 40], 5, arity, Parametrization::IwpSin, 40 + i as u64);
        let c = constants(batch, bits);
        // Rate 1 / lr: a weight becomes −S in real units after the first step, which is exact.
        let learning = learning(&model, candidates, WireRule::Acc, 1.0 / c.learning_rate, 1, 10);
        let expected = wire_scores(&model, &learning, &train, &c);
        for simd in Simd::available() {
            for threads in [1, 3] {
                let trainer = Trainer::new(c.clone(), model.clone(), &train, threads, simd).unwrap();
                let mut trainer = trainer.learning(learning.clone());
                trainer.run(1).unwrap();
                let state = trainer.state();
                for (layer, expected) in expected.iter().enumerate() {
                    let name = format!("layers.{layer}.wire weights");
                    let (_, bytes) = state.iter().find(|(n, _)| *n == name).unwrap();
                    let made: Vec<f32> = bytemuck::pod_collect_to_vec(bytes);
                    let count = learning.layers[layer].as_ref().unwrap().count;
                    let rate = f64::from(c.learning_rate * (1.0 / c.learning_rate));
                    for (made, expected) in made.chunks_exact(count).zip(expected) {
                        for (made, score) in made.iter().zip(&expected[..count]) {
                            let units = -f64::from(*made) / rate * f64::from(c.slice_scale());
                            assert_eq!(units.round() as i64, *score, "{simd:?}, {bits} bits, {arity} pins");
                            assert!((units - units.round()).abs() < 1e-3 + 3e-7 * units.abs());
                        }
                    }
                    let candidates: Vec<Vec<u32>> = learning.layers[layer]
                        .iter()
                        .flat_map(|own| own.wires.chunks_exact(own.count).map(<[u32]>::to_vec))
                        .collect();
                    let weights: Vec<Vec<f64>> =
                        made.chunks_exact(count).map(|own| own.iter().map(|&w| w.into()).collect()).collect();
                    let gates = candidates.chunks_exact(arity).zip(weights.chunks_exact(arity));
                    let chosen: Vec<u32> = gates.flat_map(|(c, w)| reference::chosen_wires(c, w)).collect();
                    assert_eq!(trainer.download().layers[layer].wiring, chosen);
                }
            }
        }
    }
}

/// Where a step needs no scores it moves weights by what it looks up: Adam's first moments of the first step tell by what.
#[test]
fn weights_move_by_the_twins_scores_where_none_are_kept() {
    let mut rng = Philox::new(24, 0);
    for (i, (arity, bits, batch)) in
        [(2, 8, 128), (2, 4, 128), (4, 8, 50), (6, 4, 64), (2, 8, 65)].into_iter().enumerate()
    {
        let train = samples(400, 90, 5, &mut rng);
        let model = model(90, &[330], 5, arity, Parametrization::IwpSin, 50 + i as u64);
        let c = Constants { tau: [8.0, 1.0][i % 2], ..constants(batch, bits) };
        let learning = learning(&model, 16, WireRule::Dwn, 1.0, 1, 10);
        let expected = &wire_scores(&model, &learning, &train, &c)[0];
        let unit = f64::from(1.0 - c.beta1) / f64::from(c.slice_scale());
        let mut states = Vec::new();
        for simd in Simd::available() {
            let trainer = Trainer::new(c.clone(), model.clone(), &train, 2, simd).unwrap();
            let mut trainer = trainer.learning(learning.clone());
            trainer.run(1).unwrap();
            let state = trainer.state();
            let (_, bytes) = state.iter().find(|(name, _)| name == "layers.0.wire moments").unwrap();
            let moments: Vec<[f32; 2]> = bytemuck::pod_collect_to_vec(bytes);
            for (made, scores) in moments.chunks_exact(16).zip(expected) {
                for ([made, _], score) in made.iter().zip(&scores[..16]) {
                    let units = f64::from(*made) / unit;
                    assert_eq!(units.round() as i64, 2 * score - scores[16], "{simd:?}, {bits} bits, {arity} pins");
                    assert!((units - units.round()).abs() < 1e-3 + 3e-7 * units.abs());
                }
            }
            trainer.run(5).unwrap();
            states.push(trainer.state());
        }
        assert!(states.windows(2).all(|two| two[0] == two[1]), "{bits} bits, {arity} pins");
    }
}

#[test]
fn wires_are_the_same_for_every_number_of_threads_and_over_a_break_and_stay_at_the_end() {
    let mut rng = Philox::new(22, 0);
    let train = samples(300, 60, 5, &mut rng);
    for rule in [WireRule::Dwn, WireRule::Acc] {
        for (batch, bits, arity) in [(96, 8, 2), (200, 12, 3)] {
            let model = model(60, &[300, 155], 5, arity, Parametrization::IwpSin, 3);
            let c = constants(batch, bits);
            let learning = learning(&model, 7, rule, 5.0, 2, 9);
            let new = |threads, simd| {
                Trainer::new(c.clone(), model.clone(), &train, threads, simd).unwrap().learning(learning.clone())
            };
            let mut first = new(1, Simd::available()[0]);
            first.run(9).unwrap();
            let wiring: Vec<Vec<u32>> = first.download().layers.iter().map(|l| l.wiring.clone()).collect();
            first.run(3).unwrap();
            let straight = first.state();
            let now = first.download();
            assert!(now.layers.iter().zip(&wiring).all(|(l, wiring)| l.wiring == *wiring), "wires stay from step 9 on");
            assert!(now.layers.iter().zip(&model.layers).all(|(now, then)| now.wiring != then.wiring));
            let evaluated = first.evaluate(&train, Mode::Hard);
            assert_eq!(
                evaluated.votes,
                first.evaluate(&train, Mode::SelectedSoft).votes,
                "bits and reals have the same wires"
            );
            for threads in [2, 3, 8] {
                for simd in Simd::available() {
                    let mut trainer = new(threads, simd);
                    trainer.run(12).unwrap();
                    assert!(trainer.state() == straight, "{rule:?}, {threads} threads, {simd:?}");
                }
            }
            let mut begun = new(2, Simd::available()[0]);
            begun.run(5).unwrap();
            let state = begun.state();
            let mut resumed = new(2, Simd::available()[0]);
            let tensor = |name: &str, bytes: u64| match state.iter().find(|(n, b)| n == name && b.len() as u64 == bytes)
            {
                Some((_, bytes)) => Ok(bytes.as_slice()),
                None => Err(name.to_string()),
            };
            resumed.restore(tensor).unwrap();
            resumed.run(7).unwrap();
            assert!(resumed.state() == straight, "{rule:?}");
        }
    }
}

#[test]
fn wires_move_by_shaders_as_on_the_cpu() {
    let gpu = Gpu::open(None).unwrap();
    let mut rng = Philox::new(23, 0);
    for (i, (format, layers)) in [
        (GradientFormat::Int8, vec![130]),
        (GradientFormat::Int12, vec![90, 60]),
        (GradientFormat::Int16, vec![300]),
        (GradientFormat::Int4, vec![190]),
    ]
    .into_iter()
    .enumerate()
    {
        let (arity, batch) = ([2, 3, 4, 2][i], 70 + 100 * i as u32);
        let train = samples(500, 50, 10, &mut rng);
        let model = model(50, &layers, 10, arity, Parametrization::IwpClamp, 8);
        let c = constants(batch, format.bits());
        let settings = Settings {
            learn_wiring: LearnedLayers::First,
            candidates: 6,
            candidates_from: Pool::Any,
            wiring_rule: WireRule::Acc,
            micro_batch: Some(64),
            ..settings_of(&c, format, Parametrization::IwpClamp, arity, &layers)
        };
        let learning = train::learning(&settings, &model).unwrap();
        let tuning = Tuning::for_adapter(&gpu.adapter);
        let mut shaders = train::Trainer::with_model(&gpu, &settings, model.clone(), &train, tuning).unwrap();
        let mut own = Trainer::new(c.clone(), model, &train, 2, Simd::available()[0]).unwrap().learning(learning);
        shaders.submit(1).unwrap();
        own.run(1).unwrap();
        let (theirs, ours) = (named(shaders.state().unwrap()), sorted(own.state()));
        let names = |state: &[(String, Vec<u8>)]| state.iter().map(|(n, b)| (n.clone(), b.len())).collect::<Vec<_>>();
        assert_eq!(names(&theirs), names(&ours));
        // The sums are whole numbers; what one counts for follows the cosine, which a driver rounds its own way.
        let close = |theirs: &[u8], ours: &[u8]| {
            let mut both = floats(theirs).into_iter().zip(floats(ours));
            both.all(|(theirs, ours)| (theirs - ours).abs() <= 1e-6 * ours.abs())
        };
        for ((name, theirs), (_, ours)) in theirs.iter().zip(&ours).filter(|((name, _), _)| name.contains(".wir")) {
            let same = if name.ends_with("wire weights") { close(theirs, ours) } else { theirs == ours };
            assert!(same, "{format:?}: {name}");
        }
        let wiring = shaders.download().unwrap().layers[0].wiring.clone();
        assert_eq!(wiring, own.download().layers[0].wiring);

        // Each goes on from the other's state.
        let state = State { tensors: theirs.into_iter().map(|(name, bytes)| Tensor { name, bytes }).collect() };
        own.restore(|name, bytes| state.tensor(name, bytes)).unwrap();
        let tensors = ours.into_iter().map(|(name, bytes)| Tensor { name, bytes });
        shaders.restore(&State { tensors: tensors.collect() }).unwrap();
        own.run(1).unwrap();
        shaders.submit(1).unwrap();
        let (theirs, ours) = (named(shaders.state().unwrap()), sorted(own.state()));
        for ((name, theirs), (_, ours)) in theirs.iter().zip(&ours).filter(|((n, _), _)| n.ends_with("wire weights")) {
            for (theirs, ours) in floats(theirs).into_iter().zip(floats(ours)) {
                assert!((theirs - ours).abs() < 1e-5 * (1.0 + ours.abs()), "{name}: {theirs} and {ours}");
            }
        }
    }
}

/// Wires of all layers, or of a later one alone, by steps that score and steps that do not, on both, and from one to the other. What a
/// score is worth is a power of two, so weights of the plain sum are the same numbers on both.
#[test]
fn wires_of_every_layer_move_by_shaders_as_on_the_cpu() {
    let gpu = Gpu::open(None).unwrap();
    let mut rng = Philox::new(24, 0);
    let which = |text: &str| text.parse::<LearnedLayers>().unwrap();
    for (i, (layers, arity, learned, batch, format)) in [
        (vec![130, 60], 2, which("all"), 64, GradientFormat::Int8),
        (vec![90, 120, 50], 3, which("0,1,2"), 128, GradientFormat::Int12),
        (vec![300, 70], 2, which("1"), 256, GradientFormat::Int16),
        (vec![70, 500, 65, 40], 4, which("1,3"), 32, GradientFormat::Int8),
    ]
    .into_iter()
    .enumerate()
    {
        let train = samples(500, 50, 5, &mut rng);
        let p = Parametrization::IwpClamp;
        let model = model(50, &layers, 5, arity, p, 8);
        let c = Constants { tau: 4.0, learning_rate: 0.015625, ..constants(batch, format.bits()) };
        for (wiring_rule, micro_batch) in [(WireRule::Acc, None), (WireRule::Dwn, Some(96))] {
            let settings = Settings {
                learn_wiring: learned.clone(),
                candidates: 6,
                candidates_from: Pool::Any,
                wiring_rule,
                probe_every: 2,
                freeze_wiring: 1.0,
                steps: 11,
                micro_batch,
                ..settings_of(&c, format, p, arity, &layers)
            };
            let learning = train::learning(&settings, &model).unwrap();
            let tuning = if i % 2 == 0 { Tuning::SOFTWARE } else { Tuning::HARDWARE };
            let shaders = || train::Trainer::with_model(&gpu, &settings, model.clone(), &train, tuning).unwrap();
            let cpu = || {
                let own = Trainer::new(c.clone(), model.clone(), &train, 2, Simd::available()[0]).unwrap();
                own.learning(learning.clone())
            };
            let compare = |theirs: &mut train::Trainer, own: &mut Trainer, when: &str| {
                let (theirs, ours) = (theirs.download().unwrap(), own.download());
                for (l, (theirs, ours)) in theirs.layers.iter().zip(&ours.layers).enumerate() {
                    let what = format!("network {i}, {wiring_rule:?}, {when}, layer {l}");
                    assert!(theirs.wiring == ours.wiring, "{what}: wires");
                    assert!(theirs.tables == ours.tables, "{what}: tables");
                    let moved = model.layers[l].wiring != ours.wiring;
                    assert_eq!(moved, settings.learns(l), "{what}");
                }
            };
            let (mut straight, mut own) = (shaders(), cpu());
            straight.submit(4).unwrap();
            own.run(4).unwrap();
            compare(&mut straight, &mut own, "after 4 steps");
            let (theirs, ours) = (straight.state().unwrap(), sorted(own.state()));
            straight.submit(5).unwrap();
            own.run(5).unwrap();
            compare(&mut straight, &mut own, "after 9 steps");

            // A new trainer goes on to the same bytes, and from the other's state to the same network.
            let mut resumed = shaders();
            resumed.restore(&theirs).unwrap();
            resumed.submit(5).unwrap();
            assert!(resumed.state().unwrap() == straight.state().unwrap(), "network {i}, {wiring_rule:?}");
            let tensors = ours.into_iter().map(|(name, bytes)| Tensor { name, bytes });
            let mut resumed = shaders();
            resumed.restore(&State { tensors: tensors.collect() }).unwrap();
            resumed.submit(5).unwrap();
            compare(&mut resumed, &mut own, "from the CPU's state");
            let mut resumed = cpu();
            resumed.restore(|name, bytes| theirs.tensor(name, bytes)).unwrap();
            resumed.run(5).unwrap();
            compare(&mut straight, &mut resumed, "from the shaders' state");
        }
    }
}

#[test]
fn wires_that_lead_nowhere_are_not_gone_on_from() {
    let gpu = Gpu::open(None).unwrap();
    let train = samples(100, 50, 5, &mut Philox::new(25, 0));
    let c = constants(64, 8);
    let model = model(50, &[60, 40], 5, 2, Parametrization::IwpSin, 8);
    let settings = Settings {
        learn_wiring: LearnedLayers::All,
        ..settings_of(&c, GradientFormat::Int8, Parametrization::IwpSin, 2, &[60, 40])
    };
    let mut shaders = train::Trainer::with_model(&gpu, &settings, model, &train, Tuning::SOFTWARE).unwrap();
    let whole = shaders.state().unwrap();
    let mut torn = whole.clone();
    let wiring = torn.tensors.iter_mut().find(|tensor| tensor.name == "layers.1.wiring").unwrap();
    wiring.bytes[..4].copy_from_slice(&60u32.to_le_bytes());
    assert!(shaders.restore(&torn).unwrap_err().contains("layers.1.wiring has wires that lead nowhere"));
    assert!(shaders.state().unwrap() == whole);
}

fn gatewright(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gatewright")).args(args).output().unwrap()
}

/// Train on the CPU into `out` and give the summary.
fn trained(out: &Path, more: &[&str]) -> serde_json::Value {
    let layers = ["--layers", "400,200", "--batch", "50", "--eval-every", "20", "--schedule", "constant"];
    let mut args = vec!["train", "--adapter", "cpu", "--json"];
    args.extend(more);
    if !more.contains(&"--resume") {
        args.extend(layers);
        args.extend(["--out", out.to_str().unwrap()]);
    }
    let run = gatewright(&args);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    serde_json::from_slice(&run.stdout).unwrap()
}

#[test]
fn a_run_on_the_cpu_is_the_same_for_every_number_of_threads_and_over_a_break() {
    let dir = tempfile::tempdir().unwrap();
    let model = |name: &str| std::fs::read(dir.path().join(name).join("model.safetensors")).unwrap();
    for (method, first) in [("hard-st", "a"), ("gumbel-st", "g")] {
        for threads in ["1", "2", "3"] {
            let out = dir.path().join(format!("{first}{threads}"));
            let summary = trained(&out, &["--threads", threads, "--steps", "60", "--method", method]);
            assert_eq!(summary["backend"], "cpu");
            assert!(summary["driver"].as_str().unwrap().contains(&format!("{threads} thread")), "{summary}");
            assert_eq!(summary["computation_gap"], 0.0);
            if method == "hard-st" {
                assert_eq!(summary["selection_gap"], 0.0);
            }
            assert!(summary["test_accuracy"].as_f64().unwrap() > 0.15, "{summary}");
            assert!(model(&format!("{first}{threads}")) == model(&format!("{first}1")), "{method}, {threads} threads");
        }
    }
    // Wires that learn freeze by the run's length, so a run that grows has fixed ones.
    let fixed = ["--learn-wiring", "none", "--steps"];
    trained(&dir.path().join("straight"), &[&fixed[..], &["60"]].concat());
    let broken = dir.path().join("broken");
    trained(&broken, &[&fixed[..], &["25"]].concat());
    let summary = trained(&broken, &["--resume", broken.to_str().unwrap(), "--steps", "60", "--profile"]);
    assert_eq!(summary["steps"], 60);
    assert!(model("broken") == model("straight"), "a break changes nothing");
    let profile = std::fs::read_to_string(broken.join("profile.json")).unwrap();
    assert!(profile.contains("backward_update 1"), "{profile}");
}

#[test]
fn the_cpu_is_listed_and_refuses_what_it_does_not_train() {
    let listed: serde_json::Value = serde_json::from_slice(&gatewright(&["devices", "--json"]).stdout).unwrap();
    assert!(listed["cpu"]["threads"].as_u64().unwrap() > 0, "{listed}");
    assert_eq!(listed["cpu"]["instructions"], Simd::available()[0].name());
    for (flags, told) in [
        (&["--method", "soft-mix", "--input-kind", "soft", "--thresholds", "1"][..], "pixels as they are"),
        (&["--gradients", "f32", "--no-cage"], "gradients in f32"),
    ] {
        let refused = gatewright(&[&["train", "--adapter", "cpu"], flags].concat());
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains(told) && said.contains("--adapter llvmpipe"), "{said}");
    }
    let refused = gatewright(&["depth", "--adapter", "cpu", "--gradients", "f32"]);
    assert_eq!(refused.status.code(), Some(2));
    let bench: serde_json::Value = serde_json::from_slice(
        &gatewright(&["bench", "step", "--adapter", "cpu", "--layers", "2x500", "--rounds", "2", "--json"]).stdout,
    )
    .unwrap();
    assert!(bench["backend"] == "cpu" && bench["bytes_min"].as_u64().unwrap() > 0, "{bench}");
    let profiled: serde_json::Value = serde_json::from_slice(
        &gatewright(&["profile", "--adapter", "cpu", "--layers", "60,40", "--rounds", "2", "--json"]).stdout,
    )
    .unwrap();
    // The CPU submits nothing to anyone.
    assert!(profiled["bound"].is_null() && profiled["host_us_per_step"].is_null(), "{profiled}");
    assert!(profiled["untimed_step_ms"].as_f64().unwrap() > 0.0, "{profiled}");
}

/// Signals are bits of the same network on the same batch, so they are those of the shaders to the last one; gradients differ
/// by the rounding of the classes' gradients to int16.
#[test]
fn depth_is_the_shaders() {
    let told = |adapter: &[&str]| -> Vec<serde_json::Value> {
        let shape = ["depth", "--layers", "4x200", "--batch", "100", "--inits", "gaussian", "--json"];
        let made = gatewright(&[&shape[..], adapter].concat());
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        serde_json::from_slice(&made.stdout).unwrap()
    };
    let (cpu, shaders) = (told(&["--adapter", "cpu"]), told(&["--adapter", "0"]));
    assert_eq!(cpu.len(), 2);
    for (cpu, shaders) in cpu.iter().zip(&shaders) {
        for l in 0..4 {
            let of = |network: &serde_json::Value, name: &str| network["layers"][l][name].as_f64().unwrap();
            for name in ["balance", "signal"] {
                assert!((of(cpu, name) - of(shaders, name)).abs() < 1e-9, "{name} of layer {l}: {cpu} {shaders}");
            }
            for name in ["table_gradient_norm", "logit_gradient_norm"] {
                assert!((of(cpu, name) / of(shaders, name) - 1.0).abs() < 0.02, "{name} of layer {l}: {cpu} {shaders}");
            }
        }
    }
    let refused = gatewright(&["depth", "--adapter", "cpu", "--batch", "129"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--batch of 128"));
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
                trainer.run(150).unwrap();
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
            trainer.run(5).unwrap();
            let times: Vec<f64> = (0..rounds)
                .map(|_| {
                    let from = std::time::Instant::now();
                    trainer.run(10).unwrap();
                    from.elapsed().as_secs_f64() * 100.0
                })
                .collect();
            let least = times.iter().copied().fold(f64::INFINITY, f64::min);
            println!("{simd:?}, {threads} threads: {least:.3} ms a step");
            let mut best: Vec<(String, f64)> = Vec::new();
            for _ in 0..rounds * 5 {
                for (i, (label, time)) in trainer.timed_step().unwrap().into_iter().enumerate() {
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
