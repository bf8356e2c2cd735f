// A convolution backward, on packed bits: an output and 32 samples at a time. The gradient at any node of a tree is its window's own
// times -1, 0 or 1, so it is two masks: the samples for which it arrives (`chosen`), and those of them for which it is the negative. The
// tree is run again at the window's places, and the gradient followed down from each. It goes to one place of a window alone, so that
// what places come to is joined; but by rule EXACT.
//
// A page says what a gradient is (`Own`): how it is gathered (`gathered`), added to sums by table entries (`add_sums`) and kept
// (`keep_own`), in OWN_QUADS vec4.
//
// KEEP: what the layer before gathers by is kept a record an output and word, in vec4 (conv/reader.wgsl): the gradient; of every leaf, the
// samples that it arrives for and those of the negative; and which samples went to each place of the window. EXACT: the same of leaves at
// each place instead.
#import conv/tree.wgsl
#import conv/pool.wgsl

var<uniform> layer: Layer;
#if KEEP
var<storage, read_write> kept: array<vec4<u32>>;
#endif

const CODES: u32 = TREE_GATES * 4u;
// Places whose nodes are held: all, or where these would be too many one, and the others are run again.
const HELD: u32 = select(1u, WINDOW, WINDOW * NODES <= 64u);
#if EXACT
const RECORD: u32 = OWN_QUADS + WINDOW * LEAVES / 2u;
#else
const RECORD: u32 = OWN_QUADS + LEAVES / 2u + select(0u, (WINDOW + 3u) / 4u, WINDOW > 1u);
#endif

// The samples that follow a path to a node, and those whose gradient is negative there.
struct Paths {
    chosen: Nodes,
    negative: Nodes,
}

// What arrives at gates: by gate and input code, and those of the negative.
struct Reached {
    with_code: array<u32, CODES>,
    negative: array<u32, TREE_GATES>,
}

// Follow what `paths` has at the root to the leaves, and join what gates are reached by.
fn follow(terms: ptr<function, Terms>, nodes: ptr<function, Nodes>, paths: ptr<function, Paths>, reached: ptr<function, Reached>) {
    for (var n = TREE_GATES; n > 0u; n--) {
        let j = n - 1u;
        let a = (*nodes)[2u * j];
        let b = (*nodes)[2u * j + 1u];
        let chosen = (*paths).chosen[LEAVES + j];
        let negative = (*paths).negative[LEAVES + j];
        (*reached).with_code[4u * j] |= chosen & ~(a | b);
        (*reached).with_code[4u * j + 1u] |= chosen & ~a & b;
        (*reached).with_code[4u * j + 2u] |= chosen & a & ~b;
        (*reached).with_code[4u * j + 3u] |= chosen & a & b;
        (*reached).negative[j] |= negative;
        // The gate depends on a pin, falling where it is 1 without it.
        let by = (*terms)[j];
        let by_a = chosen & (by.z ^ (by.w & b));
        (*paths).chosen[2u * j] = by_a;
        (*paths).negative[2u * j] = by_a & (negative ^ by.x ^ (by.y & b));
        let by_b = chosen & (by.y ^ (by.w & a));
        (*paths).chosen[2u * j + 1u] = by_b;
        (*paths).negative[2u * j + 1u] = by_b & (negative ^ by.x ^ (by.z & a));
    }
}

fn add_output(leaves: ptr<function, Leaves>, terms: ptr<function, Terms>, unit: u32, place: u32, word: u32, sums: ptr<function, Sums>) {
    let row = unit * AREA + place;
    var g = gathered(row, word);
    let y = place / COLUMNS * POOL;
    let x = place % COLUMNS * POOL;
#if POOLED
    // How many of a window's places are 1: at least one, at least two.
    var ones = 0u;
    var twice = 0u;
    var held: array<Nodes, HELD>;
    for (var q = 0u; q < WINDOW; q++) {
        let nodes = nodes_at(leaves, terms, y + q / POOL, x + q % POOL, word, layer.words);
        held[q % HELD] = nodes;
        twice |= ones & nodes[NODES - 1u];
        ones |= nodes[NODES - 1u];
    }
#if DRAWN
    let drawn = turned(draws[place * layer.words + word], unit);
#endif
    var earlier = 0u;
#endif
#if KEEP
    let record = (row * layer.words + word) * RECORD;
    keep_own(record, &g);
    var went: vec4<u32>;
#endif
    var paths: Paths;
    var sent: Paths;
    var reached: Reached;
    for (var q = 0u; q < WINDOW; q++) {
        var nodes: Nodes;
#if POOLED
        nodes = held[q % HELD];
        if HELD < WINDOW {
            nodes = nodes_at(leaves, terms, y + q / POOL, x + q % POOL, word, layer.words);
        }
#else
        nodes = nodes_at(leaves, terms, y, x, word, layer.words);
#endif
        var chosen = 0xffffffffu;
#if POOLED
        let own = nodes[NODES - 1u];
#if EXACT
        // The others are 0: no place is 1 twice over, and either this is the one or there is none.
        chosen = ~twice & (own | ~ones);
#else
        chosen = own & ~earlier;
#if DRAWN
        chosen |= ~ones & drawn_place(drawn, q);
#else
        chosen |= select(0u, ~ones, q == 0u);
#endif
#endif
        earlier |= own;
#endif
        paths.chosen[NODES - 1u] = chosen;
        paths.negative[NODES - 1u] = 0u;
#if EXACT
        reached = Reached();
#endif
        follow(terms, &nodes, &paths, &reached);
#if EXACT
        add_sums(&g, &reached, sums);
#endif
#if KEEP
#if EXACT
        for (var k = 0u; k < LEAVES; k += 2u) {
            kept[record + OWN_QUADS + (q * LEAVES + k) / 2u] =
                vec4<u32>(paths.chosen[k], paths.negative[k], paths.chosen[k + 1u], paths.negative[k + 1u]);
        }
#else
        for (var k = 0u; k < LEAVES; k++) {
            sent.chosen[k] |= paths.chosen[k];
            sent.negative[k] |= paths.negative[k];
        }
#if POOLED
        went[q % 4u] = chosen;
        if q % 4u == 3u || q + 1u == WINDOW {
            kept[record + OWN_QUADS + LEAVES / 2u + q / 4u] = went;
        }
#endif
#endif
#endif
    }
#if EXACT
#else
    add_sums(&g, &reached, sums);
#if KEEP
    for (var k = 0u; k < LEAVES; k += 2u) {
        kept[record + OWN_QUADS + k / 2u] =
            vec4<u32>(sent.chosen[k], sent.negative[k], sent.chosen[k + 1u], sent.negative[k + 1u]);
    }
#endif
#endif
}
