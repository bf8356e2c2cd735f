// How a row of a map gathers its gradient from the trees of a convolution that read it on real activations: what each leaf has sent, where
// it was sent from the place that read (conv/backward_soft.wgsl).
#import conv/reader.wgsl

const NEXT_RECORD: u32 = NEXT_LEAVES * CHUNK_QUADS + select(0u, 1u, NEXT_WINDOW > 1u);

fn gather(row: u32, chunk: u32) -> Chunk {
    var g: Chunk;
    let list = row / NEXT_WIDTH;
    for (var edge = edges[list]; edge < edges[list + 1u]; edge += 2u) {
        let reader = reader_at(edge, row);
        if reader.reads {
            let record = (reader.output * layer.words * 4u + chunk) * NEXT_RECORD;
            let sent = chunk_at(record + reader.k * CHUNK_QUADS);
#if NEXT_POOLED
            let at = source[record + NEXT_LEAVES * CHUNK_QUADS];
            let here = vec4<u32>(reader.q);
            g.low += select(vec4<f32>(0.0), sent.low, (at & vec4<u32>(15u)) == here);
            g.high += select(vec4<f32>(0.0), sent.high, (at >> vec4<u32>(4u)) == here);
#else
            g.low += sent.low;
            g.high += sent.high;
#endif
        }
    }
    return g;
}
