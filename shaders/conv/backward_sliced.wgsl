// A convolution's gradients as bit-sliced integers, gathered from its readers, and its tables' gradients in the same pass. On bits the
// gradient at any node of a tree is its window's own times -1, 0 or 1, so it is two masks: the samples for which it arrives (`chosen`),
// and those of them for which it is the negative.
//   g[output][s]  = what readers send, raised to -(2^(SLICES - 1) - 1) if it is less
//   S[gate][c]    = sum over places and samples whose input code is c of ±g[output][s]
// A lane takes an output and 32 samples, runs the tree again at the window's places, and follows the gradient down from each. A gradient
// goes to one place of a window alone, so that what places come to is joined; but by rule EXACT.
//
// KEEP: what the layer before gathers by is kept a record an output and word, in vec4 (conv/send_sliced.wgsl): the planes of g; of every
// leaf, the samples that its gradient arrives for and those of the negative; and which samples went to each place of the window.
// EXACT: the same of leaves at each place instead.
#needs WORKGROUP CHUNK TREES
#import shared/structs.wgsl
alias Bits = u32;
#import conv/tree.wgsl
#import conv/pool.wgsl
#import shared/sliced_rows.wgsl

var<uniform> layer: Layer;
var<storage, read_write> table_gradients: array<atomic<i32>>; // [trees][TREE_GATES][4]
#if KEEP
var<storage, read_write> kept: array<vec4<u32>>;
#endif

const WORDS: u32 = 1u;
const CODES: u32 = TREE_GATES * 4u;
alias Sums = array<i32, CODES>;
#import shared/lane_sums.wgsl

#if EXACT
const RECORD: u32 = QUADS + WINDOW * LEAVES / 2u;
#else
const RECORD: u32 = QUADS + LEAVES / 2u + select(0u, (WINDOW + 3u) / 4u, WINDOW > 1u);
#endif

#import sender

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

fn add_sums(g: Sliced, reached: ptr<function, Reached>, sums: ptr<function, Sums>) {
    for (var j = 0u; j < TREE_GATES; j++) {
        // -g = ~g + 1
        let negative = (*reached).negative[j];
        var signed = g;
        for (var q = 0u; q < QUADS; q++) {
            signed.planes[q] ^= vec4<u32>(negative);
        }
        for (var c = 0u; c < 4u; c++) {
            let chosen = (*reached).with_code[4u * j + c];
            (*sums)[4u * j + c] += sum_chosen(signed, chosen) + i32(countOneBits(chosen & negative));
        }
    }
}

// The least number, whose negative there is none of, to the one above.
fn even(g: Sliced) -> Sliced {
    var made = g;
    var rest = g.planes[0].x | g.planes[0].y | g.planes[0].z;
    for (var q = 1u; q < QUADS; q++) {
        rest |= g.planes[q - 1u].w | g.planes[q].x | g.planes[q].y | g.planes[q].z;
    }
    made.planes[0].x |= g.planes[QUADS - 1u].w & ~rest;
    return made;
}

fn add_output(leaves: ptr<function, Leaves>, terms: ptr<function, Terms>, unit: u32, place: u32, word: u32, sums: ptr<function, Sums>) {
    let row = unit * AREA + place;
    var gathered: array<Sliced, WORDS>;
    gather(row, word, &gathered);
    let g = even(gathered[0]);
    let y = place / COLUMNS * POOL;
    let x = place % COLUMNS * POOL;
#if POOLED
    // How many of a window's places are 1: at least one, at least two.
    var ones = 0u;
    var twice = 0u;
    for (var q = 0u; q < WINDOW; q++) {
        let nodes = nodes_at(leaves, terms, y + q / POOL, x + q % POOL, word, layer.words);
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
    for (var q = 0u; q < QUADS; q++) {
        kept[record + q] = g.planes[q];
    }
    var went: vec4<u32>;
#endif
    var paths: Paths;
    var sent: Paths;
    var reached: Reached;
    for (var q = 0u; q < WINDOW; q++) {
        var nodes = nodes_at(leaves, terms, y + q / POOL, x + q % POOL, word, layer.words);
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
        add_sums(g, &reached, sums);
#endif
#if KEEP
#if EXACT
        for (var k = 0u; k < LEAVES; k += 2u) {
            kept[record + QUADS + (q * LEAVES + k) / 2u] =
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
            kept[record + QUADS + LEAVES / 2u + q / 4u] = went;
        }
#endif
#endif
#endif
    }
#if EXACT
#else
    add_sums(g, &reached, sums);
#if KEEP
    for (var k = 0u; k < LEAVES; k += 2u) {
        kept[record + QUADS + k / 2u] =
            vec4<u32>(sent.chosen[k], sent.negative[k], sent.chosen[k + 1u], sent.negative[k + 1u]);
    }
#endif
#endif
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let items = AREA * layer.words;
    let parts = (items + CHUNK - 1u) / CHUNK;
    for (var group = wid.x; group < TREES * parts; group += count.x) {
        let unit = group / parts;
        let first = group % parts * CHUNK;
        let end = min(first + CHUNK, items);
        var leaves = leaves_of(unit);
        var terms = terms_of(unit);
        var own: Sums;
        for (var item = first + index; item < end; item += WORKGROUP) {
            add_output(&leaves, &terms, unit, item / layer.words, item % layer.words, &own);
        }
        let sums = over_lanes(index, own);
        if index % LANES == 0u {
            for (var c = 0u; c < CODES; c++) {
                atomicAdd(&table_gradients[unit * CODES + c], sums[c]);
            }
        }
    }
}
