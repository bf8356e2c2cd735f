// Which leaves of a convolution read a row of the map before, and what was kept of them (conv/window.wgsl). A leaf reads a bit of the map
// at one place alone, so a bit's readers are leaves: those of its channel and row are listed in `edges`, in the order that sums which
// saturate are made in (src/train/conv.rs), and which of them read it at all follows from its column.
#needs NEXT_WIDTH NEXT_PAD NEXT_STRIDE NEXT_POOL NEXT_COLUMNS NEXT_LEAVES

// [channels][rows + 1] where readers begin in this same array, then two words each: the first output of the row of outputs, and
// leaf | row of the pool's window << 3 | dx << 5.
var<storage, read> edges: array<u32>;

const NEXT_WINDOW: u32 = NEXT_POOL * NEXT_POOL;

// A reader: its output, and the place of the output's window and the leaf that read.
struct Reader {
    output: u32,
    q: u32,
    k: u32,
    reads: bool,
}

fn reader_at(edge: u32, row: u32) -> Reader {
    let how = edges[edge + 1u];
    // Left of the first place, this is beyond the last one.
    let column = row % NEXT_WIDTH + NEXT_PAD - (how >> 5u);
    let place = column / NEXT_STRIDE;
    return Reader(
        edges[edge] + place / NEXT_POOL,
        ((how >> 3u) & 3u) * NEXT_POOL + place % NEXT_POOL,
        how & 7u,
        column % NEXT_STRIDE == 0u && place < NEXT_COLUMNS * NEXT_POOL,
    );
}
