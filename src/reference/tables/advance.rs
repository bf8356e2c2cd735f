//! Begin a step: CAGE's temperature, the learning rate, Adam's powers, and where the next batch begins.

use super::cage::CageState;
use crate::reference::constants::Constants;

/// What changes every step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Step {
    /// Steps begun.
    pub step: u32,
    /// Of this step's backward pass, where CAGE's scope is the network.
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
pub fn advance(constants: &Constants, confidence_sum: f64, step: &mut Step) {
    step.confidence = confidence_sum / constants.selections;
    let mut cage = CageState { mean: step.confidence_mean, temperature: step.temperature };
    cage.adapt(constants, step.confidence);
    (step.confidence_mean, step.temperature) = (cage.mean, cage.temperature);
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
