// Which samples make up an evaluation's batch: [words * 32] u32 sample numbers, in order; what lies past the end repeats the last.
#import shared/structs.wgsl

var<uniform> batch: Batch;
var<storage, read_write> chosen: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < batch.words * 32u {
        chosen[id.x] = min(batch.first + id.x, batch.samples - 1u);
    }
}
