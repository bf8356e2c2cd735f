// How a dense gate on packed bits depends on one of its pins: by f(pin = 1) - f(pin = 0), in {-1, 0, 1} a sample.
// Where the consumers are the last layer (CONSUMER_CLASS), a consumer's gradient row is its output's.
#needs CONSUMER_ARITY
#import shared/lut.wgsl

// [gates + 1] where each gate's edges begin in this same array, then [pins][CONSUMER_ARITY] edges: consumer << 3 | pin
// and the consumer's other wires.
var<storage, read> edges: array<u32>;
var<storage, read> outputs: array<u32>; // [gates][words], what the consumers read
var<storage, read> consumer_tables: array<u32>;

const CONSUMER_TABLE_WORDS: u32 = ((1u << CONSUMER_ARITY) + 31u) / 32u;
const LUT_ARITY: u32 = CONSUMER_ARITY;

struct Consumer {
    table: vec2<u32>,
    wires: Pins, // where the other wires' bits begin, from wires[1] on
    pin: u32,
    row: u32,    // of its gradients
}

// The samples whose gradient counts, and those of them where it counts negative.
struct Slope {
    chosen: u32,
    negative: u32,
}

// The consumer at an edge, for bits from word `word` on.
fn consumer_at(edge: u32, word: u32) -> Consumer {
    var consumer: Consumer;
    let gate = edges[edge] >> 3u;
    consumer.pin = edges[edge] & 7u;
    consumer.table = vec2<u32>(consumer_tables[gate * CONSUMER_TABLE_WORDS], 0u);
    if CONSUMER_TABLE_WORDS == 2u {
        consumer.table.y = consumer_tables[gate * CONSUMER_TABLE_WORDS + 1u];
    }
    for (var p = 1u; p < CONSUMER_ARITY; p++) {
        consumer.wires[p] = edges[edge + p] * layer.words + word;
    }
    consumer.row = gate;
#if CONSUMER_CLASS
    consumer.row = gate / layer.group;
#endif
    return consumer;
}

// By its pin, in word `w` from there on.
fn slope(consumer: Consumer, w: u32) -> Slope {
    var wires = consumer.wires;
    var zeros: Pins;
    var ones: Pins;
    var other = 1u;
    for (var p = 0u; p < CONSUMER_ARITY; p++) {
        if p == consumer.pin {
            zeros[p] = 0u;
            ones[p] = 0xffffffffu;
        } else {
            zeros[p] = outputs[wires[other] + w];
            ones[p] = zeros[p];
            other += 1u;
        }
    }
    let when_one = lut(consumer.table, ones);
    let when_zero = lut(consumer.table, zeros);
    return Slope(when_one ^ when_zero, when_zero & ~when_one);
}
