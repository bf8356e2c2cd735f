// How each sample of a batch was judged: [samples] (loss, verdict); `head` says what votes mean. votes
// [outputs][words * 32].
#import shared/structs.wgsl

@group(0) @binding(0) var<uniform> batch: Batch;
@group(0) @binding(1) var<uniform> training: Training;
@group(0) @binding(2) var<storage, read> votes: array<f32>;
@group(0) @binding(3) var<storage, read> labels: array<u32>;
@group(0) @binding(4) var<storage, read_write> judged: array<vec2<f32>>;
#import head

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let s = id.x;
    let sample = batch.first + s;
    if s >= batch.words * 32u || sample >= batch.samples {
        return;
    }
    judged[sample] = verdict(s, sample);
}
