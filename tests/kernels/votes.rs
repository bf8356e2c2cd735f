//! Votes, their losses, their gradients, their judgement.

use super::*;

#[test]
fn group_sum_counts_each_class() {
    let mut rng = Philox::new(7, 0);
    let shapes = [(1, 7), (1, 1), (2, 64), (10, 1), (10, 13), (7, 143), (3, 1001)];
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for (i, (classes, group)) in shapes.into_iter().enumerate() {
            for size in [1, 33, 128, 129] {
                let (count, words) = (classes * group, usize::div_ceil(size, 32));
                let mut outputs = random_bits(count, size, &mut rng);
                outputs[..group].iter_mut().for_each(|row| row.fill(true)); // the fullest counters
                let workgroup = [1, 8, 64][i % 3];
                let votes = Held::zeros((classes * words * 128) as u64);
                let layer = Held::one(&extents(count, 2, words, group));
                let packed = Held::of(&pack(&outputs, words));
                bench.run(
                    pages::group_sum(group as u32, workgroup),
                    &[("layer", &layer), ("outputs", &packed), ("votes", &votes)],
                    if workgroup > 1 { [classes as u32, words as u32] } else { [[1, 2, 5][(i + size) % 3], 1] },
                );
                let hard: Vec<f32> = bench.read(&votes, classes * words * 32);

                // Real activations, multiples of 1/65535.
                let soft: Vec<Vec<f64>> = random_fractions(count, words * 32, &mut rng);
                let stored = Held::of(&store_activations(&soft, words));
                let buffers = [("layer", &layer), ("outputs", &stored), ("votes", &votes)];
                let lanes = [1, 4, 32][(i + size) % 3];
                bench.run(pages::group_sum_soft(lanes), &buffers, [[1, 2, 50][i % 3], 1]);
                let real: Vec<f32> = bench.read(&votes, classes * words * 32);

                for (s, sample) in transposed(&outputs).iter().enumerate() {
                    let votes =
                        |of: &[f32]| -> Vec<f64> { (0..classes).map(|c| of[c * words * 32 + s].into()).collect() };
                    assert_eq!(votes(&hard), reference::group_sum(sample, classes), "{classes} classes of {group}");
                    let activations: Vec<f64> = soft.iter().map(|row| row[s]).collect();
                    let expected = reference::group_sum_soft(&activations, classes);
                    for (made, expected) in votes(&real).into_iter().zip(expected) {
                        // A division and an addition a gate.
                        let tolerance = (4.0 + group as f64) * group as f64 * ULP;
                        assert_near(&|| format!("{classes} classes of {group}"), made, expected, tolerance);
                    }
                }
            }
        }
    }
}

/// Relative error of softmax probabilities and absolute error of their logarithm, for scores up to `peak`: a score
/// errs by its division (2.5 ULP), an exponential by 3 + 2|x| ULP and its argument, a logarithm by 2⁻²¹.
fn softmax_error(peak: f64) -> f64 {
    (16.0 + 8.0 * peak) * ULP + 1.0 / f64::from(1 << 21)
}

#[test]
fn loss_and_its_gradient_are_those_of_softmax_cross_entropy() {
    let mut rng = Philox::new(8, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for gradients in [GradientFormat::F32, GradientFormat::Bf16, GradientFormat::F16] {
            for (i, size) in [1, 31, 32, 33, 100, 128, 129, 700].into_iter().enumerate() {
                let (classes, most, tau) = [(10, 100, 10.0), (1, 7, 1.0), (3, 1000, 30.0), (2, 50, 0.5)][i % 4];
                let (words, samples) = (usize::div_ceil(size, 32), 50);
                let mut votes: Vec<Vec<f32>> =
                    (0..words * 32).map(|_| (0..classes).map(|_| rng.below(most + 1) as f32).collect()).collect();
                votes[0].fill(3.0); // all equal: the first class is predicted
                let labels: Vec<u32> = (0..samples).map(|_| rng.below(classes as u32)).collect();
                let chosen: Vec<u32> = (0..words * 32).map(|_| rng.below(samples)).collect();
                let constants = Constants { group_tau: tau, batch: size as u32, ..constants() };
                let rows = transposed(&votes);
                let count = gradient_words(classes, words, gradients);
                let class_gradients = Held::zeros(count as u64 * 4);
                let history = Held::zeros(u64::from(HISTORY) * 8);
                let step = HISTORY + 3;
                let buffers = [
                    ("batch", &Held::one(&batch_of(samples as usize, size, classes))),
                    ("training", &Held::one(&training(&constants, 0))),
                    ("step", &Held::one(&state(step, 0, 0))),
                    ("votes", &Held::of(&rows.concat())),
                    ("chosen", &Held::of(&chosen)),
                    ("labels", &Held::of(&labels)),
                    ("class_gradients", &class_gradients),
                    ("history", &history),
                ];
                bench.run(pages::loss(gradients, false, false, [256, 64][i % 2], (Task::Classes, 1)), &buffers, [1, 1]);
                let made = load_gradients(&bench.read(&class_gradients, count), words, gradients);
                let (mut sum, mut right) = (0.0, 0.0);
                let peak = f64::from(most) / tau;
                for s in 0..words * 32 {
                    let sample: Vec<f64> = votes[s].iter().map(|&v| v.into()).collect();
                    let expected = reference::loss(&sample, labels[chosen[s] as usize] as usize, tau, size as u32);
                    for (class, (row, &exact)) in made.iter().zip(&expected.gradient).enumerate() {
                        if s >= size {
                            assert_eq!(row[s], 0.0, "a sample past the batch has gradient 0");
                            continue;
                        }
                        // f16 counts the smallest gradients in 2^-36.
                        let least = if gradients == GradientFormat::F16 { 2f64.powi(-36) } else { 0.0 };
                        let rounding = exact.abs() * kept_error(gradients) + least;
                        let tolerance = rounding + (softmax_error(peak) + 8.0 * ULP) / (tau * size as f64);
                        let what = || format!("class {class} of sample {s}, batch {size}");
                        assert_near(&what, row[s].into(), exact, tolerance);
                    }
                    if s < size {
                        sum += expected.loss;
                        right += expected.quality;
                    }
                }
                let history: Vec<[f32; 2]> = bench.read(&history, HISTORY as usize);
                let [mean, accuracy] = history[((step - 1) % HISTORY) as usize].map(f64::from);
                let roundings = (size as f64 / 256.0 + 12.0) * ULP;
                let tolerance = softmax_error(peak) + roundings * sum / size as f64;
                assert_near(&|| format!("loss of batch {size}"), mean, sum / size as f64, tolerance);
                assert_near(&|| format!("accuracy of batch {size}"), accuracy, right / size as f64, 3.0 * ULP);
            }
        }
    }
}

/// Formats of whole numbers.
const WHOLE: [GradientFormat; 4] =
    [GradientFormat::Int4, GradientFormat::Int8, GradientFormat::Int12, GradientFormat::Int16];

/// Gradients in sixteenths of a unit, which scaling leaves exact.
#[test]
fn slice_gradients_rounds_by_its_draws() {
    let mut rng = Philox::new(15, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for gradients in WHOLE {
            for (size, classes, offset) in [(1, 1, 0), (33, 3, 0), (100, 10, 0), (129, 47, 0), (33, 3, 96), (64, 2, 32)]
            {
                let whole = usize::div_ceil(offset + size, 32);
                let (words, seed, bits) = (usize::div_ceil(size, 32), 77 + size as u64, gradients.bits());
                let [key0, key1] = key(seed);
                let scale = 1024.0;
                // Past the range too, where they are cut off.
                let sixteenths = 16u32 << bits;
                let mut values = || {
                    let whole = rng.below(sixteenths) as f32 - (sixteenths / 2) as f32;
                    whole / 16.0 / scale
                };
                let rows: Vec<Vec<f32>> = (0..classes)
                    .map(|_| (0..words * 32).map(|s| if s < size { values() } else { 0.0 }).collect())
                    .collect();
                let count = gradient_words(classes, words, gradients);
                let sliced = Held::zeros(count as u64 * 4);
                let step = 9;
                let buffers = [
                    (
                        "batch",
                        &Held::one(&uniforms::Batch {
                            key0,
                            key1,
                            offset: offset as u32,
                            ..batch_of(1, size, classes)
                        }),
                    ),
                    (
                        "training",
                        &Held::one(&uniforms::Training {
                            slice_scale: scale,
                            batch: (offset + size) as u32,
                            ..training(&constants(), 0)
                        }),
                    ),
                    ("step", &Held::one(&state(step, 0, 0))),
                    ("class_gradients", &Held::of(&rows.concat())),
                    ("sliced", &sliced),
                ];
                let groups = (classes * words).div_ceil(64) as u32;
                bench.run(pages::slice_gradients(gradients), &buffers, [groups, 1]);
                let made = load_gradients(&bench.read(&sliced, count), words, gradients);
                for (class, row) in rows.iter().enumerate() {
                    for (s, &g) in row.iter().enumerate() {
                        let draw = reference::slice_draw(seed, step, (class * whole * 32 + offset + s) as u32);
                        let expected = reference::slice_gradients(g.into(), scale.into(), bits, draw);
                        // f32's sum of the two may round up to a whole number that the exact sum is just below.
                        let exact = f64::from(g) * f64::from(scale) + draw;
                        let edge = exact.ceil() - exact <= exact.abs() * ULP / 2.0;
                        let off = f64::from(made[class][s]) - f64::from(expected);
                        assert!(off == 0.0 || edge && off == 1.0, "{off} off: {class}, {s} of {size}, {bits} bits");
                        assert!(s < size || expected == 0, "gradient 0 past the batch");
                    }
                }
            }
        }
    }
}

/// Where the workgroup that makes gradients also slices them, it leaves what two passes leave.
#[test]
fn loss_slices_as_the_pass_of_its_own_does() {
    let mut rng = Philox::new(17, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for (i, gradients) in WHOLE.into_iter().enumerate() {
            for (size, classes, lanes) in [(1, 1, 64), (33, 3, 256), (129, 10, 64), (700, 12, 256)] {
                let (words, samples) = (usize::div_ceil(size, 32), 50u32);
                let votes: Vec<f32> = (0..words * 32 * classes).map(|_| rng.below(100) as f32).collect();
                let labels: Vec<u32> = (0..samples).map(|_| rng.below(classes as u32)).collect();
                let chosen: Vec<u32> = (0..words * 32).map(|_| rng.below(samples)).collect();
                let [key0, key1] = key(5 + i as u64);
                let batch = uniforms::Batch { key0, key1, ..batch_of(samples as usize, size, classes) };
                let constants = Constants { batch: size as u32, ..constants() };
                let scale = gatewright::plan::slice_scale(gradients.bits(), 10.0, size as u32);
                let training = uniforms::Training { slice_scale: scale, ..training(&constants, 0) };
                let inputs = [
                    ("batch", Held::one(&batch)),
                    ("training", Held::one(&training)),
                    ("step", Held::one(&state(9, 0, 0))),
                    ("votes", Held::of(&votes)),
                    ("chosen", Held::of(&chosen)),
                    ("labels", Held::of(&labels)),
                ];
                let count = gradient_words(classes, words, gradients);
                let mut run = |fused: bool| {
                    let made = Held::zeros((classes * words * 128) as u64);
                    let (history, sliced) = (Held::zeros(u64::from(HISTORY) * 8), Held::zeros(count as u64 * 4));
                    let mut buffers: Vec<_> = inputs.iter().map(|(name, held)| (*name, held)).collect();
                    buffers.extend([("class_gradients", &made), ("history", &history)]);
                    buffers.extend(fused.then_some(("sliced", &sliced)));
                    bench.run(pages::loss(gradients, false, fused, lanes, (Task::Classes, 1)), &buffers, [1, 1]);
                    if !fused {
                        let mut buffers: Vec<_> = inputs[..3].iter().map(|(name, held)| (*name, held)).collect();
                        buffers.extend([("class_gradients", &made), ("sliced", &sliced)]);
                        let groups = (classes * words).div_ceil(64) as u32;
                        bench.run(pages::slice_gradients(gradients), &buffers, [groups, 1]);
                    }
                    let history: Vec<[f32; 2]> = bench.read(&history, HISTORY as usize);
                    (bench.read::<u32>(&sliced, count), history)
                };
                let (fused, apart) = (run(true), run(false));
                assert!(fused == apart, "{gradients:?}, {classes} classes, {size} samples");
                assert!(classes == 1 || fused.0.iter().any(|&plane| plane != 0), "gradients were sliced");
            }
        }
    }
}

#[test]
fn evaluate_judges_each_sample_once_and_takes_the_first_among_equals() {
    let mut rng = Philox::new(12, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for (classes, samples, size) in [(10, 100, 64), (1, 33, 32), (3, 129, 128), (2, 31, 32), (10, 64, 64)] {
            let tau = 5.0;
            let training = Held::one(&training(&Constants { group_tau: tau, ..constants() }, 0));
            let labels: Vec<u32> = (0..samples).map(|_| rng.below(classes as u32)).collect();
            let label_buffer = Held::of(&labels);
            // Room past the samples, to see that the padding of the last batch is not written there.
            let judged = Held::of(&vec![[-1.0f32; 2]; samples + size]);
            let words = size / 32;
            let mut expected = Vec::new();
            for first in (0..samples).step_by(size) {
                let votes: Vec<Vec<f32>> =
                    (0..size).map(|_| (0..classes).map(|_| rng.below(4) as f32).collect()).collect();
                let batch = uniforms::Batch { first: first as u32, ..batch_of(samples, size, classes) };
                let buffers = [
                    ("batch", &Held::one(&batch)),
                    ("training", &training),
                    ("votes", &Held::of(&transposed(&votes).concat())),
                    ("labels", &label_buffer),
                    ("judged", &judged),
                ];
                bench.run(pages::evaluate(Task::Classes, 1), &buffers, [words.div_ceil(2) as u32, 1]);
                for (s, votes) in votes.iter().enumerate().take(samples - first) {
                    let votes: Vec<f64> = votes.iter().map(|&v| v.into()).collect();
                    expected.push(reference::evaluate(&votes, labels[first + s] as usize, tau));
                }
            }
            let made: Vec<[f32; 2]> = bench.read(&judged, samples + size);
            for (s, (made, expected)) in made.iter().zip(&expected).enumerate() {
                assert_eq!(made[1] as usize, expected.class, "sample {s}");
                assert_near(&|| format!("loss of sample {s}"), made[0].into(), expected.loss, softmax_error(4.0 / tau));
            }
            assert_eq!(expected.len(), samples);
            assert!(made[samples..].iter().all(|&j| j == [-1.0; 2]), "nothing is written past the last sample");
        }
    }
}

/// A way to read votes, its outputs, and targets for `samples` samples: values a little past their range, too.
fn heads(rng: &mut Philox, samples: usize) -> Vec<(Head, usize, Split)> {
    let mut heads = Vec::new();
    for outputs in [1, 3, 10] {
        let targets = (0..samples * outputs).map(|_| rng.below(2) as f32).collect();
        heads.push((Head::Labels, outputs, targets));
    }
    for (targets, bits) in [(1, 1), (3, 1), (1, 4), (2, 3), (1, 16)] {
        let target = |t| Target { name: format!("y{t}"), least: -3.0, greatest: 1.5 };
        let head = Head::Values(Values { targets: (0..targets).map(target).collect(), bits: bits as u32 });
        let fractions = (0..samples * targets).map(|_| (rng.uniform() * 1.2 - 0.1) as f32).collect();
        heads.push((head, targets * bits, fractions));
    }
    let split = |targets| Split { pixels: Vec::new(), labels: vec![0; samples], targets };
    heads.into_iter().map(|(head, outputs, targets)| (head, outputs, split(targets))).collect()
}

/// Targets' words, and 1 / variance where values are told.
fn head_buffers(head: &Head, split: &Split) -> (Held, Option<Held>) {
    let spread: Vec<f32> =
        split.target_variances().iter().map(|v| if *v > 0.0 { (1.0 / v) as f32 } else { 1.0 }).collect();
    let is_values = matches!(head, Head::Values(_));
    (Held::of(&split.targets), is_values.then(|| Held::of(&spread)))
}

/// Errors of loss, quality and gradient · τ · batch. Labels: of each an exponential, with its argument, and for the
/// loss a logarithm, of scores up to `peak`. Values: a sum of weighed votes, whose error is squared, times `scale`.
fn head_errors(head: &Head, outputs: usize, peak: f64, scale: f64) -> [f64; 3] {
    match head {
        Head::Values(values) => {
            let told = f64::from(values.bits + 6) * ULP;
            [scale * outputs as f64 * 8.0 * told, 8.0 * told * 40.0, 4.0 * told]
        }
        _ => [outputs as f64 * softmax_error(peak) * (1.0 + peak), 4.0 * outputs as f64 * ULP, softmax_error(peak)],
    }
}

#[test]
fn losses_of_labels_and_values_are_the_twins() {
    let mut rng = Philox::new(9, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for (i, size) in [1usize, 31, 33, 100].into_iter().enumerate() {
            for (head, outputs, split) in heads(&mut rng, 50) {
                let gradients = [GradientFormat::F32, GradientFormat::Bf16][i % 2];
                let (group, tau) = [(7usize, 1.0), (250, 10.0), (40, 2.5), (1, 0.5)][i];
                let words = size.div_ceil(32);
                let votes: Vec<Vec<f32>> = (0..words * 32)
                    .map(|_| (0..outputs).map(|_| rng.below(group as u32 + 1) as f32).collect())
                    .collect();
                let chosen: Vec<u32> = (0..words * 32).map(|_| rng.below(50)).collect();
                let constants = Constants { group_tau: tau, batch: size as u32, ..constants() };
                let count = gradient_words(outputs, words, gradients);
                let (made, history) = (Held::zeros(count as u64 * 4), Held::zeros(8 * 4096));
                let (labels, spread) = head_buffers(&head, &split);
                let uniform = uniforms::Training { group: group as u32, ..training(&constants, 0) };
                let buffers = [
                    ("batch", &Held::one(&batch_of(50, size, outputs))),
                    ("training", &Held::one(&uniform)),
                    ("step", &Held::one(&state(1, 0, 0))),
                    ("votes", &Held::of(&transposed(&votes).concat())),
                    ("chosen", &Held::of(&chosen)),
                    ("labels", &labels),
                    ("class_gradients", &made),
                    ("history", &history),
                ];
                let buffers: Vec<_> = buffers.into_iter().chain(spread.iter().map(|s| ("spread", s))).collect();
                bench.run(pages::loss(gradients, false, false, 64, (head.task(), head.bits())), &buffers, [1, 1]);
                let made = load_gradients(&bench.read(&made, count), words, gradients);
                let scale = group as f64 / (2.0 * tau);
                let [loss_error, quality_error, gradient_error] = head_errors(&head, outputs, scale, scale);
                let (mut loss, mut quality) = (0.0, 0.0);
                for s in 0..words * 32 {
                    let own: Vec<f64> = votes[s].iter().map(|&v| v.into()).collect();
                    let sample = chosen[s] as usize;
                    let expected = reference::loss_of(&head, &own, &split, sample, group, tau, size as u32);
                    for (output, (row, &exact)) in made.iter().zip(&expected.gradient).enumerate() {
                        if s >= size {
                            assert_eq!(row[s], 0.0, "a sample past the batch has gradient 0");
                            continue;
                        }
                        let rounding = if gradients == GradientFormat::Bf16 { exact.abs() / 256.0 } else { 0.0 };
                        let tolerance = rounding + (gradient_error + 8.0 * ULP) / (tau * size as f64);
                        let what = || format!("output {output} of sample {s}, batch {size}, {head:?}");
                        assert_near(&what, row[s].into(), exact, tolerance);
                    }
                    if s < size {
                        loss += expected.loss / size as f64;
                        quality += expected.quality / size as f64;
                    }
                }
                let [mean_loss, mean_quality] = bench.read::<[f32; 2]>(&history, 1)[0].map(f64::from);
                let sums = 20.0 * ULP;
                assert_near(&|| format!("loss of {size}, {head:?}"), mean_loss, loss, loss_error + sums * loss);
                let tolerance = quality_error + sums * (1.0 + quality.abs());
                assert_near(&|| format!("quality of {size}, {head:?}"), mean_quality, quality, tolerance);
            }
        }
    }
}

#[test]
fn evaluate_judges_labels_and_values_as_the_twins_do() {
    let mut rng = Philox::new(13, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for (samples, size) in [(1, 32), (31, 32), (33, 32), (100, 64)] {
            for (head, outputs, split) in heads(&mut rng, samples) {
                let (group, tau) = (30usize, 4.0);
                let constants = Constants { group_tau: tau, ..constants() };
                let uniform = uniforms::Training { group: group as u32, ..training(&constants, 0) };
                let uniform = Held::one(&uniform);
                let (labels, spread) = head_buffers(&head, &split);
                let judged = Held::of(&vec![[-1.0f32; 2]; samples + size]);
                let mut expected = Vec::new();
                // One sample has no variance; whatever error it has then counts as it is.
                let judge = |votes: &[f64], sample: usize| match (&head, samples) {
                    (Head::Values(values), 1) => {
                        let ones = vec![1.0; split.targets.len()];
                        reference::loss_of_values(votes, &split.targets, values, &ones, group, tau, 1)
                    }
                    _ => reference::loss_of(&head, votes, &split, sample, group, tau, 1),
                };
                for first in (0..samples).step_by(size) {
                    let votes: Vec<Vec<f32>> =
                        (0..size).map(|_| (0..outputs).map(|_| rng.below(31) as f32).collect()).collect();
                    let batch = uniforms::Batch { first: first as u32, ..batch_of(samples, size, outputs) };
                    let buffers = [
                        ("batch", &Held::one(&batch)),
                        ("training", &uniform),
                        ("votes", &Held::of(&transposed(&votes).concat())),
                        ("labels", &labels),
                        ("judged", &judged),
                    ];
                    let buffers: Vec<_> = buffers.into_iter().chain(spread.iter().map(|s| ("spread", s))).collect();
                    bench.run(pages::evaluate(head.task(), head.bits()), &buffers, [size.div_ceil(64) as u32, 1]);
                    for (s, votes) in votes.iter().enumerate().take(samples - first) {
                        let votes: Vec<f64> = votes.iter().map(|&v| v.into()).collect();
                        expected.push(judge(&votes, first + s));
                    }
                }
                let scale = group as f64 / (2.0 * tau);
                let [loss_error, quality_error, _] = head_errors(&head, outputs, scale, scale);
                let made: Vec<[f32; 2]> = bench.read(&judged, samples + size);
                for (s, (made, expected)) in made.iter().zip(&expected).enumerate() {
                    let what = |what: &str| format!("{what} of sample {s} of {samples}, {head:?}");
                    assert_near(
                        &|| what("loss"),
                        made[0].into(),
                        expected.loss,
                        loss_error + 4.0 * ULP * expected.loss,
                    );
                    let tolerance = quality_error + 8.0 * ULP * (1.0 + expected.quality.abs());
                    assert_near(&|| what("quality"), made[1].into(), expected.quality, tolerance);
                }
                assert_eq!(expected.len(), samples);
                assert!(made[samples..].iter().all(|&j| j == [-1.0; 2]), "nothing is written past the last sample");
            }
        }
    }
}
