// Real activations in [0, 1], stored as 16-bit fractions of 65,535, so that 0, 1 and bytes / 255 are exact. A row is
// [words * 4] chunks of 8 samples, a chunk a vec4<u32>: sample i is the low half of element i, sample i + 4 the high half.

struct Activations {
    low: vec4<f32>,  // samples 0 to 3
    high: vec4<f32>, // samples 4 to 7
}

fn unpack_activations(chunk: vec4<u32>) -> Activations {
    let low = vec4<f32>(bitcast<vec4<i32>>(chunk & vec4<u32>(0xffffu)));
    let high = vec4<f32>(bitcast<vec4<i32>>(chunk >> vec4<u32>(16u)));
    return Activations(low / 65535.0, high / 65535.0);
}

// Rounds to the nearest fraction.
fn pack_activations(x: Activations) -> vec4<u32> {
    let low = bitcast<vec4<u32>>(vec4<i32>(x.low * 65535.0 + 0.5));
    let high = bitcast<vec4<u32>>(vec4<i32>(x.high * 65535.0 + 0.5));
    return low | (high << vec4<u32>(16u));
}
