// Gradient planes: rows of 8 samples a chunk. As f32, a chunk is two vec4; as bf16, one vec4<u32> whose word i holds
// sample i in its low half and sample i + 4 in its high half. Kernels meet them as two vec4<f32>: samples 0..3, 4..7.

struct Chunk {
    low: vec4<f32>,
    high: vec4<f32>,
}

fn unpack_chunk(w: vec4<u32>) -> Chunk {
    return Chunk(bitcast<vec4<f32>>(w << vec4<u32>(16u)), bitcast<vec4<f32>>(w & vec4<u32>(0xffff0000u)));
}

// Rounds to nearest, ties to even. A NaN's payload may be lost; losses, which stop a run, are never packed.
fn bf16(x: vec4<f32>) -> vec4<u32> {
    let w = bitcast<vec4<u32>>(x);
    return w + vec4<u32>(0x7fffu) + ((w >> vec4<u32>(16u)) & vec4<u32>(1u));
}

fn pack_chunk(chunk: Chunk) -> vec4<u32> {
    return (bf16(chunk.low) >> vec4<u32>(16u)) | (bf16(chunk.high) & vec4<u32>(0xffff0000u));
}
