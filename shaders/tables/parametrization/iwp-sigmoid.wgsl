// Input-wise parametrization with a sigmoid (Light DLGN, ICLR 2026): P_c = sigmoid(z_c / tau), one logit a code.
#import tables/parametrization/logistic.wgsl

fn log_odds(z: array<f32, LOGITS>) -> array<f32, CODES> {
    return z;
}

fn chain(z: array<f32, LOGITS>, by_log_odds: array<f32, CODES>) -> array<f32, LOGITS> {
    return by_log_odds;
}

fn confidence(z: array<f32, LOGITS>) -> f32 {
    return confidence_of(log_odds(z));
}

fn is_set(z: array<f32, LOGITS>) -> vec2<u32> {
    var table = vec2<u32>(0u);
    for (var c = 0u; c < CODES; c++) {
        table[c / 32u] |= u32(z[c] > 0.0) << (c % 32u);
    }
    return table;
}
