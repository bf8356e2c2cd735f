// A convolution of a circuit on packed bits: a lane runs a unit at every place of a pool's window, in registers, and ORs what comes
// out. Units are whole trees, as in conv/shape.wgsl. signals [rows][words], in units of `Bits`: the map that is read, bit by bit, lies in
// rows from FROM on or (SPREAD) where `rows` says, the map that is given from TO on.
#needs WORKGROUP DEPTH POOL STRIDE PAD HEIGHT WIDTH ROWS COLUMNS FROM TO
#import shared/structs.wgsl

const BITS_WORDS: u32 = 4u;
alias Bits = vec4<u32>;
const LEAVES: u32 = 1u << DEPTH;
const GATES: u32 = LEAVES - 1u;
const NODES: u32 = LEAVES + GATES; // gate j reads nodes 2j and 2j + 1
const RECORD: u32 = 1u + GATES + 2u * LEAVES;
const AREA: u32 = ROWS * COLUMNS;

var<uniform> batch: Batch;
var<uniform> level: Layer;
var<storage, read> units: array<u32>; // [level.gates][RECORD]: channel, tables, leaves: first bit of a channel; dy << 16 | dx
#if SPREAD
var<storage, read> rows: array<u32>; // [bits of the map]
#endif
var<storage, read_write> signals: array<Bits>;

fn row_of(bit: u32) -> u32 {
#if SPREAD
    return rows[bit];
#else
    return FROM + bit;
#endif
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let words = batch.words / BITS_WORDS;
    let total = level.gates * AREA * words;
    for (var i = wid.x * WORKGROUP + lane; i < total; i += count.x * WORKGROUP) {
        let word = i % words;
        let output = i / words % AREA;
        let unit = i / words / AREA * RECORD;
        // Gates as 1 ^ b ^ a ^ ab, each term with all ones or zeros before it.
        var terms: array<vec4<u32>, GATES>;
        for (var j = 0u; j < GATES; j++) {
            let table = vec4<u32>(units[unit + 1u + j]);
            let bits = vec4<u32>(0u) - ((table >> vec4<u32>(0u, 1u, 2u, 3u)) & vec4<u32>(1u));
            terms[j] = vec4<u32>(bits.x, bits.x ^ bits.y, bits.x ^ bits.z, bits.x ^ bits.y ^ bits.z ^ bits.w);
        }
        var any = Bits(0u);
        for (var q = 0u; q < POOL * POOL; q++) {
            // Modulo 2^32, so that what lies before a map lies beyond it.
            let y = (output / COLUMNS * POOL + q / POOL) * STRIDE - PAD;
            let x = (output % COLUMNS * POOL + q % POOL) * STRIDE - PAD;
            var nodes: array<Bits, NODES>;
            for (var k = 0u; k < LEAVES; k++) {
                let at = units[unit + 1u + GATES + 2u * k + 1u];
                let row = y + (at >> 16u);
                let column = x + (at & 0xffffu);
                if row < HEIGHT && column < WIDTH {
                    let bit = units[unit + 1u + GATES + 2u * k] + row * WIDTH + column;
                    nodes[k] = signals[row_of(bit) * words + word];
                }
            }
            for (var j = 0u; j < GATES; j++) {
                let by = terms[j];
                let a = nodes[2u * j];
                let b = nodes[2u * j + 1u];
                nodes[LEAVES + j] = Bits(by.x) ^ (Bits(by.y) & b) ^ (a & (Bits(by.z) ^ (Bits(by.w) & b)));
            }
            any |= nodes[NODES - 1u];
        }
        signals[(TO + units[unit] * AREA + output) * words + word] = any;
    }
}
