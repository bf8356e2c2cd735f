//! `shaders/conv/`: trees over maps, the pool, and how gradients go back through both.

use gatewright::network::{Conv, Convolution, Draw, Initialization, TreeChannels, Wiring};
use gatewright::settings::PoolGradient;
use gatewright::train::pages::SenderPart;

use super::*;

const SEED: u64 = 11;
const STEP: u32 = 3;
/// Number of the layer, and the first 32-sample word, that places of windows are drawn for.
const INDEX: u32 = 1;
const FIRST_WORD: u32 = 2;

/// A convolution of odd sizes with random tables, and so many samples.
struct Case {
    layer: Layer,
    conv: Conv,
    size: usize,
    words: usize,
}

impl Case {
    /// `rest` is stride, pad, depth, channels a tree, pool.
    fn new(
        map: [u32; 3],
        (units, kernel): (u32, [u32; 2]),
        rest: (u32, u32, u32, TreeChannels, u32),
        size: usize,
        rng: &mut Philox,
    ) -> Self {
        let (stride, pad, depth, channels, pool) = rest;
        let what = Convolution { units, kernel, stride, pad, depth, channels, pool };
        let conv = what.over(map).unwrap();
        let draw = Draw {
            wiring: Wiring::Unique,
            parametrization: Parametrization::IwpSin,
            start: Initialization::Gaussian.into(),
            seed: u64::from(units),
        };
        let mut layer = Layer::draw_conv(0, &what, conv, draw);
        layer.tables.iter_mut().for_each(|table| *table = rng.below(16).into());
        Case { layer, conv, size, words: size.div_ceil(32) }
    }

    fn trees(&self) -> usize {
        self.layer.gates() / self.conv.tree_gates()
    }

    fn extent(&self) -> Held {
        Held::one(&extents(self.layer.outputs(), self.layer.inputs, self.words, 1))
    }

    fn map_extent(&self) -> Held {
        Held::one(&extents(self.layer.inputs, 0, self.words, 1))
    }
}

fn cases(rng: &mut Philox) -> Vec<Case> {
    use TreeChannels::{All, One, Two};
    vec![
        Case::new([3, 7, 9], (7, [3, 3]), (1, 1, 2, One, 2), 31, rng),
        Case::new([2, 11, 8], (5, [2, 3]), (2, 1, 1, All, 1), 64, rng),
        Case::new([4, 9, 7], (6, [3, 2]), (1, 2, 3, Two, 3), 65, rng),
        Case::new([3, 10, 6], (9, [5, 3]), (1, 0, 2, One, 1), 128, rng),
        Case::new([2, 8, 9], (3, [2, 2]), (2, 2, 2, All, 2), 33, rng),
        Case::new([1, 9, 9], (4, [3, 3]), (1, 1, 3, One, 1), 1, rng),
        Case::new([2, 9, 8], (4, [2, 2]), (1, 1, 2, All, 4), 40, rng),
    ]
}

fn drawn(training: &mut uniforms::Training) {
    [training.key0, training.key1] = key(SEED);
}

/// Which places of the windows of sample `sample` a gradient goes to.
fn passes(rule: PoolGradient, sample: usize) -> impl Fn(usize, usize, &[f64]) -> Vec<bool> {
    move |unit, place, roots| {
        let (sample, window) = (sample as u32 + FIRST_WORD * 32, roots.len() as u32);
        let at = reference::pool_draw(SEED, STEP, INDEX, place as u32, sample, unit as u32, window);
        reference::pool_passes(rule, roots, at as usize)
    }
}

/// A forward pass on bits as a step has it: outputs and draws.
fn run_forward(bench: &mut Bench, case: &Case, inputs: &Held, draws: Option<u32>) -> (Held, Held) {
    let Case { layer, conv, words, .. } = case;
    let mut constants = training(&constants(), 1);
    drawn(&mut constants);
    let outputs = Held::zeros((layer.outputs() * words * 4) as u64);
    let drawn = Held::zeros((conv.area() * words * 16) as u64);
    let sums = Held::of(&vec![7i32; layer.gates() * 4]);
    let step = uniforms::Step { step: STEP, ..uniforms::Step::first(1.0, 2.0) };
    let batch = uniforms::Batch { offset: FIRST_WORD * 32, ..batch_of(1, 1, 1) };
    let (extent, wiring, tables) = (case.extent(), Held::of(&layer.wiring), Held::of(&table_words(layer)));
    let (constants, step, batch) = (Held::one(&constants), Held::one(&step), Held::one(&batch));
    let mut buffers = vec![
        ("layer", &extent),
        ("wiring", &wiring),
        ("tables", &tables),
        ("inputs", inputs),
        ("outputs", &outputs),
        ("table_gradients", &sums),
    ];
    if draws.is_some() {
        buffers.extend([("training", &constants), ("step", &step), ("batch", &batch), ("draws", &drawn)]);
    }
    let page = pages::conv_forward_hard(conv, words.is_multiple_of(4), 64, true, draws);
    bench.run(page, &buffers, [3, 1]);
    assert!(bench.read::<i32>(&sums, layer.gates() * 4).iter().all(|&sum| sum == 0), "sums are cleared");
    (outputs, drawn)
}

#[test]
fn trees_and_pools_are_the_twins_on_bits() {
    let mut rng = Philox::new(21, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for (n, case) in cases(&mut rng).iter().enumerate() {
            let bits = random_bits(case.layer.inputs, case.size, &mut rng);
            let inputs = Held::of(&pack(&bits, case.words));
            let (outputs, _) = run_forward(&mut bench, case, &inputs, None);
            let rows = case.layer.outputs();
            let made = transposed(&unpack(&bench.read(&outputs, rows * case.words), case.words, case.size));
            let tables = reference::tables_of_bits(&case.layer.tables, 2);
            for (s, sample) in transposed(&bits).iter().enumerate() {
                let real: Vec<f64> = sample.iter().map(|&bit| f64::from(u8::from(bit))).collect();
                let expected = reference::forward_conv(&case.layer, &case.conv, &tables, &real);
                assert!(
                    made[s].iter().zip(&expected).all(|(&bit, &y)| f64::from(u8::from(bit)) == y),
                    "{n}, sample {s}"
                );
            }
        }
    }
}

#[test]
fn trees_and_pools_are_the_twins_on_real_activations() {
    let mut rng = Philox::new(22, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for (n, case) in cases(&mut rng).iter().enumerate() {
            let Case { layer, conv, size, words } = case;
            let x = random_fractions(layer.inputs, *size, &mut rng);
            let tables = random_fractions(layer.gates(), 4, &mut rng);
            let flat: Vec<f32> = tables.concat().into_iter().map(|p| p as f32).collect();
            let outputs = Held::zeros((layer.outputs() * words * 64) as u64);
            let buffers = [
                ("layer", &case.extent()),
                ("wiring", &Held::of(&layer.wiring)),
                ("tables", &Held::of(&flat)),
                ("inputs", &Held::of(&store_activations(&x, *words))),
                ("outputs", &outputs),
            ];
            bench.run(pages::conv_forward_soft(conv, 64), &buffers, [3, 1]);
            let made = load_activations(&bench.read(&outputs, layer.outputs() * words * 16), *words);
            for (s, sample) in transposed(&x).iter().enumerate() {
                let expected = reference::forward_conv(layer, conv, &tables, sample);
                for (row, &expected) in expected.iter().enumerate() {
                    // A gate adds four numbers below 4, of 6 roundings; a tree has three gates one after another at most.
                    let tolerance = 0.5 / 65_535.0 + 100.0 * ULP;
                    assert_near(&|| format!("{n}, row {row}, sample {s}"), made[row][s], expected, tolerance);
                }
            }
        }
    }
}

/// What a backward pass leaves.
struct Gone {
    /// `[gates · 4]`, as they are stored.
    sums: Vec<u32>,
    /// `[inputs][samples]`
    by_inputs: Vec<Vec<f32>>,
}

/// Gradients `[outputs][words · 32]` back through a convolution, and gathered by the map before.
fn run_backward(
    bench: &mut Bench,
    case: &Case,
    built: pages::ConvBackward,
    inputs: (&Held, &Held),
    gradients: &[Vec<f32>],
    draws: Option<&Held>,
) -> Gone {
    let Case { layer, conv, words, .. } = case;
    let (way, format, is_soft) = (built.way, built.gradients, built.way == Way::Soft);
    let sums = Held::zeros((layer.gates() * 16) as u64);
    let record = format.bits() as usize / 4 + 16 + 16 * conv.leaves();
    let kept = Held::zeros((layer.outputs() * words * 4 * record * 16) as u64);
    let source = Held::of(&store_gradients(gradients, format));
    // Real readers send to rows as gates do; where each row begins, and one edge each.
    let rows = layer.outputs() as u32;
    let edges: Vec<u32> = (0..=rows).map(|row| rows + 1 + row).chain((0..rows).map(|row| row << 3)).collect();
    let sender = match way {
        Way::Soft => SenderPart { numbers: vec![("CONSUMER_ARITY", 1)], ..pages::sender(Way::Soft, 1, false) },
        _ => pages::rows_sender(way),
    };
    let (extent, wiring, edges) = (case.extent(), Held::of(&layer.wiring), Held::of(&edges));
    let mut buffers = vec![
        ("layer", &extent),
        ("wiring", &wiring),
        ("tables", inputs.0),
        ("inputs", inputs.1),
        ("table_gradients", &sums),
        ("source", &source),
        ("kept", &kept),
    ];
    buffers.extend(draws.map(|draws| ("draws", draws)));
    if is_soft {
        buffers.push(("edges", &edges));
    }
    bench.run(built.page(conv, &sender), &buffers, [5, 1]);

    let by_inputs = Held::zeros((gradient_words(layer.inputs, *words, format) * 4) as u64);
    let (extent, edges) = (case.map_extent(), Held::of(&pages::conv_edges(layer, conv)));
    let sender = pages::conv_sender(way, conv, built.rule);
    if is_soft {
        // Gates that pass their one input on send what they gather.
        let wires: Vec<u32> = (0..layer.inputs as u32).collect();
        let before = pages::Backward {
            way,
            arity: 1,
            gradients: format,
            workgroup: 64,
            lanes: 1,
            subgroups: false,
            span: 8,
            keep: true,
            added: false,
            whole: false,
        };
        let buffers = [
            ("layer", &extent),
            ("wiring", &Held::of(&wires)),
            ("tables", &Held::of(&[0.0f32, 1.0].repeat(layer.inputs))),
            ("inputs", inputs.1),
            ("table_gradients", &Held::zeros((layer.inputs * 8) as u64)),
            ("source", &kept),
            ("edges", &edges),
            ("sent", &by_inputs),
        ];
        bench.run(before.page(&sender), &buffers, [3, 1]);
    } else {
        let buffers = [("layer", &extent), ("source", &kept), ("edges", &edges), ("gathered", &by_inputs)];
        bench.run(pages::conv_gather(way, format, 64, &sender), &buffers, [3, 1]);
    }
    let stored = bench.read(&by_inputs, gradient_words(layer.inputs, *words, format));
    Gone { sums: bench.read(&sums, layer.gates() * 4), by_inputs: load_gradients(&stored, *words, format) }
}

/// Lanes of a workgroup, and how many of them add up what they have summed: by one, through memory, and by exchange if they can.
fn lanes(bench: &mut Bench) -> Vec<(u32, bool)> {
    let exchange = bench.shares_subgroups(4);
    [(1, false), (16, false)].into_iter().chain(exchange.then_some((4, true))).collect()
}

const RULES: [PoolGradient; 3] = [PoolGradient::Any, PoolGradient::First, PoolGradient::Exact];

#[test]
fn whole_gradients_go_back_as_the_twins_do_and_saturate_in_their_order() {
    let mut rng = Philox::new(23, 0);
    for (device, gpu) in devices().iter().enumerate() {
        let mut bench = Bench::new(gpu);
        let lanes = lanes(&mut bench);
        for (n, case) in cases(&mut rng).iter().enumerate() {
            for (j, gradients) in
                [GradientFormat::Int8, GradientFormat::Int12, GradientFormat::Int16].into_iter().enumerate()
            {
                if device > 0 && j != n % 3 {
                    continue;
                }
                let (rule, bits) = (RULES[(n + j) % 3], gradients.bits());
                let (least, most) = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1);
                let x = random_bits(case.layer.inputs, case.size, &mut rng);
                // Extremes, and numbers a few of which saturate.
                let number = |rng: &mut Philox| match rng.below(8) {
                    0 => least,
                    1 => most,
                    _ => least / 2 + rng.below(1 << (bits - 1)) as i32,
                };
                let of_row =
                    |_| (0..case.words * 32).map(|s| if s < case.size { number(&mut rng) } else { 0 }).collect();
                let g: Vec<Vec<i32>> = (0..case.layer.outputs()).map(of_row).collect();
                let inputs = Held::of(&pack(&x, case.words));
                let is_drawn = case.conv.pool > 1 && rule == PoolGradient::Any;
                let (_, draws) = run_forward(&mut bench, case, &inputs, is_drawn.then_some(INDEX));
                let (lanes, subgroups) = lanes[(n + j) % lanes.len()];
                let built = pages::ConvBackward {
                    way: Way::Sliced,
                    gradients,
                    rule,
                    keep: true,
                    added: false,
                    workgroup: 64,
                    lanes,
                    subgroups,
                    chunk: [64, 128, 640][j],
                    trees: case.trees() as u32,
                };
                let real: Vec<Vec<f32>> = g.iter().map(|row| row.iter().map(|&g| g as f32).collect()).collect();
                let tables = Held::of(&table_words(&case.layer));
                let gone = run_backward(&mut bench, case, built, (&tables, &inputs), &real, is_drawn.then_some(&draws));
                let mut sums = vec![[0i64; 4]; case.layer.gates()];
                for (s, (x, g)) in transposed(&x).iter().zip(transposed(&g)).enumerate() {
                    let (by_inputs, by_tables) =
                        reference::sliced_conv_gradients(&case.layer, &case.conv, x, &g, bits, &passes(rule, s));
                    sums.as_flattened_mut().iter_mut().zip(by_tables.as_flattened()).for_each(|(sum, g)| *sum += g);
                    let made: Vec<i32> = gone.by_inputs.iter().map(|row| row[s] as i32).collect();
                    assert_eq!(made, by_inputs, "{n}, {gradients:?}, {rule:?}, sample {s}");
                }
                let made: Vec<i64> = gone.sums.iter().map(|&sum| i64::from(sum as i32)).collect();
                assert_eq!(made, sums.as_flattened(), "{n}, {gradients:?}, {rule:?}");
            }
        }
    }
}

#[test]
fn real_gradients_go_back_exactly_where_f32_is_exact() {
    let mut rng = Philox::new(24, 0);
    for (device, gpu) in devices().iter().enumerate() {
        let mut bench = Bench::new(gpu);
        for (n, case) in cases(&mut rng).iter().enumerate() {
            let formats = [GradientFormat::F32, GradientFormat::Bf16, GradientFormat::F16];
            for (j, gradients) in formats.into_iter().enumerate() {
                if device > 0 && j != n % 3 {
                    continue;
                }
                let rule = RULES[(n + j) % 3];
                let x = random_bits(case.layer.inputs, case.size, &mut rng);
                // Sums of so small numbers have few bits.
                let number = |rng: &mut Philox| rng.below(7) as f32 - 3.0;
                let scale = if gradients == GradientFormat::F16 { 1.0 / 64.0 } else { 1.0 };
                let of_row = |_| {
                    (0..case.words * 32).map(|s| if s < case.size { number(&mut rng) * scale } else { 0.0 }).collect()
                };
                let g: Vec<Vec<f32>> = (0..case.layer.outputs()).map(of_row).collect();
                let inputs = Held::of(&pack(&x, case.words));
                let is_drawn = case.conv.pool > 1 && rule == PoolGradient::Any;
                let (_, draws) = run_forward(&mut bench, case, &inputs, is_drawn.then_some(INDEX));
                let built = pages::ConvBackward {
                    way: Way::Hard,
                    gradients,
                    rule,
                    keep: true,
                    added: n % 2 == 1,
                    workgroup: 64,
                    lanes: 64,
                    subgroups: false,
                    chunk: 0,
                    trees: case.trees() as u32,
                };
                let tables = Held::of(&table_words(&case.layer));
                let gone = run_backward(&mut bench, case, built, (&tables, &inputs), &g, is_drawn.then_some(&draws));
                let real_tables = reference::tables_of_bits(&case.layer.tables, 2);
                let mut sums = vec![0.0; case.layer.gates() * 4];
                for (s, (x, g)) in transposed(&x).iter().zip(transposed(&g)).enumerate() {
                    let x: Vec<f64> = x.iter().map(|&bit| f64::from(u8::from(bit))).collect();
                    let g: Vec<f64> = g.into_iter().map(f64::from).collect();
                    let passes = passes(rule, s);
                    let expected = reference::backward_conv(&case.layer, &case.conv, &real_tables, &x, &g, &passes);
                    sums.iter_mut().zip(expected.tables.concat()).for_each(|(sum, g)| *sum += g);
                    let made: Vec<f64> = gone.by_inputs.iter().map(|row| row[s].into()).collect();
                    assert_eq!(made, expected.inputs, "{n}, {gradients:?}, {rule:?}, sample {s}");
                }
                let made: Vec<f64> = gone.sums.iter().map(|&sum| f32::from_bits(sum).into()).collect();
                assert_eq!(made, sums, "{n}, {gradients:?}, {rule:?}");
            }
        }
    }
}

#[test]
fn soft_gradients_are_the_adjoint_of_trees_and_of_the_greatest_place() {
    let mut rng = Philox::new(25, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for (n, case) in cases(&mut rng).iter().enumerate() {
            let Case { layer, conv, size, words } = case;
            let x = random_fractions(layer.inputs, *size, &mut rng);
            let tables = random_fractions(layer.gates(), 4, &mut rng);
            let flat: Vec<f32> = tables.concat().into_iter().map(|p| p as f32).collect();
            let number = |s: usize, rng: &mut Philox| if s < *size { rng.normal() as f32 } else { 0.0 };
            let of_row = |_| (0..words * 32).map(|s| number(s, &mut rng)).collect();
            let g: Vec<Vec<f32>> = (0..layer.outputs()).map(of_row).collect();
            let built = pages::ConvBackward {
                way: Way::Soft,
                gradients: GradientFormat::F32,
                rule: PoolGradient::First,
                keep: true,
                added: n % 2 == 1,
                workgroup: 64,
                lanes: 64,
                subgroups: false,
                chunk: 0,
                trees: case.trees() as u32,
            };
            let (stored, inputs) = (Held::of(&flat), Held::of(&store_activations(&x, *words)));
            let gone = run_backward(&mut bench, case, built, (&stored, &inputs), &g, None);
            let mut sums = vec![0.0; layer.gates() * 4];
            let mut sizes = vec![0.0; case.trees()];
            for (s, (x, g)) in transposed(&x).iter().zip(transposed(&g)).enumerate() {
                let g: Vec<f64> = g.into_iter().map(f64::from).collect();
                let first = |_: usize, _: usize, roots: &[f64]| reference::pool_passes(PoolGradient::First, roots, 0);
                let expected = reference::backward_conv(layer, conv, &tables, x, &g, &first);
                sums.iter_mut().zip(expected.tables.concat()).for_each(|(sum, g)| *sum += g);
                let all: f64 = g.iter().map(|g| g.abs()).sum();
                for (i, &expected) in expected.inputs.iter().enumerate() {
                    // Three factors from root to leaf, of four roundings each, and sums over readers.
                    let tolerance = 32.0 * ULP * all;
                    assert_near(
                        &|| format!("{n}, input {i}, sample {s}"),
                        gone.by_inputs[i][s].into(),
                        expected,
                        tolerance,
                    );
                }
                for (size, g) in sizes.iter_mut().zip(g.chunks_exact(conv.area())) {
                    *size += g.iter().map(|g| g.abs()).sum::<f64>();
                }
            }
            let per_tree = conv.tree_gates() * 4;
            for (i, (&made, &expected)) in gone.sums.iter().zip(&sums).enumerate() {
                // Sums of 4 parts, each of so many numbers; a tree's roundings beside.
                let terms = (conv.area() * size.div_ceil(8) * 8).div_ceil(64) + 64;
                let tolerance = 4.0 * terms as f64 * ULP * sizes[i / per_tree];
                assert_near(&|| format!("{n}, entry {i}"), f32::from_bits(made).into(), expected, tolerance);
            }
        }
    }
}
