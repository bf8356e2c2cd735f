// How a gate of the last layer finds its gradient: all gates of an output share its row.
fn gather(gate: u32, chunk: u32, g: ptr<function, array<Chunk, CHUNKS>>) {
    for (var q = 0u; q < CHUNKS; q++) {
        (*g)[q] = load_chunk(gate / layer.group, chunk + q);
    }
}
