// Bytes to real activations, pixels as they are: feature f of a sample is byte[pixel(f)] / 255.
// Activations are [features] rows of shared/activation.wgsl.
#import shared/structs.wgsl
#import batch/pixels.wgsl

var<storage, read> offsets: array<u32>;       // [row_words + 1] into `features`
var<storage, read> features: array<vec2<u32>>; // feature, byte in word << 8 | threshold
var<storage, read_write> activations: array<vec4<u32>>;

// A lane reads four pixels of 32 samples and writes every feature that looks at them.
@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let total = batch.row_words * batch.words;
    for (var i = wid.x * 64u + lane; i < total; i += count.x * 64u) {
        let quad = i % batch.row_words;
        let word = i / batch.row_words;
        var bytes: array<u32, 32>;
        for (var s = 0u; s < 32u; s++) {
            bytes[s] = four_pixels(chosen[batch.offset + word * 32u + s], quad);
        }
        for (var f = offsets[quad]; f < offsets[quad + 1u]; f++) {
            let entry = features[f];
            let shift = (entry.y >> 8u) * 8u;
            for (var chunk = 0u; chunk < 4u; chunk++) {
                var made: vec4<u32>;
                for (var s = 0u; s < 4u; s++) {
                    let low = (bytes[chunk * 8u + s] >> shift) & 0xffu;
                    let high = (bytes[chunk * 8u + s + 4u] >> shift) & 0xffu;
                    made[s] = (low * 257u) | ((high * 257u) << 16u);
                }
                activations[(entry.x * batch.words + word) * 4u + chunk] = made;
            }
        }
    }
}
