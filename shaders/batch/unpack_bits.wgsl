// Packed bits to real activations: bits [features][words] u32 to [features] rows of shared/activation.wgsl, 0 or 1.
#import shared/structs.wgsl

var<uniform> layer: Layer;
var<storage, read> bits: array<u32>;
var<storage, read_write> activations: array<vec4<u32>>;

// A lane takes a word.
@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let total = layer.inputs * layer.words;
    for (var i = wid.x * 64u + lane; i < total; i += count.x * 64u) {
        let word = bits[i];
        for (var chunk = 0u; chunk < 4u; chunk++) {
            let own = vec4<u32>(word) >> (vec4<u32>(0u, 1u, 2u, 3u) + chunk * 8u);
            activations[i * 4u + chunk] = ((own & vec4<u32>(1u)) * 0xffffu) | (((own >> vec4<u32>(4u)) & vec4<u32>(1u)) * 0xffff0000u);
        }
    }
}
