// A convolution on packed bits: a lane runs a tree at every place of a pool's window, in registers, and ORs what comes out.
// inputs [channels][HEIGHT][WIDTH], outputs [trees][ROWS][COLUMNS] rows, in units of `Bits`: a word, or (WIDE) four.
//
// Of a step, the first to run of a batch's shares clears the sums that its backward pass adds to (CLEAR); and the first tree's lanes
// draw which place of a window without a one gets its gradient (DRAW), for all trees.
#needs WORKGROUP
#import shared/structs.wgsl
#if WIDE
const BITS_WORDS: u32 = 4u;
alias Bits = vec4<u32>;
#else
const BITS_WORDS: u32 = 1u;
alias Bits = u32;
#endif
#import conv/tree.wgsl
#if DRAW
#needs INDEX
#import shared/random.wgsl
#endif

var<uniform> layer: Layer;
var<storage, read_write> outputs: array<Bits>;
#if CLEAR
var<storage, read_write> table_gradients: array<i32>;
#endif
#if DRAW
var<uniform> training: Training;
var<uniform> step: Step;
var<uniform> batch: Batch;
var<storage, read_write> draws: array<vec4<u32>>; // [ROWS][COLUMNS][words]

const STREAM: u32 = 5u; // counter word 3 of these draws (src/reference/conv/pool.rs)
#endif

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
#if CLEAR
    let numbers = arrayLength(&table_gradients);
    for (var i = wid.x * WORKGROUP + lane; i < numbers; i += count.x * WORKGROUP) {
        table_gradients[i] = 0;
    }
#endif
    let units = layer.words / BITS_WORDS;
    let total = layer.gates * units;
    for (var i = wid.x * WORKGROUP + lane; i < total; i += count.x * WORKGROUP) {
        let row = i / units;
        let word = i % units;
        let place = row % AREA;
        var leaves = leaves_of(row / AREA);
        var terms = terms_of(row / AREA);
        let y = place / COLUMNS * POOL;
        let x = place % COLUMNS * POOL;
        var any = Bits(0u);
        for (var q = 0u; q < WINDOW; q++) {
            let nodes = nodes_at(&leaves, &terms, y + q / POOL, x + q % POOL, word, units);
            any |= nodes[NODES - 1u];
        }
        outputs[i] = any;
#if DRAW
        if row < AREA {
            for (var w = 0u; w < BITS_WORDS; w++) {
                let at = word * BITS_WORDS + w;
                let counter = vec4<u32>(step.step, (INDEX << 20u) | place, batch.offset / 32u + at, STREAM);
                draws[place * layer.words + at] = philox(vec2<u32>(training.key0, training.key1), counter);
            }
        }
#endif
    }
}
