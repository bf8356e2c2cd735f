// Rows of gradients in `source`, of words as `layer` says: chunk `chunk` of row `row`.
#import shared/gradient.wgsl

var<storage, read> source: array<vec4<u32>>; // gradient rows of consumers, or of outputs

// vec4 of a chunk.
#if GRADIENT_HALVES
const CHUNK_QUADS: u32 = 1u;
#else
const CHUNK_QUADS: u32 = 2u;
#endif

// The chunk whose first vec4 is number `i`.
fn chunk_at(i: u32) -> Chunk {
#if GRADIENT_HALVES
    return unpack_chunk(source[i]);
#else
    return Chunk(bitcast<vec4<f32>>(source[i]), bitcast<vec4<f32>>(source[i + 1u]));
#endif
}

fn load_chunk(row: u32, chunk: u32) -> Chunk {
    return chunk_at((row * layer.words * 4u + chunk) * CHUNK_QUADS);
}
