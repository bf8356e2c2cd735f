// An epoch's permutation without storing it; twin: `permuted` in src/random.rs.
#import shared/random.wgsl

fn mix(value: u32) -> u32 {
    var x = value;
    x ^= x >> 16u;
    x *= 0x7feb352du;
    x ^= x >> 15u;
    x *= 0x846ca68bu;
    return x ^ (x >> 16u);
}

// Element `position` of epoch `epoch`'s permutation of 0..n: a Feistel network over the smallest even number of bits
// that holds n, walked until it lands below n.
fn permuted(key: vec2<u32>, epoch: u32, n: u32, position: u32) -> u32 {
    let keys = philox(key, vec4<u32>(epoch, 0u, 0u, 1u));
    let half_bits = max(1u, (33u - countLeadingZeros(n - 1u)) / 2u);
    let mask = (1u << half_bits) - 1u;
    var x = position;
    loop {
        var left = x >> half_bits;
        var right = x & mask;
        for (var round = 0u; round < 6u; round++) {
            let k = keys[round % 4u] + round * 0x9e3779b9u;
            let next = left ^ (mix(right ^ k) & mask);
            left = right;
            right = next;
        }
        x = (left << half_bits) | right;
        if x < n {
            break;
        }
    }
    return x;
}
