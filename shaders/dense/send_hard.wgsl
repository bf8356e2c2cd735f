// How a gate gathers its gradient from dense gates on packed bits that read it: over every pin that does,
//   g[gate][s] = sum of (f(pin = 1) - f(pin = 0)) * g[consumer][s]
// Where the consumers are the last layer (CONSUMER_CLASS), a consumer's row is its output's.
#needs CONSUMER_ARITY
#import shared/lut.wgsl

// [gates + 1] where each gate's edges begin in this same array, then [pins][CONSUMER_ARITY] edges: consumer << 3 | pin
// and the consumer's other wires.
var<storage, read> edges: array<u32>;
var<storage, read> outputs: array<u32>; // [gates][words], what the consumers read
var<storage, read> consumer_tables: array<u32>;

const CONSUMER_TABLE_WORDS: u32 = ((1u << CONSUMER_ARITY) + 31u) / 32u;
const LUT_ARITY: u32 = CONSUMER_ARITY;
alias Bits = u32;

// Add to g what one consumer sends to the gate, for the SPAN samples from chunk `chunk` on.
fn add_consumer(edge: u32, chunk: u32, g: ptr<function, array<Chunk, CHUNKS>>) {
    let code = edges[edge];
    let consumer = code >> 3u;
    let pin = code & 7u;
    let word = chunk / 4u;
    let shift = (chunk % 4u) * 8u;
    var zeros: Pins;
    var ones: Pins;
    var other = 1u;
    for (var p = 0u; p < CONSUMER_ARITY; p++) {
        if p == pin {
            zeros[p] = 0u;
            ones[p] = 0xffffffffu;
        } else {
            zeros[p] = outputs[edges[edge + other] * layer.words + word];
            ones[p] = zeros[p];
            other += 1u;
        }
    }
    var table = vec2<u32>(consumer_tables[consumer * CONSUMER_TABLE_WORDS], 0u);
    if CONSUMER_TABLE_WORDS == 2u {
        table.y = consumer_tables[consumer * CONSUMER_TABLE_WORDS + 1u];
    }
    let when_one = lut(table, ones);
    let when_zero = lut(table, zeros);
    let chosen = (when_one ^ when_zero) >> shift;
    let negative = (when_zero & ~when_one) >> shift;
    if chosen == 0u {
        return; // no sample depends on this wire: its gradients need not be read
    }
    var row = consumer;
#if CONSUMER_CLASS
    row = consumer / layer.group;
#endif
    for (var q = 0u; q < CHUNKS; q++) {
        let sent = load_chunk(row, chunk + q);
        (*g)[q].low += signed(sent.low, chosen, negative, q * 8u);
        (*g)[q].high += signed(sent.high, chosen, negative, q * 8u + 4u);
    }
}

// Add to g what all consumers send to the gate, for the SPAN samples from chunk `chunk` on.
fn gather(gate: u32, chunk: u32, g: ptr<function, array<Chunk, CHUNKS>>) {
    for (var edge = edges[gate]; edge < edges[gate + 1u]; edge += CONSUMER_ARITY) {
        add_consumer(edge, chunk, g);
    }
}
