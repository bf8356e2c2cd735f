// The loss, averaged over the batch, and its gradient by each vote; `head` says what votes mean.
// votes [outputs][words * 32] f32; class_gradients [outputs][words * 32] f32, rows of 8-sample chunks as in
// shared/gradient.wgsl (16 bits: [outputs][words * 16] u32). Samples past the batch get gradient 0.
// SLICED: gradients also become bit-sliced integers here. Shares of a step come one after another; each but the first (ADDED) adds
// to the step's means.
#needs WORKGROUP HISTORY
#import shared/structs.wgsl
#import shared/gradient.wgsl
#import shared/workgroup_sum.wgsl

var<uniform> batch: Batch;
var<uniform> training: Training;
var<uniform> step: Step;
var<storage, read> votes: array<f32>;
var<storage, read> chosen: array<u32>;
var<storage, read> labels: array<u32>;
var<storage, read_write> class_gradients: array<u32>;
var<storage, read_write> history: array<vec2<f32>>; // [HISTORY] mean loss, quality of a step
#import head

alias Sum = vec2<f32>;

#if SLICED
#import votes/slicing.wgsl

fn gradient_at(i: u32) -> f32 {
    return bitcast<f32>(class_gradients[i]);
}
#endif

// A lane takes samples i and i + 4 of a chunk, which share a word in 16 bits.
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = vec2<f32>(0.0);
    for (var i = lane; i < batch.words * 16u; i += WORKGROUP) {
        let s = i / 4u * 8u + i % 4u;
        var first: Scored;
        var second: Scored;
        let judged = judge(s, chosen[batch.offset + s], &first);
        let judged_too = judge(s + 4u, chosen[batch.offset + s + 4u], &second);
        sum += select(vec2<f32>(0.0), judged, s < batch.size);
        sum += select(vec2<f32>(0.0), judged_too, s + 4u < batch.size);
        for (var c = 0u; c < batch.classes; c++) {
            let g = gradient(c, s, first);
            let g_too = gradient(c, s + 4u, second);
#if GRADIENT_HALVES
            class_gradients[c * batch.words * 16u + i] = pack_chunk(Chunk(vec4<f32>(g), vec4<f32>(g_too))).x;
#else
            class_gradients[c * batch.words * 32u + s] = bitcast<u32>(g);
            class_gradients[c * batch.words * 32u + s + 4u] = bitcast<u32>(g_too);
#endif
        }
    }
    let total = workgroup_sum(lane, sum);
    if lane == 0u {
        let at = (step.step - 1u) % HISTORY;
#if ADDED
        history[at] += total / f32(training.batch);
#else
        history[at] = total / f32(training.batch);
#endif
    }
#if SLICED
    storageBarrier();
    for (var i = lane; i < batch.classes * batch.words; i += WORKGROUP) {
        slice(i);
    }
#endif
}
