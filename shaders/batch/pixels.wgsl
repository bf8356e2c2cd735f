// A split's pixels: [samples][row_words] u32, four bytes a word, in four shards where one binding is too small; and the
// samples of the batch.

var<uniform> batch: Batch;
var<storage, read> chosen: array<u32>;
var<storage, read> pixels: array<u32>;
#if SHARDS
var<storage, read> pixels1: array<u32>;
var<storage, read> pixels2: array<u32>;
var<storage, read> pixels3: array<u32>;
#endif

// Word `quad` of a sample's row: its bytes 4 * quad to 4 * quad + 3, low byte first.
fn four_pixels(sample: u32, quad: u32) -> u32 {
#if SHARDS
    let i = (sample % batch.shard) * batch.row_words + quad;
    switch sample / batch.shard {
        case 0u: { return pixels[i]; }
        case 1u: { return pixels1[i]; }
        case 2u: { return pixels2[i]; }
        default: { return pixels3[i]; }
    }
#else
    return pixels[sample * batch.row_words + quad];
#endif
}
