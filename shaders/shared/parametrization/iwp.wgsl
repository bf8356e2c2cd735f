// Input-wise parametrization with a sine (Light DLGN, ICLR 2026): P_c = 0.5 + 0.5 sin z_c, one logit a code.
// A temperature acts on a choice's log-odds, as in softmax(log P / tau): P_c(tau) = sigmoid(log-odds / tau) with
// log-odds = log((1 + sin z) / (1 - sin z)); at tau = 1 that is P_c itself, with derivative 0.5 cos z.

const TURN: f32 = 6.28318530717959;

// sin z > 0, from the place of z in its turn, so that no device's sine decides a bit.
fn is_set(z: f32) -> bool {
    let turns = fract(z / TURN);
    return turns > 0.0 && turns < 0.5;
}

fn hard_table(z: array<f32, LOGITS>) -> vec2<u32> {
    var table = vec2<u32>(0u);
    for (var c = 0u; c < LOGITS; c++) {
        table[c / 32u] |= u32(is_set(z[c])) << (c % 32u);
    }
    return table;
}

// Sum over the gate's choices of max(P, 1 - P).
fn confidence(z: array<f32, LOGITS>) -> f32 {
    var sum = 0.0;
    for (var c = 0u; c < LOGITS; c++) {
        sum += 0.5 + 0.5 * abs(sin(z[c]));
    }
    return sum;
}

// The table at a temperature.
fn soft_table(z: array<f32, LOGITS>, temperature: f32) -> array<f32, CODES> {
    var p: array<f32, CODES>;
    for (var c = 0u; c < CODES; c++) {
        let sine = clamp(sin(z[c]), -0.9999999, 0.9999999);
        p[c] = 1.0 / (1.0 + exp(-log((1.0 + sine) / (1.0 - sine)) / temperature));
    }
    return p;
}

// Table gradients to logit gradients at the backward temperature. dP/dz = P (1 - P) * 2 / (tau cos z); the cosine
// keeps its sign and at least 1e-3 of its size, since for tau > 2 the quotient has a pole at a certain choice.
fn logit_gradients(z: array<f32, LOGITS>, table_gradients: array<f32, CODES>, temperature: f32) -> array<f32, LOGITS> {
    var gradients: array<f32, LOGITS>;
    for (var c = 0u; c < LOGITS; c++) {
        let cosine = cos(z[c]);
        let size = max(abs(cosine), 1e-3);
        let sine = sqrt(1.0 - size * size);
        // P (1 - P) = 1 / (2 + 2 cosh(log-odds / tau)), even in the log-odds: 2 log((1 + |sin|) / |cos|).
        let odds = exp(2.0 * log((1.0 + sine) / size) / temperature);
        let slope = odds / ((1.0 + odds) * (1.0 + odds)) * 2.0 / (temperature * size);
        gradients[c] = table_gradients[c] * select(slope, -slope, cosine < 0.0);
    }
    return gradients;
}
