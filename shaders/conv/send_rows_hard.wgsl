// How a row finds its gradient that conv/gather_hard.wgsl has gathered.
fn gather(row: u32, chunk: u32, g: ptr<function, array<Chunk, CHUNKS>>) {
    for (var q = 0u; q < CHUNKS; q++) {
        (*g)[q] = load_chunk(row, chunk + q);
    }
}
