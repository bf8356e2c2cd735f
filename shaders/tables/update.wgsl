// Table gradients to logit gradients by the parametrization's adjoint, then Adam (Kingma and Ba 2015, bias-corrected)
// with decoupled weight decay (Loshchilov and Hutter 2019); then the tables that the next step begins with (`made`). All gates of
// some layers, whose arrays lie side by side; a lane a gate, row y of workgroups layer y.
// CAGE_LAYER, CAGE_GATE: the temperature is the layer's or the gate's own; a gate's follows its confidence in this step here.
// table_gradients [gates][CODES]; logits, first and second moments [gates][LOGITS], all f32.
#needs WORKGROUP
#import shared/structs.wgsl
#import parametrization
#import tables/selection_noise.wgsl
#import shared/adam.wgsl

var<storage, read> layers: array<LayerTables>;
var<uniform> training: Training;
var<uniform> step: Step;
var<storage, read> table_gradients: array<f32>;
var<storage, read_write> logits: array<f32>;
var<storage, read_write> moments: array<vec2<f32>>; // first, second
#if CAGE_LAYER
var<storage, read> cage: array<Cage>; // [layers that are trained]
#endif
#if CAGE_GATE
#import tables/cage.wgsl
var<storage, read_write> cage: array<Cage>; // [gates]
#endif
#import made

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let layer = layers[wid.y];
    let key = vec2<u32>(training.key0, training.key1);
    let unbias = adam_unbias(vec2<f32>(step.beta1_power, step.beta2_power));
    let keep = 1.0 - step.learning_rate * training.weight_decay;
    var sum = 0.0;
    for (var gate = wid.x * WORKGROUP + lane; gate < layer.gates; gate += count.x * WORKGROUP) {
        let place = layer.slot + gate;
        var s: array<f32, CODES>;
        for (var c = 0u; c < CODES; c++) {
            s[c] = table_gradients[place * CODES + c];
        }
        var z: array<f32, LOGITS>;
        for (var i = 0u; i < LOGITS; i++) {
            z[i] = logits[place * LOGITS + i];
        }
        var temperature = step.temperature;
#if CAGE_LAYER
        temperature = cage[layer.index].temperature;
#endif
#if CAGE_GATE
        let own = adapt(cage[place], confidence(z));
        cage[place] = own;
        temperature = own.temperature;
#endif
        var noise: array<f32, LOGITS>;
#if NOISE
        // The step's tables were made before `advance` counted it.
        noise = selection_noise(key, step.step - 1u, layer.first_gate + gate);
#endif
        let g = logit_gradients(z, noise, s, temperature);
        for (var i = 0u; i < LOGITS; i++) {
            let at = place * LOGITS + i;
            let own = adam_moments(moments[at], g[i]);
            moments[at] = own;
            z[i] = z[i] * keep - adam_descent(step.learning_rate, own, unbias);
            logits[at] = z[i];
        }
#if NOISE
        noise = selection_noise(key, step.step, layer.first_gate + gate);
#endif
        sum += make_table(place, z, noise);
    }
    keep_confidence(layer.first_partial + wid.x, lane, sum);
}
