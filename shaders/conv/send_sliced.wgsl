// How a row of a map gathers its gradient from the trees of a convolution that read it, in bit-sliced integers. A leaf reads a bit of
// the map at one place alone, so a bit's readers are leaves: those of its channel and row are listed in `edges`, in the order that sums
// which saturate are made in (src/train/conv.rs), and which of them read it at all follows from its column.
#needs NEXT_WIDTH NEXT_PAD NEXT_STRIDE NEXT_POOL NEXT_COLUMNS NEXT_LEAVES

// [channels][rows + 1] where readers begin in this same array, then two words each: the first output of the row of outputs, and
// leaf | row of the pool's window << 3 | dx << 5.
var<storage, read> edges: array<u32>;

const NEXT_WINDOW: u32 = NEXT_POOL * NEXT_POOL;
#if NEXT_EXACT
const NEXT_RECORD: u32 = QUADS + NEXT_WINDOW * NEXT_LEAVES / 2u;
#else
const NEXT_RECORD: u32 = QUADS + NEXT_LEAVES / 2u + select(0u, (NEXT_WINDOW + 3u) / 4u, NEXT_WINDOW > 1u);
#endif

// Add to g what leaf `leaf` of the reader whose record begins at `record` sends from place q of its window.
fn add_reader(record: u32, k: u32, q: u32, g: ptr<function, Sliced>) {
#if NEXT_EXACT
    let pair = source[record + QUADS + (q * NEXT_LEAVES + k) / 2u];
    let path = select(pair.xy, pair.zw, k % 2u == 1u);
#else
    let pair = source[record + QUADS + k / 2u];
    var path = select(pair.xy, pair.zw, k % 2u == 1u);
#if NEXT_POOLED
    path &= vec2<u32>(source[record + QUADS + NEXT_LEAVES / 2u + q / 4u][q % 4u]);
#endif
#endif
    // Where no sample depends on the wire, its gradients need not be read.
    if path.x != 0u {
        var sent: Sliced;
        for (var n = 0u; n < QUADS; n++) {
            sent.planes[n] = source[record + n];
        }
        add_signed(g, sent, path.x, path.y);
    }
}

// Add to g what all readers of row `row` send to it, for WORDS words from `word` on.
fn gather(row: u32, word: u32, g: ptr<function, array<Sliced, WORDS>>) {
    let list = row / NEXT_WIDTH;
    let x = row % NEXT_WIDTH + NEXT_PAD;
    for (var w = 0u; w < WORDS; w++) {
        var total = (*g)[w];
        for (var edge = edges[list]; edge < edges[list + 1u]; edge += 2u) {
            let how = edges[edge + 1u];
            // Left of the first place, this is beyond the last one.
            let column = x - (how >> 5u);
            let place = column / NEXT_STRIDE;
            if column % NEXT_STRIDE == 0u && place < NEXT_COLUMNS * NEXT_POOL {
                let output = edges[edge] + place / NEXT_POOL;
                let q = ((how >> 3u) & 3u) * NEXT_POOL + place % NEXT_POOL;
                add_reader((output * layer.words + word + w) * NEXT_RECORD, how & 7u, q, &total);
            }
        }
        (*g)[w] = total;
    }
}
