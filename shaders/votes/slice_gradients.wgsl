// Class gradients to bit-sliced integers: [classes][words * 32] f32 to [classes][words][SLICES] u32 planes.
// q = floor(g * scale + u) with u uniform in [0, 1): stochastic rounding, so that the mean of q / scale is g. The scale
// leaves a quarter of the range to sums; u comes from (seed, step, class, place in the step's batch) alone.
#import shared/structs.wgsl
#import shared/random.wgsl
#import shared/sliced.wgsl

var<uniform> batch: Batch;
var<uniform> training: Training;
var<uniform> step: Step;
var<storage, read> class_gradients: array<f32>;
var<storage, read_write> sliced: array<vec4<u32>>;

// A lane makes the planes of one class and 32 samples.
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= batch.classes * batch.words {
        return;
    }
    let most = f32((1u << (SLICES - 1u)) - 1u);
    let class_words = (training.batch + 31u) / 32u; // of the whole batch
    let first_draw = (id.x / batch.words * class_words + id.x % batch.words) * 32u + batch.offset;
    var made: Sliced;
    for (var s = 0u; s < 32u; s += 4u) {
        let at = id.x * 32u + s;
        let draws = philox(vec2<u32>(batch.key0, batch.key1), vec4<u32>(first_draw + s, step.step, 0u, 2u));
        for (var j = 0u; j < 4u; j++) {
            let u = f32(draws[j] >> 8u) / 16777216.0;
            let g = class_gradients[at + j] * training.slice_scale;
            let q = bitcast<u32>(i32(clamp(floor(g + u), -most, most)));
            for (var p = 0u; p < QUADS; p++) {
                let bits = (vec4<u32>(q) >> (vec4<u32>(0u, 1u, 2u, 3u) + vec4<u32>(p * 4u))) & vec4<u32>(1u);
                made.planes[p] |= bits << vec4<u32>(s + j);
            }
        }
    }
    for (var p = 0u; p < QUADS; p++) {
        sliced[id.x * QUADS + p] = made.planes[p];
    }
}
