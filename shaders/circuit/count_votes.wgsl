// Votes of each class of a circuit, for every sample. signals [rows][words] u32, counts [samples][classes] u32.
// A workgroup counts one class for WORKGROUP / LANES words: LANES lanes share a word's votes, each adds its own into
// bit-sliced counters, then the lanes' counters are added, a lane a sample.
#needs WORKGROUP LANES
#import shared/structs.wgsl
#import shared/counter_lanes.wgsl
#import shared/full_adder.wgsl

const COLUMNS: u32 = WORKGROUP / LANES;

var<uniform> batch: Batch;
var<storage, read> ranges: array<vec4<u32>>; // [classes]: first vote, end, always cast, 1: add to counts
var<storage, read> votes: array<u32>;        // row << 1 | 1 where a 0 is the vote
var<storage, read> signals: array<u32>;
var<storage, read_write> counts: array<u32>;

fn vote(i: u32, word: u32) -> u32 {
    return signals[(votes[i] >> 1u) * batch.words + word] ^ (0u - (votes[i] & 1u));
}

// Leaves the sum of three in `sum` and returns the carry.
fn add(sum: ptr<function, u32>, a: u32, b: u32) -> u32 {
    var carry = b;
    *sum = add_plane(*sum, a, &carry);
    return carry;
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) wid: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let first_word = wid.y * COLUMNS;
    let word = first_word + lane % COLUMNS;
    let range = ranges[wid.x];
    var counter: Counter;
    if word < batch.words {
        let share = (range.y - range.x + LANES - 1u) / LANES;
        let end = min(range.x + (lane / COLUMNS + 1u) * share, range.y);
        var i = range.x + lane / COLUMNS * share;
        var ones = 0u;
        var twos = 0u;
        var fours = 0u;
        // Eight votes at a time go through seven full adders (Harley and Seal's method).
        for (; i + 8u <= end; i += 8u) {
            let a = add(&ones, vote(i, word), vote(i + 1u, word));
            let b = add(&ones, vote(i + 2u, word), vote(i + 3u, word));
            let c = add(&twos, a, b);
            let d = add(&ones, vote(i + 4u, word), vote(i + 5u, word));
            let e = add(&ones, vote(i + 6u, word), vote(i + 7u, word));
            let f = add(&twos, d, e);
            add_bits(&counter, 3u, add(&fours, c, f));
        }
        counter[0] = ones;
        counter[1] = twos;
        counter[2] = fours;
        for (; i < end; i++) {
            add_bits(&counter, 0u, vote(i, word));
        }
    }
    hand_in(lane, counter);
    for (var i = lane; i < COLUMNS * 32u; i += WORKGROUP) {
        let column = i / 32u;
        if first_word + column < batch.words {
            let sum = range.z + total(column, COLUMNS, LANES, i % 32u);
            let at = (first_word * 32u + i) * batch.classes + wid.x;
            counts[at] = range.w * counts[at] + sum;
        }
    }
}
