// A layer's gradients as bit-sliced integers, gathered from its consumers, and its tables' gradients in the same pass:
// what backward_hard does in real numbers. A consumer's derivative by a pin, in {-1, 0, 1} a sample, is two words, so a
// gradient is added for 32 samples by a full adder over planes, and a table entry's sum is a count of bits a plane.
//   g[gate][s]  = sum over consumers of (f(pin = 1) - f(pin = 0)) * g[consumer][s], saturating
//   S[gate][c]  = sum over the samples whose input code is c of g[gate][s], / scale
// Rows are [words][SLICES] u32 planes. The last layer's gradient is its class's row; the layer before it finds its
// consumers' rows by class (CONSUMER_CLASS); the first layer's is summed but not kept.
//
// LANES lanes share a gate; each takes SPAN samples at a time, so that an edge is looked up once for all of them.
#import shared/structs.wgsl
#import shared/table_gradients.wgsl
#import shared/lut.wgsl
#import shared/sliced.wgsl

@group(0) @binding(0) var<uniform> layer: Layer;
@group(0) @binding(1) var<storage, read> wiring: array<u32>;  // [gates][ARITY]
@group(0) @binding(2) var<storage, read> inputs: array<u32>;  // [inputs][words]
@group(0) @binding(3) var<storage, read> source: array<vec4<u32>>; // gradient rows of consumers, or of classes
@group(0) @binding(9) var<uniform> training: Training;
#if CONSUMERS
// [gates + 1] where each gate's edges begin in this same array, then [pins][CONSUMER_ARITY] edges: consumer << 3 | pin
// and the consumer's other wires.
@group(0) @binding(5) var<storage, read> edges: array<u32>;
@group(0) @binding(6) var<storage, read> outputs: array<u32>; // [gates][words], what the consumers read
@group(0) @binding(7) var<storage, read> consumer_tables: array<u32>;
#endif
#if KEEP
@group(0) @binding(8) var<storage, read_write> gradients: array<vec4<u32>>;
#endif

const WORDS: u32 = SPAN / 32u;
alias Sums = array<i32, CODES>;

const GATES_PER_WORKGROUP: u32 = WORKGROUP / LANES;

fn load_row(row: u32, word: u32) -> Sliced {
    var g: Sliced;
    for (var q = 0u; q < QUADS; q++) {
        g.planes[q] = source[(row * layer.words + word) * QUADS + q];
    }
    return g;
}

#if CONSUMERS
// Add to g what one consumer sends to the gate, for WORDS words from `word` on.
fn add_consumer(edge: u32, word: u32, g: ptr<function, array<Sliced, WORDS>>) {
    let code = edges[edge];
    let consumer = code >> 3u;
    let pin = code & 7u;
    var table = vec2<u32>(consumer_tables[consumer * CONSUMER_TABLE_WORDS], 0u);
    if CONSUMER_TABLE_WORDS == 2u {
        table.y = consumer_tables[consumer * CONSUMER_TABLE_WORDS + 1u];
    }
    var wires: Pins; // where the other wires' bits begin
    for (var p = 1u; p < CONSUMER_ARITY; p++) {
        wires[p] = edges[edge + p] * layer.words + word;
    }
    var row = consumer;
    if CONSUMER_CLASS {
        row = consumer / layer.group;
    }
    for (var w = 0u; w < WORDS; w++) {
        var zeros: Pins;
        var ones: Pins;
        var other = 1u;
        for (var p = 0u; p < CONSUMER_ARITY; p++) {
            if p == pin {
                zeros[p] = 0u;
                ones[p] = 0xffffffffu;
            } else {
                zeros[p] = outputs[wires[other] + w];
                ones[p] = zeros[p];
                other += 1u;
            }
        }
        let when_one = lut(table, ones);
        let when_zero = lut(table, zeros);
        let chosen = when_one ^ when_zero;
        // Where no sample depends on the wire, its gradients need not be read.
        if chosen != 0u {
            var total = (*g)[w];
            add_signed(&total, load_row(row, word + w), chosen, when_zero & ~when_one);
            (*g)[w] = total;
        }
    }
}
#endif

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) index: u32,
) {
    let lane = index % LANES;
    let unit = 1.0 / training.slice_scale;
    for (var first = wid.x * GATES_PER_WORKGROUP; first < layer.gates; first += count.x * GATES_PER_WORKGROUP) {
        let gate = first + index / LANES;
        var sums: Sums;
        if gate < layer.gates {
            var own: Pins; // where the inputs' bits begin
            for (var pin = 0u; pin < ARITY; pin++) {
                own[pin] = wiring[gate * ARITY + pin] * layer.words;
            }
            for (var word = lane * WORDS; word < layer.words; word += LANES * WORDS) {
                var g: array<Sliced, WORDS>;
#if CONSUMERS
                for (var edge = edges[gate]; edge < edges[gate + 1u]; edge += CONSUMER_ARITY) {
                    add_consumer(edge, word, &g);
                }
#else
                for (var w = 0u; w < WORDS; w++) {
                    g[w] = load_row(gate / layer.group, word + w);
                }
#endif
                for (var w = 0u; w < WORDS; w++) {
#if KEEP
                    for (var q = 0u; q < QUADS; q++) {
                        gradients[(gate * layer.words + word + w) * QUADS + q] = g[w].planes[q];
                    }
#endif
                    // Which samples have each input code.
                    var with_code: array<u32, CODES>;
                    for (var c = 0u; c < CODES; c++) {
                        with_code[c] = 0xffffffffu;
                    }
                    for (var pin = 0u; pin < ARITY; pin++) {
                        let x = inputs[own[pin] + word + w];
                        for (var c = 0u; c < CODES; c++) {
                            with_code[c] &= select(~x, x, ((c >> (ARITY - 1u - pin)) & 1u) == 1u);
                        }
                    }
                    for (var c = 0u; c < CODES; c++) {
                        sums[c] += sum_chosen(g[w], with_code[c]);
                    }
                }
            }
        }
        keep_table_gradients(gate, index, sums, unit);
    }
}
