// A convolution's gradients as bit-sliced integers, gathered from its readers, and its tables' gradients in the same pass
// (conv/window.wgsl):
//   g[output][s]  = what readers send, raised to -(2^(SLICES - 1) - 1) if it is less
//   S[gate][c]    = sum over places and samples whose input code is c of ±g[output][s]
// Sums are whole numbers and have no order: a workgroup takes a part of a tree's outputs, and adds its sums to those of others.
#needs WORKGROUP CHUNK TREES
#import shared/structs.wgsl
alias Bits = u32;
#import shared/sliced_rows.wgsl

var<storage, read_write> table_gradients: array<atomic<i32>>; // [trees][TREE_GATES][4]

const WORDS: u32 = 1u;
const OWN_QUADS: u32 = QUADS;
alias Own = Sliced;
alias Sums = array<i32, CODES>;
#import conv/window.wgsl
#import shared/lane_sums.wgsl
#import sender

fn add_sums(own: ptr<function, Own>, reached: ptr<function, Reached>, sums: ptr<function, Sums>) {
    for (var j = 0u; j < TREE_GATES; j++) {
        // -g = ~g + 1
        let negative = (*reached).negative[j];
        var signed = *own;
        for (var q = 0u; q < QUADS; q++) {
            signed.planes[q] ^= vec4<u32>(negative);
        }
        for (var c = 0u; c < 4u; c++) {
            let chosen = (*reached).with_code[4u * j + c];
            (*sums)[4u * j + c] += sum_chosen(signed, chosen) + i32(countOneBits(chosen & negative));
        }
    }
}

// What readers send, the least number, whose negative there is none of, raised to the one above.
fn gathered(row: u32, word: u32) -> Own {
    var all: array<Sliced, WORDS>;
    gather(row, word, &all);
    let g = all[0];
    var made = g;
    var rest = g.planes[0].x | g.planes[0].y | g.planes[0].z;
    for (var q = 1u; q < QUADS; q++) {
        rest |= g.planes[q - 1u].w | g.planes[q].x | g.planes[q].y | g.planes[q].z;
    }
    made.planes[0].x |= g.planes[QUADS - 1u].w & ~rest;
    return made;
}

#if KEEP
fn keep_own(record: u32, own: ptr<function, Own>) {
    for (var q = 0u; q < QUADS; q++) {
        kept[record + q] = (*own).planes[q];
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
