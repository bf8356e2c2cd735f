// The batch's images, each moved at random, black where nothing was.
// augmented [words * 32][row_words] u32, four bytes a word. The move of batch place s at a step comes from
// (seed, step, s) alone. Whole numbers throughout, so that every device makes the same bytes.
#import shared/structs.wgsl
#import shared/random.wgsl
#import batch/pixels.wgsl

var<uniform> step: Step;
var<storage, read_write> augmented: array<u32>;
#if WARPED
var<storage, read> turns: array<vec2<i32>>; // how many angles there are, then (cosine, sine) * 2^14 of each
#endif

// Uniform in -most..most.
fn either_way(draw: u32, most: u32) -> i32 {
    return i32(multiply_high(draw, 2u * most + 1u)) - i32(most);
}

// A pixel of a plane; 0 outside.
fn pixel_at(sample: u32, plane: u32, x: i32, y: i32) -> u32 {
    let inside = x >= 0 && x < i32(batch.width) && y >= 0 && y < i32(batch.height);
    let source = (plane * batch.height + u32(y)) * batch.width + u32(x);
    if !inside || source / 4u >= batch.row_words {
        return 0u;
    }
    return (four_pixels(sample, source / 4u) >> (source % 4u * 8u)) & 0xffu;
}

// A lane makes four pixels of one sample.
@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let total = batch.row_words * batch.words * 32u;
    for (var i = wid.x * 64u + lane; i < total; i += count.x * 64u) {
        let place = batch.offset + i / batch.row_words;
        let quad = i % batch.row_words;
        let sample = chosen[place];
        let key = vec2<u32>(batch.key0, batch.key1);
        let begun = step.step - 1u; // `advance` has counted this step
        let draws = philox(key, vec4<u32>(place, begun, 0u, 3u));
        let dx = either_way(draws.x, batch.shift);
        let dy = either_way(draws.y, batch.shift);
#if WARPED
        // Where a pixel comes from: its distance from the centre, in half pixels, flipped, turned and scaled.
        let more = philox(key, vec4<u32>(place, begun, 1u, 3u));
        let span = 16384u - batch.least_side;
        let side_x = 16384u - multiply_high(more.x, span + 1u);
        let side_y = 16384u - multiply_high(more.y, span + 1u);
        let turn = turns[1u + multiply_high(draws.w, u32(turns[0].x))];
        let mirror = select(1, -1, batch.flip != 0u && (draws.z >> 31u) == 1u);
        let from_x = vec2<i32>(mirror * turn.x, -turn.y) * i32(side_x) / 16384;
        let from_y = vec2<i32>(mirror * turn.y, turn.x) * i32(side_y) / 16384;
        // In 2^-15 pixels: the centre, and a part's own place in the image.
        let centre_x = (i32(batch.width) - 1) * 16384 + either_way(more.z, (16384u - side_x) * batch.width);
        let centre_y = (i32(batch.height) - 1) * 16384 + either_way(more.w, (16384u - side_y) * batch.height);
#endif
        var made = 0u;
        for (var b = 0u; b < 4u; b++) {
            let pixel = quad * 4u + b;
            let plane = pixel / (batch.width * batch.height);
            let x = i32(pixel % batch.width) - dx;
            let y = i32(pixel / batch.width % batch.height) - dy;
#if WARPED
            let half = vec2<i32>(2 * x + 1 - i32(batch.width), 2 * y + 1 - i32(batch.height));
            let source_x = centre_x + from_x.x * half.x + from_x.y * half.y;
            let source_y = centre_y + from_y.x * half.x + from_y.y * half.y;
            let left = source_x >> 15u;
            let top = source_y >> 15u;
            // Weights of the right and the lower neighbours, in 1/256.
            let right = u32(source_x >> 7u) & 0xffu;
            let lower = u32(source_y >> 7u) & 0xffu;
            let above = pixel_at(sample, plane, left, top) * (256u - right) + pixel_at(sample, plane, left + 1, top) * right;
            let below = pixel_at(sample, plane, left, top + 1) * (256u - right)
                + pixel_at(sample, plane, left + 1, top + 1) * right;
            made |= ((above * (256u - lower) + below * lower + 32768u) >> 16u) << (b * 8u);
#else
            made |= pixel_at(sample, plane, x, y) << (b * 8u);
#endif
        }
        augmented[place * batch.row_words + quad] = made;
    }
}
