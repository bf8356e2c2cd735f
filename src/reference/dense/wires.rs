//! Wires that learn: scores of candidates, and how pins choose by them.

use super::forward_hard::input_code;
use crate::network::{Layer, WireRule};
use crate::reference::tables::Moments;

/// Add one sample's part to `scores`, `[gates · arity][count + 1]`: of a pin with `count` of the `candidates`,
/// S_k = Σ γ x_k, and last Σ γ. γ is what the gate of gradient `gradients[gate]` sends to the pin, within `bits` bits.
pub fn add_wire_scores(
    layer: &Layer,
    candidates: &[Vec<u32>],
    inputs: &[bool],
    gradients: &[i32],
    bits: u32,
    scores: &mut [Vec<i64>],
) {
    let (least, most) = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1);
    for (i, (candidates, scores)) in candidates.iter().zip(scores).enumerate() {
        let (gate, pin) = (i / layer.arity, i % layer.arity);
        let code = input_code(layer, gate, inputs);
        let output = |code: usize| (layer.tables[gate] >> code) as i32 & 1;
        let bit = 1 << (layer.arity - 1 - pin);
        let sent = ((output(code | bit) - output(code & !bit)) * gradients[gate]).clamp(least, most);
        for (k, &candidate) in candidates.iter().enumerate() {
            scores[k] += i64::from(sent) * i64::from(inputs[candidate as usize]);
        }
        scores[candidates.len()] += i64::from(sent);
    }
}

/// The same in real numbers: to `scores` each sum, and to `sizes` the sum of what it is made of, without signs.
pub fn add_real_wire_scores(
    layer: &Layer,
    candidates: &[Vec<u32>],
    inputs: &[bool],
    gradients: &[f64],
    scores: &mut [Vec<f64>],
    sizes: &mut [Vec<f64>],
) {
    for (i, (candidates, (scores, sizes))) in candidates.iter().zip(scores.iter_mut().zip(sizes)).enumerate() {
        let (gate, pin) = (i / layer.arity, i % layer.arity);
        let code = input_code(layer, gate, inputs);
        let output = |code: usize| ((layer.tables[gate] >> code) & 1) as f64;
        let bit = 1 << (layer.arity - 1 - pin);
        let sent = (output(code | bit) - output(code & !bit)) * gradients[gate];
        let read = candidates.iter().map(|&candidate| f64::from(u8::from(inputs[candidate as usize]))).chain([1.0]);
        for (x, (score, size)) in read.zip(scores.iter_mut().zip(sizes)) {
            *score += sent * x;
            *size += (sent * x).abs();
        }
    }
}

/// What weights of candidates are moved by.
#[derive(Debug, Clone, Copy)]
pub struct WireStep {
    /// The rule.
    pub rule: WireRule,
    /// Its rate.
    pub rate: f64,
    /// Adam's decays.
    pub betas: [f64; 2],
    /// These to the power of the steps that scored wires, this one among them.
    pub powers: [f64; 2],
    /// Adam's ε.
    pub epsilon: f64,
    /// What a unit of the scores is worth.
    pub unit: f64,
}

/// Move one pin's weights by its scores, whose last is Σ γ.
pub fn move_weights(step: &WireStep, scores: &[i64], weights: &mut [f64], moments: &mut [Moments]) {
    let all = scores[weights.len()];
    for (k, w) in weights.iter_mut().enumerate() {
        if step.rule == WireRule::Acc {
            *w -= step.rate * scores[k] as f64 * step.unit;
            continue;
        }
        let gradient = (2 * scores[k] - all) as f64 * step.unit;
        let (own, [beta1, beta2]) = (&mut moments[k], step.betas);
        own.first = beta1 * own.first + (1.0 - beta1) * gradient;
        own.second = beta2 * own.second + (1.0 - beta2) * gradient * gradient;
        let (first, second) = (own.first / (1.0 - step.powers[0]), own.second / (1.0 - step.powers[1]));
        *w -= step.rate * first / (second.sqrt() + step.epsilon);
    }
}

/// Who reads each input of `layer`: (gate, pin), all first pins first, gate by gate.
pub fn readers(layer: &Layer) -> Vec<Vec<(usize, usize)>> {
    let of = |input: usize| {
        let pins = (0..layer.arity).flat_map(|pin| (0..layer.gates()).map(move |gate| (gate, pin)));
        pins.filter(|&(gate, pin)| layer.wiring[gate * layer.arity + pin] as usize == input).collect()
    };
    (0..layer.inputs).map(of).collect()
}

/// The wires of a gate by the weights of its pins' candidates: of each pin in turn the candidate of the greatest weight, the
/// first of several, that none of the pins before it has taken.
pub fn chosen_wires(candidates: &[Vec<u32>], weights: &[Vec<f64>]) -> Vec<u32> {
    let mut taken: Vec<u32> = Vec::new();
    for (candidates, weights) in candidates.iter().zip(weights) {
        let free = candidates.iter().zip(weights).filter(|(wire, _)| !taken.contains(wire));
        let best = free.reduce(|best, next| if next.1 > best.1 { next } else { best });
        taken.extend(best.map(|(&wire, _)| wire));
    }
    taken
}
