// One draw of noise for every logit of a gate at a step, the same whenever and wherever it is asked for, and as in
// src/random.rs: a gate's draws are the Philox blocks (step, gate of the network, block, 4) of the run's key. The
// parametrization makes its noise of a uniform draw in (0, 1), an odd multiple of 2^-24, by `noise_of`.
#import shared/random.wgsl

fn selection_noise(key: vec2<u32>, step: u32, gate: u32) -> array<f32, LOGITS> {
    var noise: array<f32, LOGITS>;
#if NOISE
    for (var first = 0u; first < LOGITS; first += 4u) {
        let draws = philox(key, vec4<u32>(step, gate, first / 4u, 4u));
        for (var i = 0u; i < min(4u, LOGITS); i++) {
            noise[first + i] = noise_of((f32(draws[i] >> 9u) + 0.5) / 8388608.0);
        }
    }
#endif
    return noise;
}
