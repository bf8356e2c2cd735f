// What the loss would change by, to first order, if a pin read another of its candidates: a gate is affine in one pin, so with
//   γ[s] = g[gate][s] * (f(pin = 1) - f(pin = 0))     what the gate sends to the pin, saturating
//   S[k] = sum over the batch's samples of γ[s] * x_k[s]
// S[k] - S[j] is the change from candidate j to candidate k. Exact integers: γ is bit-sliced, a sum is a count of bits a plane.
// The last number of a pin is the sum of γ itself. Only in steps that score wires; elsewhere nothing is done.
// Gradient rows are [rows][words][SLICES] u32 planes: a row a gate, or (BY_OUTPUT) a row an output. A lane takes eight
// candidates of a pin, in registers: what a pin sends is made anew for each eight, which costs less than sums kept in memory.
#needs WORKGROUP
alias Score = i32;
#import dense/scored.wgsl
#import shared/sliced_rows.wgsl

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
        let table = table_of(gate);
        let row = gradient_row(gate);
        let low = vec4<u32>(row_of(i, k), row_of(i, k + 1u), row_of(i, k + 2u), row_of(i, k + 3u));
        let high = vec4<u32>(row_of(i, k + 4u), row_of(i, k + 5u), row_of(i, k + 6u), row_of(i, k + 7u));
        var low_sums: vec4<i32>;
        var high_sums: vec4<i32>;
        var all = 0;
        for (var word = 0u; word < layer.words; word++) {
            let by_pin = slope(gate, pin, table, word);
            if by_pin.chosen != 0u {
                var sent: Sliced;
                add_signed(&sent, load_row(row, word), by_pin.chosen, by_pin.negative);
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
            keep(i * SCORES + CANDIDATES, all);
        }
    }
}
