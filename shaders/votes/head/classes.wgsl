// One class of several: softmax cross-entropy over scores = votes / tau.
// d loss / d vote of class c = (softmax_c - [c = label]) / (tau * batch). labels [samples] u32.

struct Scored {
    peak: f32,   // greatest score
    total: f32,  // sum of exp(score - peak)
    label: u32,
}

fn score(class_index: u32, s: u32) -> f32 {
    return votes[class_index * batch.words * 32u + s] / training.group_tau;
}

// Scores sample s of the batch, `sample` of the set, and returns its loss and whether the first greatest score is its
// label's.
fn judge(s: u32, sample: u32, scored: ptr<function, Scored>) -> vec2<f32> {
    var best = 0u;
    var peak = score(0u, s);
    for (var c = 1u; c < batch.classes; c++) {
        let x = score(c, s);
        if x > peak {
            peak = x;
            best = c;
        }
    }
    var total = 0.0;
    for (var c = 0u; c < batch.classes; c++) {
        total += exp(score(c, s) - peak);
    }
    let label = labels[sample];
    *scored = Scored(peak, total, label);
    return vec2<f32>(log(total) + peak - score(label, s), f32(best == label));
}

fn gradient(class_index: u32, s: u32, scored: Scored) -> f32 {
    let p = exp(score(class_index, s) - scored.peak) / scored.total;
    let g = (p - f32(class_index == scored.label)) / (training.group_tau * f32(training.batch));
    return select(0.0, g, s < batch.size);
}

// Loss and predicted class.
fn verdict(s: u32, sample: u32) -> vec2<f32> {
    let stride = batch.words * 32u;
    var best = 0u;
    for (var c = 1u; c < batch.classes; c++) {
        best = select(best, c, votes[c * stride + s] > votes[best * stride + s]);
    }
    let peak = votes[best * stride + s];
    var total = 0.0;
    for (var c = 0u; c < batch.classes; c++) {
        total += exp((votes[c * stride + s] - peak) / training.group_tau);
    }
    let loss = log(total) + (peak - votes[labels[sample] * stride + s]) / training.group_tau;
    return vec2<f32>(loss, f32(best));
}
