// Gradients of outputs to bit-sliced integers: [outputs][words * 32] f32 to `sliced` [outputs][words][SLICES] u32 planes.
// q = floor(g * scale + u) with u uniform in [0, 1): stochastic rounding, so that the mean of q / scale is g. The scale
// leaves a quarter of the range to sums; u comes from (seed, step, output, place in the step's batch) alone. A page that slices
// says where gradients are by `gradient_at`.
#import shared/random.wgsl
#import shared/sliced.wgsl

var<storage, read_write> sliced: array<vec4<u32>>;

// Makes the planes of one output and 32 samples: word `i` of the gradients.
fn slice(i: u32) {
    let most = f32((1u << (SLICES - 1u)) - 1u);
    let output_words = (training.batch + 31u) / 32u; // of the whole batch
    let first_draw = (i / batch.words * output_words + i % batch.words) * 32u + batch.offset;
    var made: Sliced;
    for (var s = 0u; s < 32u; s += 4u) {
        let at = i * 32u + s;
        let draws = philox(vec2<u32>(batch.key0, batch.key1), vec4<u32>(first_draw + s, step.step, 0u, 2u));
        for (var j = 0u; j < 4u; j++) {
            let u = f32(draws[j] >> 8u) / 16777216.0;
            let g = gradient_at(at + j) * training.slice_scale;
            let q = bitcast<u32>(i32(clamp(floor(g + u), -most, most)));
            for (var p = 0u; p < QUADS; p++) {
                let bits = (vec4<u32>(q) >> (vec4<u32>(0u, 1u, 2u, 3u) + vec4<u32>(p * 4u))) & vec4<u32>(1u);
                made.planes[p] |= bits << vec4<u32>(s + j);
            }
        }
    }
    for (var p = 0u; p < QUADS; p++) {
        sliced[i * QUADS + p] = made.planes[p];
    }
}
