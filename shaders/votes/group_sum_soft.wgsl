// Votes of each class on real activations: their sum over the class's gates. outputs [gates] rows of
// shared/activation.wgsl, votes [classes][words * 32] f32.
// LANES_SHARE: the lanes of a workgroup share a class's gates, so that no lane's loop is long.
#needs WORKGROUP
#import shared/structs.wgsl
#import shared/activation.wgsl

var<uniform> layer: Layer;
var<storage, read> outputs: array<vec4<u32>>;
var<storage, read_write> votes: array<vec4<f32>>;

struct Sums {
    low: vec4<f32>,
    high: vec4<f32>,
}

// Of 8 samples of a class, over every `step`th of its gates from `first` on.
fn sum_over_gates(i: u32, first: u32, step: u32) -> Sums {
    let chunks = layer.words * 4u;
    let start = i / chunks * layer.group;
    var sums: Sums;
    for (var gate = start + first; gate < start + layer.group; gate += step) {
        let own = unpack_activations(outputs[gate * chunks + i % chunks]);
        sums.low += own.low;
        sums.high += own.high;
    }
    return sums;
}

#if LANES_SHARE
var<workgroup> shared_sums: array<Sums, WORKGROUP>;
#endif

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
        shared_sums[lane] = sum_over_gates(i, lane, WORKGROUP);
        workgroupBarrier();
        for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
            if lane < half {
                shared_sums[lane].low += shared_sums[lane + half].low;
                shared_sums[lane].high += shared_sums[lane + half].high;
            }
            workgroupBarrier();
        }
        if lane == 0u {
            votes[i * 2u] = shared_sums[0].low;
            votes[i * 2u + 1u] = shared_sums[0].high;
        }
        workgroupBarrier();
    }
#else
    for (var i = wid.x * WORKGROUP + lane; i < total; i += count.x * WORKGROUP) {
        let sums = sum_over_gates(i, 0u, 1u);
        votes[i * 2u] = sums.low;
        votes[i * 2u + 1u] = sums.high;
    }
#endif
}
