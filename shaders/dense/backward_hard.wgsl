// A layer's gradients on packed bits, gathered from its consumers, and its tables' gradients in the same pass.
// With binary inputs, the derivative of a consumer by one of its pins is f(pin = 1) - f(pin = 0), in {-1, 0, 1}:
//   g[gate][s]  = sum over consumers of derivative * g[consumer][s]            (the straight-through input gradient)
//   S[gate][c]  = sum over the samples whose input code is c of g[gate][s]     (the table gradient)
// Gradient rows are [row][words * 4 chunks] of 8 samples (shared/gradient.wgsl). What reads the layer says how its gates gather
// their gradients (`sender`). The first layer's gradient is summed but not kept, and neither is the last one's, which is a row
// an output (KEEP false).
//
// LANES lanes share a gate; each takes SPAN samples at a time, so that an edge is looked up once for all of them.
#needs WORKGROUP SPAN
#import shared/structs.wgsl
#import shared/table_gradients.wgsl
#import shared/gradient_rows.wgsl
#import shared/input_codes.wgsl
#import shared/signed.wgsl

var<uniform> layer: Layer;
var<storage, read> wiring: array<u32>;  // [gates][ARITY]
var<storage, read> inputs: array<u32>;  // [inputs][words]
#if KEEP
var<storage, read_write> gradients: array<vec4<u32>>;
#endif

const CHUNKS: u32 = SPAN / 8u;
alias Sums = array<f32, CODES>;
alias Bits = u32;

const GATES_PER_WORKGROUP: u32 = WORKGROUP / LANES;

#import sender

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let lane = index % LANES;
    let step = count.x * GATES_PER_WORKGROUP;
    for (var first = wid.x * GATES_PER_WORKGROUP; first < layer.gates; first += step) {
        let gate = first + index / LANES;
        var sums: array<vec4<f32>, CODES>;
        if gate < layer.gates {
            for (var chunk = lane * CHUNKS; chunk < layer.words * 4u; chunk += LANES * CHUNKS) {
                var g: array<Chunk, CHUNKS>;
                gather(gate, chunk, &g);
#if KEEP
                for (var q = 0u; q < CHUNKS; q++) {
                    let i = gate * layer.words * 4u + chunk + q;
#if GRADIENT_HALVES
                    gradients[i] = pack_chunk(g[q]);
#else
                    gradients[i * 2u] = bitcast<vec4<u32>>(g[q].low);
                    gradients[i * 2u + 1u] = bitcast<vec4<u32>>(g[q].high);
#endif
                }
#endif
                var x: Pins;
                for (var pin = 0u; pin < ARITY; pin++) {
                    x[pin] = inputs[wiring[gate * ARITY + pin] * layer.words + chunk / 4u] >> ((chunk % 4u) * 8u);
                }
                var with_code = input_codes(x);
                for (var q = 0u; q < CHUNKS; q++) {
                    for (var c = 0u; c < CODES; c++) {
                        sums[c] += signed(g[q].low, with_code[c], 0u, q * 8u) + signed(g[q].high, with_code[c], 0u, q * 8u + 4u);
                    }
                }
            }
        }
        var own_sums: Sums;
        for (var c = 0u; c < CODES; c++) {
            own_sums[c] = dot(sums[c], vec4<f32>(1.0));
        }
        keep_table_gradients(gate, index, own_sums, 1.0);
    }
}
