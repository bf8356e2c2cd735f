// What the loss would change by, to first order, if a pin read another of its candidates: a gate is affine in one pin, so with
//   γ[s] = g[gate][s] * (f(pin = 1) - f(pin = 0))     what the gate sends to the pin, saturating
//   S[k] = sum over the batch's samples of γ[s] * x_k[s]
// S[k] - S[j] is the change from candidate j to candidate k. Exact integers: γ is bit-sliced, a sum is a count of bits a plane.
// The last number of a pin is the sum of γ itself. Only in steps that score wires; elsewhere nothing is done.
// Gradient rows are [rows][words][SLICES] u32 planes: a row a gate, or (BY_OUTPUT) a row an output. A lane takes a pin.
#needs WORKGROUP CANDIDATES
#import shared/codes.wgsl
#import shared/structs.wgsl
#import shared/sliced_rows.wgsl

alias Bits = u32;
const LUT_ARITY: u32 = ARITY;
#import shared/lut.wgsl

var<uniform> layer: Layer;
var<uniform> training: Training;
var<uniform> step: Step;
var<storage, read> wiring: array<u32>;     // [gates][ARITY]
var<storage, read> tables: array<u32>;     // [gates][TABLE_WORDS]
var<storage, read> inputs: array<u32>;     // [inputs][words]
var<storage, read> candidates: array<u32>; // [gates][ARITY][CANDIDATES]
var<storage, read_write> scores: array<i32>; // [gates][ARITY][SCORES]

const SCORES: u32 = CANDIDATES + 1u;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let done = step.step - 1u; // `advance` has counted this step
    if done >= training.wire_until || done % training.wire_every != 0u {
        return;
    }
    let total = layer.gates * ARITY;
    for (var i = wid.x * WORKGROUP + lane; i < total; i += count.x * WORKGROUP) {
        let gate = i / ARITY;
        let pin = i % ARITY;
        var table = vec2<u32>(tables[gate * TABLE_WORDS], 0u);
        if TABLE_WORDS == 2u {
            table.y = tables[gate * TABLE_WORDS + 1u];
        }
        var row = gate;
#if BY_OUTPUT
        row = gate / layer.group;
#endif
        var sums: array<i32, SCORES>;
        for (var word = 0u; word < layer.words; word++) {
            var zeros: Pins;
            var ones: Pins;
            for (var p = 0u; p < ARITY; p++) {
                let x = inputs[wiring[gate * ARITY + p] * layer.words + word];
                zeros[p] = select(x, 0u, p == pin);
                ones[p] = select(x, 0xffffffffu, p == pin);
            }
            let when_one = lut(table, ones);
            let when_zero = lut(table, zeros);
            let chosen = when_one ^ when_zero;
            if chosen != 0u {
                var sent: Sliced;
                add_signed(&sent, load_row(row, word), chosen, when_zero & ~when_one);
                for (var k = 0u; k < CANDIDATES; k++) {
                    sums[k] += sum_chosen(sent, inputs[candidates[i * CANDIDATES + k] * layer.words + word]);
                }
                sums[CANDIDATES] += sum_chosen(sent, 0xffffffffu);
            }
        }
        for (var k = 0u; k < SCORES; k++) {
#if ADDED
            scores[i * SCORES + k] += sums[k];
#else
            scores[i * SCORES + k] = sums[k];
#endif
        }
    }
}
