// Who reads each input of a layer whose wires have moved, for the layer before to gather its gradients by: the pins that read it, all
// first pins first, gate by gate, each with its gate's other wires. count_readers has counted them. Only in steps that score wires;
// elsewhere nothing is done. A lane takes an input.
#needs WORKGROUP ARITY
#import shared/structs.wgsl
#import shared/wires_due.wgsl
#import shared/workgroup_sum.wgsl
#import dense/possible_readers.wgsl

var<storage, read> totals: array<u32>; // as in count_readers
// [inputs + 1] where each input's edges begin in this same array, then [gates * ARITY][ARITY] edges: gate << 3 | pin, the other wires.
var<storage, read_write> edges: array<u32>;

alias Sum = u32;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    if !wires_are_due(step.step - 1u) { // `advance` has counted this step
        return;
    }
    for (var first = wid.x * WORKGROUP; first < layer.inputs; first += count.x * WORKGROUP) {
        var own = 0u;
        for (var block = lane; block < first / WORKGROUP; block += WORKGROUP) {
            own += totals[block];
        }
        let before = workgroup_sum(lane, own);
        workgroupBarrier(); // all have it before sums are made anew
        let input = first + lane;
        if input < layer.inputs {
            var edge = layer.inputs + 1u + (before + edges[input]) * ARITY;
            edges[input] = edge;
            for (var at = possible[input]; at < possible[input + 1u]; at++) {
                let code = possible[at];
                if wiring[code] == input {
                    let gate = code / ARITY;
                    let pin = code % ARITY;
                    edges[edge] = (gate << 3u) | pin;
                    for (var p = 1u; p < ARITY; p++) {
                        edges[edge + p] = wiring[gate * ARITY + select(p, p - 1u, p <= pin)];
                    }
                    edge += ARITY;
                }
            }
        }
    }
}
