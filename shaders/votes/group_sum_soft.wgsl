// Votes of each class on real activations: their sum over the class's gates. outputs [gates] rows of
// shared/activation.wgsl, votes [classes][words * 32] f32.
// LANES_SHARE: the lanes of a workgroup share a class's gates, so that no lane's loop is long.
#needs WORKGROUP
#import shared/structs.wgsl
#import shared/activation.wgsl
#if LANES_SHARE
#import shared/workgroup_sum.wgsl
#endif

var<uniform> layer: Layer;
var<storage, read> outputs: array<vec4<u32>>;
var<storage, read_write> votes: array<vec4<f32>>;

alias Sum = mat2x4<f32>; // of samples 0 to 3, 4 to 7

// Of 8 samples of a class, over every `step`th of its gates from `first` on.
fn sum_over_gates(i: u32, first: u32, step: u32) -> Sum {
    let chunks = layer.words * 4u;
    let start = i / chunks * layer.group;
    var sum: Sum;
    for (var gate = start + first; gate < start + layer.group; gate += step) {
        let own = unpack_activations(outputs[gate * chunks + i % chunks]);
        sum[0] += own.low;
        sum[1] += own.high;
    }
    return sum;
}

// A lane, or a workgroup, takes 8 samples of a class.
@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let total = layer.gates / layer.group * layer.words * 4u;
#if LANES_SHARE
    for (var i = wid.x; i < total; i += count.x) {
        let sum = workgroup_sum(lane, sum_over_gates(i, lane, WORKGROUP));
        if lane == 0u {
            votes[i * 2u] = sum[0];
            votes[i * 2u + 1u] = sum[1];
        }
        workgroupBarrier();
    }
#else
    for (var i = wid.x * WORKGROUP + lane; i < total; i += count.x * WORKGROUP) {
        let sum = sum_over_gates(i, 0u, 1u);
        votes[i * 2u] = sum[0];
        votes[i * 2u + 1u] = sum[1];
    }
#endif
}
