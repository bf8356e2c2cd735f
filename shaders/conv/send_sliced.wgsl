// How a row of a map gathers its gradient from the trees of a convolution that read it, in bit-sliced integers.
#import conv/kept.wgsl

// Add to g what all readers of row `row` send to it, for WORDS words from `word` on.
fn gather(row: u32, word: u32, g: ptr<function, array<Sliced, WORDS>>) {
    let list = row / NEXT_WIDTH;
    for (var w = 0u; w < WORDS; w++) {
        var total = (*g)[w];
        for (var edge = edges[list]; edge < edges[list + 1u]; edge += 2u) {
            let reader = reader_at(edge, row);
            if reader.reads {
                let record = (reader.output * layer.words + word + w) * NEXT_RECORD;
                let path = path_of(reader, record);
                // Where no sample depends on the wire, its gradients need not be read.
                if path.x != 0u {
                    var sent: Sliced;
                    for (var n = 0u; n < QUADS; n++) {
                        sent.planes[n] = source[record + n];
                    }
                    add_signed(&total, sent, path.x, path.y);
                }
            }
        }
        (*g)[w] = total;
    }
}
