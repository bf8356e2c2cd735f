// How a row finds its gradient that conv/gather_sliced.wgsl has gathered.
fn gather(row: u32, word: u32, g: ptr<function, array<Sliced, WORDS>>) {
    for (var w = 0u; w < WORDS; w++) {
        (*g)[w] = load_row(row, word + w);
    }
}
