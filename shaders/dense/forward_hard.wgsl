// A layer's gates on packed bits. inputs [inputs][words], outputs [gates][words], in units of `Bits`: a word, or (WIDE) four.
#needs WORKGROUP
#import shared/codes.wgsl
#import shared/structs.wgsl
#import shared/lut.wgsl

const LUT_ARITY: u32 = ARITY;
#if WIDE
const BITS_WORDS: u32 = 4u;
alias Bits = vec4<u32>;
#else
const BITS_WORDS: u32 = 1u;
alias Bits = u32;
#endif

var<uniform> layer: Layer;
var<storage, read> wiring: array<u32>; // [gates][ARITY]
var<storage, read> tables: array<u32>; // [gates][TABLE_WORDS]
var<storage, read> inputs: array<Bits>;
var<storage, read_write> outputs: array<Bits>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let units = layer.words / BITS_WORDS;
    let total = layer.gates * units;
    for (var i = wid.x * WORKGROUP + lane; i < total; i += count.x * WORKGROUP) {
        let gate = i / units;
        let unit = i % units;
        var x: Pins;
        for (var pin = 0u; pin < ARITY; pin++) {
            x[pin] = inputs[wiring[gate * ARITY + pin] * units + unit];
        }
        var table = vec2<u32>(tables[gate * TABLE_WORDS], 0u);
        if TABLE_WORDS == 2u {
            table.y = tables[gate * TABLE_WORDS + 1u];
        }
        outputs[i] = lut(table, x);
    }
}
