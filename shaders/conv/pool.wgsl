// Which places of a window a gradient goes to, for 32 samples at once: what `--pool-gradient` says, by the bits of its places.
#if DRAWN
var<storage, read> draws: array<vec4<u32>>; // [ROWS][COLUMNS][words]: bit s of x, y, z, w are those of a number below 16, highest first
#endif

// The samples of `drawn` whose number v has place ⌊v · WINDOW / 16⌋ = q.
fn drawn_place(drawn: vec4<u32>, q: u32) -> u32 {
    if WINDOW == 4u {
        let high = with_number(drawn, q << 2u);
        return high.x & high.y;
    }
    var samples = 0u;
    for (var v = (q * 16u + WINDOW - 1u) / WINDOW; v < 16u && v * WINDOW / 16u == q; v++) {
        let same = with_number(drawn, v);
        samples |= same.x & same.y & same.z & same.w;
    }
    return samples;
}

// The samples of which each bit of their number is as in v, highest first.
fn with_number(drawn: vec4<u32>, v: u32) -> vec4<u32> {
    return drawn ^ (((vec4<u32>(v) >> vec4<u32>(3u, 2u, 1u, 0u)) & vec4<u32>(1u)) - vec4<u32>(1u));
}

// A draw is made for all trees; so that these do not draw alike, each turns it by its number.
fn turned(drawn: vec4<u32>, unit: u32) -> vec4<u32> {
    let by = unit % 32u;
    return select((drawn << vec4<u32>(by)) | (drawn >> vec4<u32>((32u - by) % 32u)), drawn, by == 0u);
}
