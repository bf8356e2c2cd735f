// How a gate gathers its gradient from dense gates on packed bits that read it, in bit-sliced integers: what send_hard does in
// real numbers.
#needs CONSUMER_ARITY
#import shared/lut.wgsl

// [gates + 1] where each gate's edges begin in this same array, then [pins][CONSUMER_ARITY] edges: consumer << 3 | pin
// and the consumer's other wires.
var<storage, read> edges: array<u32>;
var<storage, read> outputs: array<u32>; // [gates][words], what the consumers read
var<storage, read> consumer_tables: array<u32>;

const CONSUMER_TABLE_WORDS: u32 = ((1u << CONSUMER_ARITY) + 31u) / 32u;
const LUT_ARITY: u32 = CONSUMER_ARITY;

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
#if CONSUMER_CLASS
    row = consumer / layer.group;
#endif
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

// Add to g what all consumers send to the gate, for WORDS words from `word` on.
fn gather(gate: u32, word: u32, g: ptr<function, array<Sliced, WORDS>>) {
    for (var edge = edges[gate]; edge < edges[gate + 1u]; edge += CONSUMER_ARITY) {
        add_consumer(edge, word, g);
    }
}
