// Rows of bit-sliced gradients in `source`, [rows][words][SLICES] u32 planes, of words as `layer` says.
#import shared/sliced.wgsl

var<storage, read> source: array<vec4<u32>>; // gradient rows of consumers, or of outputs

fn load_row(row: u32, word: u32) -> Sliced {
    var g: Sliced;
    for (var q = 0u; q < QUADS; q++) {
        g.planes[q] = source[(row * layer.words + word) * QUADS + q];
    }
    return g;
}
