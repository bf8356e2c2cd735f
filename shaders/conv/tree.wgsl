// A tree on packed bits, in registers: what its nodes come to at a place. `Bits` is u32 or vec4<u32>, as the page says.
#import conv/leaves.wgsl

var<storage, read> tables: array<u32>; // [trees][TREE_GATES]
var<storage, read> inputs: array<Bits>; // [channels][HEIGHT][WIDTH] rows

alias Nodes = array<Bits, NODES>;

// Gates as 1 ^ b ^ a ^ ab, each term with all ones or zeros before it.
alias Terms = array<vec4<u32>, TREE_GATES>;

fn terms_of(unit: u32) -> Terms {
    var terms: Terms;
    for (var j = 0u; j < TREE_GATES; j++) {
        let table = vec4<u32>(tables[unit * TREE_GATES + j]);
        let bits = vec4<u32>(0u) - ((table >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u));
        terms[j] = vec4<u32>(bits.x, bits.x ^ bits.y, bits.x ^ bits.z, bits.x ^ bits.y ^ bits.z ^ bits.w);
    }
    return terms;
}

// The nodes' bits at place (y, x): word `word` of rows of `words`, in units of `Bits`.
fn nodes_at(leaves: ptr<function, Leaves>, terms: ptr<function, Terms>, y: u32, x: u32, word: u32, words: u32) -> Nodes {
    var nodes: Nodes;
    for (var k = 0u; k < LEAVES; k++) {
        let own = position(leaves, k, y, x);
        nodes[k] = select(inputs[own.row * words + word], Bits(0u), own.is_beyond);
    }
    for (var j = 0u; j < TREE_GATES; j++) {
        let by = (*terms)[j];
        let a = nodes[2u * j];
        let b = nodes[2u * j + 1u];
        nodes[LEAVES + j] = Bits(by.x) ^ (Bits(by.y) & b) ^ (a & (Bits(by.z) ^ (Bits(by.w) & b)));
    }
    return nodes;
}
