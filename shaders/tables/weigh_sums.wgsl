// Table gradients that ranks or places of maps have added up as whole numbers, to what these are worth, in place:
//   S[gate][c] = sum / scale
// A lane takes a number at a time, of all gates of some layers, whatever they are.
#import shared/structs.wgsl

var<uniform> training: Training;
var<storage, read_write> table_gradients: array<u32>; // [gates][codes]: i32, then f32

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let unit = 1.0 / training.slice_scale;
    let total = arrayLength(&table_gradients);
    for (var i = wid.x * 64u + lane; i < total; i += count.x * 64u) {
        let sum = bitcast<i32>(table_gradients[i]);
        table_gradients[i] = bitcast<u32>(f32(sum) * unit);
    }
}
