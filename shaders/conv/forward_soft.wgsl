// A convolution on real activations: the multilinear extensions of its trees' gates, and of every pool's window the greatest place.
// inputs [channels][HEIGHT][WIDTH], outputs [trees][ROWS][COLUMNS] rows of shared/activation.wgsl. A lane takes an output and 8 samples.
#needs WORKGROUP
#import shared/structs.wgsl
#import conv/real_tree.wgsl

var<uniform> layer: Layer;
var<storage, read_write> outputs: array<vec4<u32>>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let chunks = layer.words * 4u;
    let total = layer.gates * chunks;
    for (var i = wid.x * WORKGROUP + lane; i < total; i += count.x * WORKGROUP) {
        let row = i / chunks;
        let place = row % AREA;
        var leaves = leaves_of(row / AREA);
        var terms = terms_of(row / AREA);
        let y = place / COLUMNS * POOL;
        let x = place % COLUMNS * POOL;
        var most = Activations(vec4<f32>(0.0), vec4<f32>(0.0));
        for (var q = 0u; q < WINDOW; q++) {
            let nodes = nodes_at(&leaves, &terms, y + q / POOL, x + q % POOL, i % chunks, chunks);
            let own = nodes[NODES - 1u];
            most = Activations(max(most.low, own.low), max(most.high, own.high));
        }
        outputs[i] = pack_activations(most);
    }
}
