// What the readers of a map's rows send to them, gathered once: what conv/gather_sliced does in real numbers.
#needs WORKGROUP
#import shared/structs.wgsl
#import shared/gradient_rows.wgsl
#import shared/signed.wgsl

var<uniform> layer: Layer;
var<storage, read_write> gathered: array<vec4<u32>>;

alias Bits = u32;
const CHUNKS: u32 = 4u;
const OWN_QUADS: u32 = CHUNKS * CHUNK_QUADS;
#import sender

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let total = layer.gates * layer.words;
    for (var i = wid.x * WORKGROUP + lane; i < total; i += count.x * WORKGROUP) {
        var g: array<Chunk, CHUNKS>;
        gather(i / layer.words, i % layer.words * 4u, &g);
        for (var q = 0u; q < CHUNKS; q++) {
            let at = (i * 4u + q) * CHUNK_QUADS;
#if GRADIENT_HALVES
            gathered[at] = pack_chunk(g[q]);
#else
            gathered[at] = bitcast<vec4<u32>>(g[q].low);
            gathered[at + 1u] = bitcast<vec4<u32>>(g[q].high);
#endif
        }
    }
}
