// What a step on bits begins with of each gate: its hard table, by logits and noise, and how sure of it the logits are, which CAGE
// looks at. tables [gates][TABLE_WORDS] u32, bit c is the output for code c; partials: a sum of confidences a workgroup.
#import shared/workgroup_sum.wgsl

var<storage, read_write> tables: array<u32>;
var<storage, read_write> partials: array<f32>;

alias Sum = f32;

// Makes a gate's table; its confidence.
fn make_table(gate: u32, z: array<f32, LOGITS>, noise: array<f32, LOGITS>) -> f32 {
    let table = hard_table(z, noise);
    tables[gate * TABLE_WORDS] = table.x;
    if TABLE_WORDS == 2u {
        tables[gate * TABLE_WORDS + 1u] = table.y;
    }
    return confidence(z);
}

fn keep_confidence(partial: u32, lane: u32, own: f32) {
    let sum = workgroup_sum(lane, own);
    if lane == 0u {
        partials[partial] = sum;
    }
}
