//! Layers that read the input bits and every map of convolutions that are not trained: the CPU against the twins and against
//! itself, circuits, files and exports against the CPU, and a run from end to end.

mod native;
mod tools;

use std::path::Path;
use std::process::{Command, Output};

use gatewright::circuit::export::{Format, Inputs, Options, Outputs, export};
use gatewright::circuit::verify::verify;
use gatewright::circuit::{self, Engine, Netlist};
use gatewright::cpu::{Constants, Simd, Trainer};
use gatewright::data::{Encoder, Head, ImageShape, Split};
use gatewright::gpu::Gpu;
use gatewright::network::{
    Candidates, Convolution, Draw, Initialization, Layer, Learning, Model, Parametrization, Pool, Reads, Sources,
    TreeChannels, WireRule, Wiring,
};
use gatewright::plan::{CageScope, GradientFormat, Tuning};
use gatewright::random::Philox;
use gatewright::reference;
use gatewright::settings::{Cage, FrozenLayers, LearnedLayers, Method, Settings};
use gatewright::train::{self, Evaluator, Mode, State, Tensor};
use native::{
    constants, each_gradient, forward, made_gradients, plain_export, read, samples, shader_settings, table_gradients,
};
use tools::have;

const IMAGE: ImageShape = ImageShape { channels: 2, height: 11, width: 9 };

/// Convolutions, in what ratio a layer reads the input bits and each map, the gates of dense layers, and these gates' inputs.
type Shape = (Vec<Convolution>, Vec<u32>, Vec<usize>, usize);

/// Networks of odd sizes, with maps that are padded and not, strided, pooled and not; one reads no input bit, one not the last map.
fn shapes() -> Vec<Shape> {
    use TreeChannels::{All, One, Two};
    let conv = |units, kernel, (stride, pad, depth, channels, pool)| Convolution {
        units,
        kernel,
        stride,
        pad,
        depth,
        channels,
        pool,
    };
    vec![
        (vec![conv(7, [3, 3], (1, 1, 2, One, 2)), conv(9, [3, 2], (1, 1, 2, One, 2))], vec![1, 2, 3], vec![45, 30], 2),
        (vec![conv(5, [2, 3], (2, 1, 1, All, 1)), conv(11, [3, 3], (1, 0, 3, Two, 1))], vec![0, 1, 4], vec![65], 4),
        (vec![conv(6, [3, 3], (1, 0, 2, One, 3))], vec![3, 1], vec![130, 20, 15], 3),
        (
            vec![
                conv(4, [3, 3], (1, 1, 2, One, 2)),
                conv(8, [2, 2], (1, 0, 1, One, 1)),
                conv(5, [3, 3], (1, 1, 2, One, 2)),
            ],
            vec![2, 1, 1, 0],
            vec![200],
            2,
        ),
    ]
}

fn model((convolutions, shares, dense, arity): &Shape, start: Initialization, seed: u64) -> Model {
    let encoder = Encoder::thermometer(IMAGE, 2).unwrap().by_maps(IMAGE);
    let parametrization = Parametrization::IwpSigmoid;
    let draw = |start: Initialization| Draw { wiring: Wiring::Unique, parametrization, start: start.into(), seed };
    let mut layers: Vec<Layer> = Vec::new();
    let mut map = [2 * IMAGE.channels as u32, IMAGE.height as u32, IMAGE.width as u32];
    for (i, what) in convolutions.iter().enumerate() {
        let conv = what.over(map).unwrap();
        map = [what.units, conv.outputs()[0] as u32, conv.outputs()[1] as u32];
        layers.push(Layer::draw_conv(i, what, conv, draw(start)));
    }
    let sources = Sources::new(encoder.features(), &layers, shares);
    layers.push(Layer::draw_over(layers.len(), &sources, dense[0], *arity, draw(Initialization::Gaussian)));
    for &gates in &dense[1..] {
        let inputs = layers.last().unwrap().outputs();
        layers.push(Layer::draw(layers.len(), inputs, gates, *arity, draw(Initialization::Gaussian)));
    }
    let classes = (0..5).map(|c| c.to_string()).collect();
    let made = Model {
        dataset: "random".into(),
        image: IMAGE,
        table: None,
        head: Head::Classes,
        classes,
        tau: 5.0,
        encoder,
        layers,
    };
    made.check().unwrap();
    made
}

/// How the wires of the layer that reads everything learn, and of those behind it.
fn learning(model: &Model, shares: &[u32], rule: WireRule, rate: f32, every: u32, until: u32) -> Learning {
    let pools = [Pool::Any, Pool::Box, Pool::Axis];
    let draw = |i: usize| {
        let pool = pools[(i + shares.len()) % 3];
        (!model.layers[..=i].iter().all(|l| !l.form.is_dense()))
            .then(|| Candidates::draw(pool, 6, (model, shares), i, 5))
    };
    Learning { rule, rate, every, until, layers: (0..model.layers.len()).map(draw).collect() }
}

fn frozen(batch: u32, bits: u32) -> Constants {
    Constants { frozen: FrozenLayers::Convolutions, ..constants(batch, bits) }
}

fn training(samples_: usize, seed: u32) -> Split {
    samples(samples_, IMAGE.pixels(), 5, &mut Philox::new(u64::from(seed), 0))
}

#[test]
fn gradients_scores_and_wires_are_the_twins_to_the_bit() {
    for (i, shape) in shapes().iter().enumerate() {
        let (bits, batch) = ([8, 12, 16, 8][i], [31, 128, 150, 64][i]);
        let train = training(batch as usize + 9, 1 + i as u32);
        let (model, c) = (model(shape, Initialization::Residual, i as u64), frozen(batch, bits));
        let expected = table_gradients(&model, &train, &c);
        let convolutions = shape.0.len();
        assert!(expected[..convolutions].iter().all(|layer| layer.iter().all(|&s| s == 0)));
        assert!(expected[convolutions..].iter().all(|layer| layer.iter().any(|&s| s != 0)));
        // Rate 1 / lr: a weight becomes −S in real units after the first step, which is exact.
        let learning = learning(&model, &shape.1, WireRule::Acc, 1.0 / c.learning_rate, 1, 10);
        let candidates = learning.layers[convolutions].as_ref().unwrap();
        let of_pins: Vec<Vec<u32>> = candidates.wires.chunks_exact(candidates.count).map(<[u32]>::to_vec).collect();
        let mut scores: Vec<Vec<i64>> = of_pins.iter().map(|pin| vec![0; pin.len() + 1]).collect();
        each_gradient(&model, &train, &c, |layer, of, inputs, sent| {
            if let (true, native::Sent::Gates(g)) = (layer == convolutions, sent) {
                reference::add_wire_scores(of, &of_pins, inputs, g, c.bits, &mut scores);
            }
        });
        for simd in Simd::available() {
            for threads in [1, 3] {
                let trainer = Trainer::new(c.clone(), model.clone(), &train, threads, simd).unwrap();
                let mut trainer = trainer.learning(learning.clone());
                trainer.run(1).unwrap();
                assert_eq!(made_gradients(&trainer, &c), expected, "network {i}, {simd:?}");
                let name = format!("layers.{convolutions}.wire weights");
                let state = trainer.state();
                let (_, bytes) = state.iter().find(|(n, _)| *n == name).unwrap();
                let made: Vec<f32> = bytemuck::pod_collect_to_vec(bytes);
                let rate = f64::from(c.learning_rate * (1.0 / c.learning_rate));
                for (made, expected) in made.chunks_exact(candidates.count).zip(&scores) {
                    for (made, score) in made.iter().zip(expected) {
                        let units = -f64::from(*made) / rate * f64::from(c.slice_scale());
                        assert_eq!(units.round() as i64, *score, "network {i}, {simd:?}");
                    }
                }
                let of = |w: &[f32]| w.iter().map(|&w| f64::from(w)).collect::<Vec<f64>>();
                let weights: Vec<Vec<f64>> = made.chunks_exact(candidates.count).map(of).collect();
                let gates = of_pins.chunks_exact(shape.3).zip(weights.chunks_exact(shape.3));
                let chosen: Vec<u32> = gates.flat_map(|(c, w)| reference::chosen_wires(c, w)).collect();
                assert_eq!(trainer.download().layers[convolutions].wiring, chosen);
            }
        }
    }
}

#[test]
fn the_same_bytes_come_out_for_every_number_of_threads_and_over_a_break_and_what_is_frozen_stays() {
    for (i, shape) in shapes().iter().enumerate() {
        let train = training(300, 20 + i as u32);
        let model = model(shape, Initialization::Residual, 3);
        let scope = [CageScope::Network, CageScope::Layer, CageScope::Gate][i % 3];
        let cage = Some(Cage { tau_min: 0.5, tau_max: 3.0, decay: 0.9, scope });
        let c = Constants { cage, noisy: i % 2 == 1, ..frozen([128, 100, 250, 64][i], 8) };
        let rule = [WireRule::Dwn, WireRule::Acc][i % 2];
        let learning = learning(&model, &shape.1, rule, 5.0, 2, 9);
        let new = |threads, simd| {
            Trainer::new(c.clone(), model.clone(), &train, threads, simd).unwrap().learning(learning.clone())
        };
        let mut straight = new(1, Simd::available()[0]);
        straight.run(12).unwrap();
        let (state, convolutions) = (straight.state(), shape.0.len());
        let noisy = straight.tables(true);
        let made = straight.download().clone();
        made.check().unwrap();
        assert!(made.layers[..convolutions] == model.layers[..convolutions], "network {i}");
        for (now, then) in made.layers.iter().zip(&model.layers).skip(convolutions) {
            assert!(now.logits != then.logits && now.wiring != then.wiring && now.reads == then.reads, "network {i}");
        }
        assert!(
            (0..convolutions).all(|layer| noisy[layer] == model.layers[layer].tables),
            "no noise where nothing is trained"
        );
        for (threads, simd) in [1, 2, 3, 8].into_iter().flat_map(|t| Simd::available().into_iter().map(move |s| (t, s)))
        {
            let mut trainer = new(threads, simd);
            trainer.run(7).unwrap();
            trainer.run(5).unwrap();
            assert!(trainer.state() == state, "network {i}, {threads} threads, {simd:?}");
        }
        let mut begun = new(2, Simd::available()[0]);
        begun.run(5).unwrap();
        let kept = begun.state();
        let mut resumed = new(3, Simd::available()[0]);
        let tensor = |name: &str, bytes: u64| {
            let found = kept.iter().find(|(n, b)| n == name && b.len() as u64 == bytes);
            found.map(|(_, bytes)| bytes.as_slice()).ok_or_else(|| name.to_string())
        };
        resumed.restore(tensor).unwrap();
        resumed.run(7).unwrap();
        assert!(resumed.state() == state, "network {i}");
    }
}

/// Settings by which shaders do what `c` has the CPU do for a network of this shape.
fn settings_of(c: &Constants, (convolutions, reads, layers, arity): &Shape) -> Settings {
    Settings {
        convolutions: convolutions.clone(),
        reads: reads.clone(),
        layers: layers.clone(),
        arity: *arity,
        freeze: c.frozen.clone(),
        parametrization: Parametrization::IwpSigmoid,
        gradients: [GradientFormat::Int8, GradientFormat::Int12, GradientFormat::Int16][(c.bits as usize - 8) / 4],
        method: if c.noisy { Method::GumbelSt } else { Method::HardSt },
        cage: c.cage,
        ..shader_settings(c)
    }
}

/// `[layers][gates][4]` table gradients of the shaders' last step, in integer units.
fn made_by_shaders(shaders: &mut train::Trainer, c: &Constants) -> Vec<Vec<i64>> {
    let whole = |g: &f32| (f64::from(*g) * f64::from(c.slice_scale())).round() as i64;
    shaders.table_gradients().unwrap().iter().map(|layer| layer.iter().map(whole).collect()).collect()
}

#[test]
fn shaders_train_above_maps_as_the_cpu_does() {
    let gpu = Gpu::open(None).unwrap();
    for (i, shape) in shapes().iter().enumerate() {
        // In 16 bits, a driver's own exponential would in some step round an output's gradient to the number beside.
        let (bits, batch) = ([8, 12, 8, 12][i], [32, 128, 256, 64][i]);
        let (tuning, micro_batch) = ([Tuning::SOFTWARE, Tuning::HARDWARE][i % 2], [None, Some(96)][i / 2]);
        let (train, convolutions) = (training(300, 70 + i as u32), shape.0.len());
        let model = model(shape, Initialization::Residual, i as u64);
        // What a score is worth is a power of two, so weights of wires are the same numbers on both.
        let c = Constants { tau: 4.0, learning_rate: 0.015625, noisy: i == 1, ..frozen(batch, bits) };
        let expected = (!c.noisy).then(|| table_gradients(&model, &train, &c));
        for learn_wiring in [LearnedLayers::First, LearnedLayers::All, LearnedLayers::None] {
            let settings = Settings {
                learn_wiring,
                candidates: 6,
                candidates_from: [Pool::Any, Pool::Box][i % 2],
                wiring_rule: WireRule::Acc,
                probe_every: 2,
                freeze_wiring: 1.0,
                steps: 20,
                micro_batch,
                ..settings_of(&c, shape)
            };
            let shaders = || train::Trainer::with_model(&gpu, &settings, model.clone(), &train, tuning).unwrap();
            let cpu = || {
                let own = Trainer::new(c.clone(), model.clone(), &train, 2, Simd::available()[0]).unwrap();
                match train::learning(&settings, &model) {
                    Some(learning) => own.learning(learning),
                    None => own,
                }
            };
            let what = format!("network {i}, wires {}", settings.learn_wiring);
            let compare = |theirs: &mut train::Trainer, own: &mut Trainer, when: &str| {
                assert_eq!(made_by_shaders(theirs, &c), made_gradients(own, &c), "{what}, {when}");
                let (theirs, ours) = (theirs.download().unwrap(), own.download());
                for (l, (theirs, ours)) in theirs.layers.iter().zip(&ours.layers).enumerate() {
                    assert!(theirs.wiring == ours.wiring, "{what}, {when}: wires of layer {l}");
                    assert!(theirs.tables == ours.tables, "{what}, {when}: tables of layer {l}");
                    assert_eq!(*theirs == model.layers[l], l < convolutions, "{what}, {when}: layer {l}");
                }
            };
            let (mut straight, mut own) = (shaders(), cpu());
            straight.submit(1).unwrap();
            own.run(1).unwrap();
            compare(&mut straight, &mut own, "after a step");
            if let Some(expected) = &expected {
                assert_eq!(made_by_shaders(&mut straight, &c), *expected, "{what}");
            }
            straight.submit(3).unwrap();
            own.run(3).unwrap();
            compare(&mut straight, &mut own, "after 4 steps");
            let evaluator = Evaluator::new(&straight, &train).unwrap();
            for mode in [Mode::Hard, Mode::SelectedSoft] {
                let votes = evaluator.run(&mut straight, mode).unwrap().votes;
                assert!(votes == own.evaluate(&train, mode).votes, "{what}, {mode:?}");
            }

            // Names and sizes are the same; each goes on from the other's state.
            let (theirs, ours) = (straight.state().unwrap(), own.state());
            let tensors = ours.into_iter().map(|(name, bytes)| Tensor { name, bytes });
            let ours = State { tensors: tensors.collect() };
            assert_eq!(theirs.tensors.len(), ours.tensors.len());
            straight.submit(3).unwrap();
            own.run(3).unwrap();
            compare(&mut straight, &mut own, "after 7 steps");
            let mut resumed = shaders();
            resumed.restore(&theirs).unwrap();
            resumed.submit(3).unwrap();
            assert!(resumed.state().unwrap() == straight.state().unwrap(), "{what}");
            let mut resumed = shaders();
            resumed.restore(&ours).unwrap();
            resumed.submit(3).unwrap();
            compare(&mut resumed, &mut own, "shaders from the CPU's state");
            let mut resumed = cpu();
            resumed.restore(|name, bytes| theirs.tensor(name, bytes)).unwrap();
            resumed.run(3).unwrap();
            compare(&mut straight, &mut resumed, "the CPU from the shaders' state");
        }
    }
}

#[test]
fn real_gradients_above_maps_are_near_whole_ones() {
    let gpu = Gpu::open(None).unwrap();
    let formats = [GradientFormat::F32, GradientFormat::Bf16, GradientFormat::F16, GradientFormat::F32];
    for (i, shape) in shapes().iter().enumerate() {
        let (train, model) = (training(200, 90), model(shape, Initialization::Residual, i as u64));
        let settings = settings_of(&frozen(64, 16), shape);
        let settings = Settings { learn_wiring: LearnedLayers::None, ..settings };
        let made = |settings: &Settings| {
            let tuning = [Tuning::SOFTWARE, Tuning::HARDWARE][i % 2];
            let mut trainer = train::Trainer::with_model(&gpu, settings, model.clone(), &train, tuning).unwrap();
            trainer.submit(1).unwrap();
            let gradients = trainer.table_gradients().unwrap();
            let now = trainer.download().unwrap();
            let stay = now.layers.iter().zip(&model.layers).map(|(a, b)| a == b).collect::<Vec<_>>();
            assert!(stay.iter().enumerate().all(|(layer, stay)| *stay == (layer < shape.0.len())), "{stay:?}");
            gradients
        };
        let (whole, real) = (made(&settings), made(&Settings { gradients: formats[i], ..settings.clone() }));
        for (layer, (real, whole)) in real.iter().zip(&whole).enumerate().skip(shape.0.len()) {
            let norm = |of: &mut dyn Iterator<Item = f32>| of.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            let apart = norm(&mut real.iter().zip(whole).map(|(a, b)| a - b)) / norm(&mut whole.iter().copied());
            // A class's gradient has 13 bits as a whole number, and 8 as bf16; both are rounded anew with every sum.
            assert!(apart < 0.02, "network {i}, {:?}, layer {layer}: {apart}", formats[i]);
        }
    }
}

#[test]
fn any_layer_can_be_frozen_and_gradients_go_through_it() {
    let (convolutions, ..) = shapes().remove(0);
    let shape = (convolutions, vec![1, 1, 1], vec![60, 40, 20], 3);
    let train = training(200, 40);
    let model = model(&shape, Initialization::Residual, 9);
    // Gates of the middle layer stay; those before it are trained all the same, by what the twins send through.
    let c = Constants { frozen: FrozenLayers::Of(vec![0, 1, 3]), ..constants(100, 8) };
    let mut trainer = Trainer::new(c.clone(), model.clone(), &train, 2, Simd::available()[0]).unwrap();
    trainer.run(1).unwrap();
    let (made, expected) = (made_gradients(&trainer, &c), table_gradients(&model, &train, &c));
    assert!(made[2] == expected[2] && made[4] == expected[4]);
    let now = trainer.download();
    let same: Vec<bool> = now.layers.iter().zip(&model.layers).map(|(a, b)| a == b).collect();
    assert_eq!(same, [true, true, false, true, false]);

    // So it is by shaders, in every scope of CAGE.
    let gpu = Gpu::open(None).unwrap();
    for scope in [CageScope::Network, CageScope::Layer, CageScope::Gate] {
        for noisy in [false, true] {
            let cage = Some(Cage { tau_min: 0.5, tau_max: 3.0, decay: 0.9, scope });
            let c = Constants { cage, noisy, ..c.clone() };
            let settings = settings_of(&c, &shape);
            let mut shaders =
                train::Trainer::with_model(&gpu, &settings, model.clone(), &train, Tuning::HARDWARE).unwrap();
            let mut own = Trainer::new(c.clone(), model.clone(), &train, 2, Simd::available()[0]).unwrap();
            for step in 0..3 {
                shaders.submit(1).unwrap();
                own.run(1).unwrap();
                let (made, ours) = (made_by_shaders(&mut shaders, &c), made_gradients(&own, &c));
                assert!(made[2] == ours[2] && made[4] == ours[4], "{scope:?}, noisy {noisy}, step {step}");
                let told = shaders.progress(step).unwrap();
                assert!((told.confidence - own.step().confidence).abs() < 1e-5, "{scope:?}: {told:?}");
            }
            let now = shaders.download().unwrap();
            let same: Vec<bool> = now.layers.iter().zip(&model.layers).map(|(a, b)| a == b).collect();
            assert_eq!(same, [true, true, false, true, false], "{scope:?}");
        }
    }
    let settings = settings_of(&Constants { frozen: FrozenLayers::Of(vec![0]), ..c.clone() }, &shape);
    let told = train::Trainer::with_model(&gpu, &settings, model.clone(), &train, Tuning::SOFTWARE);
    assert!(told.err().unwrap().to_string().contains("but layer 1 is trained; freeze it"));
    let told = |frozen| {
        let c = Constants { frozen, ..c.clone() };
        Trainer::new(c, model.clone(), &train, 1, Simd::Portable).unwrap_err().to_string()
    };
    assert!(told(FrozenLayers::Of(vec![0])).contains("layer 1 is trained"));
    assert!(told(FrozenLayers::Of(vec![0, 1, 2, 3, 4])).contains("no layer"));
}

#[test]
fn circuit_file_and_both_judgements_say_what_the_twins_say() {
    for (i, shape) in shapes().iter().enumerate() {
        let split = training(70, 60 + i as u32);
        let model = model(shape, [Initialization::Residual, Initialization::Gaussian][i % 2], 40 + i as u64);
        let bytes = model.to_bytes().unwrap();
        assert_eq!(Model::from_bytes(&bytes).unwrap(), model);
        assert_eq!(String::from_utf8_lossy(&bytes).matches("\\\"reads\\\":\\\"all\\\"").count(), 1);
        let netlist = model.netlist().unwrap();
        netlist.check().unwrap();
        assert_eq!((netlist.stages.len(), netlist.gates()), (shape.0.len(), model.gates()));
        let simplified = circuit::simplify(&netlist).0;
        simplified.check().unwrap();
        assert_eq!(circuit::simplify(&simplified).0, simplified, "a fixed point");
        let trainer = Trainer::new(frozen(64, 8), model.clone(), &split, 2, Simd::Portable).unwrap();
        let [hard, real] = [Mode::Hard, Mode::SelectedSoft].map(|mode| trainer.evaluate(&split, mode).votes);
        assert_eq!(hard, real);
        for (s, pixels) in split.pixels.chunks_exact(IMAGE.pixels()).enumerate() {
            let mut signals = vec![reference::encode(&model.encoder, pixels)];
            for layer in &model.layers {
                signals.push(forward(layer, &read(layer, &signals)));
            }
            let votes: Vec<f64> = reference::group_sum(signals.last().unwrap(), 5).into_iter().collect();
            let counts: Vec<f64> = circuit::reference::counts(&netlist, pixels).into_iter().map(f64::from).collect();
            assert_eq!(votes, counts, "network {i}, sample {s}");
            assert_eq!(circuit::reference::counts(&simplified, pixels), circuit::reference::counts(&netlist, pixels));
            assert!(hard[s * 5..][..5].iter().zip(&votes).all(|(&a, &b)| f64::from(a) == b), "network {i}, sample {s}");
        }
    }
}

/// Networks of [`shapes`], as trained and simplified.
fn circuits() -> Vec<Netlist> {
    let model = |(i, shape)| model(shape, Initialization::Gaussian, 60 + i as u64).netlist().unwrap();
    let trained: Vec<Netlist> = shapes().iter().enumerate().map(model).collect();
    let simple = trained.iter().map(|netlist| circuit::simplify(netlist).0).collect();
    [trained, simple].concat()
}

#[test]
fn looped_and_written_out_circuits_count_alike() {
    let pixels = training(600, 80).pixels;
    for (i, netlist) in circuits().iter().enumerate() {
        let flat = netlist.flat();
        flat.check().unwrap();
        let counts = |netlist: &Netlist| -> Vec<u32> {
            pixels.chunks_exact(IMAGE.pixels()).flat_map(|bytes| circuit::reference::counts(netlist, bytes)).collect()
        };
        let expected = counts(netlist);
        assert_eq!(counts(&flat), expected, "network {i}");
        // Written out, an inverted root is a gate of its own.
        assert!(netlist.depth() == flat.depth() || i >= 4, "network {i}");
        assert_eq!(Engine::new(&circuit::simplify_flat(netlist).0).counts(&pixels, false), expected, "network {i}");
        for simd in circuit::Simd::available() {
            for engine in [Engine::with_simd(netlist, simd), Engine::with_simd(&flat, simd)] {
                // Twice: what a block leaves in slots that are used again changes nothing in the next.
                for parallel in [false, true, false] {
                    assert_eq!(engine.counts(&pixels, parallel), expected, "network {i}, {}", simd.name());
                }
            }
        }
    }
}

#[test]
fn every_export_counts_as_the_engine_does() {
    let pixels = training(130, 81).pixels;
    let plain = plain_export();
    let piped = Options { inputs: Inputs::Pixels, outputs: Outputs::Class, pipeline: 3, ..plain.clone() };
    let cases = [
        (Format::C, plain.clone(), Some("cc")),
        (Format::Rust, plain.clone(), Some("rustc")),
        (Format::Verilog, plain.clone(), Some("iverilog")),
        (Format::Verilog, piped, Some("iverilog")),
        (Format::Blif, plain.clone(), None),
        (Format::Aig, plain, None),
    ];
    for (i, netlist) in circuits().iter().enumerate() {
        for (format, options, tool) in &cases {
            // Tools take their time: every shape goes through them as trained or simplified, through compilers of C both ways.
            let is_other = tool.is_some_and(|tool| tool != "cc") && (i % 4 + i / 4) % 2 == 1;
            if is_other || tool.is_some_and(|tool| !have(tool)) {
                continue;
            }
            let folder = tempfile::tempdir().unwrap();
            let files = export(netlist, *format, options).unwrap();
            files.iter().for_each(|file| std::fs::write(folder.path().join(&file.name), &file.bytes).unwrap());
            let told = verify(netlist, &folder.path().join(&files[0].name), &pixels);
            assert_eq!(told.map_err(|e| format!("network {i}, {format:?}: {e}")), Ok(130));
        }
    }
}

#[test]
fn what_does_not_fit_together_is_refused_in_a_sentence() {
    let whole = model(&shapes()[0], Initialization::Residual, 1);
    let told = |change: &dyn Fn(&mut Model)| {
        let mut model = whole.clone();
        change(&mut model);
        model.check().unwrap_err()
    };
    assert!(told(&|m| m.layers[2].reads = Reads::Before).contains("layer 2 expects"));
    assert!(told(&|m| m.layers[3].reads = Reads::All).contains("layer 3 expects"));
    assert!(told(&|m| m.layers[2].inputs += 1).contains("layer 2 expects"));
    assert!(told(&|m| m.layers[0].reads = Reads::All).contains("reads the layer before it and no other"));
}

fn gatewright(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gatewright")).args(args).output().unwrap()
}

const LAYERS: &str =
    "conv 6 3x3 stride 2 depth 2 channels 1 pool 2; conv 12 3x3 pad 1 depth 2 channels 1; 300 reads 1:2:3";

fn trained(out: &Path, more: &[&str]) -> serde_json::Value {
    let mut args = vec!["train", "--json"];
    if !more.contains(&"--adapter") {
        args.extend(["--adapter", "cpu"]);
    }
    if !more.contains(&"--resume") {
        let layers = ["--layers", LAYERS, "--freeze", "convolutions", "--batch", "50", "--eval-every", "20"];
        args.extend(layers);
        args.extend(["--schedule", "constant", "--out", out.to_str().unwrap()]);
    }
    args.extend(more);
    let run = gatewright(&args);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    serde_json::from_slice(&run.stdout).unwrap()
}

#[test]
fn a_run_is_the_same_for_every_number_of_threads_and_over_a_break_and_is_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let model = |name: &str| std::fs::read(dir.path().join(name).join("model.safetensors")).unwrap();
    for threads in ["1", "2", "3"] {
        let summary = trained(&dir.path().join(threads), &["--threads", threads, "--steps", "40"]);
        assert_eq!((&summary["selection_gap"], &summary["computation_gap"]), (&0.0.into(), &0.0.into()));
        assert!(summary["moved_wires"].as_f64().unwrap() > 0.1, "{summary}");
        assert!(model(threads) == model("1"), "{threads} threads");
    }
    // Two ranks that share every batch.
    trained(&dir.path().join("ranks"), &["--adapter", "cpu,cpu", "--threads", "1", "--steps", "40"]);
    assert!(model("ranks") == model("1"), "two ranks");
    // Wires that learn freeze by the run's length, so a run that grows has fixed ones.
    let fixed = ["--learn-wiring", "none", "--steps"];
    trained(&dir.path().join("straight"), &[&fixed[..], &["40"]].concat());
    let broken = dir.path().join("broken");
    trained(&broken, &[&fixed[..], &["15"]].concat());
    trained(&broken, &["--resume", broken.to_str().unwrap(), "--steps", "40"]);
    assert!(model("broken") == model("straight"), "a break changes nothing");
    let config = std::fs::read_to_string(broken.join("config.toml")).unwrap();
    assert!(
        config.contains(&format!("layers = \"{LAYERS}\"")) && config.contains("freeze = \"convolutions\""),
        "{config}"
    );
    let shown = gatewright(&["inspect", dir.path().join("1").to_str().unwrap()]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains("layer 2 reads the input bits and every map before it: of its wires "), "{shown}");
}

/// By the CPU and by the first adapter.
#[test]
fn convolutions_of_another_network_stay_as_it_has_them() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    let load = |name: &str| Model::load(&dir.path().join(name).join("model.safetensors")).unwrap();
    let layers = LAYERS.replace(" reads 1:2:3", "");
    for (out, seed) in [("trees", "3"), ("others", "4")] {
        let train =
            ["train", "--adapter", "cpu", "--batch", "50", "--steps", "30", "--layers", &layers, "--seed", seed];
        assert!(gatewright(&[&train[..], &["--out", &at(out)]].concat()).status.success());
    }
    let trees = load("trees");
    for (out, adapter) in [("above", "cpu"), ("by-shaders", "0")] {
        let flags =
            ["--convolutions-from", &at("trees"), "--adapter", adapter, "--steps", "15", "--learn-wiring", "none"];
        trained(&dir.path().join(out), &flags);
        let above = load(out);
        for i in 0..2 {
            assert!(above.layers[i] == trees.layers[i] && above.layers[i] != load("others").layers[i], "{out}, {i}");
        }
    }
    trained(&dir.path().join("drawn"), &["--steps", "15", "--learn-wiring", "none"]);
    assert!(load("drawn").layers[1].logits != trees.layers[1].logits, "what is drawn is not what was trained");

    let flags =
        ["train", "--adapter", "cpu", "--steps", "1", "--freeze", "convolutions", "--convolutions-from", &at("trees")];
    for (more, told) in [
        (vec!["--layers", LAYERS, "--thresholds", "2"], "its input bits are others"),
        (vec!["--layers", "conv 6 3x3; 300 reads 1:2"], "its layer 0 is no convolution as --layers names it"),
        (vec!["--layers", "300", "--freeze", "none"], "name them in --layers and add --freeze convolutions"),
    ] {
        let flags = if more.contains(&"none") { [&flags[..5], &flags[7..]].concat() } else { flags.to_vec() };
        let refused = gatewright(&[&flags[..], &more].concat());
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(2) && said.contains(told), "{more:?}: {said}");
    }
    // Nor is a run gone on with above others than it began with.
    trained(&dir.path().join("above"), &["--resume", &at("above"), "--steps", "20"]);
    std::fs::copy(at("others") + "/model.safetensors", at("trees") + "/model.safetensors").unwrap();
    let refused = gatewright(&["train", "--resume", &at("above"), "--steps", "25", "--adapter", "cpu"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        refused.status.code() == Some(2) && said.contains("the model that --convolutions-from named then"),
        "{said}"
    );
}

/// The first adapter alone, and as two ranks.
#[test]
fn a_run_by_shaders_is_the_same_for_two_ranks_and_over_a_break() {
    let dir = tempfile::tempdir().unwrap();
    let model = |name: &str| std::fs::read(dir.path().join(name).join("model.safetensors")).unwrap();
    let summary = trained(&dir.path().join("one"), &["--adapter", "0", "--steps", "20"]);
    assert_eq!((&summary["selection_gap"], &summary["computation_gap"]), (&0.0.into(), &0.0.into()));
    assert!(summary["moved_wires"].as_f64().unwrap() > 0.1, "{summary}");
    trained(&dir.path().join("two"), &["--adapter", "0,0", "--steps", "20"]);
    assert!(model("two") == model("one"), "two ranks");
    let broken = dir.path().join("broken");
    trained(&broken, &["--adapter", "0", "--checkpoint-steps", "10", "--steps", "20"]);
    std::fs::remove_file(broken.join("checkpoints/step-0000000020.ckpt")).unwrap();
    for name in ["summary.json", "model.safetensors"] {
        std::fs::remove_file(broken.join(name)).unwrap();
    }
    trained(&broken, &["--resume", broken.to_str().unwrap(), "--adapter", "0"]);
    assert!(model("broken") == model("one"), "a break changes nothing");
}

#[test]
fn what_the_flags_cannot_have_is_refused_in_a_sentence() {
    for (flags, told) in [
        (vec!["--layers", LAYERS], "layer 0 is a convolution that is trained; add --freeze convolutions"),
        (vec!["--layers", "conv 6 3x3; 300 reads 1:2:3", "--freeze", "convolutions"], "name 2 numbers"),
        (vec!["--layers", "conv 6 3x3; 300 reads 0:0", "--freeze", "convolutions"], "not all 0"),
        (vec!["--layers", "conv 6 3x3; 2x300 reads 1:2", "--freeze", "convolutions"], "more than one layer"),
        (
            vec!["--layers", "conv 6 3x3; 300; 30 reads 1:2", "--freeze", "convolutions"],
            "does not follow a convolution",
        ),
        (vec!["--layers", "300 reads 1"], "does not follow a convolution"),
        (vec!["--layers", "300", "--freeze", "convolutions"], "no convolutions that could be frozen"),
        (vec!["--layers", "300", "--freeze", "0"], "no layer to be trained"),
        (vec!["--layers", "300,30", "--freeze", "2"], "the last of 2 layers is number 1"),
        (vec!["--layers", "300,30", "--freeze", "some"], "neither none or convolutions"),
        (vec!["--layers", "300,30", "--freeze", "0", "--learn-wiring", "first"], "layer 0 cannot learn"),
        (vec!["--layers", LAYERS, "--freeze", "convolutions", "--learn-wiring", "0"], "first dense layer is number 2"),
        (vec!["--layers", LAYERS, "--freeze", "convolutions", "--candidates-from", "axis"], "choose any or box"),
        (vec!["--layers", "conv 6 3x3; 300", "--learn-wiring", "first"], "layer 0 is one that is trained"),
        (vec!["--layers", LAYERS, "--freeze", "convolutions", "--method", "soft-mix"], "hard methods"),
        (vec!["--layers", "conv 6 3x3; 300", "--arity", "3"], "behind convolutions that are trained"),
    ] {
        let refused = gatewright(&[&["train", "--adapter", "cpu", "--steps", "1"][..], &flags].concat());
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(2), "{flags:?}: {said}");
        assert!(said.contains(told), "{flags:?}: {said}");
    }
}
