// How each sample of a batch was classified: [samples] (cross-entropy, predicted class). votes [classes][words * 32].
#import shared/structs.wgsl

@group(0) @binding(0) var<uniform> batch: Batch;
@group(0) @binding(1) var<uniform> training: Training;
@group(0) @binding(2) var<storage, read> votes: array<f32>;
@group(0) @binding(3) var<storage, read> labels: array<u32>;
@group(0) @binding(4) var<storage, read_write> judged: array<vec2<f32>>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let s = id.x;
    let sample = batch.first + s;
    if s >= batch.words * 32u || sample >= batch.samples {
        return;
    }
    let stride = batch.words * 32u;
    var best = 0u;
    for (var c = 1u; c < batch.classes; c++) {
        best = select(best, c, votes[c * stride + s] > votes[best * stride + s]);
    }
    let peak = votes[best * stride + s];
    var total = 0.0;
    for (var c = 0u; c < batch.classes; c++) {
        total += exp((votes[c * stride + s] - peak) / training.group_tau);
    }
    let loss = log(total) + (peak - votes[labels[sample] * stride + s]) / training.group_tau;
    judged[sample] = vec2<f32>(loss, f32(best));
}
