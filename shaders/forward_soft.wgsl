// A layer's gates on real activations: the multilinear extension of a table, y = sum_c P_c prod_i (x_i or 1 - x_i),
// folded pin by pin from the last. inputs [inputs][words * 32] f32, outputs [gates][words * 32] f32.
// Tables are the selected gates' bits (SELECTED) or the parametrization's, at the fixed temperature.
#import shared/structs.wgsl
#import parametrization

@group(0) @binding(0) var<uniform> layer: Layer;
@group(0) @binding(1) var<storage, read> wiring: array<u32>; // [gates][ARITY]
@group(0) @binding(2) var<storage, read> inputs: array<f32>;
@group(0) @binding(3) var<storage, read_write> outputs: array<f32>;
#if SELECTED
@group(0) @binding(4) var<storage, read> tables: array<u32>; // [gates][TABLE_WORDS]
#else
@group(0) @binding(4) var<storage, read> logits: array<f32>; // [gates][LOGITS]
@group(0) @binding(5) var<uniform> training: Training;
#endif

fn table_of(gate: u32) -> array<f32, CODES> {
#if SELECTED
    var p: array<f32, CODES>;
    for (var c = 0u; c < CODES; c++) {
        p[c] = f32((tables[gate * TABLE_WORDS + c / 32u] >> (c % 32u)) & 1u);
    }
    return p;
#else
    var z: array<f32, LOGITS>;
    for (var i = 0u; i < LOGITS; i++) {
        z[i] = logits[gate * LOGITS + i];
    }
    return soft_table(z, training.temperature);
#endif
}

// A lane takes one gate and 32 samples.
@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let total = layer.gates * layer.words;
    for (var i = wid.x * 64u + lane; i < total; i += count.x * 64u) {
        let gate = i / layer.words;
        let table = table_of(gate);
        var rows: array<u32, ARITY>; // where the pins' samples begin
        for (var pin = 0u; pin < ARITY; pin++) {
            rows[pin] = (wiring[gate * ARITY + pin] * layer.words + i % layer.words) * 32u;
        }
        for (var s = 0u; s < 32u; s++) {
            var value = table;
            for (var pin = 0u; pin < ARITY; pin++) {
                let x = inputs[rows[ARITY - 1u - pin] + s];
                // Each pin halves what is left; the upper half is folded along, unused, to keep the loop's length fixed.
                for (var c = 0u; c < CODES / 2u; c++) {
                    value[c] = (1.0 - x) * value[2u * c] + x * value[2u * c + 1u];
                }
            }
            outputs[i * 32u + s] = value[0];
        }
    }
}
