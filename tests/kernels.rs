//! Every kernel against its f64 twin in `gatewright::reference`, on the best adapter and under wgpu's default limits.
//!
//! Bits, counts and indices must agree exactly. So must gradients whose sums f32 holds exactly. Elsewhere the tolerance
//! is the number of roundings times their size, with the accuracies that WGSL promises of built-in functions: exp
//! 3 + 2|x| ULP, log 3 ULP or 2⁻²¹, division 2.5 ULP, sin and cos 2⁻¹¹ absolute.

mod device;

use device::{
    Bench, SINE_ERROR, ULP, assert_near, batch, bf16, constants, devices, edges, extents, gradient_words,
    load_gradients, pack, random_bits, random_layer, state, state_buffer, store_gradients, table_words, training,
    transposed, unpack,
};
use gatewright::data::ImageShape;
use gatewright::gpu::shader::{GradientFormat, HISTORY, Variant};
use gatewright::gpu::structs;
use gatewright::network::{Encoder, Layer, Parametrization};
use gatewright::random::{Philox, key};
use gatewright::reference::{self, Constants, Moments, Step, parametrization as twin};
use gatewright::train::{Augmentation, Cage, Preset, Settings};

const PARAMETRIZATIONS: [Parametrization; 3] =
    [Parametrization::IwpSin, Parametrization::IwpSigmoid, Parametrization::Op];

/// Every parametrization with every arity that it allows.
fn tables() -> Vec<(Parametrization, usize)> {
    let mut all = vec![(Parametrization::Op, 2)];
    for arity in 1..=6 {
        all.extend([(Parametrization::IwpSin, arity), (Parametrization::IwpSigmoid, arity)]);
    }
    all
}

fn reals(count: usize, rng: &mut Philox) -> Vec<f32> {
    (0..count).map(|_| rng.normal() as f32).collect()
}

/// `[gates][per_gate]` f64 of a flat f32 slice.
fn gates(flat: &[f32], per_gate: usize) -> Vec<Vec<f64>> {
    flat.chunks_exact(per_gate).map(|gate| gate.iter().map(|&x| f64::from(x)).collect()).collect()
}

/// Normal logits folded into [-π, π], where WGSL says how good sines are.
fn random_logits(gates: usize, parametrization: Parametrization, arity: usize, rng: &mut Philox) -> Vec<f32> {
    (0..gates * parametrization.logits(arity)).map(|_| (1.5 * rng.normal()).clamp(-3.1, 3.1) as f32).collect()
}

/// Whether `hard_table` might differ in f32: a logit within 1e-5 of where a bit flips, or of the second greatest.
fn undecided(parametrization: Parametrization, z: &[f64]) -> bool {
    match parametrization {
        Parametrization::IwpSin => z.iter().any(|z| z.sin().abs() < 1e-5),
        Parametrization::IwpSigmoid | Parametrization::Op => false, // comparisons, exact in f32
    }
}

#[test]
fn select_batch_takes_every_training_sample_once_an_epoch() {
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for (samples, size) in [(1, 1), (1, 33), (5, 31), (5, 129), (33, 32), (100, 33), (1000, 128), (1001, 100)] {
            let seed = 0x0123_4567_89ab_cdef ^ samples as u64;
            let [key0, key1] = key(seed);
            let batch = structs::Batch { key0, key1, ..batch(samples, size, 2) };
            let constants = Constants { samples: samples as u32, batch: size as u32, ..constants() };
            let batch_uniform = gpu.uniform("batch", &batch);
            let training = gpu.uniform("training", &training(&constants, 0));
            let partials = gpu.storage("partials", 4);
            let step = state_buffer(gpu, state(0, 0, 0));
            let chosen = gpu.storage("chosen", u64::from(batch.words) * 128);
            let mut twin = Step::start(&constants);
            let mut seen = Vec::new();
            while seen.len() < 3 * samples {
                let select = [(0, &batch_uniform), (1, &step), (2, &chosen)];
                bench.run(Variant::of("select_batch"), &select, [batch.words.div_ceil(2), 1]);
                bench.run(Variant::of("advance"), &[(0, &training), (1, &partials), (2, &step)], [1, 1]);
                let padded: Vec<u32> = bench.read(&chosen, batch.words as usize * 32);
                let (batch, past) = padded.split_at(size);
                let expected = reference::select_batch(seed, samples as u32, size as u32, twin.epoch, twin.position);
                assert_eq!(batch, expected, "{samples} samples, batch {size}, step {}", twin.step);
                assert!(past.iter().all(|&sample| sample < samples as u32), "what pads a batch must be a sample");
                seen.extend_from_slice(batch);
                reference::advance(&constants, 0.0, &mut twin);
            }
            for epoch in 0..3 {
                let mut order = seen[epoch * samples..(epoch + 1) * samples].to_vec();
                order.sort_unstable();
                assert!(order.iter().copied().eq(0..samples as u32), "epoch {epoch} of {samples} by {size}");
            }
        }
    }
}

#[test]
fn select_batch_takes_evaluation_samples_in_order() {
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        let variant = Variant { training: false, ..Variant::of("select_batch") };
        for (samples, size) in [(1, 32), (33, 32), (100, 96), (64, 64)] {
            for first in (0..samples).step_by(size) {
                let batch = structs::Batch { first: first as u32, ..batch(samples, size, 2) };
                let chosen = gpu.storage("chosen", u64::from(batch.words) * 128);
                let buffers =
                    [(0, &gpu.uniform("batch", &batch)), (1, &state_buffer(gpu, state(0, 0, 0))), (2, &chosen)];
                bench.run(variant, &buffers, [batch.words.div_ceil(2), 1]);
                let padded: Vec<u32> = bench.read(&chosen, size);
                let expected = reference::evaluation_batch(samples as u32, size as u32, first as u32);
                let (batch, past) = padded.split_at(expected.len());
                assert_eq!(batch, expected);
                assert!(past.iter().all(|&sample| sample < samples as u32));
            }
        }
    }
}

#[test]
fn augment_moves_each_image_as_its_twin_does() {
    let settings =
        |shift, flip, rotate, resized_crop| Settings { shift, flip, rotate, resized_crop, ..Preset::Quick.settings() };
    let ways = [
        settings(1, false, 0.0, 1.0),
        settings(9, false, 0.0, 1.0),
        settings(0, true, 0.0, 1.0),
        settings(0, false, 15.0, 1.0),
        settings(0, false, 0.0, 0.1),
        settings(2, true, 45.0, 0.5),
    ];
    let mut rng = Philox::new(21, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for (i, (channels, height, width)) in [(1, 1, 1), (1, 5, 7), (3, 6, 4), (1, 28, 28)].into_iter().enumerate() {
            for (j, way) in ways.iter().enumerate() {
                let augmentation = Augmentation::of(way).unwrap();
                let size = [1, 33, 64][j % 3];
                let image = ImageShape { channels, height, width };
                let (pixels, samples, words) = (image.pixels(), size + 5, usize::div_ceil(size, 32));
                let row_words = pixels.div_ceil(4);
                let rows: Vec<Vec<u8>> =
                    (0..samples).map(|_| (0..pixels).map(|_| rng.below(256) as u8).collect()).collect();
                let mut padded = vec![0u8; samples * row_words * 4];
                for (to, from) in padded.chunks_exact_mut(row_words * 4).zip(&rows) {
                    to[..pixels].copy_from_slice(from);
                }
                let chosen: Vec<u32> = (0..words * 32).map(|_| rng.below(samples as u32)).collect();
                let (seed, step) = (77 + i as u64, 5);
                let [key0, key1] = key(seed);
                let batch = structs::Batch {
                    row_words: row_words as u32,
                    width: width as u32,
                    height: height as u32,
                    shift: augmentation.shift,
                    flip: u32::from(augmentation.flip),
                    least_side: augmentation.least_side,
                    key0,
                    key1,
                    ..batch(samples, size, 2)
                };
                let made = gpu.storage("augmented", (words * 32 * row_words * 4) as u64);
                let turns = gpu.storage_of("turns", &augmentation.turns_table());
                let [batch, chosen_buffer, padded] = [
                    gpu.uniform("batch", &batch),
                    gpu.storage_of("chosen", &chosen),
                    gpu.storage_of("pixels", &padded),
                ];
                let step_buffer = state_buffer(gpu, state(step, 0, 0));
                let mut buffers = vec![(0, &batch), (1, &chosen_buffer), (2, &padded), (3, &step_buffer), (4, &made)];
                if augmentation.is_warped() {
                    buffers.push((5, &turns));
                }
                let variant = Variant { warped: augmentation.is_warped(), ..Variant::of("augment") };
                bench.run(variant, &buffers, [3, 1]);
                let made: Vec<u8> = bench.read(&made, words * 32 * row_words * 4);
                for (place, made) in made.chunks_exact(row_words * 4).enumerate() {
                    let movement = reference::movement(seed, step, place as u32, image, &augmentation);
                    let expected = reference::augment(&rows[chosen[place] as usize], image, movement);
                    assert_eq!(made[..pixels], expected, "place {place} of {size}, {image:?}, {movement:?}");
                }
            }
        }
    }
}

#[test]
fn encode_makes_the_encoders_bits() {
    let mut rng = Philox::new(1, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for (i, (pixels, features)) in [(1, 1), (3, 7), (5, 33), (8, 130), (785, 1001)].into_iter().enumerate() {
            for (j, size) in [1, 31, 32, 33, 100, 129].into_iter().enumerate() {
                let (samples, words, row_words) = (size + 3, usize::div_ceil(size, 32), usize::div_ceil(pixels, 4));
                let encoder = Encoder {
                    pixel: (0..features).map(|_| rng.below(pixels as u32)).collect(),
                    threshold: (0..features).map(|_| rng.below(256) as u8).collect(),
                };
                let rows: Vec<Vec<u8>> =
                    (0..samples).map(|_| (0..pixels).map(|_| rng.below(256) as u8).collect()).collect();
                let chosen: Vec<u32> = (0..words * 32).map(|_| rng.below(samples as u32)).collect();

                // Features of a word of pixels stand together; `offsets` says where each word's begin.
                let mut order: Vec<usize> = (0..features).collect();
                order.sort_by_key(|&f| encoder.pixel[f] / 4);
                let offsets: Vec<u32> = (0..=row_words as u32)
                    .map(|word| encoder.pixel.iter().filter(|&&pixel| pixel / 4 < word).count() as u32)
                    .collect();
                let entries: Vec<[u32; 2]> = order
                    .iter()
                    .map(|&f| [f as u32, (encoder.pixel[f] % 4) << 8 | u32::from(encoder.threshold[f])])
                    .collect();

                let shards = (i + j) % 2 == 1;
                let shard = if shards { samples.div_ceil(4) } else { samples };
                let batch = structs::Batch {
                    row_words: row_words as u32,
                    features: features as u32,
                    shard: shard as u32,
                    ..batch(samples, size, 2)
                };
                let upload = |rows: &[Vec<u8>]| {
                    let mut bytes = vec![0u8; rows.len() * row_words * 4];
                    for (to, from) in bytes.chunks_exact_mut(row_words * 4).zip(rows) {
                        to[..pixels].copy_from_slice(from);
                    }
                    gpu.storage_of("pixels", &bytes)
                };
                let shard_buffers: Vec<_> = (0..if shards { 4 } else { 1 })
                    .map(|n| upload(&rows[(n * shard).min(samples)..((n + 1) * shard).min(samples)]))
                    .collect();
                let bits = gpu.storage("bits", (features * words * 4) as u64);
                let (batch, chosen_buffer) = (gpu.uniform("batch", &batch), gpu.storage_of("chosen", &chosen));
                let (offsets, entries) = (gpu.storage_of("offsets", &offsets), gpu.storage_of("features", &entries));
                let mut buffers = vec![(0, &batch), (1, &chosen_buffer), (3, &offsets), (4, &entries), (5, &bits)];
                buffers.extend([2, 6, 7, 8].into_iter().zip(&shard_buffers));
                let groups = if j % 2 == 0 { 1 } else { (row_words * words).div_ceil(64) as u32 };
                bench.run(Variant { shards, ..Variant::of("encode") }, &buffers, [groups, 1]);

                let made = transposed(&unpack(&bench.read(&bits, features * words), words, size));
                for (s, made) in made.iter().enumerate() {
                    let expected = reference::encode(&encoder, &rows[chosen[s] as usize]);
                    assert_eq!(*made, expected, "{pixels} pixels, {features} features, sample {s} of {size}");
                }
            }
        }
    }
}

#[test]
fn tabulate_selects_the_twins_gates_and_their_confidence() {
    let mut rng = Philox::new(2, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for (parametrization, arity) in tables() {
            for (count, groups) in [(7, 1), (33, 1), (130, 3), (1001, 2), (1001, 16)] {
                let logits = random_logits(count, parametrization, arity, &mut rng);
                let words = (1usize << arity).div_ceil(32);
                let layer = structs::Layer { first_partial: 5, ..extents(count, 2, 1, 1) };
                let (tables, partials) =
                    (gpu.storage("tables", (count * words * 4) as u64), gpu.storage("partials", 4 * 64));
                let buffers = [
                    (0, &gpu.uniform("layer", &layer)),
                    (1, &gpu.storage_of("logits", &logits)),
                    (2, &tables),
                    (3, &partials),
                ];
                bench.run(Variant { arity, parametrization, ..Variant::of("tabulate") }, &buffers, [groups, 1]);

                let logits = gates(&logits, parametrization.logits(arity));
                let expected = reference::tabulate(parametrization, &logits);
                let made: Vec<u32> = bench.read(&tables, count * words);
                for (gate, z) in logits.iter().enumerate().filter(|(_, z)| !undecided(parametrization, z)) {
                    let made = &made[gate * words..(gate + 1) * words];
                    let made = made.iter().rev().fold(0, |table, &word| table << 32 | u64::from(word));
                    assert_eq!(made, expected.tables[gate], "{parametrization:?}, k {arity}, gate {gate}: {z:?}");
                }
                let partials: Vec<f32> = bench.read(&partials, 64);
                let (before, rest) = partials.split_at(5);
                let (sums, after) = rest.split_at(groups as usize);
                assert!(before.iter().chain(after).all(|&x| x == 0.0), "only a workgroup's own sum is written");
                let sum: f64 = sums.iter().map(|&x| f64::from(x)).sum();
                // A selection's own error, then those of a lane's sum over its gates and of six halvings.
                let selections =
                    count as f64 * if parametrization == Parametrization::Op { 1 } else { 1 << arity } as f64;
                let own = match parametrization {
                    Parametrization::IwpSin => 0.5 * SINE_ERROR + 2.0 * ULP,
                    Parametrization::IwpSigmoid => (8.0 + 2.0 * 3.1) * ULP,
                    Parametrization::Op => (2.0 * (3.0 + 2.0 * 6.2) + 20.0) * ULP,
                };
                let roundings = selections / f64::from(groups * 64) + 64.0 + 6.0;
                let tolerance = selections * own + expected.confidence * roundings * ULP;
                assert_near(&|| format!("{parametrization:?} k {arity} {count}"), sum, expected.confidence, tolerance);
            }
        }
    }
}

#[test]
fn advance_follows_cage_the_schedule_and_the_epochs() {
    let mut rng = Philox::new(3, 0);
    let cage = Some(Cage { tau_min: 0.5, tau_max: 3.0, decay: 0.75 });
    let sharp = Some(Cage { tau_min: 0.125, tau_max: 10.0, decay: 0.0 });
    let cases = [
        (None, 0, None, 1u32),
        (cage, 7, Some(30), 64),
        (cage, 0, Some(20), 65),
        (sharp, 50, None, 384),
        (None, 30, Some(10), 3),
    ];
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for (cage, warmup_steps, cosine_steps, partials) in cases {
            for choices in [2.0, 16.0] {
                let constants = Constants {
                    cage,
                    warmup_steps,
                    cosine_steps,
                    choices,
                    selections: f64::from(1000 * partials),
                    samples: 1000,
                    batch: 333,
                    temperature: 0.75,
                    ..constants()
                };
                let uniform = gpu.uniform("training", &training(&constants, partials as usize));
                let partial_sums = gpu.storage("partials", u64::from(partials) * 4);
                let start = Step::start(&constants);
                let step = state_buffer(
                    gpu,
                    structs::Step { confidence_mean: start.confidence_mean as f32, ..state(0, 0, 0) },
                );
                let mut expected = start;
                for n in 0..40 {
                    let sums: Vec<f32> = (0..partials).map(|_| 1000.0 * rng.uniform() as f32).collect();
                    gpu.write(&partial_sums, &sums);
                    bench.run(Variant::of("advance"), &[(0, &uniform), (1, &partial_sums), (2, &step)], [1, 1]);
                    reference::advance(&constants, sums.iter().map(|&x| f64::from(x)).sum(), &mut expected);
                    let made: structs::Step = bench.read(&step, 1)[0];
                    let near = |what: &str, gpu: f32, twin: f64, tolerance: f64| {
                        assert_near(&|| format!("{what} of step {n}"), gpu.into(), twin, tolerance);
                    };
                    assert_eq!(
                        (made.step, made.epoch, made.position),
                        (expected.step, expected.epoch, expected.position)
                    );
                    // At most 384/64 + 6 additions and a division; the running mean keeps its errors for 1/(1 - d) steps.
                    let own = 15.0 * ULP;
                    near("confidence", made.confidence, expected.confidence, own);
                    near("mean", made.confidence_mean, expected.confidence_mean, (own + 4.0 * ULP) * 4.0);
                    // Certainty is the mean's error over 1 - 1/K, at least a half; the temperature spans at most 10.
                    near("temperature", made.temperature, expected.temperature, 10.0 * 2.0 * 4.0 * (own + 8.0 * ULP));
                    near(
                        "rate",
                        made.learning_rate,
                        expected.learning_rate,
                        constants.learning_rate * (SINE_ERROR + 8.0 * ULP),
                    );
                    let powers = f64::from(n + 1) * ULP;
                    near("beta1^t", made.beta1_power, expected.beta1_power, expected.beta1_power * powers);
                    near("beta2^t", made.beta2_power, expected.beta2_power, expected.beta2_power * powers);
                }
            }
        }
    }
}

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
                let uniform = gpu.uniform("layer", &extents(count, inputs, words, 1));
                let (wiring, tables) =
                    (gpu.storage_of("wiring", &layer.wiring), gpu.storage_of("tables", &table_words(&layer)));
                let inputs = gpu.storage_of("inputs", &pack(&bits, words));
                for bits_words in [1, 4] {
                    if words % bits_words as usize != 0 {
                        continue;
                    }
                    for groups in [1, 3, 200] {
                        let outputs = gpu.storage("outputs", (count * words * 4) as u64);
                        let buffers = [(0, &uniform), (1, &wiring), (2, &tables), (3, &inputs), (4, &outputs)];
                        let variant = Variant { arity, bits_words, workgroup, ..Variant::of("forward_hard") };
                        bench.run(variant, &buffers, [groups, 1]);
                        let made = transposed(&unpack(&bench.read(&outputs, count * words), words, size));
                        assert_eq!(made, expected, "k {arity}, batch {size}, {count} gates, {groups} groups");
                    }
                }
            }
        }
    }
}

/// Run `forward_soft` on `[inputs][samples]` real inputs; `[samples][gates]`.
fn forward_soft(
    bench: &mut Bench,
    variant: Variant,
    layer: &Layer,
    inputs: &[Vec<f64>],
    logits: &[f32],
    temperature: f64,
    groups: u32,
) -> Vec<Vec<f32>> {
    let (gpu, samples, count) = (bench.gpu, inputs[0].len(), layer.gates());
    let words = samples.div_ceil(32);
    let mut padded = vec![0.5f32; inputs.len() * words * 32];
    for (to, from) in padded.chunks_exact_mut(words * 32).zip(inputs) {
        to.iter_mut().zip(from).for_each(|(to, &from)| *to = from as f32);
    }
    let outputs = gpu.storage("outputs", (count * words * 128) as u64);
    let uniform = gpu.uniform("layer", &extents(count, inputs.len(), words, 1));
    let (wiring, inputs) = (gpu.storage_of("wiring", &layer.wiring), gpu.storage_of("inputs", &padded));
    let mut buffers = vec![(0, &uniform), (1, &wiring), (2, &inputs), (3, &outputs)];
    let training = gpu.uniform("training", &training(&Constants { temperature, ..constants() }, 0));
    let (tables, logits) = (gpu.storage_of("tables", &table_words(layer)), gpu.storage_of("logits", logits));
    buffers.extend(if variant.selected { vec![(4, &tables)] } else { vec![(4, &logits), (5, &training)] });
    bench.run(variant, &buffers, [groups, 1]);
    let flat: Vec<f32> = bench.read(&outputs, count * words * 32);
    let rows: Vec<Vec<f32>> = flat.chunks_exact(words * 32).map(|row| row[..samples].to_vec()).collect();
    transposed(&rows)
}

/// Largest error of the kernel's table entries at a temperature.
fn table_error(parametrization: Parametrization, z: &[f64], temperature: f64) -> f64 {
    match parametrization {
        // P moves with the sine's promised error (the kernel keeps the sine within ±0.9999999), then log, exp and a
        // quotient of log-odds of at most 17/τ.
        Parametrization::IwpSin => {
            let entry = |sine: f64| twin::sine_table_entry(sine.clamp(-0.9999999, 0.9999999), temperature);
            let moved = z.iter().map(|z| {
                let (p, s) = (entry(z.sin()), z.sin());
                (entry(s + SINE_ERROR) - p).abs().max((p - entry(s - SINE_ERROR)).abs())
                    + (twin::sine_table_entry(s, temperature) - p).abs()
            });
            moved.fold(0.0, f64::max) + (16.0 + 3.0 * 17.0 / temperature) * ULP
        }
        // e^-x weighs its relative error by P(1 - P) ≤ 1/4, and x P(1 - P) ≤ 1/4.
        Parametrization::IwpSigmoid => 8.0 * ULP,
        // The same of sixteen terms.
        Parametrization::Op => 64.0 * ULP,
    }
}

#[test]
fn forward_soft_is_the_multilinear_extension() {
    let mut rng = Philox::new(5, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for (i, (parametrization, arity)) in tables().into_iter().enumerate() {
            for (j, temperature) in [0.3, 1.0, 3.0].into_iter().enumerate() {
                let (inputs, count) = ([7, 33, 130][(i + j) % 3], [33, 130, 7][i % 3]);
                let size = [1, 31, 33, 100, 129][(i + j) % 5];
                let layer = random_layer(inputs, count, arity, &mut rng);
                let x: Vec<Vec<f64>> =
                    (0..inputs).map(|_| (0..size).map(|_| f64::from(rng.uniform() as f32)).collect()).collect();
                let logits = random_logits(count, parametrization, arity, &mut rng);
                let variant = Variant { arity, parametrization, ..Variant::of("forward_soft") };
                let groups = [1, 2, 99][j];
                let made = forward_soft(&mut bench, variant, &layer, &x, &logits, temperature, groups);
                let z = gates(&logits, parametrization.logits(arity));
                let soft: Vec<Vec<f64>> = z.iter().map(|z| twin::soft_table(parametrization, z, temperature)).collect();
                for (sample, made) in transposed(&x).iter().zip(&made) {
                    let expected = reference::forward_soft(&layer, &soft, sample);
                    for gate in 0..count {
                        // A mean of table entries, folded with 4 roundings a pin.
                        let tolerance = table_error(parametrization, &z[gate], temperature) + 4.0 * arity as f64 * ULP;
                        let what =
                            || format!("{parametrization:?}, k {arity}, temperature {temperature}, {:?}", z[gate]);
                        assert_near(&what, made[gate].into(), expected[gate], tolerance);
                    }
                }
                if parametrization != Parametrization::IwpSin {
                    continue; // selected gates do not depend on it
                }
                let bits: Vec<Vec<f64>> = x.iter().map(|row| row.iter().map(|x| x.round()).collect()).collect();
                let variant = Variant { arity, selected: true, ..Variant::of("forward_soft") };
                let made = forward_soft(&mut bench, variant, &layer, &bits, &[0.0], 1.0, groups);
                for (sample, made) in transposed(&bits).iter().zip(&made) {
                    let sample: Vec<bool> = sample.iter().map(|&x| x == 1.0).collect();
                    let expected: Vec<f32> =
                        reference::forward_hard(&layer, &sample).iter().map(|&b| f32::from(u8::from(b))).collect();
                    assert_eq!(*made, expected, "selected gates on bits are exact");
                }
            }
        }
    }
}

#[test]
fn unpack_bits_makes_zeros_and_ones() {
    let mut rng = Philox::new(6, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for (features, words, groups) in [(7, 1, 1), (33, 4, 1), (130, 5, 3), (1001, 2, 99)] {
            let bits: Vec<u32> = (0..features * words).map(|_| rng.next_u32()).collect();
            let activations = gpu.storage("activations", (features * words * 128) as u64);
            let layer = gpu.uniform("layer", &extents(1, features, words, 1));
            let buffers = [(0, &layer), (1, &gpu.storage_of("bits", &bits)), (2, &activations)];
            bench.run(Variant::of("unpack_bits"), &buffers, [groups, 1]);
            let made: Vec<f32> = bench.read(&activations, features * words * 32);
            let expected: Vec<f32> = reference::unpack_bits(&bits).iter().map(|&x| x as f32).collect();
            assert_eq!(made, expected);
        }
    }
}

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
                // Planes that hold the most gates a lane counts.
                let planes = 32 - u32::leading_zeros((group as u32).div_ceil(workgroup));
                let votes = gpu.storage("votes", (classes * words * 128) as u64);
                let layer = gpu.uniform("layer", &extents(count, 2, words, group));
                let packed = gpu.storage_of("outputs", &pack(&outputs, words));
                let variant = Variant { workgroup, planes, ..Variant::of("group_sum") };
                bench.run(variant, &[(0, &layer), (1, &packed), (2, &votes)], [classes as u32, words as u32]);
                let hard: Vec<f32> = bench.read(&votes, classes * words * 32);

                // Real activations that f32 adds exactly: multiples of 1/8 up to 1, at most 1001 of them.
                let soft: Vec<Vec<f64>> =
                    (0..count).map(|_| (0..words * 32).map(|_| f64::from(rng.below(9)) / 8.0).collect()).collect();
                let flat: Vec<f32> = soft.iter().flatten().map(|&x| x as f32).collect();
                let buffers = [(0, &layer), (1, &gpu.storage_of("outputs", &flat)), (2, &votes)];
                bench.run(Variant::of("group_sum_soft"), &buffers, [[1, 2, 50][i % 3], 1]);
                let real: Vec<f32> = bench.read(&votes, classes * words * 32);

                for (s, sample) in transposed(&outputs).iter().enumerate() {
                    let votes =
                        |of: &[f32]| -> Vec<f64> { (0..classes).map(|c| of[c * words * 32 + s].into()).collect() };
                    assert_eq!(votes(&hard), reference::group_sum(sample, classes), "{classes} classes of {group}");
                    let activations: Vec<f64> = soft.iter().map(|row| row[s]).collect();
                    assert_eq!(votes(&real), reference::group_sum_soft(&activations, classes));
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
        for gradients in [GradientFormat::F32, GradientFormat::Bf16] {
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
                let class_gradients = gpu.storage("class gradients", count as u64 * 4);
                let history = gpu.storage("history", u64::from(HISTORY) * 8);
                let step = HISTORY + 3;
                let buffers = [
                    (0, &gpu.uniform("batch", &batch(samples as usize, size, classes))),
                    (1, &gpu.uniform("training", &training(&constants, 0))),
                    (2, &gpu.uniform("step", &state(step, 0, 0))),
                    (3, &gpu.storage_of("votes", &rows.concat())),
                    (4, &gpu.storage_of("chosen", &chosen)),
                    (5, &gpu.storage_of("labels", &labels)),
                    (6, &class_gradients),
                    (7, &history),
                ];
                bench.run(Variant { gradients, ..Variant::of("loss") }, &buffers, [1, 1]);
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
                        let rounding = if gradients == GradientFormat::Bf16 { exact.abs() / 256.0 } else { 0.0 };
                        let tolerance = rounding + (softmax_error(peak) + 8.0 * ULP) / (tau * size as f64);
                        let what = || format!("class {class} of sample {s}, batch {size}");
                        assert_near(&what, row[s].into(), exact, tolerance);
                    }
                    if s < size {
                        sum += expected.cross_entropy;
                        right += f64::from(u8::from(expected.right));
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

/// One shape of `backward_hard`.
#[derive(Debug, Clone, Copy)]
struct Backward {
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

fn backward(bench: &mut Bench, shape: Backward, value: &mut dyn FnMut() -> f32, rng: &mut Philox) -> BackwardResult {
    let Backward { size, inputs, gates: count, groups, variant } = shape;
    let (gpu, words, classes) = (bench.gpu, size.div_ceil(32), 5);
    let group = if variant.consumers { (count + 3).div_ceil(classes) } else { count.div_ceil(classes) };
    // The last layer is shared evenly by the classes.
    let count = if variant.consumers { count } else { group * classes };
    let layer = random_layer(inputs, count, variant.arity, rng);
    let next = random_layer(count, group * classes, variant.consumer_arity, rng);
    let by_class = variant.consumer_class || !variant.consumers;
    let rows = if by_class { classes } else { next.gates() };
    let source: Vec<Vec<f32>> = (0..rows)
        .map(|_| (0..words * 32).map(|s| if s < size { value() } else { 0.0 }).collect::<Vec<_>>())
        .map(|row| if variant.gradients == GradientFormat::Bf16 { row.into_iter().map(bf16).collect() } else { row })
        .collect();
    let input_bits = random_bits(inputs, size, rng);
    let samples = transposed(&input_bits);
    let outputs: Vec<Vec<bool>> = samples.iter().map(|sample| reference::forward_hard(&layer, sample)).collect();

    let codes = 1 << variant.arity;
    let table_gradients = gpu.storage("table gradients", (count * codes * 4) as u64);
    let kept = gradient_words(count, words, variant.gradients);
    let gradients = gpu.storage("gradients", kept as u64 * 4);
    let uniform = gpu.uniform("layer", &extents(count, inputs, words, group));
    let wiring = gpu.storage_of("wiring", &layer.wiring);
    let input_words = gpu.storage_of("inputs", &pack(&input_bits, words));
    let stored = gpu.storage_of("source", &store_gradients(&source, variant.gradients));
    let edges = gpu.storage_of("edges", &edges(&next));
    let output_words = gpu.storage_of("outputs", &pack(&transposed(&outputs), words));
    let tables = gpu.storage_of("consumer tables", &table_words(&next));
    let mut buffers = vec![(0, &uniform), (1, &wiring), (2, &input_words), (3, &stored), (4, &table_gradients)];
    if variant.consumers {
        buffers.extend([(5, &edges), (6, &output_words), (7, &tables)]);
    }
    if variant.keep {
        buffers.push((8, &gradients));
    }
    // Table gradients of whole numbers are told in units of a quarter.
    let constants = gpu.uniform("training", &structs::Training { slice_scale: 4.0, ..training(&constants(), 0) });
    let sliced = variant.gradients.is_sliced();
    if sliced {
        buffers.push((9, &constants));
    }
    bench.run(variant, &buffers, [groups, 1]);

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
        expected_table_gradients.iter_mut().flatten().for_each(|s| *s /= 4.0);
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
fn backward_shapes() -> Vec<Backward> {
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
                arity,
                consumer_arity,
                gradients: [GradientFormat::F32, GradientFormat::Bf16][n % 2],
                workgroup: if lanes > 1 { workgroup.min(4096 >> arity) } else { workgroup },
                lanes,
                span,
                consumers,
                consumer_class,
                keep: consumers && n % 4 != 3,
                ..Variant::of("backward_hard")
            };
            for m in 0..3 {
                shapes.push(Backward {
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
            variant.kernel = "backward_sliced";
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

/// Gradients in sixteenths of a unit, which scaling leaves exact.
#[test]
fn slice_gradients_rounds_by_its_draws() {
    let mut rng = Philox::new(15, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for gradients in [GradientFormat::Int8, GradientFormat::Int12, GradientFormat::Int16] {
            for (size, classes) in [(1, 1), (33, 3), (100, 10), (129, 47)] {
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
                let sliced = gpu.storage("sliced", count as u64 * 4);
                let step = 9;
                let buffers = [
                    (0, &gpu.uniform("batch", &structs::Batch { key0, key1, ..batch(1, size, classes) })),
                    (
                        1,
                        &gpu.uniform(
                            "training",
                            &structs::Training { slice_scale: scale, ..training(&constants(), 0) },
                        ),
                    ),
                    (2, &gpu.uniform("step", &state(step, 0, 0))),
                    (3, &gpu.storage_of("class gradients", &rows.concat())),
                    (4, &sliced),
                ];
                let groups = (classes * words).div_ceil(64) as u32;
                bench.run(Variant { gradients, ..Variant::of("slice_gradients") }, &buffers, [groups, 1]);
                let made = load_gradients(&bench.read(&sliced, count), words, gradients);
                for (class, row) in rows.iter().enumerate() {
                    for (s, &g) in row.iter().enumerate() {
                        let draw = reference::slice_draw(seed, step, (class * words * 32 + s) as u32);
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

#[test]
fn backward_hard_is_near_for_real_gradients() {
    let mut rng = Philox::new(10, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for shape in backward_shapes().into_iter().step_by(5) {
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
                    let rounding = if shape.variant.gradients == GradientFormat::Bf16 { 1.0 / 256.0 } else { 0.0 };
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

/// Absolute error of each logit's gradient on the GPU. 1e-36 covers what is flushed to zero below f32's normal range.
fn gradient_errors(parametrization: Parametrization, z: &[f64], s: &[f64], temperature: f64) -> Vec<f64> {
    let exact = twin::logit_gradients(parametrization, z, s, temperature);
    let errors = z.iter().enumerate().map(|(i, z_i)| match parametrization {
        // The slope moves with the cosine's promised error; then a logarithm up to 8, scaled by 2/τ, an exponential
        // of that, and a few products and quotients.
        Parametrization::IwpSin => {
            let cosine = z_i.cos();
            let slope = |cosine: f64| twin::sine_slope(cosine, temperature);
            // Where the error spans the sign of the cosine, the slope is between its bounds on both sides.
            let places = (-8..=8)
                .map(|n| cosine + SINE_ERROR * f64::from(n) / 8.0)
                .chain([1e-3, -1e-3].into_iter().filter(|c| (c - cosine).abs() < SINE_ERROR));
            let moved = places.map(|c| (slope(c) - slope(cosine)).abs()).fold(0.0, f64::max);
            let exponent = 16.0 / temperature;
            s[i].abs() * (1.25 * moved + (slope(cosine).abs() + moved) * (32.0 + 8.0 * exponent) * ULP)
        }
        Parametrization::IwpSigmoid => exact[i].abs() * (32.0 + 8.0 * z_i.abs() / temperature) * ULP,
        // G and its mean err by a few roundings of Σ|S|, the mean also by its weights' p_j (1 + y_j): y e^-y < 1/2.
        Parametrization::Op => {
            let peak = z.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let odds: Vec<f64> = z.iter().map(|z| ((z - peak) / temperature).exp()).collect();
            let p = odds[i] / odds.iter().sum::<f64>();
            let total: f64 = s.iter().map(|s| s.abs()).sum();
            p * total / temperature * (128.0 + 8.0 * (peak - z_i) / temperature) * ULP
        }
    });
    let floor = 1e-36 * (1.0 + s.iter().map(|s| s.abs()).sum::<f64>() / temperature);
    errors.map(|e| e + floor).collect()
}

#[test]
fn update_is_the_adjoint_and_adam() {
    let mut rng = Philox::new(11, 0);
    let step = 7;
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for (i, (parametrization, arity)) in tables().into_iter().enumerate() {
            let (codes, per_gate) = (1 << arity, parametrization.logits(arity));
            for (j, temperature) in [0.3f32, 1.0, 3.0, 1e-3, 0.05, 1e3].into_iter().enumerate() {
                let (count, groups) = [(7, 1), (33, 1), (130, 2), (1001, 5)][(i + j) % 4];
                let constants = Constants { weight_decay: [0.0, 0.25][j % 2], ..constants() };
                let state = structs::Step {
                    temperature,
                    beta1_power: constants.beta1.powi(step) as f32,
                    beta2_power: constants.beta2.powi(step) as f32,
                    ..state(step as u32, 0, 0)
                };
                let logits = random_logits(count, parametrization, arity, &mut rng);
                let s = reals(count * codes, &mut rng);
                let moments: Vec<[f32; 2]> =
                    (0..logits.len()).map(|_| [rng.normal() as f32, rng.uniform() as f32]).collect();
                let (logit_buffer, moment_buffer) =
                    (gpu.storage_of("logits", &logits), gpu.storage_of("moments", &moments));
                let buffers = [
                    (0, &gpu.uniform("layer", &extents(count, 2, 1, 1))),
                    (1, &gpu.uniform("training", &training(&constants, 0))),
                    (2, &gpu.uniform("step", &state)),
                    (3, &gpu.storage_of("table gradients", &s)),
                    (4, &logit_buffer),
                    (5, &moment_buffer),
                ];
                bench.run(Variant { arity, parametrization, ..Variant::of("update") }, &buffers, [groups, 1]);

                let new_logits: Vec<f32> = bench.read(&logit_buffer, logits.len());
                let new_moments: Vec<[f32; 2]> = bench.read(&moment_buffer, logits.len());
                let twin_step = Step {
                    step: state.step,
                    temperature: temperature.into(),
                    learning_rate: state.learning_rate.into(),
                    beta1_power: state.beta1_power.into(),
                    beta2_power: state.beta2_power.into(),
                    ..Step::start(&constants)
                };
                let logits = gates(&logits, per_gate);
                for (gate, (old, s)) in logits.iter().zip(gates(&s, codes)).enumerate() {
                    let mut logits = old.clone();
                    let mut expected: Vec<Moments> = moments[gate * per_gate..(gate + 1) * per_gate]
                        .iter()
                        .map(|m| Moments { first: m[0].into(), second: m[1].into() })
                        .collect();
                    reference::update(&constants, &twin_step, parametrization, &s, &mut logits, &mut expected);
                    let gradients = twin::logit_gradients(parametrization, old, &s, temperature.into());
                    let errors = gradient_errors(parametrization, old, &s, temperature.into());
                    for n in 0..per_gate {
                        let what = |of: &str| {
                            format!("{of} of {parametrization:?}, k {arity}, temperature {temperature}, z {}", old[n])
                        };
                        let at = gate * per_gate + n;
                        let [first, second] = new_moments[at].map(f64::from);
                        let old_first = f64::from(moments[at][0].abs());
                        let (g, e) = (gradients[n].abs(), errors[n]);
                        let tolerance = (1.0 - constants.beta1) * e + 2.0 * ULP * (old_first + g);
                        assert_near(&|| what("first moment"), first, expected[n].first, tolerance);
                        let tolerance =
                            (1.0 - constants.beta2) * (2.0 * g + e) * e + 4.0 * ULP * (expected[n].second + e * e);
                        assert_near(&|| what("second moment"), second, expected[n].second, tolerance);
                        // By the moments that the GPU has, so that √v̂ does not magnify their error.
                        let moved = reference::adam(&constants, &twin_step, old[n], Moments { first, second });
                        let change = (moved - old[n]).abs();
                        let tolerance = 32.0 * ULP * change + 2.0 * ULP * (old[n].abs() + change);
                        assert_near(&|| what("logit"), new_logits[at].into(), moved, tolerance);
                    }
                }
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
            let training = gpu.uniform("training", &training(&Constants { group_tau: tau, ..constants() }, 0));
            let labels: Vec<u32> = (0..samples).map(|_| rng.below(classes as u32)).collect();
            let label_buffer = gpu.storage_of("labels", &labels);
            // Room past the samples, to see that the padding of the last batch is not written there.
            let judged = gpu.storage_of("judged", &vec![[-1.0f32; 2]; samples + size]);
            let words = size / 32;
            let mut expected = Vec::new();
            for first in (0..samples).step_by(size) {
                let votes: Vec<Vec<f32>> =
                    (0..size).map(|_| (0..classes).map(|_| rng.below(4) as f32).collect()).collect();
                let batch = structs::Batch { first: first as u32, ..batch(samples, size, classes) };
                let buffers = [
                    (0, &gpu.uniform("batch", &batch)),
                    (1, &training),
                    (2, &gpu.storage_of("votes", &transposed(&votes).concat())),
                    (3, &label_buffer),
                    (4, &judged),
                ];
                bench.run(Variant::of("evaluate"), &buffers, [words.div_ceil(2) as u32, 1]);
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

/// What cannot be learned from must not hang or harm: gates with NaN, infinite or huge logits leave the others alone,
/// and their tables are tables.
#[test]
fn wild_logits_stay_in_their_gates() {
    let wild = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, -f32::MAX, 1e30, -1e9, 0.0, -0.0, 1e-40];
    let mut rng = Philox::new(13, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for parametrization in PARAMETRIZATIONS {
            let (count, per_gate) = (90, parametrization.logits(2));
            let tame = random_logits(count, parametrization, 2, &mut rng);
            let mut logits = tame.clone();
            for (n, gate) in logits.chunks_exact_mut(per_gate).enumerate().filter(|(n, _)| n % 3 == 0) {
                gate[n / 3 % per_gate] = wild[n / 3 % wild.len()];
                gate[per_gate - 1] = wild[(n / 3 + n / 30) % wild.len()];
            }
            let s = reals(count * 4, &mut rng);
            let layer = gpu.uniform("layer", &extents(count, 7, 1, 1));
            let training = gpu.uniform("training", &training(&constants(), 0));
            let step = gpu.uniform("step", &structs::Step { beta1_power: 0.875, beta2_power: 0.999, ..state(1, 0, 0) });
            let s = gpu.storage_of("table gradients", &s);
            let random = random_layer(7, count, 2, &mut rng);
            let x: Vec<Vec<f64>> = (0..7).map(|_| (0..33).map(|_| rng.uniform()).collect()).collect();
            let mut run = |logits: &[f32]| {
                let (buffer, tables) = (gpu.storage_of("logits", logits), gpu.storage("tables", count as u64 * 4));
                let moments = gpu.storage("moments", logits.len() as u64 * 8);
                let partials = gpu.storage("partials", 256);
                let base = Variant { parametrization, ..Variant::of("tabulate") };
                bench.run(base, &[(0, &layer), (1, &buffer), (2, &tables), (3, &partials)], [2, 1]);
                let soft =
                    forward_soft(&mut bench, Variant { kernel: "forward_soft", ..base }, &random, &x, logits, 1.0, 2);
                let buffers = [(0, &layer), (1, &training), (2, &step), (3, &s), (4, &buffer), (5, &moments)];
                bench.run(Variant { kernel: "update", ..base }, &buffers, [2, 1]);
                let tables: Vec<u32> = bench.read(&tables, count);
                let logits: Vec<u32> = bench.read(&buffer, logits.len());
                (tables, transposed(&soft), logits)
            };
            let (tables, soft, updated) = run(&logits);
            let (tame_tables, tame_soft, tame_updated) = run(&tame);
            for gate in 0..count {
                assert!(tables[gate] < 16, "gate {gate} has table {:#x}", tables[gate]);
                if gate % 3 != 0 {
                    let own = gate * per_gate..(gate + 1) * per_gate;
                    assert_eq!(tables[gate], tame_tables[gate]);
                    assert_eq!(soft[gate], tame_soft[gate]);
                    assert_eq!(updated[own.clone()], tame_updated[own]);
                }
            }
            // Comparisons decide these tables, so that an infinite logit is an ordinary great one.
            if parametrization != Parametrization::IwpSin {
                for (gate, z) in gates(&logits, per_gate).iter().enumerate() {
                    if !z.iter().any(|z| z.is_nan() || z.abs() < f64::from(f32::MIN_POSITIVE)) {
                        assert_eq!(u64::from(tables[gate]), twin::hard_table(parametrization, z), "{z:?}");
                    }
                }
            }
        }
    }
}
