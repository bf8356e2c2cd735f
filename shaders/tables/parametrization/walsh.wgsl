// Walsh parametrization (WARP): a logit for every subset S of the pins, s(c) = sum_S z_S prod_{i in S} (1 - 2 c_i), and
// P_c = sigmoid(-s(c) / tau). Bit i of S is pin i's, as in a code; the sums are one Walsh-Hadamard transform.
#import tables/parametrization/logistic.wgsl

// x_c <- sum_S x_S (-1)^(ones in S & c), its own adjoint. Sums and differences only, so that hosts get the same bits.
fn walsh_hadamard(x: array<f32, LOGITS>) -> array<f32, LOGITS> {
    var sums = x;
    for (var bit = 1u; bit < CODES; bit *= 2u) {
        for (var c = 0u; c < CODES; c++) {
            if (c & bit) == 0u {
                let low = sums[c];
                let high = sums[c + bit];
                sums[c] = low + high;
                sums[c + bit] = low - high;
            }
        }
    }
    return sums;
}

fn log_odds(z: array<f32, LOGITS>) -> array<f32, CODES> {
    var odds = walsh_hadamard(z);
    for (var c = 0u; c < CODES; c++) {
        odds[c] = -odds[c];
    }
    return odds;
}

fn chain(z: array<f32, LOGITS>, by_log_odds: array<f32, CODES>) -> array<f32, LOGITS> {
    var gradients = walsh_hadamard(by_log_odds);
    for (var i = 0u; i < LOGITS; i++) {
        gradients[i] = -gradients[i];
    }
    return gradients;
}

fn confidence(z: array<f32, LOGITS>) -> f32 {
    return confidence_of(log_odds(z));
}

fn is_set(z: array<f32, LOGITS>) -> vec2<u32> {
    let odds = log_odds(z);
    var table = vec2<u32>(0u);
    for (var c = 0u; c < CODES; c++) {
        table[c / 32u] |= u32(odds[c] > 0.0) << (c % 32u);
    }
    return table;
}
