// Pins of dense gates whose candidates are scored, and the scores. A page calls the type of a score `Score`.
#needs CANDIDATES
#import shared/codes.wgsl
#import shared/structs.wgsl
#import shared/wires_due.wgsl

alias Bits = u32;
const LUT_ARITY: u32 = ARITY;
#import shared/lut.wgsl

var<uniform> layer: Layer;
var<uniform> training: Training;
var<uniform> step: Step;
var<storage, read> wiring: array<u32>;     // [gates][ARITY]
var<storage, read> tables: array<u32>;     // [gates][TABLE_WORDS]
var<storage, read> inputs: array<u32>;     // [inputs][words]
var<storage, read> candidates: array<u32>; // [gates][ARITY][CANDIDATES]
var<storage, read_write> scores: array<Score>; // [gates][ARITY][SCORES]

const SCORES: u32 = CANDIDATES + 1u;
const EIGHTS: u32 = (CANDIDATES + 7u) / 8u;

// Where the bits of candidate `k` of pin `i` begin; of the last one past the end.
fn row_of(i: u32, k: u32) -> u32 {
    return candidates[i * CANDIDATES + min(k, CANDIDATES - 1u)] * layer.words;
}

// The row of a gate's gradient: its own, or (BY_OUTPUT) its output's.
fn gradient_row(gate: u32) -> u32 {
#if BY_OUTPUT
    return gate / layer.group;
#else
    return gate;
#endif
}

fn table_of(gate: u32) -> vec2<u32> {
    var table = vec2<u32>(tables[gate * TABLE_WORDS], 0u);
    if TABLE_WORDS == 2u {
        table.y = tables[gate * TABLE_WORDS + 1u];
    }
    return table;
}

// The samples whose gradient a pin is sent, and those of them that are sent its negative.
struct Slope {
    chosen: u32,
    negative: u32,
}

// Of pin `pin` of a gate, in word `word`: by f(pin = 1) - f(pin = 0).
fn slope(gate: u32, pin: u32, table: vec2<u32>, word: u32) -> Slope {
    var zeros: Pins;
    var ones: Pins;
    for (var p = 0u; p < ARITY; p++) {
        let x = inputs[wiring[gate * ARITY + p] * layer.words + word];
        zeros[p] = select(x, 0u, p == pin);
        ones[p] = select(x, 0xffffffffu, p == pin);
    }
    let when_one = lut(table, ones);
    let when_zero = lut(table, zeros);
    return Slope(when_one ^ when_zero, when_zero & ~when_one);
}

fn keep_score(i: u32, k: u32, sum: Score) {
    if k < CANDIDATES {
        keep(i * SCORES + k, sum);
    }
}

fn keep(at: u32, sum: Score) {
#if ADDED
    scores[at] += sum;
#else
    scores[at] = sum;
#endif
}
