//! Logits to tables, and table gradients to logits.

use super::*;

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

/// `[gates][logits]` as the twin draws it at a step; zeros for none.
fn noise(noisy: bool, step: u32, gates: usize, parametrization: Parametrization, arity: usize) -> Vec<Vec<f64>> {
    let logits = parametrization.logits(arity);
    let draw = |gate| match noisy {
        true => reference::selection_noise(parametrization, logits, NOISE_SEED, step, FIRST_GATE + gate),
        false => vec![0.0; logits],
    };
    (0..gates).map(draw).collect()
}

/// Gates of a second layer, whose arrays lie beside the first one's; they are the network's next.
const MORE: usize = 3;
/// Places before each of them that belong to no gate.
const GAP: usize = 2;
/// Where their confidences go.
const FIRST_PARTIALS: [usize; 2] = [5, 30];

/// Two layers side by side, the first of `count` gates.
fn side_by_side(count: usize) -> Held {
    let layer = |n: usize| uniforms::LayerTables {
        gates: [count, MORE][n] as u32,
        slot: [GAP, GAP + count + GAP][n] as u32,
        first_gate: (FIRST_GATE + [0, count][n]) as u32,
        first_partial: FIRST_PARTIALS[n] as u32,
        index: [2, 1][n],
    };
    Held::of(&[layer(0), layer(1)])
}

/// `values`, `per_gate` of each gate of both layers, in their places; `filler` is where no gate is.
fn placed<T: Copy>(values: &[T], per_gate: usize, filler: T) -> Vec<T> {
    let (first, second) = values.split_at(values.len() - MORE * per_gate);
    let gap = vec![filler; GAP * per_gate];
    [&gap, first, &gap, second].concat()
}

/// What lies in the places of both layers' gates, and in the others.
fn taken<T: Copy>(placed: &[T], per_gate: usize) -> (Vec<T>, Vec<T>) {
    let (gap, rest) = placed.split_at(GAP * per_gate);
    let (first, rest) = rest.split_at(rest.len() - (MORE + GAP) * per_gate);
    let (other_gap, second) = rest.split_at(GAP * per_gate);
    ([first, second].concat(), [gap, other_gap].concat())
}

/// Constants with the seed of [`noise`].
fn noisy_training(constants: &Constants, partials: usize) -> uniforms::Training {
    let [key0, key1] = key(NOISE_SEED);
    uniforms::Training { key0, key1, ..training(constants, partials) }
}

/// Error of a number of noise: a logarithm's 2⁻²¹ near 1 and 3 ULP elsewhere of up to 17, twice for Gumbel noise, of which the
/// inner one divides the outer's error, at least 1/16 where it is not a series.
const NOISE_ERROR: f64 = 32.0 / 2_097_152.0 + 64.0 * ULP;

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
fn whole_numbers_become_gradients() {
    let mut rng = Philox::new(33, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for (count, scale, groups) in [(4usize, 1280.0f32, 1), (1000, 40_960.0, 3), (4097, 3.7, 200)] {
            let mut sums: Vec<i32> = (0..count).map(|_| rng.below(1 << 20) as i32 - (1 << 19)).collect();
            sums[..4].copy_from_slice(&[0, i32::MIN, i32::MAX, (1 << 24) + 1]);
            let uniform = Held::one(&uniforms::Training { slice_scale: scale, ..training(&constants(), 0) });
            let numbers = Held::of(&sums);
            bench.run(pages::weigh_sums(), &[("training", &uniform), ("table_gradients", &numbers)], [groups, 1]);
            for (made, &sum) in bench.read::<f32>(&numbers, count).into_iter().zip(&sums) {
                let expected = reference::weigh_sum(sum.into(), scale.into());
                // To f32, a division of 2.5 ULP, a product.
                assert_near(&|| format!("{sum} / {scale}"), made.into(), expected, expected.abs() * 3.5 * ULP);
            }
        }
    }
}

#[test]
fn tabulate_selects_the_twins_gates_and_their_confidence() {
    let mut rng = Philox::new(2, 0);
    for (device, gpu) in devices().iter().enumerate() {
        let mut bench = Bench::new(gpu);
        for (i, (parametrization, arity)) in tables(device).enumerate() {
            for (j, (first, groups)) in [(7, 1), (33, 1), (130, 3), (1001, 2), (1001, 16)].into_iter().enumerate() {
                let (noisy, count) = ((i + j) % 2 == 1, first + MORE);
                let logits = random_logits(count, parametrization, arity, &mut rng);
                let (words, per_gate) = ((1usize << arity).div_ceil(32), parametrization.logits(arity));
                let tables = Held::zeros(((count + 2 * GAP) * words * 4) as u64);
                let partials = Held::zeros(4 * 64);
                let uniform = Held::one(&noisy_training(&constants(), 0));
                let (layers, step) = (side_by_side(first), Held::one(&state(NOISE_STEP, 0, 0)));
                let logit_buffer = Held::of(&placed(&logits, per_gate, 1.0));
                let mut buffers =
                    vec![("layers", &layers), ("logits", &logit_buffer), ("tables", &tables), ("partials", &partials)];
                if noisy {
                    buffers.extend([("training", &uniform), ("step", &step)]);
                }
                bench.run(pages::tabulate(parametrization, arity, noisy, false), &buffers, [groups, 2]);

                let logits = gates(&logits, per_gate);
                let noise = noise(noisy, NOISE_STEP, count, parametrization, arity);
                let expected = reference::tabulate(parametrization, &logits, &noise);
                let (made, between) = taken(&bench.read::<u32>(&tables, (count + 2 * GAP) * words), words);
                assert!(between.iter().all(|&word| word == 0), "only gates have tables");
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
                let what = || format!("{parametrization:?} k {arity} {first}");
                assert_confidences(&what, parametrization, arity, &expected.confidences, &partials, groups);
            }
        }
    }
}

/// `partials` hold the sums of `confidences` of both layers, and nothing else.
fn assert_confidences(
    what: &dyn Fn() -> String,
    parametrization: Parametrization,
    arity: usize,
    confidences: &[f64],
    partials: &[f32],
    groups: u32,
) {
    let selections = parametrization.selections(arity);
    let (first, second) = confidences.split_at(confidences.len() - MORE);
    let mut others = partials.to_vec();
    for (own, at) in [first, second].into_iter().zip(FIRST_PARTIALS) {
        let sums = &mut others[at..at + groups as usize];
        let sum: f64 = sums.iter().map(|&x| f64::from(x)).sum();
        sums.fill(0.0);
        // A selection's own error, then those of a lane's sum over its gates and of six halvings.
        let error = confidence_error(parametrization, selections);
        let (total, count): (f64, f64) = (own.iter().sum(), (own.len() * selections) as f64);
        let roundings = count / f64::from(groups * 64) + 64.0 + 6.0;
        assert_near(what, sum, total, count * error + total * roundings * ULP);
    }
    assert!(others.iter().all(|&x| x == 0.0), "only a workgroup's own sum is written");
}

/// Error of the confidence of a selection, of logits up to 3.1.
fn confidence_error(parametrization: Parametrization, selections: usize) -> f64 {
    match parametrization {
        Parametrization::IwpSin => 0.5 * SINE_ERROR + 2.0 * ULP,
        Parametrization::IwpSigmoid => (8.0 + 2.0 * 3.1) * ULP,
        Parametrization::IwpClamp => 2.0 * ULP,
        // Sums of 2^k logits up to 3.1, whose error e moves P by P(1 - P) e.
        Parametrization::Walsh => (8.0 + 4.0 * 3.1 * selections as f64) * ULP,
        Parametrization::Op => (2.0 * (3.0 + 2.0 * 6.2) + 20.0) * ULP,
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
        let (batch, chosen) = (Held::one(&batch_of(1000, 333, 1)), Held::zeros(11 * 128));
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
                let uniform = Held::one(&training(&constants, partials as usize));
                let partial_sums = Held::zeros(u64::from(partials) * 4);
                let start = Step::start(&constants);
                let step =
                    Held::one(&uniforms::Step { confidence_mean: start.confidence_mean as f32, ..state(0, 0, 0) });
                let mut expected = start;
                for n in 0..40usize {
                    let sums: Vec<f32> = (0..partials).map(|_| 1000.0 * rng.uniform() as f32).collect();
                    partial_sums.write(&sums);
                    let buffers = [
                        ("batch", &batch),
                        ("chosen", &chosen),
                        ("training", &uniform),
                        ("partials", &partial_sums),
                        ("step", &step),
                    ];
                    bench.run(pages::advance(CageScope::Network, [64, 256][n % 2]), &buffers, [1, 1]);
                    reference::advance(&constants, sums.iter().map(|&x| f64::from(x)).sum(), &mut expected);
                    let made: uniforms::Step = bench.read(&step, 1)[0];
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
                    let powers = (n + 1) as f64 * ULP;
                    near("beta1^t", made.beta1_power, expected.beta1_power, expected.beta1_power * powers);
                    near("beta2^t", made.beta2_power, expected.beta2_power, expected.beta2_power * powers);
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
        let (batch, chosen) = (Held::one(&batch_of(1000, 33, 1)), Held::zeros(2 * 128));
        for (layers, per_layer) in [(1, 1), (3, 16), (64, 4), (80, 256)] {
            let partials = layers * per_layer;
            let cage = Some(Cage { decay: 0.5, scope: CageScope::Layer, ..Cage::default() });
            let selections = 100.0 * partials as f64;
            let constants = Constants { cage, selections, choices: 2.0, ..constants() };
            let uniform = uniforms::Training { layers: layers as u32, ..training(&constants, partials) };
            let uniform = Held::one(&uniform);
            let start = Step::start(&constants);
            let mean = start.confidence_mean as f32;
            let step = Held::one(&uniforms::Step { confidence_mean: mean, ..state(0, 0, 0) });
            let selections = 100.0 * per_layer as f32;
            let cages = Held::of(&vec![uniforms::Cage { mean, temperature: 0.0, selections }; layers]);
            let mut expected = vec![CageState::start(&constants); layers];
            for _ in 0..5 {
                let sums: Vec<f32> = (0..partials).map(|_| 50.0 + 50.0 * rng.uniform() as f32).collect();
                let partial_sums = Held::of(&sums);
                let buffers = [
                    ("batch", &batch),
                    ("chosen", &chosen),
                    ("training", &uniform),
                    ("partials", &partial_sums),
                    ("step", &step),
                    ("cage", &cages),
                ];
                bench.run(pages::advance(CageScope::Layer, 64), &buffers, [1, 1]);
                let made: Vec<uniforms::Cage> = bench.read(&cages, layers);
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

/// Real tables that `tabulate` makes of these logits, the last [`MORE`] gates' being a second layer's; `[gates][codes]`.
fn tabulate_soft(
    bench: &mut Bench,
    (parametrization, arity, noisy): (Parametrization, usize, bool),
    logits: &[f32],
    temperature: f64,
    groups: u32,
) -> Vec<Vec<f64>> {
    let (per_gate, codes) = (parametrization.logits(arity), 1 << arity);
    let count = logits.len() / per_gate;
    let tables = Held::zeros(((count + 2 * GAP) * codes * 4) as u64);
    let training = Held::one(&noisy_training(&Constants { temperature, ..constants() }, 0));
    let (layers, step) = (side_by_side(count - MORE), Held::one(&state(NOISE_STEP, 0, 0)));
    let logits = Held::of(&placed(logits, per_gate, 1.0));
    let mut buffers = vec![("layers", &layers), ("tables", &tables), ("logits", &logits), ("training", &training)];
    buffers.extend(noisy.then_some(("step", &step)));
    bench.run(pages::tabulate(parametrization, arity, noisy, true), &buffers, [groups, 2]);
    let (made, between) = taken(&bench.read::<f32>(&tables, (count + 2 * GAP) * codes), codes);
    assert!(between.iter().all(|&p| p == 0.0), "only gates have tables");
    gates(&made, codes)
}

#[test]
fn tabulate_makes_the_parametrizations_real_tables() {
    let mut rng = Philox::new(5, 0);
    for (device, gpu) in devices().iter().enumerate() {
        let mut bench = Bench::new(gpu);
        for (i, (parametrization, arity)) in tables(device).enumerate() {
            for (j, temperature) in [0.05, 0.3, 1.0, 3.0].into_iter().enumerate() {
                let (count, noisy) = ([33, 130, 7, 1001][(i + j) % 4], (i + j) % 2 == 1);
                let logits = random_logits(count, parametrization, arity, &mut rng);
                let (made, groups) = ((parametrization, arity, noisy), [1, 2, 9, 1][j]);
                let made = tabulate_soft(&mut bench, made, &logits, temperature, groups);
                let z = gates(&logits, parametrization.logits(arity));
                let noise = noise(noisy, NOISE_STEP, count, parametrization, arity);
                let expected = reference::tabulate_soft(parametrization, &z, &noise, temperature);
                for gate in 0..count {
                    let tolerance = table_error(parametrization, &z[gate], &noise[gate], temperature);
                    for (made, expected) in made[gate].iter().zip(&expected[gate]) {
                        let what =
                            || format!("{parametrization:?}, k {arity}, temperature {temperature}, {:?}", z[gate]);
                        assert_near(&what, *made, *expected, tolerance);
                    }
                }
            }
        }
    }
}

#[test]
fn selected_tables_are_the_bits_as_they_are() {
    let mut rng = Philox::new(16, 0);
    for gpu in &devices() {
        let mut bench = Bench::new(gpu);
        for (arity, count, groups) in [(1, 33, 1), (2, 1001, 2), (3, 7, 3), (4, 130, 1), (5, 65, 2), (6, 200, 9)] {
            let layer = random_layer(9, count, arity, &mut rng);
            let (words, codes) = ((1usize << arity).div_ceil(32), 1 << arity);
            let bits = Held::of(&placed(&table_words(&layer), words, u32::MAX));
            let tables = Held::zeros(((count + 2 * GAP) * codes * 4) as u64);
            let buffers = [("layers", &side_by_side(count - MORE)), ("bits", &bits), ("tables", &tables)];
            bench.run(pages::selected_tables(arity), &buffers, [groups, 2]);
            let (made, between) = taken(&bench.read::<f32>(&tables, (count + 2 * GAP) * codes), codes);
            assert_eq!(gates(&made, codes), reference::tables_of_bits(&layer.tables, arity), "{arity} inputs");
            assert!(between.iter().all(|&p| p == 0.0), "only gates have tables");
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
fn update_is_the_adjoint_and_adam_and_makes_the_next_tables() {
    let mut rng = Philox::new(11, 0);
    let step = 7;
    for (device, gpu) in devices().iter().enumerate() {
        let mut bench = Bench::new(gpu);
        for (i, (parametrization, arity)) in tables(device).enumerate() {
            let (codes, per_gate) = (1 << arity, parametrization.logits(arity));
            // Wide gates' kernels take a software driver long to compile.
            let temperatures = [0, 0, 6, 6, 2, 1, 1][arity];
            for (j, temperature) in [0.3f32, 1.0, 3.0, 1e-3, 0.05, 1e3].into_iter().enumerate().take(temperatures) {
                let (count, groups) = [(7, 1), (33, 1), (130, 2), (1001, 5)][(i + j) % 4];
                let scope = [CageScope::Network, CageScope::Layer, CageScope::Gate][(i + j) % 3];
                let (noisy, is_soft) = ((i / 2 + j) % 2 == 1, scope == CageScope::Network && j % 2 == 0);
                let noise = noise(noisy, NOISE_STEP, count, parametrization, arity);
                // Every confidence asks for this temperature, if CAGE goes by gates.
                let cage = Cage { tau_min: temperature, tau_max: temperature, decay: 0.75, scope };
                let constants = Constants {
                    weight_decay: [0.0, 0.25][j % 2],
                    cage: (scope == CageScope::Gate).then_some(cage),
                    choices: parametrization.choices(2) as f64,
                    ..constants()
                };
                // The step's own temperature is another than the layer's or the gates', where those have one.
                let state = uniforms::Step {
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
                    (Held::of(&placed(&logits, per_gate, 1.0)), Held::of(&placed(&moments, per_gate, [1.0; 2])));
                let selections = parametrization.selections(arity);
                let cage = |mean, temperature| uniforms::Cage { mean, temperature, selections: selections as f32 };
                let of_gates: Vec<uniforms::Cage> = (0..count).map(|_| cage(rng.uniform() as f32, 0.0)).collect();
                let cages = match scope {
                    CageScope::Gate => placed(&of_gates, 1, cage(0.0, 0.0)),
                    // Of layers 0, 1 and 2.
                    _ => [0.125, 0.25, temperature].map(|own| cage(0.0, own)).to_vec(),
                };
                let places = count + 2 * GAP;
                let made_words = if is_soft { codes } else { codes.div_ceil(32) };
                let (cages, tables) = (Held::of(&cages), Held::zeros((places * made_words * 4) as u64));
                let partials = Held::zeros(4 * 64);
                let uniforms = [Held::one(&noisy_training(&constants, 0)), Held::one(&state)];
                let (layers, table_gradients) = (side_by_side(count - MORE), Held::of(&placed(&s, codes, 1.0)));
                let mut buffers: Vec<_> = ["training", "step"].into_iter().zip(&uniforms).collect();
                buffers.extend([
                    ("layers", &layers),
                    ("table_gradients", &table_gradients),
                    ("logits", &logit_buffer),
                    ("moments", &moment_buffer),
                    ("tables", &tables),
                ]);
                if scope != CageScope::Network {
                    buffers.push(("cage", &cages));
                }
                if !is_soft {
                    buffers.push(("partials", &partials));
                }
                bench.run(pages::update(parametrization, arity, noisy, scope, is_soft), &buffers, [groups, 2]);

                let (new_logits, between) = taken(&bench.read::<f32>(&logit_buffer, places * per_gate), per_gate);
                let (new_moments, moments_between) =
                    taken(&bench.read::<[f32; 2]>(&moment_buffer, places * per_gate), per_gate);
                assert!(between.iter().all(|&z| z == 1.0) && moments_between.iter().all(|&m| m == [1.0; 2]));
                let twin_step = Step {
                    step: state.step,
                    temperature: temperature.into(),
                    learning_rate: state.learning_rate.into(),
                    beta1_power: state.beta1_power.into(),
                    beta2_power: state.beta2_power.into(),
                    ..Step::start(&constants)
                };
                let logits = gates(&logits, per_gate);
                let confidences = reference::tabulate(parametrization, &logits, &noise).confidences;
                if scope == CageScope::Gate {
                    let (made, _) = taken(&bench.read::<uniforms::Cage>(&cages, places), 1);
                    for (gate, (made, old)) in made.iter().zip(&of_gates).enumerate() {
                        let mut twin = CageState { mean: old.mean.into(), temperature: 0.0 };
                        twin.adapt(&constants, confidences[gate] / selections as f64);
                        let error = confidence_error(parametrization, selections) + (8.0 + selections as f64) * ULP;
                        assert_near(&|| format!("mean of gate {gate}"), made.mean.into(), twin.mean, error);
                        assert_eq!(made.temperature, temperature, "every confidence asks for it");
                    }
                }
                for (gate, (old, s)) in logits.iter().zip(gates(&s, codes)).enumerate() {
                    let mut logits = old.clone();
                    let mut expected: Vec<Moments> = moments[gate * per_gate..(gate + 1) * per_gate]
                        .iter()
                        .map(|m| Moments { first: m[0].into(), second: m[1].into() })
                        .collect();
                    let is_second = scope == CageScope::Layer && gate >= count - MORE;
                    let (noise, own) = (&noise[gate], if is_second { 0.25 } else { f64::from(temperature) });
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

                // Of the logits that the GPU has, with the noise of the step that comes.
                let (z, noise) =
                    (gates(&new_logits, per_gate), self::noise(noisy, NOISE_STEP + 1, count, parametrization, arity));
                let what = || format!("tables of {parametrization:?}, k {arity}, noise {noisy}");
                if is_soft {
                    let (made, _) = taken(&bench.read::<f32>(&tables, places * codes), codes);
                    let expected = reference::tabulate_soft(parametrization, &z, &noise, constants.temperature);
                    for (gate, made) in gates(&made, codes).iter().enumerate() {
                        let tolerance = table_error(parametrization, &z[gate], &noise[gate], constants.temperature);
                        for (made, expected) in made.iter().zip(&expected[gate]) {
                            assert_near(&what, *made, *expected, tolerance);
                        }
                    }
                    continue;
                }
                let expected = reference::tabulate(parametrization, &z, &noise);
                let (made, _) = taken(&bench.read::<u32>(&tables, places * made_words), made_words);
                for (gate, made) in made.chunks_exact(made_words).enumerate() {
                    let made = made.iter().rev().fold(0, |table, &word| table << 32 | u64::from(word));
                    let decided = !undecided(parametrization, &z[gate], &noise[gate]);
                    assert!(!decided || made == expected.tables[gate], "{}: gate {gate}, {:?}", what(), z[gate]);
                }
                let partials: Vec<f32> = bench.read(&partials, 64);
                assert_confidences(&what, parametrization, arity, &expected.confidences, &partials, groups);
            }
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
            let layers = side_by_side(count - MORE);
            let training = Held::one(&training(&constants(), 0));
            let step = Held::one(&uniforms::Step { beta1_power: 0.875, beta2_power: 0.999, ..state(1, 0, 0) });
            let s = Held::of(&placed(&s, 4, 0.0));
            let places = count + 2 * GAP;
            let mut run = |logits: &[f32]| {
                let buffer = Held::of(&placed(logits, per_gate, 0.0));
                let (tables, next) = (Held::zeros(places as u64 * 4), Held::zeros(places as u64 * 4));
                let moments = Held::zeros((places * per_gate * 8) as u64);
                let partials = Held::zeros(256);
                let buffers = [("layers", &layers), ("logits", &buffer), ("tables", &tables), ("partials", &partials)];
                bench.run(pages::tabulate(parametrization, 2, false, false), &buffers, [2, 2]);
                let soft = tabulate_soft(&mut bench, (parametrization, 2, false), logits, 1.0, 2);
                let buffers = [
                    ("layers", &layers),
                    ("training", &training),
                    ("step", &step),
                    ("table_gradients", &s),
                    ("logits", &buffer),
                    ("moments", &moments),
                    ("tables", &next),
                    ("partials", &partials),
                ];
                bench.run(pages::update(parametrization, 2, false, CageScope::Network, false), &buffers, [2, 2]);
                let tables = [tables, next].map(|tables| taken(&bench.read::<u32>(&tables, places), 1).0);
                let (logits, _) = taken(&bench.read::<u32>(&buffer, places * per_gate), per_gate);
                (tables, soft, logits)
            };
            let (tables, soft, updated) = run(&logits);
            let (tame_tables, tame_soft, tame_updated) = run(&tame);
            for gate in 0..count {
                for tables in &tables {
                    assert!(tables[gate] < 16, "gate {gate} has table {:#x}", tables[gate]);
                }
                if gate % 3 != 0 {
                    let own = gate * per_gate..(gate + 1) * per_gate;
                    assert_eq!(tables.each_ref().map(|t| t[gate]), tame_tables.each_ref().map(|t| t[gate]));
                    assert_eq!(soft[gate], tame_soft[gate]);
                    assert_eq!(updated[own.clone()], tame_updated[own]);
                }
            }
            // Comparisons decide these tables, so that an infinite logit is an ordinary great one.
            if ![Parametrization::IwpSin, Parametrization::Walsh].contains(&parametrization) {
                for (gate, z) in gates(&logits, per_gate).iter().enumerate() {
                    if !z.iter().any(|z| z.is_nan() || z.abs() < f64::from(f32::MIN_POSITIVE)) {
                        assert_eq!(
                            u64::from(tables[0][gate]),
                            twin::hard_table(parametrization, z, &vec![0.0; z.len()]),
                            "{z:?}"
                        );
                    }
                }
            }
        }
    }
}
