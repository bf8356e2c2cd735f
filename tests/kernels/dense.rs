//! Dense layers: forward and backward.

use gatewright::train::pages::edges;

use super::*;

#[test]
fn forward_hard_packed_is_forward_hard_unpacked() {
    let mut rng = Philox::new(4, 0);
    let batches = [1, 31, 32, 33, 100, 128, 129];
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for arity in 1..=6 {
            for (i, size) in batches.into_iter().enumerate() {
                let words = usize::div_ceil(size, 32);
                let (inputs, count) = ([7, 33, 130, 1001][(i + arity) % 4], [1001, 7, 130, 33][i % 4]);
                let workgroup = [32, 64, 256][arity % 3];
                let layer = random_layer(inputs, count, arity, &mut rng);
                let bits = random_bits(inputs, size, &mut rng);
                let expected: Vec<Vec<bool>> =
                    transposed(&bits).iter().map(|sample| reference::forward_hard(&layer, sample)).collect();
                let uniform = Held::one(&extents(count, inputs, words, 1));
                let (wiring, tables) = (Held::of(&layer.wiring), Held::of(&table_words(&layer)));
                let inputs = Held::of(&pack(&bits, words));
                for bits_words in [1, 4] {
                    if words % bits_words as usize != 0 {
                        continue;
                    }
                    for groups in [1, 3, 200] {
                        let outputs = Held::zeros((count * words * 4) as u64);
                        let buffers = [
                            ("layer", &uniform),
                            ("wiring", &wiring),
                            ("tables", &tables),
                            ("inputs", &inputs),
                            ("outputs", &outputs),
                        ];
                        let page = pages::forward_hard(arity, bits_words == 4, workgroup);
                        bench.run(page, &buffers, [groups, 1]);
                        let made = transposed(&unpack(&bench.read(&outputs, count * words), words, size));
                        assert_eq!(made, expected, "k {arity}, batch {size}, {count} gates, {groups} groups");
                    }
                }
            }
        }
    }
}

/// What storing an activation may round away, and reading one: half a step, and a division.
const STORED: f64 = 0.5 / 65_535.0 + 4.0 * ULP;

#[test]
fn forward_soft_is_the_multilinear_extension() {
    let mut rng = Philox::new(15, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for arity in 1..=6 {
            for (j, size) in [1usize, 31, 33, 100, 129].into_iter().enumerate() {
                let (inputs, count) = ([7, 33, 130][(arity + j) % 3], [33, 130, 7][j % 3]);
                let (words, codes) = (size.div_ceil(32), 1 << arity);
                let layer = random_layer(inputs, count, arity, &mut rng);
                // Zeros and ones too, as the selected gates' tables and bits are.
                let round = |rows: Vec<Vec<f64>>| match j {
                    4 => rows.into_iter().map(|row| row.into_iter().map(f64::round).collect()).collect(),
                    _ => rows,
                };
                let x: Vec<Vec<f64>> = round(random_fractions(inputs, size, &mut rng));
                let tables: Vec<Vec<f64>> = round(random_fractions(count, codes, &mut rng));
                let outputs = Held::zeros((count * words * 64) as u64);
                let flat: Vec<f32> = tables.concat().into_iter().map(|p| p as f32).collect();
                let buffers = [
                    ("layer", &Held::one(&extents(count, inputs, words, 1))),
                    ("wiring", &Held::of(&layer.wiring)),
                    ("inputs", &Held::of(&store_activations(&x, words))),
                    ("outputs", &outputs),
                    ("tables", &Held::of(&flat)),
                ];
                bench.run(pages::forward_soft(arity), &buffers, [[1, 2, 99][j % 3], 1]);
                let made = load_activations(&bench.read(&outputs, count * words * 16), words);
                for (s, sample) in transposed(&x).iter().enumerate() {
                    let expected = reference::forward_soft(&layer, &tables, sample);
                    for gate in 0..count {
                        // A mean of table entries, folded with 3 roundings a pin; exact on bits.
                        let tolerance = if j == 4 { 0.0 } else { STORED + 4.0 * arity as f64 * ULP };
                        let what = || format!("k {arity}, gate {gate}, sample {s} of {size}");
                        assert_near(&what, made[gate][s], expected[gate], tolerance);
                    }
                }
            }
        }
    }
}

/// What each pin of a layer sends, `[gates · arity]`, for one sample: the gate's gradient times its derivative by the pin.
fn sent_to_pins(layer: &Layer, tables: &[Vec<f64>], x: &[f64], g: &[f64]) -> Vec<f64> {
    // A layer whose every pin reads an input of its own, so that the twin's input gradients are the pins'.
    let wires = layer.wiring.len();
    let apart = Layer { inputs: wires, wiring: (0..wires as u32).collect(), ..layer.clone() };
    let x: Vec<f64> = layer.wiring.iter().map(|&wire| x[wire as usize]).collect();
    reference::backward_soft(&apart, tables, &x, g).inputs
}

#[test]
fn backward_soft_is_the_adjoint_of_the_multilinear_extension() {
    let mut rng = Philox::new(16, 0);
    for (device, gpu) in devices().iter().enumerate() {
        let mut bench = Bench::new(gpu);
        for (n, Shape { size, inputs, gates: count, groups, variant }) in backward_shapes().into_iter().enumerate() {
            // Wide gates are slow to compile for a software driver, and slow in the twin.
            if variant.arity >= 5 && (device > 0 || count > 130) {
                continue;
            }
            // The layer before the last meets pins like any other; the last one sends gradients on too.
            let keep = variant.keep || n % 2 == 0;
            let gradients = if n % 5 == 4 { GradientFormat::F16 } else { variant.gradients };
            let variant = Variant { way: Way::Soft, consumer_class: false, keep, gradients, ..variant };
            // Sums of hundreds must stay below 16 in f16.
            let unit = if gradients == GradientFormat::F16 { 1e-3 } else { 1.0 };
            let (words, classes) = (size.div_ceil(32), 5);
            let group = count.div_ceil(classes);
            let count = if variant.consumers { count } else { group * classes };
            let layer = random_layer(inputs, count, variant.arity, &mut rng);
            let next = random_layer(count, 2 * count + 1, variant.consumer_arity, &mut rng);
            let rows = if variant.consumers { next.wiring.len() } else { classes };
            // Samples past the batch have gradient 0.
            let source: Vec<Vec<f32>> = (0..rows)
                .map(|_| {
                    (0..words * 32)
                        .map(|s| if s < size { kept(unit * rng.normal() as f32, variant.gradients) } else { 0.0 })
                        .collect()
                })
                .collect();
            let x = random_fractions(inputs, size, &mut rng);
            let tables = random_fractions(count, 1 << variant.arity, &mut rng);
            let flat: Vec<f32> = tables.concat().into_iter().map(|p| p as f32).collect();
            let codes = 1 << variant.arity;
            let pins = layer.wiring.len();
            let table_gradients = Held::zeros((count * codes * 4) as u64);
            let kept = gradient_words(pins, words, variant.gradients);
            let sent = Held::zeros(kept as u64 * 4);
            let uniform = Held::one(&extents(count, inputs, words, group));
            let wiring = Held::of(&layer.wiring);
            let inputs_buffer = Held::of(&store_activations(&x, words));
            let stored = Held::of(&store_gradients(&source, variant.gradients));
            let (edges, tables_buffer) = (Held::of(&edges(&next)), Held::of(&flat));
            let mut buffers = vec![
                ("layer", &uniform),
                ("wiring", &wiring),
                ("inputs", &inputs_buffer),
                ("source", &stored),
                ("table_gradients", &table_gradients),
            ];
            if variant.consumers {
                buffers.push(("edges", &edges));
            }
            if variant.keep {
                buffers.extend([("tables", &tables_buffer), ("sent", &sent)]);
            }
            let page = variant.page(&mut bench, false);
            bench.run(page, &buffers, [groups, 1]);

            let made_tables = gates(&bench.read::<f32>(&table_gradients, count * codes), codes);
            let made = variant.keep.then(|| load_gradients(&bench.read(&sent, kept), words, variant.gradients));
            let mut consumers = vec![1.0f64; count];
            if variant.consumers {
                next.wiring.iter().for_each(|&wire| consumers[wire as usize] += 1.0);
            }
            let (mut expected_tables, mut sizes) = (vec![vec![0.0; codes]; count], vec![0.0; count]);
            for s in 0..size {
                let (mut g, mut own_sizes) = (vec![0.0; count], vec![0.0; count]);
                let mut add = |gate: usize, row: usize| {
                    g[gate] += f64::from(source[row][s]);
                    own_sizes[gate] += f64::from(source[row][s].abs());
                };
                if variant.consumers {
                    next.wiring.iter().enumerate().for_each(|(pin, &wire)| add(wire as usize, pin));
                } else {
                    (0..count).for_each(|gate| add(gate, gate / group));
                }
                let sample: Vec<f64> = x.iter().map(|row| row[s]).collect();
                let adjoints = reference::backward_soft(&layer, &tables, &sample, &g);
                for (sum, own) in expected_tables.iter_mut().zip(adjoints.tables) {
                    sum.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
                }
                for (pin, expected) in sent_to_pins(&layer, &tables, &sample, &g).iter().enumerate() {
                    let (gate, Some(made)) = (pin / layer.arity, &made) else { break };
                    // A sum over consumers, 4 roundings a pin of a slope of at most 1, and of what is stored.
                    let stored = kept_error(variant.gradients);
                    let roundings = consumers[gate] + 4.0 * layer.arity as f64 + 4.0;
                    let tolerance = own_sizes[gate] * (roundings * ULP + stored) + 1e-30;
                    let what = || format!("what pin {pin} sends, sample {s}, {variant:?}");
                    assert_near(&what, made[pin][s].into(), *expected, tolerance);
                }
                sizes.iter_mut().zip(own_sizes).for_each(|(size, own)| *size += own);
            }
            for gate in 0..count {
                let roundings = size as f64 + consumers[gate] + 4.0 * layer.arity as f64 + 8.0;
                for (made, expected) in made_tables[gate].iter().zip(&expected_tables[gate]) {
                    let what = || format!("table gradient of gate {gate}, {variant:?}, batch {size}");
                    assert_near(&what, *made, *expected, sizes[gate] * roundings * ULP + 1e-30);
                }
            }
            let past = made.iter().flatten().all(|row| row[size..].iter().all(|&g| g == 0.0));
            assert!(past, "nothing is sent past the batch, {variant:?}");
        }
    }
}

/// What a backward page is built for, and what reads the layer.
#[derive(Debug, Clone, Copy)]
struct Variant {
    way: Way,
    arity: usize,
    /// Inputs a gate of the layer that consumes this one.
    consumer_arity: usize,
    gradients: GradientFormat,
    workgroup: u32,
    lanes: u32,
    /// Wanted; whether the device has them is tried.
    subgroups: bool,
    span: u32,
    /// Gates that read the layer send its gradient; otherwise its outputs do.
    consumers: bool,
    /// The consumers are the last layer, whose gradients are their outputs'.
    consumer_class: bool,
    keep: bool,
    /// Whole numbers are left, of two shares, and made gradients of as after an exchange of ranks.
    whole: bool,
}

impl Variant {
    fn page(&self, bench: &mut Bench, added: bool) -> Page {
        let Variant { way, arity, gradients, workgroup, lanes, span, keep, whole, .. } = *self;
        let subgroups = self.subgroups && bench.shares_subgroups(lanes);
        let page = pages::Backward { way, arity, gradients, workgroup, lanes, subgroups, span, keep, added, whole };
        page.page(&match self.consumers {
            true => pages::sender(way, self.consumer_arity, self.consumer_class),
            false => pages::output_sender(way),
        })
    }
}

/// One shape of a backward page.
#[derive(Debug, Clone, Copy)]
struct Shape {
    size: usize,
    inputs: usize,
    /// Gates of the layer; as many again, about, in the one that consumes it.
    gates: usize,
    groups: u32,
    variant: Variant,
}

/// Gradients of a layer from those of its consumers or classes, on the GPU and by the twin.
struct BackwardResult {
    /// `[gates][samples]`, where kept.
    gradients: Option<Vec<Vec<f32>>>,
    /// `[gates][codes]`
    table_gradients: Vec<Vec<f64>>,
    expected_gradients: Vec<Vec<f64>>,
    expected_table_gradients: Vec<Vec<f64>>,
    /// `[gates][samples]`: sum of the sizes of what was added, over consumers.
    sizes: Vec<Vec<f64>>,
    /// `[gates]`: consumers.
    consumers: Vec<usize>,
}

fn backward(bench: &mut Bench, shape: Shape, value: &mut dyn FnMut() -> f32, rng: &mut Philox) -> BackwardResult {
    let Shape { size, inputs, gates: count, groups, variant } = shape;
    let (words, classes) = (size.div_ceil(32), 5);
    let group = if variant.consumers { (count + 3).div_ceil(classes) } else { count.div_ceil(classes) };
    // The last layer is shared evenly by the classes.
    let count = if variant.consumers { count } else { group * classes };
    let layer = random_layer(inputs, count, variant.arity, rng);
    let next = random_layer(count, group * classes, variant.consumer_arity, rng);
    let by_class = variant.consumer_class || !variant.consumers;
    let rows = if by_class { classes } else { next.gates() };
    let source: Vec<Vec<f32>> = (0..rows)
        .map(|_| (0..words * 32).map(|s| if s < size { value() } else { 0.0 }).collect::<Vec<_>>())
        .map(|row| row.into_iter().map(|g| kept(g, variant.gradients)).collect())
        .collect();
    let input_bits = random_bits(inputs, size, rng);
    let samples = transposed(&input_bits);
    let outputs: Vec<Vec<bool>> = samples.iter().map(|sample| reference::forward_hard(&layer, sample)).collect();

    let codes = 1 << variant.arity;
    let table_gradients = Held::zeros((count * codes * 4) as u64);
    let kept = gradient_words(count, words, variant.gradients);
    let gradients = Held::zeros(kept as u64 * 4);
    let uniform = Held::one(&extents(count, inputs, words, group));
    let wiring = Held::of(&layer.wiring);
    let input_words = Held::of(&pack(&input_bits, words));
    let stored = Held::of(&store_gradients(&source, variant.gradients));
    let edges = Held::of(&edges(&next));
    let output_words = Held::of(&pack(&transposed(&outputs), words));
    let tables = Held::of(&table_words(&next));
    let mut buffers = vec![
        ("layer", &uniform),
        ("wiring", &wiring),
        ("inputs", &input_words),
        ("source", &stored),
        ("table_gradients", &table_gradients),
    ];
    if variant.consumers {
        buffers.extend([("edges", &edges), ("outputs", &output_words), ("consumer_tables", &tables)]);
    }
    if variant.keep {
        buffers.push(("gradients", &gradients));
    }
    // Table gradients of whole numbers are told in units of a quarter.
    let constants = Held::one(&uniforms::Training { slice_scale: 4.0, ..training(&constants(), 0) });
    let sliced = variant.gradients.is_sliced();
    if sliced {
        buffers.push(("training", &constants));
    }
    for added in [false, true].into_iter().take(1 + usize::from(variant.whole)) {
        let page = variant.page(bench, added);
        bench.run(page, &buffers, [groups, 1]);
    }
    if variant.whole {
        let buffers = [("training", &constants), ("table_gradients", &table_gradients)];
        bench.run(pages::weigh_sums(), &buffers, [groups, 1]);
    }

    let mut expected_table_gradients = vec![vec![0.0; codes]; count];
    let (mut expected, mut sizes) = (Vec::new(), Vec::new());
    for s in 0..size {
        let row = |gate: usize| f64::from(source[if by_class { gate / group } else { gate }][s]);
        let (sample, sample_sizes) = if variant.consumers {
            let sent: Vec<f64> = (0..next.gates()).map(row).collect();
            let mut sizes = vec![0.0; count];
            for (pin, &wire) in next.wiring.iter().enumerate() {
                sizes[wire as usize] += sent[pin / next.arity].abs();
            }
            let received = if sliced {
                let sent: Vec<i32> = sent.iter().map(|&g| g as i32).collect();
                let sums = reference::sliced_input_gradients(&next, &outputs[s], &sent, variant.gradients.bits());
                sums.into_iter().map(f64::from).collect()
            } else {
                reference::input_gradients(&next, &outputs[s], &sent)
            };
            (received, sizes)
        } else {
            let own: Vec<f64> = (0..count).map(row).collect();
            let sizes = own.iter().map(|g| g.abs()).collect();
            (own, sizes)
        };
        reference::add_table_gradients(&layer, &samples[s], &sample, &mut expected_table_gradients);
        expected.push(sample);
        sizes.push(sample_sizes);
    }
    if sliced {
        let times = if variant.whole { 2.0 } else { 1.0 };
        expected_table_gradients.iter_mut().flatten().for_each(|s| *s *= times / 4.0);
    }
    let made: Vec<f32> = bench.read(&table_gradients, count * codes);
    let gradients = variant.keep.then(|| load_gradients(&bench.read(&gradients, kept), words, variant.gradients));
    for (gate, row) in gradients.iter().flatten().enumerate() {
        assert!(row[size..].iter().all(|&g| g == 0.0), "gate {gate}: gradient 0 past the batch, {shape:?}");
    }
    let mut consumers = vec![0; count];
    next.wiring.iter().for_each(|&wire| consumers[wire as usize] += 1);
    BackwardResult {
        gradients,
        table_gradients: self::gates(&made, codes),
        expected_gradients: transposed(&expected),
        expected_table_gradients,
        sizes: transposed(&sizes),
        consumers,
    }
}

/// Ways of the backward pass: from consumers or classes, kept or not, in both formats, under several tunings.
fn backward_shapes() -> Vec<Shape> {
    let batches = [1, 31, 32, 33, 100, 128, 129];
    let widths = [7, 33, 130, 1001];
    let tunings = [(1, 32, 64), (1, 8, 32), (4, 32, 64), (8, 16, 64), (16, 8, 256), (2, 16, 8)];
    let arities =
        [(2, 2), (2, 2), (3, 3), (2, 3), (1, 1), (2, 2), (2, 6), (5, 4), (2, 2), (2, 1), (6, 3), (4, 4), (3, 5)];
    let mut shapes = Vec::new();
    for (i, (lanes, span, workgroup)) in tunings.into_iter().enumerate() {
        for (j, (consumers, consumer_class)) in [(true, false), (true, true), (false, false)].into_iter().enumerate() {
            let n = 3 * i + j;
            let (arity, consumer_arity) = arities[n % arities.len()];
            let variant = Variant {
                way: Way::Hard,
                arity,
                consumer_arity,
                gradients: [GradientFormat::F32, GradientFormat::Bf16][n % 2],
                workgroup: if lanes > 1 { workgroup.min(4096 >> arity) } else { workgroup },
                lanes,
                subgroups: lanes > 1 && n % 2 == 0,
                span,
                consumers,
                consumer_class,
                keep: consumers && n % 4 != 3,
                whole: false,
            };
            for m in 0..3 {
                shapes.push(Shape {
                    size: batches[(n + 3 * m) % 7],
                    inputs: widths[(n + m) % 4],
                    gates: widths[(n / 2 + m) % 4],
                    // Mesa's software driver leaves every loop of a lane once they have turned 65,535 times together;
                    // a gate of 6 inputs takes near a thousand turns.
                    groups: if arity < 5 { [1, 3, 300][m] } else { [11, 37, 300][m] },
                    variant,
                });
            }
        }
    }
    shapes
}

/// Whole gradients up to 31 in size: of at most 6,030 pins a third, some 2,100, read the same gate, and 2,100 · 31 · 129
/// samples are less than 2²⁴, so that every sum is exact in f32 in any order.
#[test]
fn backward_hard_is_exact_where_f32_is() {
    let mut rng = Philox::new(9, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for shape in backward_shapes() {
            let mut values = Philox::new(shape.size as u64, 1);
            let mut whole = || values.below(63) as f32 - 31.0;
            let result = backward(&mut bench, shape, &mut whole, &mut rng);
            assert_eq!(result.table_gradients, result.expected_table_gradients, "{shape:?}");
            let Some(made) = result.gradients else { continue };
            for (gate, (made, expected)) in made.iter().zip(&result.expected_gradients).enumerate() {
                let rounded = |&g: &f64| match shape.variant.gradients {
                    GradientFormat::F32 => g as f32,
                    _ => bf16(g as f32),
                };
                let expected: Vec<f32> = expected.iter().map(rounded).collect();
                assert_eq!(made[..shape.size], expected, "gate {gate}, {shape:?}");
            }
        }
    }
}

/// Gradients of a third of the range, so that the sums of gates with many consumers saturate.
#[test]
fn backward_sliced_adds_whole_numbers_exactly_and_saturates() {
    let mut rng = Philox::new(14, 0);
    let formats = [GradientFormat::Int8, GradientFormat::Int12, GradientFormat::Int16];
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        let mut saturated = 0;
        for (n, mut shape) in backward_shapes().into_iter().enumerate() {
            let words = shape.size.div_ceil(32);
            let variant = &mut shape.variant;
            variant.way = Way::Sliced;
            variant.whole = n % 4 > 1;
            variant.gradients = formats[n / 3 % 3];
            variant.span = if words % 2 == 0 && n % 2 == 0 { 64 } else { 32 };
            if variant.arity + variant.consumer_arity > 7 {
                continue; // some ten thousand turns of loops a gate with hundreds of consumers
            }
            let third = (1 << (variant.gradients.bits() - 1)) / 3;
            let mut values = Philox::new(n as u64, 3);
            let mut whole = || values.below(2 * third + 1) as f32 - third as f32;
            let result = backward(&mut bench, shape, &mut whole, &mut rng);
            assert_eq!(result.table_gradients, result.expected_table_gradients, "{shape:?}");
            let most = f64::from(1 << (shape.variant.gradients.bits() - 1)) - 1.0;
            saturated += result.expected_gradients.iter().flatten().filter(|&&g| g >= most || g < -most).count();
            let Some(made) = result.gradients else { continue };
            for (gate, (made, expected)) in made.iter().zip(&result.expected_gradients).enumerate() {
                let made: Vec<f64> = made[..shape.size].iter().map(|&g| g.into()).collect();
                assert_eq!(made, *expected, "gate {gate}, {shape:?}");
            }
        }
        assert!(saturated > 0, "no sum saturated");
    }
}

#[test]
fn backward_hard_is_near_for_real_gradients() {
    let mut rng = Philox::new(10, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for (n, mut shape) in backward_shapes().into_iter().step_by(5).enumerate() {
            if n % 3 == 2 {
                shape.variant.gradients = GradientFormat::F16;
            }
            let mut values = Philox::new(shape.size as u64, 2);
            let mut real = || 1e-3 * values.normal() as f32;
            let result = backward(&mut bench, shape, &mut real, &mut rng);
            for (gate, sizes) in result.sizes.iter().enumerate() {
                // A sum of n numbers rounds n - 1 times, each time by half a ULP of at most the sum of their sizes.
                let adding = result.consumers[gate] as f64 * ULP / 2.0;
                let total: f64 = sizes.iter().sum();
                for (code, made) in result.table_gradients[gate].iter().enumerate() {
                    let tolerance = total * (adding + shape.size as f64 * ULP / 2.0);
                    let what = || format!("S of gate {gate}, code {code}, {shape:?}");
                    assert_near(&what, *made, result.expected_table_gradients[gate][code], tolerance);
                }
                let Some(made) = &result.gradients else { continue };
                for (s, (&expected, size)) in result.expected_gradients[gate].iter().zip(sizes).enumerate() {
                    let rounding = kept_error(shape.variant.gradients);
                    let tolerance = size * adding * (1.0 + rounding) + expected.abs() * rounding;
                    assert_near(
                        &|| format!("g of gate {gate}, sample {s}, {shape:?}"),
                        made[gate][s].into(),
                        expected,
                        tolerance,
                    );
                }
            }
        }
    }
}

/// `[pins][count]` distinct candidates, the first being the pin's wire.
fn random_candidates(layer: &Layer, count: usize, rng: &mut Philox) -> Vec<Vec<u32>> {
    let draw = |&wire: &u32| {
        let mut own = vec![wire];
        while own.len() < count {
            let any = rng.below(layer.inputs as u32);
            if !own.contains(&any) {
                own.push(any);
            }
        }
        own
    };
    layer.wiring.iter().map(draw).collect()
}

#[test]
fn wire_scores_are_exact_and_those_of_micro_batches_add_up() {
    let mut rng = Philox::new(31, 0);
    let formats = [GradientFormat::Int8, GradientFormat::Int12, GradientFormat::Int16, GradientFormat::Int4];
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for arity in 2..=6usize {
            for (j, size) in [1usize, 33, 128].into_iter().enumerate() {
                let (format, by_output) = (formats[(3 * arity + j) % 4], (arity + j) % 2 == 0);
                let (words, inputs, classes) = (size.div_ceil(32), [70, 40, 130][j], 5);
                let (group, count) = ([7, 1, 26][j], [3, 16, 9][(arity + j) % 3]);
                let gates = group * classes;
                let layer = random_layer(inputs, gates, arity, &mut rng);
                let candidates = random_candidates(&layer, count.max(arity), &mut rng);
                let count = count.max(arity);
                let bits = random_bits(inputs, size, &mut rng);
                let (least, most) = (-(1i32 << (format.bits() - 1)), (1i32 << (format.bits() - 1)) - 1);
                // The extremes are among the gradients, so that −least saturates.
                let number = |rng: &mut Philox| match rng.below(4) {
                    0 => least,
                    1 => most,
                    _ => least + (rng.below((most - least) as u32 + 1)) as i32,
                };
                let rows: Vec<Vec<i32>> = (0..if by_output { classes } else { gates })
                    .map(|_| (0..words * 32).map(|s| if s < size { number(&mut rng) } else { 0 }).collect())
                    .collect();
                let stored: Vec<Vec<f32>> = rows.iter().map(|row| row.iter().map(|&g| g as f32).collect()).collect();
                let mut expected = vec![vec![0i64; count + 1]; layer.wiring.len()];
                for (s, sample) in transposed(&bits).iter().enumerate() {
                    let g: Vec<i32> = (0..gates).map(|g| rows[if by_output { g / group } else { g }][s]).collect();
                    reference::add_wire_scores(&layer, &candidates, sample, &g, format.bits(), &mut expected);
                }
                let constants = uniforms::Training { wire_every: 3, wire_until: 10, ..training(&constants(), 0) };
                let scores = Held::of(&vec![7i32; layer.wiring.len() * (count + 1)]);
                let mut run = |step: u32, added: bool| {
                    let buffers = [
                        ("layer", &Held::one(&extents(gates, inputs, words, group))),
                        ("training", &Held::one(&constants)),
                        ("step", &Held::one(&state(step, 0, 0))),
                        ("wiring", &Held::of(&layer.wiring)),
                        ("tables", &Held::of(&table_words(&layer))),
                        ("inputs", &Held::of(&pack(&bits, words))),
                        ("candidates", &Held::of(&candidates.concat())),
                        ("source", &Held::of(&store_gradients(&stored, format))),
                        ("scores", &scores),
                    ];
                    let page = pages::score_wires(arity, format, count as u32, 64, by_output, added);
                    bench.run(page, &buffers, [[1, 3, 50][j], 1]);
                    bench.read::<i32>(&scores, layer.wiring.len() * (count + 1))
                };
                let of = |times: i64| expected.concat().iter().map(|&s| (s * times) as i32).collect::<Vec<_>>();
                let what = format!("k {arity}, {format:?}, batch {size}, by output {by_output}");
                // Steps 2, 3, 11 come after 1, 2, 10 steps and score nothing; 1, 4 and 10 do.
                assert!([2, 3, 11].iter().all(|&step| run(step, false).iter().all(|&s| s == 7)), "{what}");
                assert_eq!(run(10, false), of(1), "{what}");
                assert_eq!(run(4, true), of(2), "{what}");
            }
        }
    }
}

#[test]
fn real_wire_scores_are_near_and_those_of_micro_batches_add_up() {
    let mut rng = Philox::new(35, 0);
    let formats = [GradientFormat::F32, GradientFormat::Bf16, GradientFormat::F16];
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for arity in 2..=6usize {
            for (j, size) in [1usize, 33, 128].into_iter().enumerate() {
                let (format, by_output) = (formats[(arity + j) % 3], (arity + j) % 2 == 0);
                let (words, inputs, classes) = (size.div_ceil(32), [70, 40, 130][j], 5);
                let (group, count) = ([7, 1, 26][j], [3, 16, 9][(arity + j) % 3].max(arity));
                let gates = group * classes;
                let layer = random_layer(inputs, gates, arity, &mut rng);
                let candidates = random_candidates(&layer, count, &mut rng);
                let bits = random_bits(inputs, size, &mut rng);
                let number = |rng: &mut Philox| kept(1e-3 * rng.normal() as f32, format);
                let rows: Vec<Vec<f32>> = (0..if by_output { classes } else { gates })
                    .map(|_| (0..words * 32).map(|s| if s < size { number(&mut rng) } else { 0.0 }).collect())
                    .collect();
                let zeros = vec![vec![0.0; count + 1]; layer.wiring.len()];
                let (mut expected, mut sizes) = (zeros.clone(), zeros);
                for (s, sample) in transposed(&bits).iter().enumerate() {
                    let g: Vec<f64> =
                        (0..gates).map(|g| rows[if by_output { g / group } else { g }][s].into()).collect();
                    reference::add_real_wire_scores(&layer, &candidates, sample, &g, &mut expected, &mut sizes);
                }
                let constants = uniforms::Training { wire_every: 3, wire_until: 10, ..training(&constants(), 0) };
                let scores = Held::of(&vec![7f32; layer.wiring.len() * (count + 1)]);
                let mut run = |step: u32, added: bool| {
                    let buffers = [
                        ("layer", &Held::one(&extents(gates, inputs, words, group))),
                        ("training", &Held::one(&constants)),
                        ("step", &Held::one(&state(step, 0, 0))),
                        ("wiring", &Held::of(&layer.wiring)),
                        ("tables", &Held::of(&table_words(&layer))),
                        ("inputs", &Held::of(&pack(&bits, words))),
                        ("candidates", &Held::of(&candidates.concat())),
                        ("source", &Held::of(&store_gradients(&rows, format))),
                        ("scores", &scores),
                    ];
                    let page = pages::score_wires(arity, format, count as u32, 64, by_output, added);
                    bench.run(page, &buffers, [[1, 3, 50][j], 1]);
                    bench.read::<f32>(&scores, layer.wiring.len() * (count + 1))
                };
                let what = format!("k {arity}, {format:?}, batch {size}, by output {by_output}");
                assert!(run(3, false).iter().all(|&s| s == 7.0), "{what}: in a step that scores nothing");
                for (times, added) in [(1.0, false), (2.0, true)] {
                    let made = run(4, added);
                    for ((made, expected), size_of) in made.iter().zip(expected.concat()).zip(sizes.concat()) {
                        // Each of the numbers, twice where they are added anew, is in a sum that is rounded once for every number at most.
                        let tolerance = times * size_of * (2 * size) as f64 * ULP / 2.0;
                        assert_near(&|| what.clone(), (*made).into(), times * expected, tolerance);
                    }
                }
            }
        }
    }
}

#[test]
fn wires_move_to_the_greatest_weight_that_is_free() {
    use gatewright::network::WireRule;
    let mut rng = Philox::new(32, 0);
    let twin = Constants { learning_rate: 0.02, ..constants() };
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for arity in 2..=6usize {
            for (rule, real) in
                [WireRule::Dwn, WireRule::Acc].into_iter().zip([[false, true], [true, false]][arity % 2])
            {
                let (inputs, gates, count) = (arity + 5, 65, arity + 4);
                let layer = random_layer(inputs, gates, arity, &mut rng);
                let candidates = random_candidates(&layer, count, &mut rng);
                let pins = layer.wiring.len();
                let scores: Vec<Vec<i64>> =
                    (0..pins).map(|_| (0..=count).map(|_| i64::from(rng.below(2001)) - 1000).collect()).collect();
                // Whole weights, so that some are equal.
                let weights: Vec<Vec<f64>> =
                    (0..pins).map(|_| (0..count).map(|_| f64::from(rng.below(3))).collect()).collect();
                let moments = |rng: &mut Philox| Moments { first: rng.normal() * 0.01, second: 0.01 + rng.uniform() };
                let old: Vec<Vec<Moments>> =
                    (0..pins).map(|_| (0..count).map(|_| moments(&mut rng)).collect()).collect();
                let step = uniforms::Step {
                    learning_rate: 0.02,
                    wire_beta1_power: 0.5,
                    wire_beta2_power: 0.25,
                    ..state(1, 0, 0)
                };
                let uniform =
                    uniforms::Training { wire_rate: 3.0, wire_until: 1, slice_scale: 1024.0, ..training(&twin, 0) };
                let by = reference::WireStep {
                    rule,
                    rate: f64::from(0.02f32 * 3.0),
                    betas: [uniform.beta1.into(), uniform.beta2.into()],
                    powers: [0.5, 0.25],
                    epsilon: uniform.epsilon.into(),
                    unit: 1.0 / 1024.0,
                };
                let single = |x: &[Vec<f64>]| x.concat().into_iter().map(|x| x as f32).collect::<Vec<f32>>();
                let whole: Vec<i32> = scores.concat().into_iter().map(|s| s as i32).collect();
                let pairs: Vec<[f32; 2]> =
                    old.concat().into_iter().map(|m| [m.first as f32, m.second as f32]).collect();
                let made = Held::of(&single(&weights));
                let (made_moments, wiring) = (Held::of(&pairs), Held::of(&layer.wiring));
                let (extent, uniform, step) =
                    (Held::one(&extents(gates, inputs, 1, 1)), Held::one(&uniform), Held::one(&step));
                // Small whole numbers are the same in f32.
                let reals: Vec<f32> = whole.iter().map(|&s| s as f32).collect();
                let scored = if real { Held::of(&reals) } else { Held::of(&whole) };
                let listed = Held::of(&candidates.concat());
                let mut buffers = vec![
                    ("layer", &extent),
                    ("training", &uniform),
                    ("step", &step),
                    ("candidates", &listed),
                    ("scores", &scored),
                    ("weights", &made),
                    ("wiring", &wiring),
                ];
                if rule == WireRule::Dwn {
                    buffers.push(("moments", &made_moments));
                }
                bench.run(pages::move_wires(arity, count as u32, rule, real), &buffers, [2, 1]);
                let made: Vec<f64> = bench.read::<f32>(&made, pins * count).into_iter().map(f64::from).collect();
                let made: Vec<Vec<f64>> = made.chunks_exact(count).map(<[f64]>::to_vec).collect();
                for pin in 0..pins {
                    let (mut expected, mut moments) = (weights[pin].clone(), old[pin].clone());
                    reference::move_weights(&by, &scores[pin], &mut expected, &mut moments);
                    for (made, expected) in made[pin].iter().zip(expected) {
                        // A dozen roundings of numbers up to 4, and a step of at most 0.06 by a quotient and a root.
                        assert_near(&|| format!("{rule:?}, pin {pin}"), *made, expected, 16.0 * 4.0 * ULP);
                    }
                }
                let chosen: Vec<u32> = candidates
                    .chunks_exact(arity)
                    .zip(made.chunks_exact(arity))
                    .flat_map(|(candidates, weights)| reference::chosen_wires(candidates, weights))
                    .collect();
                let moved = bench.read::<u32>(&wiring, pins);
                assert_eq!(moved, chosen, "{rule:?}, k {arity}");
                assert!(moved.chunks_exact(arity).all(|g| (1..arity).all(|p| !g[..p].contains(&g[p]))));
            }
        }
    }
}

#[test]
fn readers_are_listed_anew_as_wires_have_moved() {
    use gatewright::network::Candidates;
    let mut rng = Philox::new(33, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for arity in 2..=6usize {
            for (j, (inputs, gates)) in [(arity + 2, 200), (64, 90), (700, 65), (1, 1)].into_iter().enumerate() {
                let (inputs, workgroup) = (inputs.max(arity), [64, 256][(arity + j) % 2]);
                let drawn = random_layer(inputs, gates, arity, &mut rng);
                let count = (arity + j).min(inputs);
                let candidates = random_candidates(&drawn, count, &mut rng);
                let mut layer = drawn.clone();
                for gate in 0..gates {
                    // As one pin after the other chooses; where it can, it reads input 1, which many so come to share.
                    for pin in 0..arity {
                        let at = gate * arity + pin;
                        let taken = layer.wiring[gate * arity..at].to_vec();
                        let free: Vec<u32> = candidates[at].iter().copied().filter(|w| !taken.contains(w)).collect();
                        let any = free[rng.below(free.len() as u32) as usize];
                        layer.wiring[at] = if free.contains(&1) { 1 } else { any };
                    }
                }
                let own = Candidates { count, wires: candidates.concat() };
                let possible = pages::possible_readers(&drawn, &own);
                let readers = reference::readers(&layer);
                let mut begins = vec![inputs as u32 + 1];
                let mut listed = Vec::new();
                for own in readers {
                    for (gate, pin) in own {
                        listed.push((gate << 3 | pin) as u32);
                        let wires = layer.wiring[gate * arity..(gate + 1) * arity].iter().enumerate();
                        listed.extend(wires.filter(|&(p, _)| p != pin).map(|(_, &wire)| wire));
                    }
                    begins.push((inputs + 1 + listed.len()) as u32);
                }
                let expected = [begins, listed].concat();
                let constants = uniforms::Training { wire_every: 3, wire_until: 10, ..training(&constants(), 0) };
                let before = pages::edges(&drawn);
                let mut run = |step: u32| {
                    let (edges, totals) = (Held::of(&before), Held::zeros(4 * inputs as u64));
                    let (extent, uniform) = (Held::one(&extents(gates, inputs, 1, 1)), Held::one(&constants));
                    let (state, wiring) = (Held::one(&state(step, 0, 0)), Held::of(&layer.wiring));
                    let possible = Held::of(&possible);
                    let buffers = [
                        ("layer", &extent),
                        ("training", &uniform),
                        ("step", &state),
                        ("wiring", &wiring),
                        ("possible", &possible),
                        ("totals", &totals),
                        ("edges", &edges),
                    ];
                    let grid = [[1, 3, 7][(arity + j) % 3], 1];
                    bench.run(pages::count_readers(workgroup), &buffers, grid);
                    bench.run(pages::list_readers(arity, workgroup), &buffers, grid);
                    bench.read::<u32>(&edges, before.len())
                };
                let what = format!("k {arity}, {inputs} inputs, {gates} gates");
                assert_eq!(run(4), expected, "{what}");
                assert_eq!(run(3), before, "{what}: in a step that scores nothing");
                assert_eq!(run(11), before, "{what}: when wires stay");
            }
        }
    }
}

#[test]
fn rows_are_collected_where_they_belong() {
    let mut rng = Philox::new(34, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for (j, (words, before, own, behind)) in
            [(1usize, 3usize, 5usize, 2usize), (4, 0, 300, 1), (3, 7, 1, 0), (8, 130, 70, 9)].into_iter().enumerate()
        {
            let numbers =
                |rows: usize, rng: &mut Philox| -> Vec<u32> { (0..rows * words).map(|_| rng.next_u32()).collect() };
            let (source, there) = (numbers(own, &mut rng), numbers(before + own + behind, &mut rng));
            let expected = [&there[..before * words], &source, &there[(before + own) * words..]].concat();
            for wide in [false, true] {
                let unit = if wide { 4 } else { 1 };
                if words % unit != 0 {
                    continue;
                }
                let (from, rows) = (Held::of(&source), Held::of(&there));
                let [first, units] = [before, own].map(|rows| (rows * words / unit) as u32);
                let page = pages::collect_rows(wide, [64, 256][j % 2], first, units);
                bench.run(page, &[("source", &from), ("rows", &rows)], [[1, 5][j % 2], 1]);
                assert_eq!(
                    bench.read::<u32>(&rows, expected.len()),
                    expected,
                    "{words} words, {own} rows from {before}"
                );
            }
        }
    }
}
