// A tree on real activations, in registers: what the multilinear extensions of its gates come to at a place, for 8 samples.
#import conv/leaves.wgsl
#import shared/activation.wgsl

var<storage, read> tables: array<f32>; // [trees][TREE_GATES][4]
var<storage, read> inputs: array<vec4<u32>>; // [channels][HEIGHT][WIDTH] rows

alias Nodes = array<Activations, NODES>;

// Gates as x + y b + z a + w ab.
alias Terms = array<vec4<f32>, TREE_GATES>;

fn terms_of(unit: u32) -> Terms {
    var terms: Terms;
    for (var j = 0u; j < TREE_GATES; j++) {
        let first = (unit * TREE_GATES + j) * 4u;
        let t = vec4<f32>(tables[first], tables[first + 1u], tables[first + 2u], tables[first + 3u]);
        terms[j] = vec4<f32>(t.x, t.y - t.x, t.z - t.x, t.w - t.z - (t.y - t.x));
    }
    return terms;
}

fn extended(by: vec4<f32>, a: vec4<f32>, b: vec4<f32>) -> vec4<f32> {
    return by.x + by.y * b + a * (by.z + by.w * b);
}

// The nodes' values at place (y, x): chunk `chunk` of rows of `chunks`.
fn nodes_at(leaves: ptr<function, Leaves>, terms: ptr<function, Terms>, y: u32, x: u32, chunk: u32, chunks: u32) -> Nodes {
    var nodes: Nodes;
    for (var k = 0u; k < LEAVES; k++) {
        let own = position(leaves, k, y, x);
        nodes[k] = unpack_activations(select(inputs[own.row * chunks + chunk], vec4<u32>(0u), own.is_beyond));
    }
    for (var j = 0u; j < TREE_GATES; j++) {
        let by = (*terms)[j];
        let a = nodes[2u * j];
        let b = nodes[2u * j + 1u];
        nodes[LEAVES + j] = Activations(extended(by, a.low, b.low), extended(by, a.high, b.high));
    }
    return nodes;
}
