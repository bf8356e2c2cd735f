// Logits to the tables that a step begins with, of all gates of some layers, whose arrays lie side by side: hard ones with their
// confidence, or real ones (`made`). logits [gates][LOGITS] f32. NOISE: with the next step's noise. Row y of workgroups takes
// layer y.
#needs WORKGROUP
#import shared/structs.wgsl
#import parametrization
#import tables/selection_noise.wgsl

var<storage, read> layers: array<LayerTables>;
var<storage, read> logits: array<f32>;
#if TRAINING_CONSTANTS
var<uniform> training: Training;
#endif
#if NOISE
var<uniform> step: Step;
#endif
#import made

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let layer = layers[wid.y];
    var sum = 0.0;
    for (var gate = wid.x * WORKGROUP + lane; gate < layer.gates; gate += count.x * WORKGROUP) {
        let at = layer.slot + gate;
        var z: array<f32, LOGITS>;
        for (var i = 0u; i < LOGITS; i++) {
            z[i] = logits[at * LOGITS + i];
        }
        var noise: array<f32, LOGITS>;
#if NOISE
        noise = selection_noise(vec2<u32>(training.key0, training.key1), step.step, layer.first_gate + gate);
#endif
        sum += make_table(at, z, noise);
    }
    keep_confidence(layer.first_partial + wid.x, lane, sum);
}
