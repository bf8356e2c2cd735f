//! Convolutions: the CPU against the twins and against itself, circuits and files against the CPU.

mod native;

use gatewright::circuit;
use gatewright::cpu::{Constants, Simd, Trainer};
use gatewright::data::{Encoder, Head, ImageShape};
use gatewright::network::{
    Conv, Convolution, Draw, Form, Initialization, Layer, Model, Parametrization, TreeChannels, Wiring,
};
use gatewright::plan::CageScope;
use gatewright::random::Philox;
use gatewright::reference;
use gatewright::settings::{Cage, PoolGradient};
use native::{constants, forward, made_gradients, samples, shape, table_gradients};

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

#[test]
fn table_gradients_are_the_twins_to_the_bit() {
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
            assert!(expected.iter().all(|layer| layer.iter().any(|&s| s != 0)), "network {i} sends nothing somewhere");
            for simd in Simd::available() {
                for threads in [1, 3] {
                    let mut trainer = Trainer::new(c.clone(), model.clone(), &train, threads, simd).unwrap();
                    trainer.run(1).unwrap();
                    for (layer, (made, expected)) in made_gradients(&trainer, &c).iter().zip(&expected).enumerate() {
                        let differ = made.iter().zip(expected).filter(|(a, b)| a != b).count();
                        assert_eq!(differ, 0, "network {i}, {bits} bits, {rule:?}, layer {layer}, {simd:?}");
                    }
                }
            }
        }
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
        let simplified = circuit::simplify(&netlist).0;
        let trainer = Trainer::new(constants(64, 8), model.clone(), &split, 2, Simd::Portable).unwrap();
        let [hard, real] = [false, true].map(|real| trainer.evaluate(&split, false, real).votes);
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
