// Labels that are each set or not: binary cross-entropy, summed over labels, of score = (votes - group / 2) / tau. A
// label is told to be set where its score is positive: where more than half of its gates vote.
// d loss / d vote of label l = (sigmoid(score_l) - target_l) / (tau * batch). labels [samples][outputs], 0 or 1 as f32.

struct Scored {
    sample: u32,
}

fn score(label: u32, s: u32) -> f32 {
    return (votes[label * batch.words * 32u + s] - f32(training.group) * 0.5) / training.group_tau;
}

fn target_of(label: u32, sample: u32) -> f32 {
    return bitcast<f32>(labels[sample * batch.classes + label]);
}

// Loss and fraction of labels right of sample s of the batch, `sample` of the set.
fn judge(s: u32, sample: u32, scored: ptr<function, Scored>) -> vec2<f32> {
    *scored = Scored(sample);
    var loss = 0.0;
    var right = 0.0;
    for (var l = 0u; l < batch.classes; l++) {
        let x = score(l, s);
        let y = target_of(l, sample);
        loss += max(x, 0.0) - x * y + log(1.0 + exp(-abs(x)));
        right += f32((x > 0.0) == (y > 0.5));
    }
    return vec2<f32>(loss, right / f32(batch.classes));
}

fn gradient(label: u32, s: u32, scored: Scored) -> f32 {
    let x = score(label, s);
    let small = exp(-abs(x));
    let p = select(small, 1.0, x > 0.0) / (1.0 + small);
    let g = (p - target_of(label, scored.sample)) / (training.group_tau * f32(training.batch));
    return select(0.0, g, s < batch.size);
}

fn verdict(s: u32, sample: u32) -> vec2<f32> {
    var scored: Scored;
    return judge(s, sample, &scored);
}
