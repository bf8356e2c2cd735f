// Gradients of outputs to bit-sliced integers, where they are too many for the workgroup that makes them (votes/slicing.wgsl).
#import shared/structs.wgsl

var<uniform> batch: Batch;
var<uniform> training: Training;
var<uniform> step: Step;
var<storage, read> class_gradients: array<f32>;
#import votes/slicing.wgsl

fn gradient_at(i: u32) -> f32 {
    return class_gradients[i];
}

// A lane makes the planes of one output and 32 samples.
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x < batch.classes * batch.words {
        slice(id.x);
    }
}
