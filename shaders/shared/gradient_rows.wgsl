// Rows of gradients in `source`, of words as `layer` says: chunk `chunk` of row `row`.
#import shared/gradient.wgsl

var<storage, read> source: array<vec4<u32>>; // gradient rows of consumers, or of outputs

fn load_chunk(row: u32, chunk: u32) -> Chunk {
    let i = row * layer.words * 4u + chunk;
#if GRADIENT_HALVES
    return unpack_chunk(source[i]);
#else
    return Chunk(bitcast<vec4<f32>>(source[i * 2u]), bitcast<vec4<f32>>(source[i * 2u + 1u]));
#endif
}
