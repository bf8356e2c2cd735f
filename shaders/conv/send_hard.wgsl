// How a row of a map gathers its gradient from the trees of a convolution that read it, in real numbers.
#import conv/kept.wgsl

// Add to g what all readers of row `row` send to it, for CHUNKS chunks of one word from `chunk` on.
fn gather(row: u32, chunk: u32, g: ptr<function, array<Chunk, CHUNKS>>) {
    let list = row / NEXT_WIDTH;
    let first = chunk % 4u;
    for (var edge = edges[list]; edge < edges[list + 1u]; edge += 2u) {
        let reader = reader_at(edge, row);
        if reader.reads {
            let record = (reader.output * layer.words + chunk / 4u) * NEXT_RECORD;
            let path = path_of(reader, record) >> vec2<u32>(first * 8u);
            // Where no sample depends on the wire, its gradients need not be read.
            if path.x != 0u {
                for (var q = 0u; q < CHUNKS; q++) {
                    let sent = chunk_at(record + (first + q) * CHUNK_QUADS);
                    (*g)[q].low += signed(sent.low, path.x, path.y, q * 8u);
                    (*g)[q].high += signed(sent.high, path.x, path.y, q * 8u + 4u);
                }
            }
        }
    }
}
