// Bytes to features. Bits: feature f of a sample is byte[pixel(f)] > threshold(f); they are [features][words] u32, bit s % 32 of word
// s / 32 is sample s. REAL: pixels as they are, byte[pixel(f)] / 255, in [features] rows of shared/activation.wgsl.
#import shared/structs.wgsl
#import batch/pixels.wgsl

var<storage, read> offsets: array<u32>;       // [row_words + 1] into `features`
var<storage, read> features: array<vec2<u32>>; // feature, byte in word << 8 | threshold
#if REAL
var<storage, read_write> activations: array<vec4<u32>>;
#else
var<storage, read_write> bits: array<u32>;
#endif

// A lane reads four pixels of 32 samples and makes every feature that looks at them.
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
#if REAL
            for (var chunk = 0u; chunk < 4u; chunk++) {
                var made: vec4<u32>;
                for (var s = 0u; s < 4u; s++) {
                    let low = (bytes[chunk * 8u + s] >> shift) & 0xffu;
                    let high = (bytes[chunk * 8u + s + 4u] >> shift) & 0xffu;
                    made[s] = (low * 257u) | ((high * 257u) << 16u);
                }
                activations[(entry.x * batch.words + word) * 4u + chunk] = made;
            }
#else
            let threshold = entry.y & 0xffu;
            var made = 0u;
            for (var s = 0u; s < 32u; s++) {
                made |= u32(((bytes[s] >> shift) & 0xffu) > threshold) << s;
            }
            bits[entry.x * batch.words + word] = made;
#endif
        }
    }
}
