// What parametrizations share that select each table entry by itself, between 0 and 1, from its log-odds:
// P_c(tau) = sigmoid((log-odds_c + noise_c) / tau). Such a parametrization gives
//   log_odds(z)            log P_c / (1 - P_c) of every code at temperature 1
//   chain(z, by_log_odds)  gradients by the logits from gradients by the log-odds
//   is_set(z)              the codes whose log-odds are above 0, as a table
//   confidence(z)          the sum over its codes of max(P, 1 - P) at temperature 1, without noise
#import shared/codes.wgsl

const LOGITS: u32 = CODES;

// Logistic noise, the difference of two Gumbel draws, from a uniform draw.
fn noise_of(u: f32) -> f32 {
    return log(u / (1.0 - u));
}

fn hard_table(z: array<f32, LOGITS>, noise: array<f32, LOGITS>) -> vec2<u32> {
#if NOISE
    let odds = log_odds(z);
    var table = vec2<u32>(0u);
    for (var c = 0u; c < CODES; c++) {
        table[c / 32u] |= u32(odds[c] + noise[c] > 0.0) << (c % 32u);
    }
    return table;
#else
    return is_set(z);
#endif
}

fn confidence_of(odds: array<f32, CODES>) -> f32 {
    var sum = 0.0;
    for (var c = 0u; c < CODES; c++) {
        sum += 1.0 / (1.0 + exp(-abs(odds[c])));
    }
    return sum;
}

// The table at a temperature.
fn soft_table(z: array<f32, LOGITS>, noise: array<f32, LOGITS>, temperature: f32) -> array<f32, CODES> {
    let odds = log_odds(z);
    var p: array<f32, CODES>;
    for (var c = 0u; c < CODES; c++) {
        p[c] = 1.0 / (1.0 + exp(-(odds[c] + noise[c]) / temperature));
    }
    return p;
}

// Table gradients to logit gradients at a temperature: dP/d log-odds = P (1 - P) / tau.
fn logit_gradients(
    z: array<f32, LOGITS>,
    noise: array<f32, LOGITS>,
    table_gradients: array<f32, CODES>,
    temperature: f32,
) -> array<f32, LOGITS> {
    let odds = log_odds(z);
    var by_log_odds: array<f32, CODES>;
    for (var c = 0u; c < CODES; c++) {
        // Odds of the less likely choice, which cannot overflow.
        let e = exp(-abs(odds[c] + noise[c]) / temperature);
        by_log_odds[c] = table_gradients[c] * e / ((1.0 + e) * (1.0 + e) * temperature);
    }
    return chain(z, by_log_odds);
}
