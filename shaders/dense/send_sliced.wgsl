// How a gate gathers its gradient from dense gates on packed bits that read it, in bit-sliced integers: what send_hard does in
// real numbers.
#import dense/consumer.wgsl

// Add to g what one consumer sends to the gate, for WORDS words from `word` on.
fn add_consumer(edge: u32, word: u32, g: ptr<function, array<Sliced, WORDS>>) {
    let consumer = consumer_at(edge, word);
    for (var w = 0u; w < WORDS; w++) {
        let by_pin = slope(consumer, w);
        // Where no sample depends on the wire, its gradients need not be read.
        if by_pin.chosen != 0u {
            var total = (*g)[w];
            add_signed(&total, load_row(consumer.row, word + w), by_pin.chosen, by_pin.negative);
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
