// A layer's gates on real activations: the multilinear extensions of their tables. inputs [inputs] rows, outputs [gates]
// rows of shared/activation.wgsl; tables [gates][CODES] f32. A lane takes one gate and 32 samples.
#import shared/structs.wgsl
#import shared/activation.wgsl
#import shared/multilinear.wgsl

var<uniform> layer: Layer;
var<storage, read> wiring: array<u32>; // [gates][ARITY]
var<storage, read> inputs: array<vec4<u32>>;
var<storage, read_write> outputs: array<vec4<u32>>;
var<storage, read> tables: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let total = layer.gates * layer.words;
    for (var i = wid.x * 64u + lane; i < total; i += count.x * 64u) {
        let gate = i / layer.words;
        for (var c = 0u; c < CODES; c++) {
            table[c] = tables[gate * CODES + c];
        }
        var rows: array<u32, ARITY>; // where the pins' samples begin, from the last pin
        for (var n = 0u; n < ARITY; n++) {
            rows[n] = (wiring[gate * ARITY + ARITY - 1u - n] * layer.words + i % layer.words) * 4u;
        }
        for (var chunk = i * 4u; chunk < i * 4u + 4u; chunk++) {
            var high: array<vec4<f32>, ARITY>;
            for (var n = 0u; n < ARITY; n++) {
                let own = unpack_activations(inputs[rows[n] + chunk % 4u]);
                x[n] = own.low;
                high[n] = own.high;
            }
            let low_value = extend();
            for (var n = 0u; n < ARITY; n++) {
                x[n] = high[n];
            }
            outputs[chunk] = pack_activations(Activations(low_value, extend()));
        }
    }
}
