// One level of a circuit on packed bits: gates that read only rows that earlier levels wrote. signals [rows][words], in
// units of `Bits`. A gate is a record: its row, its table, the rows of its pins.
#needs WORKGROUP
#import shared/codes.wgsl
#import shared/structs.wgsl
#import shared/lut.wgsl

const LUT_ARITY: u32 = ARITY;
const BITS_WORDS: u32 = 4u;
alias Bits = vec4<u32>;
const RECORD: u32 = 1u + TABLE_WORDS + ARITY;

var<uniform> batch: Batch;
var<uniform> level: Layer;
var<storage, read> gates: array<u32>; // [gates][RECORD]
var<storage, read_write> signals: array<Bits>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let units = batch.words / BITS_WORDS;
    let total = level.gates * units;
    for (var i = wid.x * WORKGROUP + lane; i < total; i += count.x * WORKGROUP) {
        let gate = i / units * RECORD;
        let unit = i % units;
        var x: Pins;
        for (var pin = 0u; pin < ARITY; pin++) {
            x[pin] = signals[gates[gate + 1u + TABLE_WORDS + pin] * units + unit];
        }
        var table = vec2<u32>(gates[gate + 1u], 0u);
        if TABLE_WORDS == 2u {
            table.y = gates[gate + 2u];
        }
        signals[gates[gate] * units + unit] = lut(table, x);
    }
}
