// Scores of candidates to weights, and every pin to the candidate of the greatest weight: the first of them whose wire none of the
// gate's pins before it reads. With all = sum of γ,
//   DWN:  Adam on the gradient 2 S[k] - all, at the rate of the wires
//   else: w[k] -= c S[k], c being the learning rate as a fraction of its greatest
// Only in steps that score wires; elsewhere nothing is done. A lane takes a gate.
#needs ARITY CANDIDATES
#import shared/structs.wgsl
#import shared/wires_due.wgsl
#import shared/adam.wgsl

var<uniform> layer: Layer;
var<uniform> training: Training;
var<uniform> step: Step;
var<storage, read> candidates: array<u32>; // [gates][ARITY][CANDIDATES]
#if REAL
var<storage, read> scores: array<f32>;     // [gates][ARITY][SCORES]
#else
var<storage, read> scores: array<i32>;     // likewise
#endif
var<storage, read_write> weights: array<f32>; // [gates][ARITY][CANDIDATES]
#if DWN
var<storage, read_write> moments: array<vec2<f32>>; // likewise: first, second
#endif
var<storage, read_write> wiring: array<u32>; // [gates][ARITY]

const SCORES: u32 = CANDIDATES + 1u;
const TOGETHER: u32 = 4u;

@compute @workgroup_size(64)
fn main(
    @builtin(workgroup_id) wid: vec3<u32>,
    @builtin(num_workgroups) count: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    if !wires_are_due(step.step - 1u) { // `advance` has counted this step
        return;
    }
    let unit = 1.0 / training.slice_scale;
    let rate = step.learning_rate * training.wire_rate;
#if DWN
    let unbias = adam_unbias(vec2<f32>(step.wire_beta1_power, step.wire_beta2_power));
#endif
    for (var gate = wid.x * 64u + lane; gate < layer.gates; gate += count.x * 64u) {
        for (var pin = 0u; pin < ARITY; pin++) {
            let i = gate * ARITY + pin;
#if DWN
            let all = scores[i * SCORES + CANDIDATES];
#endif
            var best = CANDIDATES;
            var greatest = 0.0;
            for (var k = 0u; k < CANDIDATES; k += TOGETHER) {
                // Neighbours in memory are fetched before any is changed, while the lane's sector is near.
                var w: array<f32, TOGETHER>;
#if REAL
                var score: array<f32, TOGETHER>;
#else
                var score: array<i32, TOGETHER>;
#endif
#if DWN
                var own: array<vec2<f32>, TOGETHER>;
#endif
                for (var j = 0u; j < TOGETHER; j++) {
                    let own_k = min(k + j, CANDIDATES - 1u);
                    w[j] = weights[i * CANDIDATES + own_k];
                    score[j] = scores[i * SCORES + own_k];
#if DWN
                    own[j] = moments[i * CANDIDATES + own_k];
#endif
                }
                for (var j = 0u; j < TOGETHER; j++) {
                    if k + j >= CANDIDATES {
                        break;
                    }
                    let at = i * CANDIDATES + k + j;
#if DWN
                    own[j] = adam_moments(own[j], f32(2 * score[j] - all) * unit);
                    moments[at] = own[j];
                    w[j] -= adam_descent(rate, own[j], unbias);
#else
                    w[j] -= rate * (f32(score[j]) * unit);
#endif
                    weights[at] = w[j];
                    if best == CANDIDATES || w[j] > greatest {
                        var is_free = true;
                        for (var before = 0u; before < pin; before++) {
                            is_free = is_free && wiring[gate * ARITY + before] != candidates[at];
                        }
                        if is_free {
                            best = k + j;
                            greatest = w[j];
                        }
                    }
                }
            }
            if best < CANDIDATES {
                wiring[i] = candidates[i * CANDIDATES + best];
            }
        }
    }
}
