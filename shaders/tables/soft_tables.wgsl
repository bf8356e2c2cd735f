// What a step on real activations begins with of each gate: its table at the fixed temperature, by logits and noise. tables
// [gates][CODES] f32. Nothing is selected, so there is no confidence to keep.

var<storage, read_write> tables: array<f32>;

fn make_table(gate: u32, z: array<f32, LOGITS>, noise: array<f32, LOGITS>) -> f32 {
    let table = soft_table(z, noise, training.temperature);
    for (var c = 0u; c < CODES; c++) {
        tables[gate * CODES + c] = table[c];
    }
    return 0.0;
}

fn keep_confidence(partial: u32, lane: u32, own: f32) {}
