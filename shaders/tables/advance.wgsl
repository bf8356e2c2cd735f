// Begin a step: which samples make up the batch, `chosen` [words * 32] u32 sample numbers; CAGE's temperature from the network's
// mean confidence (Align Forward, Adapt Backward), the learning rate, Adam's powers, the step count, and where the next batch begins.
// CAGE_LAYER: also each layer's own temperature, from its own mean confidence.
// Batch after batch comes from one permutation an epoch; a batch may straddle two epochs, so that every sample is seen exactly once
// an epoch. Where the samples do not fit the device, the host follows the same permutation and keeps a ring of the next steps'
// samples there.
#import shared/structs.wgsl
#import shared/wires_due.wgsl
#import tables/cage.wgsl
#import batch/permutation.wgsl
#import shared/workgroup_sum.wgsl

var<uniform> batch: Batch;
var<uniform> training: Training;
var<storage, read> partials: array<f32>;
var<storage, read_write> step: Step;
var<storage, read_write> chosen: array<u32>;
#if CAGE_LAYER
var<storage, read_write> cage: array<Cage>; // [layers that are trained]
#endif

alias Sum = f32;

// The sample at a place of the batch; places past its end repeat the last.
fn sample_at(place: u32) -> u32 {
    let s = min(place, batch.size - 1u);
    if batch.ring > 0u {
        // The host has put the same samples there, step after step.
        return step.step % batch.ring * batch.size + s;
    }
    let position = step.position + s;
    let epoch = step.epoch + position / batch.samples;
    return permuted(vec2<u32>(batch.key0, batch.key1), epoch, batch.samples, position % batch.samples);
}

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

// One workgroup: all lanes choose samples by what lane 0 then changes.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) lane: u32) {
    for (var s = lane; s < batch.words * 32u; s += WORKGROUP) {
        chosen[s] = sample_at(s);
    }
#if CAGE_LAYER
    let layer_partials = training.partials / training.layers;
    for (var layer = lane; layer < training.layers; layer += WORKGROUP) {
        var own = 0.0;
        for (var i = 0u; i < layer_partials; i++) {
            own += partials[layer * layer_partials + i];
        }
        cage[layer] = adapt(cage[layer], own);
    }
#endif
    var sum = 0.0;
    for (var i = lane; i < training.partials; i += WORKGROUP) {
        sum += partials[i];
    }
    sum = workgroup_sum(lane, sum);
    if lane != 0u {
        return;
    }
    let c = sum / training.selections;
    step.confidence = c;
    step.confidence_mean = running_mean(step.confidence_mean, c);
    step.temperature = training.temperature;
    if training.cage == 1u {
        step.temperature = backward_temperature(step.confidence_mean);
    }
    step.learning_rate = learning_rate(step.step);
    step.beta1_power *= training.beta1;
    step.beta2_power *= training.beta2;
    if wires_are_due(step.step) {
        step.wire_beta1_power *= training.beta1;
        step.wire_beta2_power *= training.beta2;
    }
    step.step += 1u;
    step.position += training.batch;
    step.epoch += step.position / training.samples;
    step.position %= training.samples;
}
