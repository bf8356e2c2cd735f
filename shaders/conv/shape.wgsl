// The shape of a convolution (src/network/conv.rs): trees of LEAVES leaves over the places of a map of HEIGHT × WIDTH, of which every
// window of POOL × POOL is one of ROWS × COLUMNS outputs.
#needs DEPTH POOL STRIDE PAD HEIGHT WIDTH KERNEL_ROWS KERNEL_COLUMNS ROWS COLUMNS

const LEAVES: u32 = 1u << DEPTH;
const TREE_GATES: u32 = LEAVES - 1u;
const NODES: u32 = LEAVES + TREE_GATES; // leaves, then gates; gate j reads nodes 2j and 2j + 1
const WINDOW: u32 = POOL * POOL;
const AREA: u32 = ROWS * COLUMNS;
