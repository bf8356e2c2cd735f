// What a reader on packed bits has kept beside its gradient, of OWN_QUADS vec4: the samples that its gradient arrives for at a leaf, and
// those for which it is the negative.
#import conv/reader.wgsl

#if NEXT_EXACT
const NEXT_RECORD: u32 = OWN_QUADS + NEXT_WINDOW * NEXT_LEAVES / 2u;
#else
const NEXT_RECORD: u32 = OWN_QUADS + NEXT_LEAVES / 2u + select(0u, (NEXT_WINDOW + 3u) / 4u, NEXT_WINDOW > 1u);
#endif

fn path_of(reader: Reader, record: u32) -> vec2<u32> {
#if NEXT_EXACT
    let pair = source[record + OWN_QUADS + (reader.q * NEXT_LEAVES + reader.k) / 2u];
#else
    let pair = source[record + OWN_QUADS + reader.k / 2u];
#endif
    var path = select(pair.xy, pair.zw, reader.k % 2u == 1u);
#if NEXT_EXACT
#else
#if NEXT_POOLED
    path &= vec2<u32>(source[record + OWN_QUADS + NEXT_LEAVES / 2u + reader.q / 4u][reader.q % 4u]);
#endif
#endif
    return path;
}
