// Input-wise parametrization with a sine (Light DLGN, ICLR 2026): P_c = 0.5 + 0.5 sin z_c, one logit a code.
// Its log-odds are log((1 + sin z) / (1 - sin z)) = +-2 log((1 + |sin z|) / |cos z|), + where sin z > 0; at temperature 1
// the logistic function gives P_c back, with derivative 0.5 cos z.
#import tables/parametrization/logistic.wgsl

const TURN: f32 = 6.28318530717959;
// Least |cos z|: the log-odds have a pole where a choice is certain.
const LEAST_COSINE: f32 = 1e-3;

// sin z > 0, from the place of z in its turn, so that no device's sine decides a bit.
fn is_positive(z: f32) -> bool {
    let turns = fract(z / TURN);
    return turns > 0.0 && turns < 0.5;
}

fn is_set(z: array<f32, LOGITS>) -> vec2<u32> {
    var table = vec2<u32>(0u);
    for (var c = 0u; c < CODES; c++) {
        table[c / 32u] |= u32(is_positive(z[c])) << (c % 32u);
    }
    return table;
}

fn confidence(z: array<f32, LOGITS>) -> f32 {
    var sum = 0.0;
    for (var c = 0u; c < CODES; c++) {
        sum += 0.5 + 0.5 * abs(sin(z[c]));
    }
    return sum;
}

fn log_odds(z: array<f32, LOGITS>) -> array<f32, CODES> {
    var odds: array<f32, CODES>;
    for (var c = 0u; c < CODES; c++) {
        let size = 2.0 * log((1.0 + abs(sin(z[c]))) / max(abs(cos(z[c])), LEAST_COSINE));
        odds[c] = select(-size, size, is_positive(z[c]));
    }
    return odds;
}

// d log-odds / dz = 2 / cos z.
fn chain(z: array<f32, LOGITS>, by_log_odds: array<f32, CODES>) -> array<f32, LOGITS> {
    var gradients: array<f32, LOGITS>;
    for (var c = 0u; c < CODES; c++) {
        let cosine = cos(z[c]);
        let slope = 2.0 / max(abs(cosine), LEAST_COSINE);
        gradients[c] = by_log_odds[c] * select(slope, -slope, cosine < 0.0);
    }
    return gradients;
}
