// Bytes to bits: feature f of a sample is byte[pixel(f)] > threshold(f).
// pixels [samples][row_words] u32, four bytes a word, in up to four shards where one binding is too small; bits [features][words] u32, bit s % 32 of word s / 32 is sample s.
#import shared/structs.wgsl

@group(0) @binding(0) var<uniform> batch: Batch;
@group(0) @binding(1) var<storage, read> chosen: array<u32>;
@group(0) @binding(2) var<storage, read> pixels: array<u32>;
#if SHARDS
@group(0) @binding(6) var<storage, read> pixels1: array<u32>;
@group(0) @binding(7) var<storage, read> pixels2: array<u32>;
@group(0) @binding(8) var<storage, read> pixels3: array<u32>;
#endif
@group(0) @binding(3) var<storage, read> offsets: array<u32>;       // [row_words + 1] into `features`
@group(0) @binding(4) var<storage, read> features: array<vec2<u32>>; // feature, byte in word << 8 | threshold
@group(0) @binding(5) var<storage, read_write> bits: array<u32>;

fn four_pixels(sample: u32, quad: u32) -> u32 {
#if SHARDS
    let i = (sample % batch.shard) * batch.row_words + quad;
    switch sample / batch.shard {
        case 0u: { return pixels[i]; }
        case 1u: { return pixels1[i]; }
        case 2u: { return pixels2[i]; }
        default: { return pixels3[i]; }
    }
#else
    return pixels[sample * batch.row_words + quad];
#endif
}

// A lane reads four pixels of 32 samples and makes one word of every feature that looks at them.
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
            bytes[s] = four_pixels(chosen[word * 32u + s], quad);
        }
        for (var f = offsets[quad]; f < offsets[quad + 1u]; f++) {
            let entry = features[f];
            let shift = (entry.y >> 8u) * 8u;
            let threshold = entry.y & 0xffu;
            var made = 0u;
            for (var s = 0u; s < 32u; s++) {
                made |= u32(((bytes[s] >> shift) & 0xffu) > threshold) << s;
            }
            bits[entry.x * batch.words + word] = made;
        }
    }
}
