// What the loss would change by, to first order, if a pin read another of its candidates: a gate is affine in one pin, so with
//   γ[s] = g[gate][s] * (f(pin = 1) - f(pin = 0))     what the gate sends to the pin, saturating
//   S[k] = sum over the batch's samples of γ[s] * x_k[s]
// S[k] - S[j] is the change from candidate j to candidate k. Exact integers: γ is bit-sliced, a sum is a count of bits a plane.
// The last number of a pin is the sum of γ itself. Only in steps that score wires; elsewhere nothing is done.
// Gradient rows are [rows][words][SLICES] u32 planes: a row a gate, or (BY_OUTPUT) a row an output. A lane takes eight
// candidates of a pin, in registers: what a pin sends is made anew for each eight, which costs less than sums kept in memory.
#needs WORKGROUP CANDIDATES
#import shared/codes.wgsl
#import shared/structs.wgsl
#import shared/wires_due.wgsl
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
const EIGHTS: u32 = (CANDIDATES + 7u) / 8u;

// Where the bits of candidate `k` of pin `i` begin; of the last one past the end.
fn row_of(i: u32, k: u32) -> u32 {
    return candidates[i * CANDIDATES + min(k, CANDIDATES - 1u)] * layer.words;
}

fn keep_score(i: u32, k: u32, sum: i32) {
    if k < CANDIDATES {
#if ADDED
        scores[i * SCORES + k] += sum;
#else
        scores[i * SCORES + k] = sum;
#endif
    }
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    if !wires_are_due(step.step - 1u) { // `advance` has counted this step
        return;
    }
    let total = layer.gates * ARITY * EIGHTS;
    for (var item = wid.x * WORKGROUP + lane; item < total; item += count.x * WORKGROUP) {
        let i = item / EIGHTS; // the pin
        let k = item % EIGHTS * 8u;
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
        let low = vec4<u32>(row_of(i, k), row_of(i, k + 1u), row_of(i, k + 2u), row_of(i, k + 3u));
        let high = vec4<u32>(row_of(i, k + 4u), row_of(i, k + 5u), row_of(i, k + 6u), row_of(i, k + 7u));
        var low_sums: vec4<i32>;
        var high_sums: vec4<i32>;
        var all = 0;
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
                low_sums.x += sum_chosen(sent, inputs[low.x + word]);
                low_sums.y += sum_chosen(sent, inputs[low.y + word]);
                low_sums.z += sum_chosen(sent, inputs[low.z + word]);
                low_sums.w += sum_chosen(sent, inputs[low.w + word]);
                high_sums.x += sum_chosen(sent, inputs[high.x + word]);
                high_sums.y += sum_chosen(sent, inputs[high.y + word]);
                high_sums.z += sum_chosen(sent, inputs[high.z + word]);
                high_sums.w += sum_chosen(sent, inputs[high.w + word]);
                all += sum_chosen(sent, 0xffffffffu);
            }
        }
        keep_score(i, k, low_sums.x);
        keep_score(i, k + 1u, low_sums.y);
        keep_score(i, k + 2u, low_sums.z);
        keep_score(i, k + 3u, low_sums.w);
        keep_score(i, k + 4u, high_sums.x);
        keep_score(i, k + 5u, high_sums.y);
        keep_score(i, k + 6u, high_sums.z);
        keep_score(i, k + 7u, high_sums.w);
        if k == 0u {
#if ADDED
            scores[i * SCORES + CANDIDATES] += all;
#else
            scores[i * SCORES + CANDIDATES] = all;
#endif
        }
    }
}
