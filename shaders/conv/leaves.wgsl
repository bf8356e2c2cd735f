// Where the leaves of a tree read at its places.
#import conv/shape.wgsl

var<storage, read> wiring: array<u32>; // [trees][LEAVES]: (channel, dy, dx) as one number

struct Leaves {
    starts: array<u32, LEAVES>,  // where the channel that a leaf reads begins
    rows: array<u32, LEAVES>,    // its row beside its place's, modulo 2^32
    columns: array<u32, LEAVES>, // and its column
}

fn leaves_of(unit: u32) -> Leaves {
    var leaves: Leaves;
    for (var k = 0u; k < LEAVES; k++) {
        let wire = wiring[unit * LEAVES + k];
        leaves.starts[k] = wire / (KERNEL_ROWS * KERNEL_COLUMNS) * (HEIGHT * WIDTH);
        leaves.rows[k] = wire / KERNEL_COLUMNS % KERNEL_ROWS - PAD;
        leaves.columns[k] = wire % KERNEL_COLUMNS - PAD;
    }
    return leaves;
}

// The row of the map that a leaf reads at place (y, x), and whether it is none but a zero beyond the map's edges.
struct Position {
    row: u32,
    is_beyond: bool,
}

fn position(leaves: ptr<function, Leaves>, k: u32, y: u32, x: u32) -> Position {
    let row = y * STRIDE + (*leaves).rows[k];
    let column = x * STRIDE + (*leaves).columns[k];
    let at = (*leaves).starts[k] + row * WIDTH + column;
#if PADDED
    let is_beyond = row >= HEIGHT || column >= WIDTH;
    return Position(select(at, 0u, is_beyond), is_beyond);
#else
    return Position(at, false);
#endif
}
