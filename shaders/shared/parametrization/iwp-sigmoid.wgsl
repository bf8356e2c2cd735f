// Input-wise parametrization with a sigmoid (Light DLGN, ICLR 2026): P_c = sigmoid(z_c / tau), one logit a code.

fn hard_table(z: array<f32, LOGITS>) -> vec2<u32> {
    var table = vec2<u32>(0u);
    for (var c = 0u; c < LOGITS; c++) {
        table[c / 32u] |= u32(z[c] > 0.0) << (c % 32u);
    }
    return table;
}

// Sum over the gate's choices of max(P, 1 - P) at temperature 1.
fn confidence(z: array<f32, LOGITS>) -> f32 {
    var sum = 0.0;
    for (var c = 0u; c < LOGITS; c++) {
        sum += 1.0 / (1.0 + exp(-abs(z[c])));
    }
    return sum;
}

// The table at a temperature.
fn soft_table(z: array<f32, LOGITS>, temperature: f32) -> array<f32, CODES> {
    var p: array<f32, CODES>;
    for (var c = 0u; c < CODES; c++) {
        p[c] = 1.0 / (1.0 + exp(-z[c] / temperature));
    }
    return p;
}

// Table gradients to logit gradients at the backward temperature: dP/dz = P (1 - P) / tau.
fn logit_gradients(z: array<f32, LOGITS>, table_gradients: array<f32, CODES>, temperature: f32) -> array<f32, LOGITS> {
    var gradients: array<f32, LOGITS>;
    for (var c = 0u; c < LOGITS; c++) {
        let odds = exp(-abs(z[c]) / temperature);
        gradients[c] = table_gradients[c] * odds / ((1.0 + odds) * (1.0 + odds) * temperature);
    }
    return gradients;
}
