// How each sample of a batch was judged: [samples] (loss, verdict); `head` says what votes mean. votes
// [outputs][words * 32].
#import shared/structs.wgsl

var<uniform> batch: Batch;
var<uniform> training: Training;
var<storage, read> votes: array<f32>;
var<storage, read> labels: array<u32>;
var<storage, read_write> judged: array<vec2<f32>>;
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
