// Begin a step: CAGE's temperature from the network's mean confidence (Align Forward, Adapt Backward), the learning
// rate, Adam's powers, the step count, and where the next batch begins.
//   c = mean confidence; c_ema <- decay c_ema + (1 - decay) c, starting at 1/K
//   tau_b = tau_max - (tau_max - tau_min) clamp((c_ema - 1/K) / (1 - 1/K), 0, 1)
#import shared/structs.wgsl

@group(0) @binding(0) var<uniform> training: Training;
@group(0) @binding(1) var<storage, read> partials: array<f32>;
@group(0) @binding(2) var<storage, read_write> step: Step;

fn learning_rate(done: u32) -> f32 {
    if done < training.warmup_steps {
        return training.learning_rate * f32(done + 1u) / f32(training.warmup_steps);
    }
    if training.total_steps == 0u {
        return training.learning_rate;
    }
    let span = max(1u, training.total_steps - min(training.total_steps, training.warmup_steps));
    let progress = min(1.0, f32(done - training.warmup_steps) / f32(span));
    let cosine = 0.5 + 0.5 * cos(3.14159265358979 * progress);
    return training.learning_rate * (training.final_fraction + (1.0 - training.final_fraction) * cosine);
}

var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = 0.0;
    for (var i = lane; i < training.partials; i += 64u) {
        sum += partials[i];
    }
    sums[lane] = sum;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if lane < half {
            sums[lane] += sums[lane + half];
        }
        workgroupBarrier();
    }
    if lane != 0u {
        return;
    }
    let c = sums[0] / training.selections;
    let mean = training.cage_decay * step.confidence_mean + (1.0 - training.cage_decay) * c;
    step.confidence = c;
    step.confidence_mean = mean;
    if training.cage == 1u {
        let least = 1.0 / training.choices;
        let certainty = clamp((mean - least) / (1.0 - least), 0.0, 1.0);
        step.temperature = training.cage_tau_max - (training.cage_tau_max - training.cage_tau_min) * certainty;
    } else {
        step.temperature = training.temperature;
    }
    step.learning_rate = learning_rate(step.step);
    step.beta1_power *= training.beta1;
    step.beta2_power *= training.beta2;
    step.step += 1u;
    step.position += training.batch;
    step.epoch += step.position / training.samples;
    step.position %= training.samples;
}
