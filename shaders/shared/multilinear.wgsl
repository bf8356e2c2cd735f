// The multilinear extension of a gate's table, y = sum_c P_c prod_i (x_i or 1 - x_i), for four samples at once, and its
// adjoint. A node of the tree below is the part of the table that starts at code `first` and the last n pins: its halves
// are the nodes of one pin less, and it lies between them at that pin's activation. Straight calls, no loops, so that every
// index is a constant once they are inlined.
#import shared/codes.wgsl

var<private> table: array<f32, CODES>;
var<private> x: array<vec4<f32>, 6>; // activations of the pins, from the last pin to the first

fn extend1(first: u32) -> vec4<f32> {
    return table[first] + x[0] * (table[first + 1u] - table[first]);
}

fn extend2(first: u32) -> vec4<f32> {
    let low = extend1(first);
    return low + x[1] * (extend1(first + 2u) - low);
}

fn extend3(first: u32) -> vec4<f32> {
    let low = extend2(first);
    return low + x[2] * (extend2(first + 4u) - low);
}

fn extend4(first: u32) -> vec4<f32> {
    let low = extend3(first);
    return low + x[3] * (extend3(first + 8u) - low);
}

fn extend5(first: u32) -> vec4<f32> {
    let low = extend4(first);
    return low + x[4] * (extend4(first + 16u) - low);
}

fn extend6(first: u32) -> vec4<f32> {
    let low = extend5(first);
    return low + x[5] * (extend5(first + 32u) - low);
}

fn extend() -> vec4<f32> {
    switch ARITY {
        case 1u: { return extend1(0u); }
        case 2u: { return extend2(0u); }
        case 3u: { return extend3(0u); }
        case 4u: { return extend4(0u); }
        case 5u: { return extend5(0u); }
        default: { return extend6(0u); }
    }
}
