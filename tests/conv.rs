//! Convolutions: the CPU against the twins and against itself, circuits and files against the CPU.

mod native;
mod tools;

use gatewright::circuit::export::{Format, Inputs, Options, Outputs, export};
use gatewright::circuit::verify::verify;
use gatewright::circuit::{self, Engine, Grid, Leaf, Literal, Lut, Netlist, Stage, Unit, Vote};
use gatewright::cpu::{Constants, Simd, Trainer};
use gatewright::data::{Encoder, Head, ImageShape, Split};
use gatewright::gpu::Gpu;
use gatewright::network::{
    Conv, Convolution, Draw, Form, Initialization, Layer, Model, Parametrization, TreeChannels, Wiring,
};
use gatewright::plan::{CageScope, GradientFormat, Tuning};
use gatewright::random::Philox;
use gatewright::reference;
use gatewright::settings::{Cage, Method, PoolGradient, Settings};
use gatewright::train::{self, Mode};
use native::{constants, forward, made_gradients, plain_export, samples, shader_settings, shape, table_gradients};
use tools::have;

fn conv(units: u32, kernel: [u32; 2], rest: (u32, u32, u32, TreeChannels, u32)) -> Convolution {
    let (stride, pad, depth, channels, pool) = rest;
    Convolution { units, kernel, stride, pad, depth, channels, pool }
}

/// Networks of odd sizes, of every depth, kind of tree, stride and pool.
fn shapes() -> Vec<(Vec<Convolution>, Vec<usize>)> {
    use TreeChannels::{All, One, Two};
    vec![
        (vec![conv(7, [3, 3], (1, 1, 2, One, 2)), conv(9, [3, 2], (1, 1, 2, One, 2))], vec![33, 30]),
        (vec![conv(5, [2, 3], (2, 1, 1, All, 1)), conv(11, [3, 3], (1, 1, 3, Two, 1))], vec![40, 20]),
        (vec![conv(6, [3, 3], (1, 2, 3, One, 3)), conv(3, [1, 1], (1, 0, 1, Two, 1))], vec![20]),
        (vec![conv(4, [5, 5], (1, 2, 2, Two, 4)), conv(8, [2, 2], (1, 1, 2, All, 2))], vec![25, 10]),
        (vec![conv(5, [3, 3], (1, 1, 2, One, 2))], vec![10]),
    ]
}

fn model(image: ImageShape, convolutions: &[Convolution], dense: &[usize], classes: usize, seed: u64) -> Model {
    let encoder = Encoder::thermometer(image, 2).unwrap().by_maps(image);
    let parametrization = Parametrization::IwpSigmoid;
    let draw = Draw { wiring: Wiring::Unique, parametrization, start: Initialization::Gaussian.into(), seed };
    let mut layers: Vec<Layer> = Vec::new();
    let mut map = [2 * image.channels as u32, image.height as u32, image.width as u32];
    for (i, what) in convolutions.iter().enumerate() {
        let conv = what.over(map).unwrap();
        map = [what.units, conv.outputs()[0] as u32, conv.outputs()[1] as u32];
        layers.push(Layer::draw_conv(i, what, conv, draw));
    }
    for &gates in dense {
        let inputs = layers.last().unwrap().outputs();
        layers.push(Layer::draw(layers.len(), inputs, gates, 2, draw));
    }
    let classes = (0..classes).map(|c| c.to_string()).collect();
    let made =
        Model { dataset: "random".into(), image, table: None, head: Head::Classes, classes, tau: 5.0, encoder, layers };
    made.check().unwrap();
    made
}

const IMAGE: ImageShape = ImageShape { channels: 2, height: 11, width: 9 };

/// The first step of every network in every format and by every rule: what names it, the format's number, and what it is made of and comes to by
/// the twins.
fn each_first_step(mut check: impl FnMut(&str, usize, (&Model, &Split, &Constants), &[Vec<i64>])) {
    let mut rng = Philox::new(1, 0);
    let rules = [PoolGradient::Any, PoolGradient::First, PoolGradient::Exact];
    for (i, (convolutions, dense)) in shapes().iter().enumerate() {
        for (j, bits) in [8, 12, 16].into_iter().enumerate() {
            let rule = rules[(i + j) % 3];
            let batch = [31, 64, 65, 150][(i + j) % 4];
            let classes = if dense.len() == 1 { 10 } else { 5 };
            let train = samples(batch as usize + 9, IMAGE.pixels(), classes as u32, &mut rng);
            let model = model(IMAGE, convolutions, dense, classes, i as u64);
            let c = Constants { pool_gradient: rule, ..constants(batch, bits) };
            let expected = table_gradients(&model, &train, &c);
            let name = format!("network {i}, {bits} bits, {rule:?}");
            assert!(expected.iter().all(|layer| layer.iter().any(|&s| s != 0)), "{name} sends nothing somewhere");
            check(&name, j, (&model, &train, &c), &expected);
        }
    }
}

#[test]
fn table_gradients_are_the_twins_to_the_bit() {
    each_first_step(|name, _, (model, train, c), expected| {
        for simd in Simd::available() {
            for threads in [1, 3] {
                let mut trainer = Trainer::new(c.clone(), model.clone(), train, threads, simd).unwrap();
                trainer.run(1).unwrap();
                for (layer, (made, expected)) in made_gradients(&trainer, c).iter().zip(expected).enumerate() {
                    let differ = made.iter().zip(expected).filter(|(a, b)| a != b).count();
                    assert_eq!(differ, 0, "{name}, layer {layer}, {simd:?}");
                }
            }
        }
    });
}

/// Settings by which shaders do what `c` has the CPU do for `model`.
fn settings_of(c: &Constants, model: &Model) -> Settings {
    let dense = model.layers.iter().filter(|layer| layer.form == Form::Dense);
    Settings {
        layers: dense.map(Layer::gates).collect(),
        parametrization: model.layers[0].parametrization,
        gradients: [GradientFormat::Int8, GradientFormat::Int12, GradientFormat::Int16][(c.bits as usize - 8) / 4],
        pool_gradient: c.pool_gradient,
        method: if c.noisy { Method::GumbelSt } else { Method::HardSt },
        cage: c.cage,
        ..shader_settings(c)
    }
}

#[test]
fn shaders_make_the_twins_table_gradients_to_the_bit() {
    let gpu = Gpu::open(None).unwrap();
    each_first_step(|name, format, (model, train, c), expected| {
        let sharing = Tuning { subgroups: false, ..Tuning::HARDWARE };
        let other = [(Tuning::HARDWARE, None), (sharing, None), (Tuning::SOFTWARE, Some(32))][format];
        for (tuning, micro_batch) in [(Tuning::SOFTWARE, None), other] {
            let settings = Settings { micro_batch, ..settings_of(c, model) };
            let mut shaders = train::Trainer::with_model(&gpu, &settings, model.clone(), train, tuning).unwrap();
            shaders.submit(1).unwrap();
            let whole = |g: f32| (f64::from(g) * f64::from(c.slice_scale())).round() as i64;
            for (layer, (made, expected)) in shaders.table_gradients().unwrap().iter().zip(expected).enumerate() {
                let differ = made.iter().zip(expected).filter(|(made, expected)| whole(**made) != **expected).count();
                assert_eq!(differ, 0, "{name}, layer {layer}, {micro_batch:?}, {tuning:?}");
            }
        }
    });
}

#[test]
fn checkpoints_of_shaders_and_of_the_cpu_go_both_ways() {
    let gpu = Gpu::open(None).unwrap();
    let tuning = Tuning::for_adapter(&gpu.adapter);
    let mut rng = Philox::new(8, 0);
    for (i, (convolutions, dense)) in shapes().iter().enumerate() {
        let train = samples(300, IMAGE.pixels(), 5, &mut rng);
        let model = model(IMAGE, convolutions, dense, 5, 20 + i as u64);
        let scope = [CageScope::Network, CageScope::Layer][i % 2];
        let cage = (i % 3 == 0).then_some(Cage { tau_min: 0.5, tau_max: 3.0, decay: 0.9, scope });
        let c = Constants { cage, noisy: i % 2 == 1, ..constants(70, 8) };
        let settings = settings_of(&c, &model);
        let mut shaders = train::Trainer::with_model(&gpu, &settings, model.clone(), &train, tuning).unwrap();
        let mut own = Trainer::new(c.clone(), model, &train, 2, Simd::available()[0]).unwrap();
        shaders.submit(1).unwrap();
        own.run(1).unwrap();
        assert_eq!(shaders.table_gradients().unwrap(), own.table_gradients(), "network {i}");
        if cage.is_some() {
            continue; // whose state has other names
        }
        // Each goes on from the other's state to the batch after, then from the same.
        let tensor = |(name, bytes)| train::Tensor { name, bytes };
        let ours = train::State { tensors: own.state().into_iter().map(tensor).collect() };
        let theirs = shaders.state().unwrap();
        shaders.restore(&ours).unwrap();
        shaders.submit(1).unwrap();
        own.run(1).unwrap();
        assert_eq!(shaders.table_gradients().unwrap(), own.table_gradients(), "network {i}, shaders from the CPU's");
        own.restore(|name, bytes| theirs.tensor(name, bytes)).unwrap();
        shaders.restore(&theirs).unwrap();
        shaders.submit(1).unwrap();
        own.run(1).unwrap();
        assert_eq!(shaders.table_gradients().unwrap(), own.table_gradients(), "network {i}, the CPU from shaders'");
    }
}

#[test]
fn shaders_judge_every_sample_as_the_circuit_does() {
    let gpu = Gpu::open(None).unwrap();
    let mut rng = Philox::new(9, 0);
    for (i, (convolutions, dense)) in shapes().iter().enumerate() {
        let split = samples(70 + i, IMAGE.pixels(), 5, &mut rng);
        let model = model(IMAGE, convolutions, dense, 5, 80 + i as u64);
        let settings = settings_of(&constants(64, 8), &model);
        let tuning = Tuning::for_adapter(&gpu.adapter);
        let netlist = model.netlist().unwrap();
        let mut shaders = train::Trainer::with_model(&gpu, &settings, model, &split, tuning).unwrap();
        let evaluator = train::Evaluator::new(&shaders, &split).unwrap();
        let counts = reference_counts(&netlist, &split.pixels);
        for mode in [train::Mode::Hard, train::Mode::SelectedSoft, train::Mode::Training] {
            let votes = evaluator.run(&mut shaders, mode).unwrap().votes;
            assert_eq!(votes.len(), counts.len());
            assert!(votes.iter().zip(&counts).all(|(&votes, &count)| votes == count as f32), "network {i}, {mode:?}");
        }
    }
}

#[test]
fn real_gradients_are_near_whole_ones_and_soft_methods_learn() {
    let gpu = Gpu::open(None).unwrap();
    for (i, (convolutions, dense)) in shapes().iter().enumerate().take(3) {
        let tuning = [Tuning::HARDWARE, Tuning::SOFTWARE, Tuning::HARDWARE][i];
        let train = samples(64, IMAGE.pixels(), 5, &mut Philox::new(10, 0));
        let model = model(IMAGE, convolutions, dense, 5, 90);
        let base = settings_of(&constants(64, 16), &model);
        let trainer = |settings: Settings| {
            let mut trainer = train::Trainer::with_model(&gpu, &settings, model.clone(), &train, tuning).unwrap();
            trainer.submit(1).unwrap();
            trainer
        };
        let whole = trainer(base.clone()).table_gradients().unwrap();
        let others = [GradientFormat::F32, GradientFormat::Bf16, GradientFormat::F16];
        let gradients = others[i];
        let real = trainer(Settings { gradients, ..base.clone() }).table_gradients().unwrap();
        for (layer, (real, whole)) in real.iter().zip(&whole).enumerate() {
            let norm = |of: &mut dyn Iterator<Item = f32>| of.map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            let apart = norm(&mut real.iter().zip(whole).map(|(a, b)| a - b)) / norm(&mut whole.iter().copied());
            // A class's gradient has 13 bits as a whole number, and 8 as bf16; both are rounded anew with every sum.
            assert!(apart < 0.02, "network {i}, {gradients:?}, layer {layer}: {apart}");
        }
        let mut soft = trainer(Settings { method: Method::SoftMix, gradients, lr: 0.1, ..base });
        let before = soft.progress(0).unwrap().loss;
        soft.submit(60).unwrap();
        let after = soft.progress(50).unwrap().loss;
        // The same 64 samples every step.
        assert!(after < 0.98 * before, "network {i}: {before} to {after}");
    }
}

#[test]
fn the_same_bytes_come_out_for_every_number_of_threads_and_every_vector_width() {
    let mut rng = Philox::new(2, 0);
    for (i, (convolutions, dense)) in shapes().iter().enumerate() {
        let train = samples(300, IMAGE.pixels(), 5, &mut rng);
        let model = model(IMAGE, convolutions, dense, 5, 3);
        let scope = [CageScope::Network, CageScope::Layer, CageScope::Gate][i % 3];
        let cage = Some(Cage { tau_min: 0.5, tau_max: 3.0, decay: 0.9, scope });
        let c = Constants { cage, noisy: i % 2 == 1, ..constants([128, 100, 250][i % 3], 8) };
        let mut first = None;
        for simd in Simd::available() {
            for threads in [1, 2, 3, 8] {
                let mut trainer = Trainer::new(c.clone(), model.clone(), &train, threads, simd).unwrap();
                trainer.run(3).unwrap();
                trainer.run(2).unwrap();
                let state = trainer.state();
                let tables = trainer.download().clone();
                let expected = first.get_or_insert((state.clone(), tables.clone()));
                assert!(*expected == (state, tables), "network {i}, {threads} threads, {simd:?}");
            }
        }
    }
}

#[test]
fn circuit_file_and_both_judgements_say_what_the_twins_say() {
    let mut rng = Philox::new(3, 0);
    for (i, (convolutions, dense)) in shapes().iter().enumerate() {
        let split = samples(70, IMAGE.pixels(), 5, &mut rng);
        let model = model(IMAGE, convolutions, dense, 5, 40 + i as u64);
        let bytes = model.to_bytes().unwrap();
        assert_eq!(Model::from_bytes(&bytes).unwrap(), model);
        let netlist = model.netlist().unwrap();
        netlist.check().unwrap();
        assert_eq!((netlist.stages.len(), netlist.gates()), (convolutions.len(), model.gates()));
        let simplified = circuit::simplify(&netlist).0;
        simplified.check().unwrap();
        assert!(simplified.gates() < netlist.gates() && simplified.stages.len() == convolutions.len());
        assert_eq!(circuit::simplify(&simplified).0, simplified, "a fixed point");
        let trainer = Trainer::new(constants(64, 8), model.clone(), &split, 2, Simd::Portable).unwrap();
        let [hard, real] = [Mode::Hard, Mode::SelectedSoft].map(|mode| trainer.evaluate(&split, mode).votes);
        assert_eq!(hard, real);
        for (s, pixels) in split.pixels.chunks_exact(IMAGE.pixels()).enumerate() {
            let bits = reference::encode(&model.encoder, pixels);
            let last = model.layers.iter().fold(bits, |bits, layer| forward(layer, &bits));
            let votes: Vec<f64> = reference::group_sum(&last, 5).into_iter().collect();
            let counts: Vec<f64> = circuit::reference::counts(&netlist, pixels).into_iter().map(f64::from).collect();
            assert_eq!(votes, counts, "network {i}, sample {s}");
            assert_eq!(circuit::reference::counts(&simplified, pixels), circuit::reference::counts(&netlist, pixels));
            assert!(hard[s * 5..][..5].iter().zip(&votes).all(|(&a, &b)| f64::from(a) == b), "network {i}, sample {s}");
        }
    }
}

/// Networks of [`shapes`], as trained and simplified.
fn circuits() -> Vec<Netlist> {
    let model = |(i, (convolutions, dense)): (usize, &(Vec<Convolution>, Vec<usize>))| {
        model(IMAGE, convolutions, dense, 5, 60 + i as u64).netlist().unwrap()
    };
    let trained: Vec<Netlist> = shapes().iter().enumerate().map(model).collect();
    let simple = trained.iter().map(|netlist| circuit::simplify(netlist).0).collect();
    [trained, simple].concat()
}

fn reference_counts(netlist: &Netlist, pixels: &[u8]) -> Vec<u32> {
    pixels.chunks_exact(IMAGE.pixels()).flat_map(|bytes| circuit::reference::counts(netlist, bytes)).collect()
}

#[test]
fn looped_and_written_out_circuits_count_alike() {
    let pixels = samples(600, IMAGE.pixels(), 5, &mut Philox::new(5, 0)).pixels;
    for (i, netlist) in circuits().iter().enumerate() {
        let (flat, expected) = (netlist.flat(), reference_counts(netlist, &pixels));
        flat.check().unwrap();
        assert!(flat.stages.is_empty() && flat.luts.len() >= netlist.applications());
        assert_eq!(reference_counts(&flat, &pixels), expected, "network {i}");
        assert_eq!(Engine::new(&circuit::simplify_flat(netlist).0).counts(&pixels, false), expected, "network {i}");
        for simd in circuit::Simd::available() {
            for engine in [Engine::with_simd(netlist, simd), Engine::with_simd(&flat, simd)] {
                for parallel in [false, true] {
                    assert_eq!(engine.counts(&pixels, parallel), expected, "network {i}, {}", simd.name());
                }
                let mut counts = vec![0; expected.len()];
                engine.counts_packed(&engine.encode(&pixels), &mut counts, false);
                assert_eq!(counts, expected, "network {i}, encoded before");
            }
        }
    }
}

#[test]
fn every_export_of_convolutions_counts_as_the_engine_does() {
    let pixels = samples(130, IMAGE.pixels(), 5, &mut Philox::new(6, 0)).pixels;
    let plain = plain_export();
    let pixels_in = Options { inputs: Inputs::Pixels, outputs: Outputs::Class, ..plain.clone() };
    let cases = [
        (Format::C, plain.clone()),
        (Format::Rust, plain.clone()),
        (Format::Verilog, plain.clone()),
        (Format::Verilog, Options { pipeline: 3, ..pixels_in }),
        (Format::Blif, plain.clone()),
        (Format::Aig, plain),
    ];
    for (i, netlist) in circuits().iter().enumerate() {
        for (format, options) in &cases {
            let tool = match format {
                Format::C => Some("cc"),
                Format::Rust => Some("rustc"),
                Format::Verilog => Some("iverilog"),
                _ => None,
            };
            // Tools take their time: every shape goes through them as trained or simplified, through compilers of C both ways.
            let is_other = tool.is_some_and(|tool| tool != "cc") && (i % 5 + i / 5) % 2 == 1;
            if is_other || tool.is_some_and(|tool| !have(tool)) {
                continue;
            }
            let folder = tempfile::tempdir().unwrap();
            let files = export(netlist, *format, options).unwrap();
            files.iter().for_each(|file| std::fs::write(folder.path().join(&file.name), &file.bytes).unwrap());
            let told = verify(netlist, &folder.path().join(&files[0].name), &pixels);
            assert_eq!(told.map_err(|e| format!("network {i}, {format:?}: {e}")), Ok(130));
            // A tree is written once, whatever the number of its places.
            let text = String::from_utf8_lossy(&files[0].bytes).into_owned();
            let trees: usize = netlist.stages.iter().map(|stage| stage.units.len()).sum();
            let (word, expected) = match format {
                Format::C | Format::Rust => (" r[", trees),
                Format::Verilog => ("module circuit_conv", trees),
                _ => continue,
            };
            assert_eq!(text.matches(word).count(), expected, "{format:?}");
        }
    }
}

fn leaf(channel: u32, dy: u32, dx: u32) -> Leaf {
    Leaf { channel, dy, dx }
}

/// One gate over two leaves.
fn unit(table: u64, leaves: [Leaf; 2]) -> Unit {
    let root = Literal::Wire { signal: 2, inverted: false };
    Unit { leaves: leaves.to_vec(), gates: vec![Lut::new(table, &[0, 1], 0)], root }
}

#[test]
fn constants_twins_and_the_unread_go_but_ones_that_end_at_the_edge_stay() {
    let only = [leaf(0, 0, 0); 2];
    let grid = Grid { height: 3, width: 3, kernel: [1, 1], stride: 1, pad: 0, pool: 1 };
    // Always 0, always 1, twice the pixel, its complement.
    let first = [0b0110, 0b1001, 0b1100, 0b1010, 0b0001].map(|table| unit(table, only)).to_vec();
    let wide = Grid { kernel: [3, 3], pad: 1, ..grid };
    let second = vec![
        // Ones at the place itself: the pixel. Ones above and left of it, which are none at the edges. Zeros. Unread.
        unit(0b1000, [leaf(1, 1, 1), leaf(2, 1, 1)]),
        unit(0b1000, [leaf(1, 0, 0), leaf(3, 1, 1)]),
        unit(0b1110, [leaf(0, 1, 1), leaf(0, 0, 1)]),
        unit(0b1000, [leaf(4, 1, 1), leaf(2, 1, 1)]),
    ];
    // Behind nine features and the five channels of the first map.
    let vote = |unit: u32, bit: u32, inverted| Vote { signal: 9 + 5 * 9 + 9 * unit + bit, inverted };
    let netlist = Netlist {
        image: ImageShape { channels: 1, height: 3, width: 3 },
        encoder: Encoder { pixel: (0..9).collect(), threshold: vec![0; 9] },
        stages: vec![
            Stage { grid, channels: 1, units: first, layer: 0 },
            Stage { grid: wide, channels: 5, units: second, layer: 1 },
        ],
        luts: Vec::new(),
        classes: vec!["only".into()],
        votes: vec![vec![vote(0, 4, false), vote(1, 0, false), vote(1, 8, false), vote(2, 3, true)]],
        offsets: vec![0],
    };
    netlist.check().unwrap();
    let (simple, report) = circuit::simplify(&netlist);
    simple.check().unwrap();
    let wire = Literal::Wire { signal: 0, inverted: false };
    assert_eq!(simple.stages[0].units.iter().map(|u| u.root).collect::<Vec<_>>(), [Literal::Constant(true), wire]);
    let [pixel, corner] = &simple.stages[1].units[..] else { panic!("two units are left") };
    assert_eq!((&pixel.leaves[..], pixel.gates.len(), pixel.root), (&[leaf(1, 1, 1)][..], 0, wire));
    assert_eq!((&corner.leaves[..], corner.gates.len()), (&[leaf(0, 0, 0), leaf(1, 1, 1)][..], 1));
    assert_eq!((simple.offsets[0], simple.votes[0].len()), (1, 3));
    // Five gates at nine places and four at nine; one at nine is left.
    assert_eq!((report.before.gates, report.before.applications), (9, 81));
    assert_eq!((report.after.gates, report.after.applications, report.constant_votes), (1, 9, 1));
    for image in 0..512u32 {
        let bytes: Vec<u8> = (0..9).map(|p| (image >> p & 1) as u8).collect();
        let pixel = |p: usize| u32::from(bytes[p]);
        // Above and left of place 0 lies nothing.
        let expected = vec![pixel(4) + pixel(8) + 1];
        assert_eq!(circuit::reference::counts(&netlist, &bytes), expected);
        assert_eq!(circuit::reference::counts(&simple, &bytes), expected);
    }
}

#[test]
fn what_makes_no_convolution_is_refused_in_a_sentence() {
    let (convolutions, dense) = &shapes()[0];
    let whole = model(IMAGE, convolutions, dense, 5, 1);
    let told = |change: &dyn Fn(&mut Model)| {
        let mut model = whole.clone();
        change(&mut model);
        model.check().unwrap_err()
    };
    let reshape = |model: &mut Model, change: &dyn Fn(&mut Conv)| {
        let mut conv = shape(&model.layers[0]).unwrap();
        change(&mut conv);
        model.layers[0].form = Form::Conv(conv);
    };
    assert!(told(&|m| reshape(m, &|c| c.depth = 4)).contains("depth 4"));
    assert!(told(&|m| reshape(m, &|c| c.width = 10)).contains("bits"));
    assert!(told(&|m| reshape(m, &|c| c.kernel = [40, 1])).contains("no place"));
    assert!(told(&|m| m.layers[0].wiring[3] = 36).contains("tree 0, whose leaf 3"));
    assert!(told(&|m| m.layers[0].wiring.truncate(3)).contains("no trees"));
    let bits = constants(128, 16);
    let image = ImageShape { channels: 1, height: 32, width: 32 };
    let large = model(image, &[conv(3, [3, 3], (1, 1, 2, TreeChannels::One, 1))], &[10], 5, 1);
    let split = samples(9, 1024, 5, &mut Philox::new(4, 0));
    let told = Trainer::new(bits, large, &split, 1, Simd::Portable).unwrap_err().to_string();
    assert!(told.contains("--gradients int8"), "{told}");
}
