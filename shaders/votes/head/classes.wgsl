// One class of several: softmax cross-entropy over scores = votes / tau.
// d loss / d vote of class c = (softmax_c - [c = label]) / (tau * batch). labels [samples] u32.

struct Scored {
    best: u32,   // class of most votes, the first among equals
    peak: f32,   // its score
    total: f32,  // sum of exp(score - peak)
    label: u32,
}

fn score(class_index: u32, s: u32) -> f32 {
    return votes[class_index * batch.words * 32u + s] / training.group_tau;
}

// Sample s of the batch, `sample` of the set.
fn scored_of(s: u32, sample: u32) -> Scored {
    let row = batch.words * 32u;
    var best = 0u;
    for (var c = 1u; c < batch.classes; c++) {
        best = select(best, c, votes[c * row + s] > votes[best * row + s]);
    }
    let peak = score(best, s);
    var total = 0.0;
    for (var c = 0u; c < batch.classes; c++) {
        total += exp(score(c, s) - peak);
    }
    return Scored(best, peak, total, labels[sample]);
}

fn loss_of(s: u32, scored: Scored) -> f32 {
    return log(scored.total) + scored.peak - score(scored.label, s);
}

// Loss of a sample, and whether its label has most votes, the first among equals.
fn judge(s: u32, sample: u32, scored: ptr<function, Scored>) -> vec2<f32> {
    let own = scored_of(s, sample);
    *scored = own;
    return vec2<f32>(loss_of(s, own), f32(own.best == own.label));
}

fn gradient(class_index: u32, s: u32, scored: Scored) -> f32 {
    let p = exp(score(class_index, s) - scored.peak) / scored.total;
    let g = (p - f32(class_index == scored.label)) / (training.group_tau * f32(training.batch));
    return select(0.0, g, s < batch.size);
}

// Loss and predicted class.
fn verdict(s: u32, sample: u32) -> vec2<f32> {
    let own = scored_of(s, sample);
    return vec2<f32>(loss_of(s, own), f32(own.best));
}
