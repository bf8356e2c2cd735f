// Gradient planes: rows of 8 samples a chunk. As f32, a chunk is two vec4; in 16 bits, one vec4<u32> whose word i holds
// sample i in its low half and sample i + 4 in its high half. Kernels meet them as two vec4<f32>: samples 0..3, 4..7.

struct Chunk {
    low: vec4<f32>,
    high: vec4<f32>,
}

#if GRADIENT_F16
// f16 has 11 bits of precision from 2^-14 to 65,504 in size. Gradients are about 1 / (tau * batch), so they are kept 2^12
// times as large: with all 11 bits from 1.5e-8 to 16, less below, and cut off above.
const F16_SCALE: f32 = 4096.0;

fn unpack_chunk(w: vec4<u32>) -> Chunk {
    let x = unpack2x16float(w.x);
    let y = unpack2x16float(w.y);
    let z = unpack2x16float(w.z);
    let last = unpack2x16float(w.w);
    return Chunk(vec4<f32>(x.x, y.x, z.x, last.x) / F16_SCALE, vec4<f32>(x.y, y.y, z.y, last.y) / F16_SCALE);
}

fn pack_chunk(chunk: Chunk) -> vec4<u32> {
    let low = clamp(chunk.low * F16_SCALE, vec4<f32>(-65504.0), vec4<f32>(65504.0));
    let high = clamp(chunk.high * F16_SCALE, vec4<f32>(-65504.0), vec4<f32>(65504.0));
    return vec4<u32>(
        pack2x16float(vec2<f32>(low.x, high.x)),
        pack2x16float(vec2<f32>(low.y, high.y)),
        pack2x16float(vec2<f32>(low.z, high.z)),
        pack2x16float(vec2<f32>(low.w, high.w)),
    );
}
#else
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
#endif
