//! Every kernel against its f64 twin in `gatewright::reference`, on the best adapter and under wgpu's default limits.
//!
//! Bits, counts and indices must agree exactly. So must gradients whose sums f32 holds exactly. Elsewhere the tolerance
//! is the number of roundings times their size, with the accuracies that WGSL promises of built-in functions: exp
//! 3 + 2|x| ULP, log 3 ULP or 2⁻²¹, division 2.5 ULP, sin and cos 2⁻¹¹ absolute.

mod device;

use device::{
    Bench, SINE_ERROR, ULP, assert_near, batch, bf16, constants, devices, edges, extents, gradient_words, kept,
    kept_error, load_activations, load_gradients, pack, random_bits, random_layer, state, state_buffer,
    store_activations, store_gradients, table_words, training, transposed, unpack,
};
use gatewright::data::Encoder;
use gatewright::data::{Head, ImageShape, Split, Target, Values};
use gatewright::gpu::Gpu;
use gatewright::gpu::shader::{CageScope, GradientFormat, HISTORY, Variant};
use gatewright::gpu::structs;
use gatewright::network::{Layer, Parametrization};
use gatewright::random::{Philox, key};
use gatewright::reference::{self, CageState, Constants, Moments, Step, parametrization as twin};
use gatewright::train::{Augmentation, Cage, Preset, Settings};

/// Every parametrization with every arity that it allows; the largest, whose kernels take a software driver long to compile,
/// on one device only.
fn tables(device: usize) -> impl Iterator<Item = (Parametrization, usize)> {
    let all = Parametrization::ALL.into_iter().flat_map(|p| (1..=6).map(move |arity| (p, arity)));
    all.filter(move |(p, arity)| p.can_have(*arity) && (device == 0 || *arity <= 4))
}

/// Selection noise of a test's layers: of this seed and step, the layer's first gate being number 77 of its network.
const NOISE_SEED: u64 = 0x0123_4567_89ab_cdef;
const NOISE_STEP: u32 = 41;
const FIRST_GATE: usize = 77;

/// `[gates][logits]` as the twin draws it; zeros for none.
fn noise(noisy: bool, gates: usize, parametrization: Parametrization, arity: usize) -> Vec<Vec<f64>> {
    let logits = parametrization.logits(arity);
    let draw = |gate| match noisy {
        true => reference::selection_noise(parametrization, logits, NOISE_SEED, NOISE_STEP, FIRST_GATE + gate),
        false => vec![0.0; logits],
    };
    (0..gates).map(draw).collect()
}

/// Constants with the seed of [`noise`].
fn noisy_training(constants: &Constants, partials: usize) -> structs::Training {
    let [key0, key1] = key(NOISE_SEED);
    structs::Training { key0, key1, ..training(constants, partials) }
}

/// Error of a number of noise: a logarithm's 2⁻²¹ near 1 and 3 ULP elsewhere of up to 17, twice for Gumbel noise, of which the
/// inner one divides the outer's error, at least 1/16 where it is not a series.
const NOISE_ERROR: f64 = 32.0 / 2_097_152.0 + 64.0 * ULP;

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

/// Whether `hard_table` might differ in f32: a score within its error of where a bit flips, or of the greatest.
fn undecided(parametrization: Parametrization, z: &[f64], noise: &[f64]) -> bool {
    let error = if noise.iter().any(|&n| n != 0.0) { 2.0 * NOISE_ERROR } else { 0.0 };
    match parametrization {
        Parametrization::IwpSin if error == 0.0 => z.iter().any(|z| z.sin().abs() < 1e-5),
        Parametrization::IwpSin => z.iter().zip(noise).any(|(&z, &noise)| {
            let [least, greatest] = sine_score_range(z, noise);
            least - error < 0.0 && greatest + error > 0.0
        }),
        Parametrization::IwpSigmoid | Parametrization::IwpClamp => {
            z.iter().zip(noise).any(|(z, noise)| error > 0.0 && (z + noise).abs() < error)
        }
        Parametrization::Walsh => (0..z.len()).any(|code| {
            let sign = |subset: usize| if (subset & code).count_ones() % 2 == 1 { -1.0 } else { 1.0 };
            let sum: f64 = z.iter().enumerate().map(|(subset, z)| sign(subset) * z).sum();
            (noise[code] - sum).abs() < error + 1e-5
        }),
        Parametrization::Op => {
            let mut scores: Vec<f64> = z.iter().zip(noise).map(|(z, noise)| z + noise).collect();
            scores.sort_by(f64::total_cmp);
            error > 0.0 && scores[15] - scores[14] < error
        }
    }
}

/// The least and the greatest score, log-odds of the sine plus noise, that a sine and a cosine within their promised errors
/// can make.
fn sine_score_range(z: f64, noise: f64) -> [f64; 2] {
    let odds = |sine: f64, cosine: f64| {
        let size = 2.0 * ((1.0 + sine.abs()) / cosine.abs().max(twin::LEAST_COSINE)).ln();
        noise + if z.sin() > 0.0 { size } else { -size }
    };
    let (sine, cosine) = (z.sin().abs(), z.cos().abs());
    let (less, more) =
        (odds((sine - SINE_ERROR).max(0.0), cosine + SINE_ERROR), odds(sine + SINE_ERROR, cosine - SINE_ERROR));
    let most = if cosine < SINE_ERROR { odds(1.0, 0.0) } else { more };
    [less.min(most), less.max(most)]
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

                let activations = gpu.storage("activations", (features * words * 64) as u64);
                buffers[4] = (5, &activations);
                bench.run(Variant { shards, ..Variant::of("encode_soft") }, &buffers, [groups, 1]);
                let made = load_activations(&bench.read(&activations, features * words * 16), words);
                for (s, made) in transposed(&made).iter().take(size).enumerate() {
                    assert_eq!(
                        *made,
                        reference::encode_soft(&encoder, &rows[chosen[s] as usize]),
                        "bytes / 255 are exact"
                    );
                }
            }
        }
    }
}

#[test]
fn tabulate_selects_the_twins_gates_and_their_confidence() {
    let mut rng = Philox::new(2, 0);
    let cage = Cage { tau_min: 0.5, tau_max: 3.0, decay: 0.75, scope: CageScope::Gate };
    for (device, gpu) in devices().iter().enumerate() {
        let mut bench = Bench::new(gpu);
        for (i, (parametrization, arity)) in tables(device).enumerate() {
            for (j, (count, groups)) in [(7, 1), (33, 1), (130, 3), (1001, 2), (1001, 16)].into_iter().enumerate() {
                let (noisy, scope) = ((i + j) % 2 == 1, [CageScope::Network, CageScope::Gate][j / 2 % 2]);
                let logits = random_logits(count, parametrization, arity, &mut rng);
                let words = (1usize << arity).div_ceil(32);
                let layer =
                    structs::Layer { first_partial: 5, first_gate: FIRST_GATE as u32, ..extents(count, 2, 1, 1) };
                let (tables, partials) =
                    (gpu.storage("tables", (count * words * 4) as u64), gpu.storage("partials", 4 * 64));
                let constants =
                    Constants { cage: Some(cage), choices: parametrization.choices(2) as f64, ..constants() };
                let selections = parametrization.selections(arity);
                let cages: Vec<structs::Cage> = (0..count)
                    .map(|_| structs::Cage {
                        mean: rng.uniform() as f32,
                        temperature: 0.0,
                        selections: selections as f32,
                    })
                    .collect();
                let cage_buffer = gpu.storage_of("cage", &cages);
                let uniform = gpu.uniform("training", &noisy_training(&constants, 0));
                let step = gpu.uniform("step", &state(NOISE_STEP, 0, 0));
                let layer_uniform = gpu.uniform("layer", &layer);
                let logit_buffer = gpu.storage_of("logits", &logits);
                let mut buffers = vec![(0, &layer_uniform), (1, &logit_buffer), (2, &tables), (3, &partials)];
                if noisy || scope == CageScope::Gate {
                    buffers.push((4, &uniform));
                }
                if noisy {
                    buffers.push((5, &step));
                }
                if scope == CageScope::Gate {
                    buffers.push((6, &cage_buffer));
                }
                let variant = Variant { arity, parametrization, noise: noisy, scope, ..Variant::of("tabulate") };
                bench.run(variant, &buffers, [groups, 1]);

                let logits = gates(&logits, parametrization.logits(arity));
                let noise = noise(noisy, count, parametrization, arity);
                let expected = reference::tabulate(parametrization, &logits, &noise);
                let made: Vec<u32> = bench.read(&tables, count * words);
                let mut decided = 0;
                for (gate, z) in logits.iter().enumerate() {
                    if undecided(parametrization, z, &noise[gate]) {
                        continue;
                    }
                    decided += 1;
                    let made = &made[gate * words..(gate + 1) * words];
                    let made = made.iter().rev().fold(0, |table, &word| table << 32 | u64::from(word));
                    assert_eq!(made, expected.tables[gate], "{parametrization:?}, k {arity}, gate {gate}: {z:?}");
                }
                assert!(decided * 10 > count * 7, "{parametrization:?}, k {arity}: {decided} of {count} are decided");
                let partials: Vec<f32> = bench.read(&partials, 64);
                let (before, rest) = partials.split_at(5);
                let (sums, after) = rest.split_at(groups as usize);
                assert!(before.iter().chain(after).all(|&x| x == 0.0), "only a workgroup's own sum is written");
                let sum: f64 = sums.iter().map(|&x| f64::from(x)).sum();
                // A selection's own error, then those of a lane's sum over its gates and of six halvings.
                let own = match parametrization {
                    Parametrization::IwpSin => 0.5 * SINE_ERROR + 2.0 * ULP,
                    Parametrization::IwpSigmoid => (8.0 + 2.0 * 3.1) * ULP,
                    Parametrization::IwpClamp => 2.0 * ULP,
                    // Sums of 2^k logits up to 3.1, whose error e moves P by P(1 - P) e.
                    Parametrization::Walsh => (8.0 + 4.0 * 3.1 * selections as f64) * ULP,
                    Parametrization::Op => (2.0 * (3.0 + 2.0 * 6.2) + 20.0) * ULP,
                };
                let total: f64 = expected.confidences.iter().sum();
                let roundings = (count * selections) as f64 / f64::from(groups * 64) + 64.0 + 6.0;
                let tolerance = (count * selections) as f64 * own + total * roundings * ULP;
                assert_near(&|| format!("{parametrization:?} k {arity} {count}"), sum, total, tolerance);
                if scope == CageScope::Gate {
                    let made: Vec<structs::Cage> = bench.read(&cage_buffer, count);
                    for (gate, (made, old)) in made.iter().zip(cages).enumerate() {
                        let mut twin = CageState { mean: old.mean.into(), temperature: 0.0 };
                        twin.adapt(&constants, expected.confidences[gate] / selections as f64);
                        let error = own + (8.0 + selections as f64) * ULP;
                        assert_near(&|| format!("mean of gate {gate}"), made.mean.into(), twin.mean, error);
                        // Certainty is the mean's error over 1 - 1/K, at least a half; the temperature spans 2.5.
                        let what = || format!("temperature of gate {gate}");
                        assert_near(&what, made.temperature.into(), twin.temperature, 5.0 * error + 16.0 * ULP);
                    }
                }
            }
        }
    }
}

#[test]
fn advance_follows_cage_the_schedule_and_the_epochs() {
    let mut rng = Philox::new(3, 0);
    let cage = Some(Cage { decay: 0.75, ..Cage::default() });
    let sharp = Some(Cage { tau_min: 0.125, tau_max: 10.0, decay: 0.0, scope: CageScope::Network });
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

/// With CAGE by layer, `advance` also keeps each layer's own mean and temperature, from its own partial sums.
#[test]
fn advance_keeps_cage_for_every_layer() {
    let mut rng = Philox::new(14, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for (layers, per_layer) in [(1, 1), (3, 16), (64, 4), (80, 256)] {
            let partials = layers * per_layer;
            let cage = Some(Cage { decay: 0.5, scope: CageScope::Layer, ..Cage::default() });
            let selections = 100.0 * partials as f64;
            let constants = Constants { cage, selections, choices: 2.0, ..constants() };
            let uniform = structs::Training { layers: layers as u32, ..training(&constants, partials) };
            let uniform = gpu.uniform("training", &uniform);
            let start = Step::start(&constants);
            let mean = start.confidence_mean as f32;
            let step = state_buffer(gpu, structs::Step { confidence_mean: mean, ..state(0, 0, 0) });
            let selections = 100.0 * per_layer as f32;
            let cages = gpu.storage_of("cage", &vec![structs::Cage { mean, temperature: 0.0, selections }; layers]);
            let mut expected = vec![CageState::start(&constants); layers];
            for _ in 0..5 {
                let sums: Vec<f32> = (0..partials).map(|_| 50.0 + 50.0 * rng.uniform() as f32).collect();
                let partial_sums = gpu.storage_of("partials", &sums);
                let variant = Variant { scope: CageScope::Layer, ..Variant::of("advance") };
                bench.run(variant, &[(0, &uniform), (1, &partial_sums), (2, &step), (3, &cages)], [1, 1]);
                let made: Vec<structs::Cage> = bench.read(&cages, layers);
                for (layer, (made, twin)) in made.iter().zip(&mut expected).enumerate() {
                    let own = &sums[layer * per_layer..(layer + 1) * per_layer];
                    twin.adapt(&constants, own.iter().map(|&x| f64::from(x)).sum::<f64>() / f64::from(selections));
                    // A sum of up to 256 numbers and its mean; the running mean keeps its errors for 1/(1 - d) steps.
                    let error = 2.0 * (per_layer as f64 + 8.0) * ULP;
                    assert_near(&|| format!("mean of layer {layer}"), made.mean.into(), twin.mean, error);
                    let what = || format!("temperature of layer {layer}");
                    assert_near(&what, made.temperature.into(), twin.temperature, 5.0 * error + 16.0 * ULP);
                }
            }
        }
    }
}

/// Largest error of the kernel's table entries at a temperature.
fn table_error(parametrization: Parametrization, z: &[f64], noise: &[f64], temperature: f64) -> f64 {
    // Noise, where there is any, moves a score, and a score moves P by P(1 - P)/τ ≤ 1/4τ.
    let noisy = if noise.iter().any(|&n| n != 0.0) { NOISE_ERROR / temperature } else { 0.0 };
    let logistic = |score: f64| 1.0 / (1.0 + (-score / temperature).exp());
    noisy
        + match parametrization {
            // P moves with the sine's and the cosine's promised errors; then log, exp and a quotient of scores up to 32/τ.
            Parametrization::IwpSin => {
                let moved = z.iter().zip(noise).map(|(&z, &noise)| {
                    let [least, greatest] = sine_score_range(z, noise).map(logistic);
                    greatest - least
                });
                moved.fold(0.0, f64::max) + (16.0 + 3.0 * 32.0 / temperature) * ULP
            }
            // e^-x weighs its relative error by P(1 - P) ≤ 1/4, and x P(1 - P) ≤ 1/4.
            Parametrization::IwpSigmoid => 8.0 * ULP,
            Parametrization::IwpClamp => 8.0 * ULP * (1.0 + 4.1 / temperature),
            // The same of a sum of 2^k logits up to 3.1.
            Parametrization::Walsh => (8.0 + 4.0 * 3.1 * z.len() as f64 / temperature) * ULP,
            // The same of sixteen terms.
            Parametrization::Op => 64.0 * ULP * (1.0 + 1.0 / temperature),
        }
}

/// Run `tabulate_soft`; `[gates][codes]`.
fn tabulate_soft(
    bench: &mut Bench,
    variant: Variant,
    layer: &Layer,
    logits: &[f32],
    temperature: f64,
    groups: u32,
) -> Vec<Vec<f64>> {
    let (gpu, count, codes) = (bench.gpu, layer.gates(), 1 << layer.arity);
    let extents = structs::Layer { first_gate: FIRST_GATE as u32, ..extents(count, layer.inputs, 1, 1) };
    let uniform = gpu.uniform("layer", &extents);
    let tables = gpu.storage("soft tables", (count * codes * 4) as u64);
    let training = gpu.uniform("training", &noisy_training(&Constants { temperature, ..constants() }, 0));
    let step = gpu.uniform("step", &state(NOISE_STEP, 0, 0));
    let (bits, logits) = (gpu.storage_of("tables", &table_words(layer)), gpu.storage_of("logits", logits));
    let mut buffers = vec![(0, &uniform), (1, &tables)];
    buffers.extend(if variant.selected { vec![(2, &bits)] } else { vec![(2, &logits), (3, &training)] });
    if variant.noise {
        buffers.push((4, &step));
    }
    bench.run(variant, &buffers, [groups, 1]);
    gates(&bench.read::<f32>(&tables, count * codes), codes)
}

#[test]
fn tabulate_soft_makes_the_parametrizations_tables() {
    let mut rng = Philox::new(5, 0);
    for (device, gpu) in devices().iter().enumerate() {
        let mut bench = Bench::new(gpu);
        for (i, (parametrization, arity)) in tables(device).enumerate() {
            for (j, temperature) in [0.05, 0.3, 1.0, 3.0].into_iter().enumerate() {
                let (count, noisy) = ([33, 130, 7, 1001][(i + j) % 4], (i + j) % 2 == 1);
                let layer = random_layer(9, count, arity, &mut rng);
                let logits = random_logits(count, parametrization, arity, &mut rng);
                let variant = Variant { arity, parametrization, noise: noisy, ..Variant::of("tabulate_soft") };
                let made = tabulate_soft(&mut bench, variant, &layer, &logits, temperature, [1, 2, 9, 1][j]);
                let z = gates(&logits, parametrization.logits(arity));
                let noise = noise(noisy, count, parametrization, arity);
                let expected = reference::tabulate_soft(parametrization, &z, &noise, temperature);
                for gate in 0..count {
                    let tolerance = table_error(parametrization, &z[gate], &noise[gate], temperature);
                    for (made, expected) in made[gate].iter().zip(&expected[gate]) {
                        let what =
                            || format!("{parametrization:?}, k {arity}, temperature {temperature}, {:?}", z[gate]);
                        assert_near(&what, *made, *expected, tolerance);
                    }
                }
                let variant = Variant { arity, selected: true, ..Variant::of("tabulate_soft") };
                let selected = tabulate_soft(&mut bench, variant, &layer, &[0.0], 1.0, 2);
                assert_eq!(selected, reference::tables_of_bits(&layer.tables, arity), "bits as they are");
            }
        }
    }
}

/// `[rows][columns]` uniform numbers, multiples of 1/65535 as activations are stored.
fn random_fractions(rows: usize, columns: usize, rng: &mut Philox) -> Vec<Vec<f64>> {
    (0..rows).map(|_| (0..columns).map(|_| f64::from(rng.below(65_536)) / 65_535.0).collect()).collect()
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
                let outputs = gpu.storage("outputs", (count * words * 64) as u64);
                let flat: Vec<f32> = tables.concat().into_iter().map(|p| p as f32).collect();
                let buffers = [
                    (0, &gpu.uniform("layer", &extents(count, inputs, words, 1))),
                    (1, &gpu.storage_of("wiring", &layer.wiring)),
                    (2, &gpu.storage_of("inputs", &store_activations(&x, words))),
                    (3, &outputs),
                    (4, &gpu.storage_of("tables", &flat)),
                ];
                bench.run(Variant { arity, ..Variant::of("forward_soft") }, &buffers, [[1, 2, 99][j % 3], 1]);
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
        for (n, Backward { size, inputs, gates: count, groups, variant }) in backward_shapes().into_iter().enumerate() {
            // Wide gates are slow to compile for a software driver, and slow in the twin.
            if variant.arity >= 5 && (device > 0 || count > 130) {
                continue;
            }
            // The layer before the last meets pins like any other; the last one sends gradients on too.
            let keep = variant.keep || n % 2 == 0;
            let gradients = if n % 5 == 4 { GradientFormat::F16 } else { variant.gradients };
            let variant = Variant { kernel: "backward_soft", consumer_class: false, keep, gradients, ..variant };
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
            let table_gradients = gpu.storage("table gradients", (count * codes * 4) as u64);
            let kept = gradient_words(pins, words, variant.gradients);
            let sent = gpu.storage("sent", kept as u64 * 4);
            let uniform = gpu.uniform("layer", &extents(count, inputs, words, group));
            let wiring = gpu.storage_of("wiring", &layer.wiring);
            let inputs_buffer = gpu.storage_of("inputs", &store_activations(&x, words));
            let stored = gpu.storage_of("source", &store_gradients(&source, variant.gradients));
            let (edges, tables_buffer) = (gpu.storage_of("edges", &edges(&next)), gpu.storage_of("tables", &flat));
            let mut buffers =
                vec![(0, &uniform), (1, &wiring), (2, &inputs_buffer), (3, &stored), (4, &table_gradients)];
            if variant.consumers {
                buffers.push((5, &edges));
            }
            if variant.keep {
                buffers.extend([(6, &tables_buffer), (7, &sent)]);
            }
            bench.run(variant, &buffers, [groups, 1]);

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

#[test]
fn unpack_bits_makes_zeros_and_ones() {
    let mut rng = Philox::new(6, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for (features, words, groups) in [(7, 1, 1), (33, 4, 1), (130, 5, 3), (1001, 2, 99)] {
            let bits: Vec<u32> = (0..features * words).map(|_| rng.next_u32()).collect();
            let activations = gpu.storage("activations", (features * words * 64) as u64);
            let layer = gpu.uniform("layer", &extents(1, features, words, 1));
            let buffers = [(0, &layer), (1, &gpu.storage_of("bits", &bits)), (2, &activations)];
            bench.run(Variant::of("unpack_bits"), &buffers, [groups, 1]);
            let made = load_activations(&bench.read(&activations, features * words * 16), words);
            assert_eq!(made.concat(), reference::unpack_bits(&bits));
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
                let soft: Vec<Vec<f64>> = random_fractions(count, words * 32, &mut rng);
                let stored = gpu.storage_of("outputs", &store_activations(&soft, words));
                let buffers = [(0, &layer), (1, &stored), (2, &votes)];
                let lanes = [1, 4, 32][(i + size) % 3];
                let workgroup = if lanes > 1 { lanes } else { 64 };
                let variant = Variant { lanes, workgroup, ..Variant::of("group_sum_soft") };
                bench.run(variant, &buffers, [[1, 2, 50][i % 3], 1]);
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

/// One shape of a backward kernel.
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
        .map(|row| row.into_iter().map(|g| kept(g, variant.gradients)).collect())
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
                subgroups: lanes > 1 && n % 2 == 0,
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
                let sliced = gpu.storage("sliced", count as u64 * 4);
                let step = 9;
                let buffers = [
                    (
                        0,
                        &gpu.uniform(
                            "batch",
                            &structs::Batch { key0, key1, offset: offset as u32, ..batch(1, size, classes) },
                        ),
                    ),
                    (
                        1,
                        &gpu.uniform(
                            "training",
                            &structs::Training {
                                slice_scale: scale,
                                batch: (offset + size) as u32,
                                ..training(&constants(), 0)
                            },
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

/// Absolute error of each logit's gradient on the GPU. 1e-36 covers what is flushed to zero below f32's normal range.
fn gradient_errors(
    parametrization: Parametrization,
    z: &[f64],
    noise: &[f64],
    s: &[f64],
    temperature: f64,
) -> Vec<f64> {
    let exact = twin::logit_gradients(parametrization, z, noise, s, temperature);
    // Noise, where there is any, moves P by a part NOISE_ERROR/τ of it, and P(1 - P) by no more.
    let noisy = if noise.iter().any(|&n| n != 0.0) { NOISE_ERROR / temperature } else { 0.0 };
    let total: f64 = s.iter().map(|s| s.abs()).sum();
    let floor = 1e-36 * (1.0 + total / temperature);
    let slope = |score: f64| {
        let e = (-score.abs() / temperature).exp();
        e / ((1.0 + e) * (1.0 + e) * temperature)
    };
    let errors = (0..z.len()).map(|i| match parametrization {
        // The slope moves with the sine's and the cosine's promised errors; then a logarithm up to 16 and noise up to 17,
        // divided by τ, an exponential of that, and a few products and quotients.
        Parametrization::IwpSin => {
            let cosine = z[i].cos();
            let [least, greatest] = sine_score_range(z[i], noise[i]);
            let highest = if least < 0.0 && greatest > 0.0 { slope(0.0) } else { slope(least).max(slope(greatest)) };
            let lowest = slope(least).min(slope(greatest));
            // Where the error spans the sign of the cosine, the chain's factor is between its bounds on both sides.
            let factors: Vec<f64> = (-8..=8)
                .map(|n| cosine + SINE_ERROR * f64::from(n) / 8.0)
                .chain([1e-3, -1e-3].into_iter().filter(|c| (c - cosine).abs() < SINE_ERROR))
                .map(twin::sine_log_odds_slope)
                .collect();
            let products = factors.iter().flat_map(|f| [f * lowest, f * highest]);
            let own = exact[i] / if s[i] == 0.0 { 1.0 } else { s[i] };
            let moved = products.map(|p| (p - own).abs()).fold(0.0, f64::max);
            s[i].abs() * (1.25 * moved + (own.abs() + moved) * (noisy + (32.0 + 8.0 * 33.0 / temperature) * ULP))
        }
        Parametrization::IwpSigmoid => {
            exact[i].abs() * (noisy + (32.0 + 8.0 * (z[i].abs() + 17.0) / temperature) * ULP)
        }
        Parametrization::IwpClamp => exact[i].abs() * 8.0 * ULP,
        // A sum over the codes, each with the sigmoid's error at log-odds that are themselves a sum of 2^k logits.
        Parametrization::Walsh => {
            let scores = (0..z.len()).map(|code| {
                let sign = |subset: usize| if (subset & code).count_ones() % 2 == 1 { -1.0 } else { 1.0 };
                noise[code] - z.iter().enumerate().map(|(subset, z)| sign(subset) * z).sum::<f64>()
            });
            let sizes = z.iter().map(|z| z.abs()).sum::<f64>() + 17.0;
            let each = noisy + (32.0 + 8.0 * sizes / temperature + 2.0 * z.len() as f64) * ULP;
            scores.zip(s).map(|(score, s)| s.abs() * slope(score) * each).sum()
        }
        // G and its mean err by a few roundings of Σ|S|, the mean also by its weights' p_j (1 + y_j): y e^-y < 1/2.
        Parametrization::Op => {
            let scores: Vec<f64> = z.iter().zip(noise).map(|(z, noise)| z + noise).collect();
            let peak = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let odds: Vec<f64> = scores.iter().map(|z| ((z - peak) / temperature).exp()).collect();
            let p = odds[i] / odds.iter().sum::<f64>();
            let relative = 8.0 * noisy + (128.0 + 8.0 * (peak - scores[i] + 17.0) / temperature) * ULP;
            p * total / temperature * relative
        }
    });
    errors.map(|e| e + floor).collect()
}

#[test]
fn update_is_the_adjoint_and_adam() {
    let mut rng = Philox::new(11, 0);
    let step = 7;
    for (device, gpu) in devices().iter().enumerate() {
        let mut bench = Bench::new(gpu);
        for (i, (parametrization, arity)) in tables(device).enumerate() {
            let (codes, per_gate) = (1 << arity, parametrization.logits(arity));
            // Wide gates' kernels take a software driver long to compile.
            let temperatures = if arity <= 4 { 6 } else { 2 };
            for (j, temperature) in [0.3f32, 1.0, 3.0, 1e-3, 0.05, 1e3].into_iter().enumerate().take(temperatures) {
                let (count, groups) = [(7, 1), (33, 1), (130, 2), (1001, 5)][(i + j) % 4];
                let scope = [CageScope::Network, CageScope::Layer, CageScope::Gate][(i + j) % 3];
                let noisy = (i / 2 + j) % 2 == 1;
                let noise = noise(noisy, count, parametrization, arity);
                let constants = Constants { weight_decay: [0.0, 0.25][j % 2], ..constants() };
                // The step's own temperature is another than the layer's or the gates', where those have one.
                let state = structs::Step {
                    temperature: if scope == CageScope::Network { temperature } else { 0.625 },
                    beta1_power: constants.beta1.powi(step) as f32,
                    beta2_power: constants.beta2.powi(step) as f32,
                    ..state(NOISE_STEP + 1, 0, 0)
                };
                let logits = random_logits(count, parametrization, arity, &mut rng);
                let s = reals(count * codes, &mut rng);
                let moments: Vec<[f32; 2]> =
                    (0..logits.len()).map(|_| [rng.normal() as f32, rng.uniform() as f32]).collect();
                let (logit_buffer, moment_buffer) =
                    (gpu.storage_of("logits", &logits), gpu.storage_of("moments", &moments));
                let extents = structs::Layer { index: 2, first_gate: FIRST_GATE as u32, ..extents(count, 2, 1, 1) };
                let cage = |temperature| structs::Cage { mean: 0.0, temperature, selections: 1.0 };
                let cages = gpu.storage_of(
                    "cage",
                    &match scope {
                        CageScope::Gate => vec![cage(temperature); count],
                        _ => [0.125, 0.25, temperature].map(cage).to_vec(),
                    },
                );
                let uniforms = [
                    gpu.uniform("layer", &extents),
                    gpu.uniform("training", &noisy_training(&constants, 0)),
                    gpu.uniform("step", &state),
                ];
                let table_gradients = gpu.storage_of("table gradients", &s);
                let mut buffers: Vec<_> = (0..).zip(&uniforms).collect();
                buffers.extend([(3, &table_gradients), (4, &logit_buffer), (5, &moment_buffer)]);
                if scope != CageScope::Network {
                    buffers.push((6, &cages));
                }
                let variant = Variant { arity, parametrization, noise: noisy, scope, ..Variant::of("update") };
                bench.run(variant, &buffers, [groups, 1]);

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
                    let (noise, own) = (&noise[gate], f64::from(temperature));
                    reference::update(
                        &constants,
                        &twin_step,
                        parametrization,
                        own,
                        noise,
                        &s,
                        &mut logits,
                        &mut expected,
                    );
                    let gradients = twin::logit_gradients(parametrization, old, noise, &s, own);
                    let errors = gradient_errors(parametrization, old, noise, &s, own);
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
        for parametrization in Parametrization::ALL {
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
            let mut run = |logits: &[f32]| {
                let (buffer, tables) = (gpu.storage_of("logits", logits), gpu.storage("tables", count as u64 * 4));
                let moments = gpu.storage("moments", logits.len() as u64 * 8);
                let partials = gpu.storage("partials", 256);
                let base = Variant { parametrization, ..Variant::of("tabulate") };
                bench.run(base, &[(0, &layer), (1, &buffer), (2, &tables), (3, &partials)], [2, 1]);
                let variant = Variant { kernel: "tabulate_soft", ..base };
                let soft = tabulate_soft(&mut bench, variant, &random, logits, 1.0, 2);
                let buffers = [(0, &layer), (1, &training), (2, &step), (3, &s), (4, &buffer), (5, &moments)];
                bench.run(Variant { kernel: "update", ..base }, &buffers, [2, 1]);
                let tables: Vec<u32> = bench.read(&tables, count);
                let logits: Vec<u32> = bench.read(&buffer, logits.len());
                (tables, soft, logits)
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
            if ![Parametrization::IwpSin, Parametrization::Walsh].contains(&parametrization) {
                for (gate, z) in gates(&logits, per_gate).iter().enumerate() {
                    if !z.iter().any(|z| z.is_nan() || z.abs() < f64::from(f32::MIN_POSITIVE)) {
                        assert_eq!(
                            u64::from(tables[gate]),
                            twin::hard_table(parametrization, z, &vec![0.0; z.len()]),
                            "{z:?}"
                        );
                    }
                }
            }
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
fn head_buffers(gpu: &Gpu, head: &Head, split: &Split) -> (wgpu::Buffer, Option<wgpu::Buffer>) {
    let spread: Vec<f32> =
        split.target_variances().iter().map(|v| if *v > 0.0 { (1.0 / v) as f32 } else { 1.0 }).collect();
    let is_values = matches!(head, Head::Values(_));
    (gpu.storage_of("labels", &split.targets), is_values.then(|| gpu.storage_of("spread", &spread)))
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
                let (made, history) = (gpu.storage("gradients", count as u64 * 4), gpu.storage("history", 8 * 4096));
                let (labels, spread) = head_buffers(gpu, &head, &split);
                let uniform = structs::Training { group: group as u32, ..training(&constants, 0) };
                let buffers = [
                    (0, &gpu.uniform("batch", &batch(50, size, outputs))),
                    (1, &gpu.uniform("training", &uniform)),
                    (2, &gpu.uniform("step", &state(1, 0, 0))),
                    (3, &gpu.storage_of("votes", &transposed(&votes).concat())),
                    (4, &gpu.storage_of("chosen", &chosen)),
                    (5, &labels),
                    (6, &made),
                    (7, &history),
                ];
                let buffers: Vec<_> = buffers.into_iter().chain(spread.iter().map(|s| (8, s))).collect();
                let variant = Variant { gradients, task: head.task(), code_bits: head.bits(), ..Variant::of("loss") };
                bench.run(variant, &buffers, [1, 1]);
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
                let uniform = structs::Training { group: group as u32, ..training(&constants, 0) };
                let uniform = gpu.uniform("training", &uniform);
                let (labels, spread) = head_buffers(gpu, &head, &split);
                let judged = gpu.storage_of("judged", &vec![[-1.0f32; 2]; samples + size]);
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
                    let batch = structs::Batch { first: first as u32, ..batch(samples, size, outputs) };
                    let buffers = [
                        (0, &gpu.uniform("batch", &batch)),
                        (1, &uniform),
                        (2, &gpu.storage_of("votes", &transposed(&votes).concat())),
                        (3, &labels),
                        (4, &judged),
                    ];
                    let buffers: Vec<_> = buffers.into_iter().chain(spread.iter().map(|s| (8, s))).collect();
                    let variant = Variant { task: head.task(), code_bits: head.bits(), ..Variant::of("evaluate") };
                    bench.run(variant, &buffers, [size.div_ceil(64) as u32, 1]);
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
