// Votes of each class on real activations: their sum over the class's gates. outputs [gates][words * 32] f32, votes
// [classes][words * 32] f32.
#import shared/structs.wgsl

@group(0) @binding(0) var<uniform> layer: Layer;
@group(0) @binding(1) var<storage, read> outputs: array<f32>;
@group(0) @binding(2) var<storage, read_write> votes: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let samples = layer.words * 32u;
    let total = layer.gates / layer.group * samples;
    for (var i = wid.x * 64u + lane; i < total; i += count.x * 64u) {
        let first = i / samples * layer.group;
        var sum = 0.0;
        for (var gate = first; gate < first + layer.group; gate++) {
            sum += outputs[gate * samples + i % samples];
        }
        votes[i] = sum;
    }
}
