// What the loss would change by, to first order, if a pin read another of its candidates: what score_wires does, in real numbers.
//   γ[s] = g[gate][s] * (f(pin = 1) - f(pin = 0))     what the gate sends to the pin
//   S[k] = sum over the batch's samples of γ[s] * x_k[s]
// A sum is made in f32 in one order: of every fourth sample by itself, four samples and the four after them together, then of these
// four sums. The last number of a pin is the sum of γ itself. Only in steps that score wires; elsewhere nothing is done.
// Gradient rows are [row][words * 4 chunks] of 8 samples: a row a gate, or (BY_OUTPUT) a row an output. A lane takes eight candidates
// of a pin, in registers.
#needs WORKGROUP
alias Score = f32;
#import dense/scored.wgsl
#import shared/gradient_rows.wgsl
#import shared/signed.wgsl

// Of 8 samples' numbers those whose bits, from bit `first` of `bits` on, are set: the first four and the last four added up.
fn picked(sent: Chunk, bits: u32, first: u32) -> vec4<f32> {
    return signed(sent.low, bits, 0u, first) + signed(sent.high, bits, 0u, first + 4u);
}

fn total(sums: vec4<f32>) -> f32 {
    return (sums.x + sums.y) + (sums.z + sums.w);
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
    let items = layer.gates * ARITY * EIGHTS;
    for (var item = wid.x * WORKGROUP + lane; item < items; item += count.x * WORKGROUP) {
        let i = item / EIGHTS; // the pin
        let k = item % EIGHTS * 8u;
        let gate = i / ARITY;
        let pin = i % ARITY;
        let table = table_of(gate);
        let row = gradient_row(gate);
        let low = vec4<u32>(row_of(i, k), row_of(i, k + 1u), row_of(i, k + 2u), row_of(i, k + 3u));
        let high = vec4<u32>(row_of(i, k + 4u), row_of(i, k + 5u), row_of(i, k + 6u), row_of(i, k + 7u));
        var sums0: vec4<f32>;
        var sums1: vec4<f32>;
        var sums2: vec4<f32>;
        var sums3: vec4<f32>;
        var sums4: vec4<f32>;
        var sums5: vec4<f32>;
        var sums6: vec4<f32>;
        var sums7: vec4<f32>;
        var all: vec4<f32>;
        for (var word = 0u; word < layer.words; word++) {
            let by_pin = slope(gate, pin, table, word);
            if by_pin.chosen != 0u {
                let low_bits = vec4<u32>(inputs[low.x + word], inputs[low.y + word], inputs[low.z + word], inputs[low.w + word]);
                let high_bits =
                    vec4<u32>(inputs[high.x + word], inputs[high.y + word], inputs[high.z + word], inputs[high.w + word]);
                for (var chunk = 0u; chunk < 4u; chunk++) {
                    let first = chunk * 8u;
                    let g = load_chunk(row, word * 4u + chunk);
                    var sent: Chunk;
                    sent.low = signed(g.low, by_pin.chosen, by_pin.negative, first);
                    sent.high = signed(g.high, by_pin.chosen, by_pin.negative, first + 4u);
                    sums0 += picked(sent, low_bits.x, first);
                    sums1 += picked(sent, low_bits.y, first);
                    sums2 += picked(sent, low_bits.z, first);
                    sums3 += picked(sent, low_bits.w, first);
                    sums4 += picked(sent, high_bits.x, first);
                    sums5 += picked(sent, high_bits.y, first);
                    sums6 += picked(sent, high_bits.z, first);
                    sums7 += picked(sent, high_bits.w, first);
                    all += sent.low + sent.high;
                }
            }
        }
        keep_score(i, k, total(sums0));
        keep_score(i, k + 1u, total(sums1));
        keep_score(i, k + 2u, total(sums2));
        keep_score(i, k + 3u, total(sums3));
        keep_score(i, k + 4u, total(sums4));
        keep_score(i, k + 5u, total(sums5));
        keep_score(i, k + 6u, total(sums6));
        keep_score(i, k + 7u, total(sums7));
        if k == 0u {
            keep(i * SCORES + CANDIDATES, total(all));
        }
    }
}
