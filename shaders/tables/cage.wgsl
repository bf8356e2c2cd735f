// CAGE, the confidence-adaptive gradient estimator (Align Forward, Adapt Backward), by the constants in `training`:
//   c_ema <- decay c_ema + (1 - decay) c, starting at 1/K
//   tau_b = tau_max - (tau_max - tau_min) clamp((c_ema - 1/K) / (1 - 1/K), 0, 1)

fn running_mean(mean: f32, confidence: f32) -> f32 {
    return training.cage_decay * mean + (1.0 - training.cage_decay) * confidence;
}

fn backward_temperature(mean: f32) -> f32 {
    let least = 1.0 / training.choices;
    let certainty = clamp((mean - least) / (1.0 - least), 0.0, 1.0);
    return training.cage_tau_max - (training.cage_tau_max - training.cage_tau_min) * certainty;
}

// Take in a step's confidences, summed over the selections.
fn adapt(cage: Cage, sum: f32) -> Cage {
    let mean = running_mean(cage.mean, sum / cage.selections);
    return Cage(mean, backward_temperature(mean), cage.selections);
}
