// One buffer to another of the same size, 16 bytes a lane and turn: what this adapter's memory can do at best.
#needs WORKGROUP
var<storage, read> source: array<vec4<u32>>;
var<storage, read_write> copied: array<vec4<u32>>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) count: vec3<u32>) {
    for (var i = id.x; i < arrayLength(&source); i += count.x * WORKGROUP) {
        copied[i] = source[i];
    }
}
