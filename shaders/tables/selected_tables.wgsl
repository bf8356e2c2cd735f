// The selected gates' tables as real ones: bits [gates][TABLE_WORDS] u32 to tables [gates][CODES] f32, 0 or 1, of all gates of some
// layers, whose arrays lie side by side. A lane a gate; row y of workgroups takes layer y.
#import shared/structs.wgsl
#import shared/codes.wgsl

var<storage, read> layers: array<LayerTables>;
var<storage, read> bits: array<u32>;
var<storage, read_write> tables: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let layer = layers[wid.y];
    for (var gate = wid.x * 64u + lane; gate < layer.gates; gate += count.x * 64u) {
        let at = layer.slot + gate;
        for (var c = 0u; c < CODES; c++) {
            tables[at * CODES + c] = f32((bits[at * TABLE_WORDS + c / 32u] >> (c % 32u)) & 1u);
        }
    }
}
