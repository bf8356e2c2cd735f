// Adam (Kingma and Ba 2015), bias-corrected, by the constants in `training`.

// 1 / (1 - beta^n) of both moments from beta^n.
fn adam_unbias(powers: vec2<f32>) -> vec2<f32> {
    return vec2<f32>(1.0 / (1.0 - powers.x), 1.0 / (1.0 - powers.y));
}

// (first, second) moment after a gradient.
fn adam_moments(old: vec2<f32>, g: f32) -> vec2<f32> {
    let m = training.beta1 * old.x + (1.0 - training.beta1) * g;
    let v = training.beta2 * old.y + (1.0 - training.beta2) * g * g;
    return vec2<f32>(m, v);
}

// What a number of these moments is to be lessened by.
fn adam_descent(rate: f32, moments: vec2<f32>, unbias: vec2<f32>) -> f32 {
    return rate * moments.x * unbias.x / (sqrt(moments.y * unbias.y) + training.epsilon);
}
