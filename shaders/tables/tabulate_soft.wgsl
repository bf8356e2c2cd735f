// Real tables for the soft forward pass: the selected gates' bits as 0 and 1 (SELECTED), or the parametrization's tables
// at this step's temperature, with this step's noise (NOISE). logits [gates][LOGITS] f32; bits [gates][TABLE_WORDS] u32;
// tables [gates][CODES] f32. A lane a gate.
#import shared/structs.wgsl
#if SELECTED
#import shared/codes.wgsl
#else
#import parametrization
#import tables/selection_noise.wgsl
#endif

var<uniform> layer: Layer;
var<storage, read_write> tables: array<f32>;
#if SELECTED
var<storage, read> bits: array<u32>;
#else
var<storage, read> logits: array<f32>;
var<uniform> training: Training;
#endif
#if NOISE
var<uniform> step: Step;
#endif

fn table_of(gate: u32) -> array<f32, CODES> {
#if SELECTED
    var p: array<f32, CODES>;
    for (var c = 0u; c < CODES; c++) {
        p[c] = f32((bits[gate * TABLE_WORDS + c / 32u] >> (c % 32u)) & 1u);
    }
    return p;
#else
    var z: array<f32, LOGITS>;
    for (var i = 0u; i < LOGITS; i++) {
        z[i] = logits[gate * LOGITS + i];
    }
    var noise: array<f32, LOGITS>;
#if NOISE
    noise = selection_noise(vec2<u32>(training.key0, training.key1), step.step, layer.first_gate + gate);
#endif
    return soft_table(z, noise, training.temperature);
#endif
}

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    for (var gate = wid.x * 64u + lane; gate < layer.gates; gate += count.x * 64u) {
        let table = table_of(gate);
        for (var c = 0u; c < CODES; c++) {
            tables[gate * CODES + c] = table[c];
        }
    }
}
