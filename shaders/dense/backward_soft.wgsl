// A layer's gradients on real activations. A gate's own gradient is what its consumers sent to it, or its class's; from it
// come, in the same pass, its table's gradients and what it sends to each of its pins:
//   g[gate][s]      = sum over consumers' pins of sent[pin][s]
//   S[gate][c]      = sum over samples of g[gate][s] prod_i (x_i or 1 - x_i)
//   sent[pin][s]    = g[gate][s] (y(pin = 1) - y(pin = 0)), y being the multilinear extension of the gate's table
// Activations are rows of shared/activation.wgsl, gradients rows of shared/gradient.wgsl; `sent` has a row a pin,
// [gates][ARITY]. What reads the layer says how its gates gather
// their gradients (`sender`); the first layer sends nothing (KEEP false).
//
// LANES lanes share a gate; each takes 8 samples at a time.
#needs WORKGROUP
#import shared/structs.wgsl
#import shared/table_gradients.wgsl
#import shared/activation.wgsl
#import shared/gradient_rows.wgsl
#import shared/multilinear_adjoint.wgsl

var<uniform> layer: Layer;
var<storage, read> wiring: array<u32>; // [gates][ARITY]
var<storage, read> inputs: array<vec4<u32>>; // [inputs] rows
#if KEEP
var<storage, read> tables: array<f32>; // [gates][CODES]
var<storage, read_write> sent: array<vec4<u32>>;
#endif

alias Sums = array<f32, CODES>;

const GATES_PER_WORKGROUP: u32 = WORKGROUP / LANES;

#if KEEP
fn store_chunk(row: u32, chunk: u32, low: vec4<f32>, high: vec4<f32>) {
    let i = row * layer.words * 4u + chunk;
#if GRADIENT_HALVES
    sent[i] = pack_chunk(Chunk(low, high));
#else
    sent[i * 2u] = bitcast<vec4<u32>>(low);
    sent[i * 2u + 1u] = bitcast<vec4<u32>>(high);
#endif
}
#endif

#import sender

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let lane = index % LANES;
    let step = count.x * GATES_PER_WORKGROUP;
    for (var first_gate = wid.x * GATES_PER_WORKGROUP; first_gate < layer.gates; first_gate += step) {
        let gate = first_gate + index / LANES;
        for (var c = 0u; c < CODES; c++) {
            by_code[c] = vec4<f32>(0.0);
        }
        if gate < layer.gates {
            var rows: array<u32, ARITY>; // where the pins' samples begin, from the last pin
            for (var n = 0u; n < ARITY; n++) {
                rows[n] = wiring[gate * ARITY + ARITY - 1u - n] * layer.words * 4u;
            }
#if KEEP
            for (var c = 0u; c < CODES; c++) {
                table[c] = tables[gate * CODES + c];
            }
#endif
            for (var chunk = lane; chunk < layer.words * 4u; chunk += LANES) {
                let g = gather(gate, chunk);
                var high: array<vec4<f32>, ARITY>;
                for (var n = 0u; n < ARITY; n++) {
                    let own = unpack_activations(inputs[rows[n] + chunk]);
                    x[n] = own.low;
                    high[n] = own.high;
                    by_pin[n] = vec4<f32>(0.0);
                }
                add_adjoint(g.low);
                var low: array<vec4<f32>, ARITY>;
                for (var n = 0u; n < ARITY; n++) {
                    low[n] = by_pin[n];
                    x[n] = high[n];
                    by_pin[n] = vec4<f32>(0.0);
                }
                add_adjoint(g.high);
#if KEEP
                for (var n = 0u; n < ARITY; n++) {
                    store_chunk(gate * ARITY + ARITY - 1u - n, chunk, low[n], by_pin[n]);
                }
#endif
            }
        }
        var own_sums: Sums;
        for (var c = 0u; c < CODES; c++) {
            own_sums[c] = dot(by_code[c], vec4<f32>(1.0));
        }
        keep_table_gradients(gate, index, own_sums, 1.0);
    }
}
