// Which samples make up the batch: [words * 32] u32 sample numbers.
// Training takes batch after batch from one permutation an epoch; a batch may straddle two epochs, so that every
// sample is seen exactly once an epoch. Where the samples do not fit the device, the host follows the same permutation and
// keeps a ring of the next steps' samples there. Evaluation takes samples in order; what lies past the end repeats the last.
#import shared/structs.wgsl
#if TRAINING
#import batch/permutation.wgsl
#endif

var<uniform> batch: Batch;
#if TRAINING
var<uniform> step: Step;
#endif
var<storage, read_write> chosen: array<u32>;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let s = id.x;
    if s >= batch.words * 32u {
        return;
    }
#if TRAINING
    if batch.ring > 0u {
        // The host has put the same samples there, step after step.
        chosen[s] = step.step % batch.ring * batch.size + min(s, batch.size - 1u);
    } else {
        let place = step.position + min(s, batch.size - 1u);
        let epoch = step.epoch + place / batch.samples;
        chosen[s] = permuted(vec2<u32>(batch.key0, batch.key1), epoch, batch.samples, place % batch.samples);
    }
#else
    chosen[s] = min(batch.first + s, batch.samples - 1u);
#endif
}
