// How a gate of the last layer finds its gradient: all gates of an output share its row.
fn gather(gate: u32, word: u32, g: ptr<function, array<Sliced, WORDS>>) {
    for (var w = 0u; w < WORDS; w++) {
        (*g)[w] = load_row(gate / layer.group, word + w);
    }
}
