// The adjoint of shared/multilinear.wgsl: from y's gradient g, the codes' and the pins', added to `by_code` and `by_pin`.
// A node passes g (1 - x) and g x on to its halves, takes their values, and returns its own.
#import shared/multilinear.wgsl

var<private> by_code: array<vec4<f32>, CODES>; // d/dP_c
var<private> by_pin: array<vec4<f32>, 6>;      // d/dx_i, from the last pin to the first

fn adjoint1(first: u32, g: vec4<f32>) -> vec4<f32> {
    let on = g * x[0];
    by_code[first] += g - on;
    by_code[first + 1u] += on;
    let rise = table[first + 1u] - table[first];
    by_pin[0] += g * rise;
    return table[first] + x[0] * rise;
}

fn adjoint2(first: u32, g: vec4<f32>) -> vec4<f32> {
    let on = g * x[1];
    let low = adjoint1(first, g - on);
    let rise = adjoint1(first + 2u, on) - low;
    by_pin[1] += g * rise;
    return low + x[1] * rise;
}

fn adjoint3(first: u32, g: vec4<f32>) -> vec4<f32> {
    let on = g * x[2];
    let low = adjoint2(first, g - on);
    let rise = adjoint2(first + 4u, on) - low;
    by_pin[2] += g * rise;
    return low + x[2] * rise;
}

fn adjoint4(first: u32, g: vec4<f32>) -> vec4<f32> {
    let on = g * x[3];
    let low = adjoint3(first, g - on);
    let rise = adjoint3(first + 8u, on) - low;
    by_pin[3] += g * rise;
    return low + x[3] * rise;
}

fn adjoint5(first: u32, g: vec4<f32>) -> vec4<f32> {
    let on = g * x[4];
    let low = adjoint4(first, g - on);
    let rise = adjoint4(first + 16u, on) - low;
    by_pin[4] += g * rise;
    return low + x[4] * rise;
}

fn adjoint6(first: u32, g: vec4<f32>) -> vec4<f32> {
    let on = g * x[5];
    let low = adjoint5(first, g - on);
    let rise = adjoint5(first + 32u, on) - low;
    by_pin[5] += g * rise;
    return low + x[5] * rise;
}

fn add_adjoint(g: vec4<f32>) {
    switch ARITY {
        case 1u: { let y = adjoint1(0u, g); }
        case 2u: { let y = adjoint2(0u, g); }
        case 3u: { let y = adjoint3(0u, g); }
        case 4u: { let y = adjoint4(0u, g); }
        case 5u: { let y = adjoint5(0u, g); }
        default: { let y = adjoint6(0u, g); }
    }
}
