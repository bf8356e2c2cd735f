// Softmax cross-entropy over class scores = votes / tau, averaged over the batch, and its gradient by each vote.
// votes [classes][words * 32] f32; class_gradients [classes][words * 32] f32, rows of 8-sample chunks as in
// shared/gradient.wgsl (16 bits: [classes][words * 16] u32). Samples past the batch get gradient 0.
// d loss / d vote of class c = (softmax_c - [c = label]) / (tau * batch).
// Micro-batches of a step come one after another; each adds its share of the step's means.
#import shared/structs.wgsl
#import shared/gradient.wgsl

@group(0) @binding(0) var<uniform> batch: Batch;
@group(0) @binding(1) var<uniform> training: Training;
@group(0) @binding(2) var<uniform> step: Step;
@group(0) @binding(3) var<storage, read> votes: array<f32>;
@group(0) @binding(4) var<storage, read> chosen: array<u32>;
@group(0) @binding(5) var<storage, read> labels: array<u32>;
@group(0) @binding(6) var<storage, read_write> class_gradients: array<u32>;
@group(0) @binding(7) var<storage, read_write> history: array<vec2<f32>>; // [HISTORY] mean loss, accuracy of a step

var<workgroup> sums: array<vec2<f32>, 256>;

struct Scored {
    peak: f32,   // greatest score
    total: f32,  // sum of exp(score - peak)
    label: u32,
}

fn score(class_index: u32, s: u32) -> f32 {
    return votes[class_index * batch.words * 32u + s] / training.group_tau;
}

// Scores sample s and returns its loss and whether the first greatest score is its label's.
fn judge(s: u32, scored: ptr<function, Scored>) -> vec2<f32> {
    var best = 0u;
    var peak = score(0u, s);
    for (var c = 1u; c < batch.classes; c++) {
        let x = score(c, s);
        if x > peak {
            peak = x;
            best = c;
        }
    }
    var total = 0.0;
    for (var c = 0u; c < batch.classes; c++) {
        total += exp(score(c, s) - peak);
    }
    let label = labels[chosen[batch.offset + s]];
    *scored = Scored(peak, total, label);
    return vec2<f32>(log(total) + peak - score(label, s), f32(best == label));
}

fn gradient(class_index: u32, s: u32, scored: Scored) -> f32 {
    let p = exp(score(class_index, s) - scored.peak) / scored.total;
    let g = (p - f32(class_index == scored.label)) / (training.group_tau * f32(training.batch));
    return select(0.0, g, s < batch.size);
}

// A lane takes samples i and i + 4 of a chunk, which share a word in 16 bits.
@compute @workgroup_size(256)
fn main(@builtin(local_invocation_index) lane: u32) {
    var sum = vec2<f32>(0.0);
    for (var i = lane; i < batch.words * 16u; i += 256u) {
        let s = i / 4u * 8u + i % 4u;
        var first: Scored;
        var second: Scored;
        let judged = judge(s, &first);
        let judged_too = judge(s + 4u, &second);
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
    sums[lane] = sum;
    workgroupBarrier();
    for (var half = 128u; half > 0u; half /= 2u) {
        if lane < half {
            sums[lane] += sums[lane + half];
        }
        workgroupBarrier();
    }
    if lane == 0u {
        let at = (step.step - 1u) % HISTORY;
        let before = select(history[at], vec2<f32>(0.0), batch.offset == 0u);
        history[at] = before + sums[0] / f32(training.batch);
    }
}
