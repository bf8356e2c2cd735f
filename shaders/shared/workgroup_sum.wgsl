// The sum over a workgroup's WORKGROUP lanes, a power of two, of what each has: a tree of halves, so that it is made in one order
// everywhere. All lanes must call it; the first gets the sum. A page calls the type of it `Sum`.
#needs WORKGROUP

var<workgroup> sums: array<Sum, WORKGROUP>;

fn workgroup_sum(lane: u32, own: Sum) -> Sum {
    sums[lane] = own;
    workgroupBarrier();
    for (var half = WORKGROUP / 2u; half > 0u; half /= 2u) {
        if lane < half {
            sums[lane] += sums[lane + half];
        }
        workgroupBarrier();
    }
    return sums[0];
}
