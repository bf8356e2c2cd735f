// Sums over the LANES lanes, a power of two and neighbours in a workgroup, that share a gate. All lanes must call it.
// LANES_SHARE: in workgroup memory, the first lane of each LANES getting the sums; or (SUBGROUPS) by exchange within a
// subgroup, which takes no barrier, all lanes getting them.
#needs LANES

#if LANES_SHARE
#if SUBGROUPS
fn over_lanes(index: u32, own: Sums) -> Sums {
    var sums = own;
    for (var c = 0u; c < CODES; c++) {
        for (var half = LANES / 2u; half > 0u; half /= 2u) {
            sums[c] += subgroupShuffleXor(sums[c], half);
        }
    }
    return sums;
}
#else
var<workgroup> shared_sums: array<Sums, WORKGROUP>;

fn over_lanes(index: u32, own: Sums) -> Sums {
    var sums = own;
    for (var c = 0u; c < CODES; c++) {
        shared_sums[index][c] = sums[c];
    }
    workgroupBarrier();
    for (var half = LANES / 2u; half > 0u; half /= 2u) {
        if index % LANES < half {
            for (var c = 0u; c < CODES; c++) {
                shared_sums[index][c] += shared_sums[index + half][c];
            }
        }
        workgroupBarrier();
    }
    for (var c = 0u; c < CODES; c++) {
        sums[c] = shared_sums[index][c];
    }
    workgroupBarrier();
    return sums;
}
#endif
#else
fn over_lanes(index: u32, own: Sums) -> Sums {
    return own;
}
#endif
