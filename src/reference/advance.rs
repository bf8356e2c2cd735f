//! Begin a step: CAGE's temperature, the learning rate, Adam's powers, and where the next batch begins.

use super::Constants;

/// What changes every step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Steps begun.
    pub step: u32,
    /// Of this step's backward pass.
    pub temperature: f64,
    /// Of this step.
    pub learning_rate: f64,
    /// Mean confidence of this step's selections.
    pub confidence: f64,
    /// Its running mean.
    pub confidence_mean: f64,
    /// β₁ to the power of `step`.
    pub beta1_power: f64,
    /// β₂ to the power of `step`.
    pub beta2_power: f64,
    /// Epoch of the next batch's first sample.
    pub epoch: u32,
    /// Place of the next batch's first sample in that epoch.
    pub position: u32,
}

impl Step {
    /// Before the first step. The running mean starts at 1/K, an undecided selection's confidence.
    pub fn start(constants: &Constants) -> Self {
        Step {
            step: 0,
            temperature: constants.temperature,
            learning_rate: 0.0,
            confidence: 0.0,
            confidence_mean: 1.0 / constants.choices,
            beta1_power: 1.0,
            beta2_power: 1.0,
            epoch: 0,
            position: 0,
        }
    }
}

/// Begin a step whose selections' confidences sum to `confidence_sum`.
///
/// CAGE (Align Forward, Adapt Backward): c_ema ← d·c_ema + (1 − d)·c, then
/// τ_b = τ_max − (τ_max − τ_min) · clamp((c_ema − 1/K)/(1 − 1/K), 0, 1).
pub fn advance(constants: &Constants, confidence_sum: f64, step: &mut Step) {
    let decay = constants.cage.map_or(0.99, |cage| cage.decay.into());
    step.confidence = confidence_sum / constants.selections;
    step.confidence_mean = decay * step.confidence_mean + (1.0 - decay) * step.confidence;
    step.temperature = match constants.cage {
        None => constants.temperature,
        Some(cage) => {
            let undecided = 1.0 / constants.choices;
            let certainty = ((step.confidence_mean - undecided) / (1.0 - undecided)).clamp(0.0, 1.0);
            f64::from(cage.tau_max) - f64::from(cage.tau_max - cage.tau_min) * certainty
        }
    };
    step.learning_rate = learning_rate(constants, step.step);
    step.beta1_power *= constants.beta1;
    step.beta2_power *= constants.beta2;
    step.step += 1;
    step.position += constants.batch;
    step.epoch += step.position / constants.samples;
    step.position %= constants.samples;
}

/// The rate of the step after `done` steps: a linear rise, then half a cosine or none.
pub fn learning_rate(constants: &Constants, done: u32) -> f64 {
    let full = constants.learning_rate;
    if done < constants.warmup_steps {
        return full * f64::from(done + 1) / f64::from(constants.warmup_steps);
    }
    let Some(total) = constants.cosine_steps else { return full };
    let falling = f64::from(total.saturating_sub(constants.warmup_steps).max(1));
    let progress = (f64::from(done - constants.warmup_steps) / falling).min(1.0);
    let least = full * constants.final_fraction;
    least + (full - least) * (1.0 + (std::f64::consts::PI * progress).cos()) / 2.0
}
