// What over_lanes makes of each lane's own number: tells whether the lanes of a workgroup that share a gate lie together in
// a subgroup, which WGSL does not promise.
#needs WORKGROUP
#import shared/lane_sums.wgsl

const CODES: u32 = 1u;
alias Sums = array<i32, CODES>;

var<storage, read_write> found: array<i32>; // [WORKGROUP]

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(local_invocation_index) index: u32) {
    var own: Sums;
    own[0] = i32(index);
    let sums = over_lanes(index, own);
    found[index] = sums[0];
}
