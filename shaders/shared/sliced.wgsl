// Bit-sliced integers: plane p of a word holds bit p of 32 samples' numbers, two's complement, SLICES planes.
// Sums of gradients are then a few bitwise operations for 32 samples at once, exact, and the same on every device.
#needs SLICES
#import shared/full_adder.wgsl

const QUADS: u32 = SLICES / 4u;

struct Sliced {
    planes: array<vec4<u32>, QUADS>,
}

// total + g where `chosen` has a sample's bit, total - g where `negative` has it too; saturates.
fn add_signed(total: ptr<function, Sliced>, g: Sliced, chosen: u32, negative: u32) {
    let sign = (*total).planes[QUADS - 1u].w;
    var carry = negative;
    var into_top = 0u;
    for (var q = 0u; q < QUADS; q++) {
        let a = (*total).planes[q];
        let b = (g.planes[q] ^ vec4<u32>(negative)) & vec4<u32>(chosen);
        var sum: vec4<u32>;
        sum.x = add_plane(a.x, b.x, &carry);
        sum.y = add_plane(a.y, b.y, &carry);
        sum.z = add_plane(a.z, b.z, &carry);
        into_top = carry;
        sum.w = add_plane(a.w, b.w, &carry);
        (*total).planes[q] = sum;
    }
    // Past the range: the carry into the sign differs from the carry out of it; the numbers had `sign` both.
    let over = into_top ^ carry;
    if over != 0u {
        for (var q = 0u; q < QUADS; q++) {
            (*total).planes[q] = ((*total).planes[q] & vec4<u32>(~over)) | vec4<u32>(over & ~sign);
        }
        let top = (*total).planes[QUADS - 1u].w;
        (*total).planes[QUADS - 1u].w = (top & ~over) | (over & sign);
    }
}

// The sum of the numbers of the samples in `chosen`.
fn sum_chosen(g: Sliced, chosen: u32) -> i32 {
    var sum = 0;
    for (var q = 0u; q < QUADS; q++) {
        let ones = vec4<i32>(countOneBits(g.planes[q] & vec4<u32>(chosen)));
        let weight = i32(1u << (q * 4u));
        let top = select(8, -8, q == QUADS - 1u);
        sum += weight * (ones.x + 2 * ones.y + 4 * ones.z + top * ones.w);
    }
    return sum;
}
