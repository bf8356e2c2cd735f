// Begin a step: CAGE's temperature from the network's mean confidence (Align Forward, Adapt Backward), the learning
// rate, Adam's powers, the step count, and where the next batch begins.
// CAGE_LAYER: also each layer's own, from its own mean confidence.
#import shared/structs.wgsl
#import tables/cage.wgsl

var<uniform> training: Training;
var<storage, read> partials: array<f32>;
var<storage, read_write> step: Step;
#if CAGE_LAYER
var<storage, read_write> cage: array<Cage>; // [layers]
#endif

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
#if CAGE_LAYER
    let layer_partials = training.partials / training.layers;
    for (var layer = lane; layer < training.layers; layer += 64u) {
        var own = 0.0;
        for (var i = 0u; i < layer_partials; i++) {
            own += partials[layer * layer_partials + i];
        }
        cage[layer] = adapt(cage[layer], own);
    }
#endif
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
    step.confidence = c;
    step.confidence_mean = running_mean(step.confidence_mean, c);
    step.temperature = training.temperature;
    if training.cage == 1u {
        step.temperature = backward_temperature(step.confidence_mean);
    }
    step.learning_rate = learning_rate(step.step);
    step.beta1_power *= training.beta1;
    step.beta2_power *= training.beta2;
    if step.step < training.wire_until && step.step % training.wire_every == 0u {
        step.wire_beta1_power *= training.beta1;
        step.wire_beta2_power *= training.beta2;
    }
    step.step += 1u;
    step.position += training.batch;
    step.epoch += step.position / training.samples;
    step.position %= training.samples;
}
