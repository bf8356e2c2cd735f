// What the readers of a map's rows send to them, gathered once: of readers whose tables and bits have to be looked up, a convolution's
// backward pass could not bind them all. Rows are [rows][words][SLICES] u32 planes.
#needs WORKGROUP
#import shared/structs.wgsl
#import shared/sliced_rows.wgsl

var<uniform> layer: Layer;
var<storage, read_write> gathered: array<vec4<u32>>;

alias Bits = u32;
const WORDS: u32 = 1u;
const OWN_QUADS: u32 = QUADS;
#import sender

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let total = layer.gates * layer.words;
    for (var i = wid.x * WORKGROUP + lane; i < total; i += count.x * WORKGROUP) {
        var g: array<Sliced, WORDS>;
        gather(i / layer.words, i % layer.words, &g);
        for (var q = 0u; q < QUADS; q++) {
            gathered[i * QUADS + q] = g[0].planes[q];
        }
    }
}
