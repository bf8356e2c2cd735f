// How a gate of the last layer finds its gradient: all gates of an output share its row.
fn gather(gate: u32, chunk: u32) -> Chunk {
    return load_chunk(gate / layer.group, chunk);
}
