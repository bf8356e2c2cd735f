// Votes of each class: how many of its gates are 1, for every sample. outputs [gates][words] u32, votes
// [classes][words * 32] f32, whole numbers. A lane counts one class for 32 samples; or (LANES_SHARE) the lanes of a workgroup, each a
// part of the gates, and then a lane a sample adds up what they have counted.
#needs WORKGROUP
#import shared/structs.wgsl
#if LANES_SHARE
#import shared/counter_lanes.wgsl
#else
#import shared/counter.wgsl
#endif

var<uniform> layer: Layer;
var<storage, read> outputs: array<u32>;
var<storage, read_write> votes: array<f32>;

// Over every `step`th gate of a class from `first` on.
fn count_gates(class_index: u32, word: u32, first: u32, step: u32) -> Counter {
    var counter: Counter;
    for (var i = first; i < layer.group; i += step) {
        add_bits(&counter, 0u, outputs[(class_index * layer.group + i) * layer.words + word]);
    }
    return counter;
}

#if LANES_SHARE
@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    hand_in(lane, count_gates(wid.x, wid.y, lane, WORKGROUP));
    for (var s = lane; s < 32u; s += WORKGROUP) {
        votes[(wid.x * layer.words + wid.y) * 32u + s] = f32(total(0u, 1u, WORKGROUP, s));
    }
}
#else
@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let total = layer.gates / layer.group * layer.words;
    for (var i = wid.x * WORKGROUP + lane; i < total; i += count.x * WORKGROUP) {
        var counter = count_gates(i / layer.words, i % layer.words, 0u, 1u);
        for (var s = 0u; s < 32u; s++) {
            var sum = 0u;
            for (var p = 0u; p < PLANES; p++) {
                sum |= ((counter[p] >> s) & 1u) << p;
            }
            votes[i * 32u + s] = f32(sum);
        }
    }
}
#endif
