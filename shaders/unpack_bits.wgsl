// Packed bits to real activations: bits [features][words] u32 to activations [features][words * 32] f32, 0 or 1.
#import shared/structs.wgsl

@group(0) @binding(0) var<uniform> layer: Layer;
@group(0) @binding(1) var<storage, read> bits: array<u32>;
@group(0) @binding(2) var<storage, read_write> activations: array<f32>;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let total = layer.inputs * layer.words * 32u;
    for (var i = wid.x * 64u + lane; i < total; i += count.x * 64u) {
        activations[i] = f32((bits[i / 32u] >> (i % 32u)) & 1u);
    }
}
