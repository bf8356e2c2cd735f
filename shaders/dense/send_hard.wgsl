// How a gate gathers its gradient from dense gates on packed bits that read it: over every pin that does,
//   g[gate][s] = sum of (f(pin = 1) - f(pin = 0)) * g[consumer][s]
#import dense/consumer.wgsl

// Add to g what one consumer sends to the gate, for the SPAN samples from chunk `chunk` on.
fn add_consumer(edge: u32, chunk: u32, g: ptr<function, array<Chunk, CHUNKS>>) {
    let consumer = consumer_at(edge, chunk / 4u);
    let by_pin = slope(consumer, 0u);
    let shift = (chunk % 4u) * 8u;
    let chosen = by_pin.chosen >> shift;
    let negative = by_pin.negative >> shift;
    if chosen == 0u {
        return; // no sample depends on this wire: its gradients need not be read
    }
    for (var q = 0u; q < CHUNKS; q++) {
        let sent = load_chunk(consumer.row, chunk + q);
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
