// Logits to hard tables, and the confidence that CAGE looks at.
// logits [gates][LOGITS] f32; tables [gates][TABLE_WORDS] u32, bit c is the output for code c; partials: one sum of
// confidences a workgroup. NOISE: the selection is that of logits plus noise. CAGE_GATE: each gate's own running mean of
// its confidence and the backward temperature that it asks for.
#import shared/structs.wgsl
#import parametrization
#import tables/selection_noise.wgsl

var<uniform> layer: Layer;
var<storage, read> logits: array<f32>;
var<storage, read_write> tables: array<u32>;
var<storage, read_write> partials: array<f32>;
#if TRAINING_CONSTANTS
var<uniform> training: Training;
#endif
#if NOISE
var<uniform> step: Step;
#endif
#if CAGE_GATE
#import tables/cage.wgsl
var<storage, read_write> cage: array<Cage>; // [gates]
#endif

var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    var sum = 0.0;
    for (var gate = wid.x * 64u + lane; gate < layer.gates; gate += count.x * 64u) {
        var z: array<f32, LOGITS>;
        for (var i = 0u; i < LOGITS; i++) {
            z[i] = logits[gate * LOGITS + i];
        }
        var noise: array<f32, LOGITS>;
#if NOISE
        noise = selection_noise(vec2<u32>(training.key0, training.key1), step.step, layer.first_gate + gate);
#endif
        let table = hard_table(z, noise);
        tables[gate * TABLE_WORDS] = table.x;
        if TABLE_WORDS == 2u {
            tables[gate * TABLE_WORDS + 1u] = table.y;
        }
        let own = confidence(z);
        sum += own;
#if CAGE_GATE
        cage[gate] = adapt(cage[gate], own);
#endif
    }
    sums[lane] = sum;
    workgroupBarrier();
    for (var half = 32u; half > 0u; half /= 2u) {
        if lane < half {
            sums[lane] += sums[lane + half];
        }
        workgroupBarrier();
    }
    if lane == 0u {
        partials[layer.first_partial + wid.x] = sums[0];
    }
}
