// A layer's gates on packed bits. inputs [inputs][words], outputs [gates][words], in units of `Bits`.
#import shared/structs.wgsl
#import shared/lut.wgsl

@group(0) @binding(0) var<uniform> layer: Layer;
@group(0) @binding(1) var<storage, read> wiring: array<u32>; // [gates][ARITY]
@group(0) @binding(2) var<storage, read> tables: array<u32>; // [gates][TABLE_WORDS]
@group(0) @binding(3) var<storage, read> inputs: array<Bits>;
@group(0) @binding(4) var<storage, read_write> outputs: array<Bits>;

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
