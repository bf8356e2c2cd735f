// Numbers: squared error. A target has CODE_BITS outputs; its value, as a fraction of its range, is the sum over bits
// i of weight_i * votes / group with weight_i = 2^i / (2^CODE_BITS - 1).
// loss = group / (2 tau) * sum over targets of (value - target)^2, so
// d loss / d vote of bit i = (value - target) * weight_i / (tau * batch), which no more passes 1 / (tau * batch) than
// a class's gradient does, targets of training samples being within [0, 1]. labels [samples][targets] f32.
#needs CODE_BITS

var<storage, read> spread: array<f32>; // [targets] 1 / variance over the training samples

struct Scored {
    sample: u32,
}

fn weight(bit: u32) -> f32 {
    return f32(1u << bit) / f32((1u << CODE_BITS) - 1u);
}

// What is told of target t, less what is right.
fn miss(t: u32, s: u32, sample: u32) -> f32 {
    var value = 0.0;
    for (var bit = 0u; bit < CODE_BITS; bit++) {
        value += weight(bit) * votes[(t * CODE_BITS + bit) * batch.words * 32u + s];
    }
    let targets = batch.classes / CODE_BITS;
    return value / f32(training.group) - bitcast<f32>(labels[sample * targets + t]);
}

// Loss of sample s of the batch, `sample` of the set, and the mean over targets of 1 - error^2 / variance, whose mean
// over samples is R^2 by the variance of the training samples.
fn judge(s: u32, sample: u32, scored: ptr<function, Scored>) -> vec2<f32> {
    *scored = Scored(sample);
    let targets = batch.classes / CODE_BITS;
    var squares = 0.0;
    var share = 0.0;
    for (var t = 0u; t < targets; t++) {
        let e = miss(t, s, sample);
        squares += e * e;
        share += e * e * spread[t];
    }
    return vec2<f32>(f32(training.group) * 0.5 / training.group_tau * squares, 1.0 - share / f32(targets));
}

fn gradient(output: u32, s: u32, scored: Scored) -> f32 {
    let e = miss(output / CODE_BITS, s, scored.sample);
    let g = e * weight(output % CODE_BITS) / (training.group_tau * f32(training.batch));
    return select(0.0, g, s < batch.size);
}

fn verdict(s: u32, sample: u32) -> vec2<f32> {
    var scored: Scored;
    return judge(s, sample, &scored);
}
