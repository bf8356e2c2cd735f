// How many pins read each input of a layer whose wires have moved, counted up within a workgroup's inputs: list_readers then knows where
// an input's edges begin. Only in steps that score wires; elsewhere nothing is done. A lane takes an input: it looks through the pins
// that have it among their candidates, so that nothing depends on which lane is first.
#needs WORKGROUP
#import shared/structs.wgsl
#import shared/wires_due.wgsl
#import shared/workgroup_scan.wgsl
#import dense/possible_readers.wgsl

var<storage, read_write> totals: array<u32>; // of every WORKGROUP inputs
var<storage, read_write> edges: array<u32>;  // [inputs]: pins that read those before it of a workgroup's inputs

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
        let input = first + lane;
        var own = 0u;
        if input < layer.inputs {
            for (var at = possible[input]; at < possible[input + 1u]; at++) {
                own += select(0u, 1u, wiring[possible[at]] == input);
            }
        }
        let before = workgroup_scan(lane, own);
        if input < layer.inputs {
            edges[input] = before;
        }
        if lane == WORKGROUP - 1u {
            totals[first / WORKGROUP] = before + own;
        }
    }
}
