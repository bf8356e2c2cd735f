// A convolution's gradients on packed bits, gathered from its readers, and its tables' gradients in the same pass (conv/window.wgsl), in real
// numbers:
//   S[gate][c]    = sum over places and samples whose input code is c of ±g[output][s]
// A workgroup takes a tree, so that its sums are made in one order; (ADDED) they are added to what earlier micro-batches have left.
#needs WORKGROUP TREES
#import shared/structs.wgsl
alias Bits = u32;
#import shared/gradient_rows.wgsl
#import shared/signed.wgsl

var<storage, read_write> table_gradients: array<f32>; // [trees][TREE_GATES][4]

const CHUNKS: u32 = 4u;
const OWN_QUADS: u32 = CHUNKS * CHUNK_QUADS;
struct Own {
    chunks: array<Chunk, CHUNKS>,
}
alias Sums = array<f32, CODES>;
#import conv/window.wgsl
#import shared/lane_sums.wgsl
#import sender

fn add_sums(own: ptr<function, Own>, reached: ptr<function, Reached>, sums: ptr<function, Sums>) {
    for (var j = 0u; j < TREE_GATES; j++) {
        let negative = (*reached).negative[j];
        for (var c = 0u; c < 4u; c++) {
            let chosen = (*reached).with_code[4u * j + c];
            var sum: vec4<f32>;
            for (var q = 0u; q < CHUNKS; q++) {
                sum += signed((*own).chunks[q].low, chosen, negative, q * 8u) + signed((*own).chunks[q].high, chosen, negative, q * 8u + 4u);
            }
            (*sums)[4u * j + c] += dot(sum, vec4<f32>(1.0));
        }
    }
}

fn gathered(row: u32, word: u32) -> Own {
    var g: array<Chunk, CHUNKS>;
    gather(row, word * 4u, &g);
    return Own(g);
}

#if KEEP
fn keep_own(record: u32, own: ptr<function, Own>) {
    for (var q = 0u; q < CHUNKS; q++) {
        let i = record + q * CHUNK_QUADS;
#if GRADIENT_HALVES
        kept[i] = pack_chunk((*own).chunks[q]);
#else
        kept[i] = bitcast<vec4<u32>>((*own).chunks[q].low);
        kept[i + 1u] = bitcast<vec4<u32>>((*own).chunks[q].high);
#endif
    }
}
#endif

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let items = AREA * layer.words;
    for (var unit = wid.x; unit < TREES; unit += count.x) {
        var leaves = leaves_of(unit);
        var terms = terms_of(unit);
        var own: Sums;
        for (var item = index; item < items; item += WORKGROUP) {
            add_output(&leaves, &terms, unit, item / layer.words, item % layer.words, &own);
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
