// The sum over the lanes of a workgroup before each, of what each has: WORKGROUP lanes, a power of two. All lanes must call it.
#needs WORKGROUP

var<workgroup> scanned: array<u32, WORKGROUP>;

fn workgroup_scan(lane: u32, own: u32) -> u32 {
    var sum = own;
    for (var distance = 1u; distance < WORKGROUP; distance *= 2u) {
        scanned[lane] = sum;
        workgroupBarrier();
        if lane >= distance {
            sum += scanned[lane - distance];
        }
        workgroupBarrier();
    }
    return sum - own;
}
