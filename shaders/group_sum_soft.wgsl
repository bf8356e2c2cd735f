// Votes of each class on real activations: their sum over the class's gates. outputs [gates] rows of
// shared/activation.wgsl, votes [classes][words * 32] f32.
#import shared/structs.wgsl
#import shared/activation.wgsl

@group(0) @binding(0) var<uniform> layer: Layer;
@group(0) @binding(1) var<storage, read> outputs: array<vec4<u32>>;
@group(0) @binding(2) var<storage, read_write> votes: array<vec4<f32>>;

// A lane takes 8 samples of a class.
@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let chunks = layer.words * 4u;
    let total = layer.gates / layer.group * chunks;
    for (var i = wid.x * 64u + lane; i < total; i += count.x * 64u) {
        let first = i / chunks * layer.group;
        var low: vec4<f32>;
        var high: vec4<f32>;
        for (var gate = first; gate < first + layer.group; gate++) {
            let own = unpack_activations(outputs[gate * chunks + i % chunks]);
            low += own.low;
            high += own.high;
        }
        votes[i * 2u] = low;
        votes[i * 2u + 1u] = high;
    }
}
