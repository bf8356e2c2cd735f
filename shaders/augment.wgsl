// The batch's images, each moved by up to `shift` pixels in both directions, black where nothing was.
// augmented [words * 32][row_words] u32, four bytes a word. The move of batch place s at a step comes from
// (seed, step, s) alone: dx and dy uniform in -shift..shift.
#import shared/structs.wgsl
#import shared/random.wgsl
#import shared/pixels.wgsl

@group(0) @binding(3) var<uniform> step: Step;
@group(0) @binding(4) var<storage, read_write> augmented: array<u32>;

// Uniform in -shift..shift.
fn move_by(draw: u32) -> i32 {
    return i32(multiply_high(draw, 2u * batch.shift + 1u)) - i32(batch.shift);
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
        let place = i / batch.row_words;
        let quad = i % batch.row_words;
        let sample = chosen[place];
        let draws = philox(vec2<u32>(batch.key0, batch.key1), vec4<u32>(place, step.step, 0u, 3u));
        let dx = move_by(draws.x);
        let dy = move_by(draws.y);
        var made = 0u;
        for (var b = 0u; b < 4u; b++) {
            let pixel = quad * 4u + b;
            let plane = pixel / (batch.width * batch.height);
            let x = i32(pixel % batch.width) - dx;
            let y = i32(pixel / batch.width % batch.height) - dy;
            let inside = x >= 0 && x < i32(batch.width) && y >= 0 && y < i32(batch.height);
            let source = (plane * batch.height + u32(y)) * batch.width + u32(x);
            if inside && source / 4u < batch.row_words {
                made |= ((four_pixels(sample, source / 4u) >> (source % 4u * 8u)) & 0xffu) << (b * 8u);
            }
        }
        augmented[i] = made;
    }
}
