// Counters of a workgroup's lanes, added up.
#needs WORKGROUP
#import shared/counter.wgsl

var<workgroup> planes: array<u32, WORKGROUP * PLANES>;

// All lanes must call it before any asks for a total.
fn hand_in(lane: u32, counter: Counter) {
    var own = counter;
    for (var p = 0u; p < PLANES; p++) {
        planes[lane * PLANES + p] = own[p];
    }
    workgroupBarrier();
}

// The count of sample s over `lanes` lanes, of every `step`th from `first` on.
fn total(first: u32, step: u32, lanes: u32, s: u32) -> u32 {
    var sum = 0u;
    for (var n = 0u; n < lanes; n++) {
        for (var p = 0u; p < PLANES; p++) {
            sum += ((planes[(first + n * step) * PLANES + p] >> s) & 1u) << p;
        }
    }
    return sum;
}
