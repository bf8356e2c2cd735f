// Votes of each class: how many of its gates are 1, for every sample. outputs [gates][words] u32, votes
// [classes][words * 32] f32, whole numbers. A workgroup counts one class for 32 samples: every lane adds its gates
// into bit-sliced counters (plane p holds bit p of 32 counts), then a lane a sample adds the lanes' counters.
#needs WORKGROUP PLANES
#import shared/structs.wgsl

var<uniform> layer: Layer;
var<storage, read> outputs: array<u32>;
var<storage, read_write> votes: array<f32>;

var<workgroup> planes: array<u32, WORKGROUP * PLANES>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let class_index = wid.x;
    let word = wid.y;
    var counter: array<u32, PLANES>;
    for (var i = lane; i < layer.group; i += WORKGROUP) {
        var carry = outputs[(class_index * layer.group + i) * layer.words + word];
        for (var p = 0u; p < PLANES; p++) {
            let plane = counter[p];
            counter[p] = plane ^ carry;
            carry &= plane;
        }
    }
    for (var p = 0u; p < PLANES; p++) {
        planes[lane * PLANES + p] = counter[p];
    }
    workgroupBarrier();
    for (var s = lane; s < 32u; s += WORKGROUP) {
        var sum = 0u;
        for (var other = 0u; other < WORKGROUP; other++) {
            for (var p = 0u; p < PLANES; p++) {
                sum += ((planes[other * PLANES + p] >> s) & 1u) << p;
            }
        }
        votes[(class_index * layer.words + word) * 32u + s] = f32(sum);
    }
}
