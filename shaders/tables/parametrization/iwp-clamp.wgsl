// Input-wise parametrization with a clamp: P_c = clamp(0.5 + 0.5 z_c / tau, 0, 1), one logit a code; the gradient goes
// straight through the clamp. Noise is uniform on (-1, 1), so that at temperature 1 the noisy bit is 1 with probability P_c.
#import shared/codes.wgsl

const LOGITS: u32 = CODES;

fn noise_of(u: f32) -> f32 {
    return 2.0 * u - 1.0;
}

fn hard_table(z: array<f32, LOGITS>, noise: array<f32, LOGITS>) -> vec2<u32> {
    var table = vec2<u32>(0u);
    for (var c = 0u; c < CODES; c++) {
        table[c / 32u] |= u32(z[c] + noise[c] > 0.0) << (c % 32u);
    }
    return table;
}

// Sum over the gate's codes of max(P, 1 - P) at temperature 1, without noise.
fn confidence(z: array<f32, LOGITS>) -> f32 {
    var sum = 0.0;
    for (var c = 0u; c < CODES; c++) {
        sum += 0.5 + 0.5 * min(abs(z[c]), 1.0);
    }
    return sum;
}

// The table at a temperature.
fn soft_table(z: array<f32, LOGITS>, noise: array<f32, LOGITS>, temperature: f32) -> array<f32, CODES> {
    var p: array<f32, CODES>;
    for (var c = 0u; c < CODES; c++) {
        p[c] = clamp(0.5 + 0.5 * (z[c] + noise[c]) / temperature, 0.0, 1.0);
    }
    return p;
}

// Table gradients to logit gradients at a temperature.
fn logit_gradients(
    z: array<f32, LOGITS>,
    noise: array<f32, LOGITS>,
    table_gradients: array<f32, CODES>,
    temperature: f32,
) -> array<f32, LOGITS> {
    var gradients: array<f32, LOGITS>;
    for (var c = 0u; c < CODES; c++) {
        gradients[c] = table_gradients[c] * 0.5 / temperature;
    }
    return gradients;
}
