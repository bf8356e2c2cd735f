// How a gate gathers its gradient from dense gates on real activations that read it: over every pin that does, the row that the
// consumer has sent to it.
#needs CONSUMER_ARITY

var<storage, read> edges: array<u32>; // as in send_hard; the other wires are not looked at

fn gather(gate: u32, chunk: u32) -> Chunk {
    var g: Chunk;
    for (var edge = edges[gate]; edge < edges[gate + 1u]; edge += CONSUMER_ARITY) {
        let code = edges[edge];
        let own = load_chunk((code >> 3u) * CONSUMER_ARITY + (code & 7u), chunk);
        g.low += own.low;
        g.high += own.high;
    }
    return g;
}
