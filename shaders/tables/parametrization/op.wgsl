// The original parametrization (Petersen et al. 2022): p = softmax((z + noise) / tau) over the 16 functions of two inputs,
// P_c = sum_i p_i T_i(c). Function i's outputs for codes 0, 1, 2, 3 are i's bits from the highest down.
#import shared/codes.wgsl

const LOGITS: u32 = 16u;

// Standard Gumbel noise, -log(-log u), from a uniform draw; near u = 1 the inner logarithm by its series, since devices
// promise a logarithm near 1 to an absolute error only.
fn noise_of(u: f32) -> f32 {
    let v = 1.0 - u;
    let series = v * (1.0 + v * (0.5 + v * (0.33333333 + v * (0.25 + v * 0.2))));
    return -log(select(-log(u), series, v < 0.0625));
}

fn hard_table(z: array<f32, LOGITS>, noise: array<f32, LOGITS>) -> vec2<u32> {
    var best = 0u;
    for (var i = 1u; i < LOGITS; i++) {
        if z[i] + noise[i] > z[best] + noise[best] {
            best = i;
        }
    }
    return vec2<u32>(reverseBits(best) >> 28u, 0u);
}

// softmax((z + noise) / temperature)
fn probabilities(z: array<f32, LOGITS>, noise: array<f32, LOGITS>, temperature: f32) -> array<f32, LOGITS> {
    var p: array<f32, LOGITS>;
    var greatest = z[0] + noise[0];
    for (var i = 0u; i < LOGITS; i++) {
        p[i] = z[i] + noise[i];
        greatest = max(greatest, p[i]);
    }
    var sum = 0.0;
    for (var i = 0u; i < LOGITS; i++) {
        p[i] = exp((p[i] - greatest) / temperature);
        sum += p[i];
    }
    for (var i = 0u; i < LOGITS; i++) {
        p[i] /= sum;
    }
    return p;
}

// max_i softmax(z)_i
fn confidence(z: array<f32, LOGITS>) -> f32 {
    var none: array<f32, LOGITS>;
    let p = probabilities(z, none, 1.0);
    var greatest = p[0];
    for (var i = 1u; i < LOGITS; i++) {
        greatest = max(greatest, p[i]);
    }
    return greatest;
}

// The table at a temperature.
fn soft_table(z: array<f32, LOGITS>, noise: array<f32, LOGITS>, temperature: f32) -> array<f32, CODES> {
    let p = probabilities(z, noise, temperature);
    var table: array<f32, CODES>;
    for (var c = 0u; c < CODES; c++) {
        for (var i = 0u; i < LOGITS; i++) {
            table[c] += p[i] * f32((i >> (3u - c)) & 1u);
        }
    }
    return table;
}

// Table gradients to logit gradients at a temperature: with G_i = sum_c T_i(c) S_c, dz_i = p_i (G_i - sum_j p_j G_j) / tau.
fn logit_gradients(
    z: array<f32, LOGITS>,
    noise: array<f32, LOGITS>,
    table_gradients: array<f32, CODES>,
    temperature: f32,
) -> array<f32, LOGITS> {
    let p = probabilities(z, noise, temperature);
    var g: array<f32, LOGITS>;
    var mean = 0.0;
    for (var i = 0u; i < LOGITS; i++) {
        for (var c = 0u; c < CODES; c++) {
            g[i] += table_gradients[c] * f32((i >> (3u - c)) & 1u);
        }
        mean += p[i] * g[i];
    }
    for (var i = 0u; i < LOGITS; i++) {
        g[i] = p[i] * (g[i] - mean) / temperature;
    }
    return g;
}
