// A layer's gradients as bit-sliced integers, gathered from its consumers, and its tables' gradients in the same pass:
// what backward_hard does in real numbers. A consumer's derivative by a pin, in {-1, 0, 1} a sample, is two words, so a
// gradient is added for 32 samples by a full adder over planes, and a table entry's sum is a count of bits a plane.
//   g[gate][s]  = sum over consumers of (f(pin = 1) - f(pin = 0)) * g[consumer][s], saturating
//   S[gate][c]  = sum over the samples whose input code is c of g[gate][s], / scale
// Rows are [words][SLICES] u32 planes. What reads the layer says how its gates gather their gradients (`sender`); the first
// layer's is summed but not kept, and neither is the last one's, which is a row an output.
//
// LANES lanes share a gate; each takes SPAN samples at a time, so that an edge is looked up once for all of them.
#needs WORKGROUP SPAN
#import shared/structs.wgsl
#import shared/table_gradients.wgsl
#import shared/sliced_rows.wgsl
#import shared/input_codes.wgsl

var<uniform> layer: Layer;
var<storage, read> wiring: array<u32>;  // [gates][ARITY]
var<storage, read> inputs: array<u32>;  // [inputs][words]
var<uniform> training: Training;
#if KEEP
var<storage, read_write> gradients: array<vec4<u32>>;
#endif

const WORDS: u32 = SPAN / 32u;
alias Sums = array<i32, CODES>;
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
    let unit = 1.0 / training.slice_scale;
    for (var first = wid.x * GATES_PER_WORKGROUP; first < layer.gates; first += count.x * GATES_PER_WORKGROUP) {
        let gate = first + index / LANES;
        var sums: Sums;
        if gate < layer.gates {
            var own: Pins; // where the inputs' bits begin
            for (var pin = 0u; pin < ARITY; pin++) {
                own[pin] = wiring[gate * ARITY + pin] * layer.words;
            }
            for (var word = lane * WORDS; word < layer.words; word += LANES * WORDS) {
                var g: array<Sliced, WORDS>;
                gather(gate, word, &g);
                for (var w = 0u; w < WORDS; w++) {
#if KEEP
                    for (var q = 0u; q < QUADS; q++) {
                        gradients[(gate * layer.words + word + w) * QUADS + q] = g[w].planes[q];
                    }
#endif
                    var x: Pins;
                    for (var pin = 0u; pin < ARITY; pin++) {
                        x[pin] = inputs[own[pin] + word + w];
                    }
                    var with_code = input_codes(x);
                    for (var c = 0u; c < CODES; c++) {
                        sums[c] += sum_chosen(g[w], with_code[c]);
                    }
                }
            }
        }
        keep_table_gradients(gate, index, sums, unit);
    }
}
