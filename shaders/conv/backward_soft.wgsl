// A convolution's gradients on real activations. A window's goes to its greatest place, of equal ones the first; there, in the same pass,
// come its tables' gradients and what it sends to each leaf:
//   S[gate][c]     = sum over samples of g[gate][s] prod_i (x_i or 1 - x_i)
//   sent[leaf][s]  = g[gate][s] (y(pin = 1) - y(pin = 0)), down from the root
// A lane takes an output and 8 samples, a workgroup a tree, so that its sums are made in one order; (ADDED) they are added to what
// earlier micro-batches have left. KEEP: a record an output and chunk, in vec4: a chunk a leaf, then the greatest places, 4 bits each.
#needs WORKGROUP TREES
#import shared/structs.wgsl
#import conv/real_tree.wgsl
#import shared/gradient_rows.wgsl

var<uniform> layer: Layer;
var<storage, read_write> table_gradients: array<f32>; // [trees][TREE_GATES][4]
#if KEEP
var<storage, read_write> kept: array<vec4<u32>>;
#endif

const CODES: u32 = TREE_GATES * 4u;
const RECORD: u32 = LEAVES * CHUNK_QUADS + select(0u, 1u, WINDOW > 1u);
alias Sums = array<f32, CODES>;
alias Chunks = array<Chunk, NODES>;
#import shared/lane_sums.wgsl
#import sender

// From what a tree's root is sent at a place, in `by`, to its gates' sums and to its leaves.
fn descend(terms: ptr<function, Terms>, nodes: ptr<function, Nodes>, by: ptr<function, Chunks>, sums: ptr<function, Sums>) {
    for (var n = TREE_GATES; n > 0u; n--) {
        let j = n - 1u;
        let own = (*by)[LEAVES + j];
        let a = (*nodes)[2u * j];
        let b = (*nodes)[2u * j + 1u];
        let all = dot(own.low, vec4<f32>(1.0)) + dot(own.high, vec4<f32>(1.0));
        let with_a = dot(own.low, a.low) + dot(own.high, a.high);
        let with_b = dot(own.low, b.low) + dot(own.high, b.high);
        let with_both = dot(own.low, a.low * b.low) + dot(own.high, a.high * b.high);
        (*sums)[4u * j] += all - with_a - with_b + with_both;
        (*sums)[4u * j + 1u] += with_b - with_both;
        (*sums)[4u * j + 2u] += with_a - with_both;
        (*sums)[4u * j + 3u] += with_both;
        let slopes = (*terms)[j];
        (*by)[2u * j] = Chunk(own.low * (slopes.z + slopes.w * b.low), own.high * (slopes.z + slopes.w * b.high));
        (*by)[2u * j + 1u] = Chunk(own.low * (slopes.y + slopes.w * a.low), own.high * (slopes.y + slopes.w * a.high));
    }
}

fn add_output(leaves: ptr<function, Leaves>, terms: ptr<function, Terms>, unit: u32, place: u32, chunk: u32, sums: ptr<function, Sums>) {
    let row = unit * AREA + place;
    let chunks = layer.words * 4u;
    let g = gather(row, chunk);
    let y = place / COLUMNS * POOL;
    let x = place % COLUMNS * POOL;
    var low_at: vec4<u32>;
    var high_at: vec4<u32>;
#if POOLED
    var most = Activations(vec4<f32>(-1.0), vec4<f32>(-1.0));
    for (var q = 0u; q < WINDOW; q++) {
        let nodes = nodes_at(leaves, terms, y + q / POOL, x + q % POOL, chunk, chunks);
        let own = nodes[NODES - 1u];
        low_at = select(low_at, vec4<u32>(q), own.low > most.low);
        high_at = select(high_at, vec4<u32>(q), own.high > most.high);
        most = Activations(max(most.low, own.low), max(most.high, own.high));
    }
#endif
    var by: Chunks;
    var sent: array<Chunk, LEAVES>;
    for (var q = 0u; q < WINDOW; q++) {
        var nodes = nodes_at(leaves, terms, y + q / POOL, x + q % POOL, chunk, chunks);
        let here = vec4<u32>(q);
        by[NODES - 1u] = Chunk(select(vec4<f32>(0.0), g.low, low_at == here), select(vec4<f32>(0.0), g.high, high_at == here));
        descend(terms, &nodes, &by, sums);
        for (var k = 0u; k < LEAVES; k++) {
            sent[k].low += by[k].low;
            sent[k].high += by[k].high;
        }
    }
#if KEEP
    let record = (row * chunks + chunk) * RECORD;
    for (var k = 0u; k < LEAVES; k++) {
        let i = record + k * CHUNK_QUADS;
#if GRADIENT_HALVES
        kept[i] = pack_chunk(sent[k]);
#else
        kept[i] = bitcast<vec4<u32>>(sent[k].low);
        kept[i + 1u] = bitcast<vec4<u32>>(sent[k].high);
#endif
    }
#if POOLED
    kept[record + LEAVES * CHUNK_QUADS] = low_at | (high_at << vec4<u32>(4u));
#endif
#endif
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let chunks = layer.words * 4u;
    let items = AREA * chunks;
    for (var unit = wid.x; unit < TREES; unit += count.x) {
        var leaves = leaves_of(unit);
        var terms = terms_of(unit);
        var own: Sums;
        for (var item = index; item < items; item += WORKGROUP) {
            add_output(&leaves, &terms, unit, item / chunks, item % chunks, &own);
        }
        let sums = over_lanes(index, own);
        if index == 0u {
            for (var c = 0u; c < CODES; c++) {
                let at = unit * CODES + c;
#if ADDED
                table_gradients[at] += sums[c];
#else
                table_gradients[at] = sums[c];
#endif
            }
        }
    }
}
