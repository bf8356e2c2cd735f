//! What does not change during a run, and what changes every step.

use bytemuck::{Pod, Zeroable};

/// Everything that decides a run beside its network and its samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Constants {
    /// Samples a step.
    pub batch: u32,
    /// Bits of an integer of a gradient: 8, 12 or 16.
    pub bits: u32,
    /// Whether selections are noisy (Gumbel-ST).
    pub noisy: bool,
    /// CAGE's constants, if it is on.
    pub cage: Option<CageConstants>,
    /// Backward temperature where CAGE does not set it.
    pub temperature: f32,
    /// τ of the group sum: a class's score is its votes / τ.
    pub tau: f32,
    /// Adam's rate after the warm-up.
    pub learning_rate: f32,
    /// Cosine: the last rate as a fraction of the first.
    pub final_fraction: f32,
    /// Steps over which the rate rises linearly.
    pub warmup_steps: u32,
    /// Steps over which the rate falls along half a cosine, warm-up included; 0: it stays.
    pub cosine_steps: u32,
    /// Adam's decay of the first moment.
    pub beta1: f32,
    /// Adam's decay of the second moment.
    pub beta2: f32,
    /// Adam's ε.
    pub epsilon: f32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Seed of permutations, augmentation, rounding and noise.
    pub seed: u64,
    /// How images are moved, if they are.
    pub augmentation: Option<Movements>,
}

/// CAGE's constants.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CageConstants {
    /// Backward temperature of certain selections.
    pub tau_min: f32,
    /// Backward temperature of undecided selections.
    pub tau_max: f32,
    /// Decay a step of confidence's running mean.
    pub decay: f32,
    /// Whose confidence sets a gate's temperature.
    pub scope: Scope,
}

/// Whose confidence sets a gate's backward temperature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The whole network's.
    Network,
    /// Its layer's.
    Layer,
    /// Its own.
    Gate,
}

/// How far images may be moved, in whole numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Movements {
    /// Pixels each way.
    pub shift: u32,
    /// Whether half of the images are mirrored.
    pub flip: bool,
    /// Least side of the part that is shown, in 2⁻¹⁴ of the image's; 2¹⁴ shows it whole.
    pub least_side: u32,
    /// (cosine, sine) · 2¹⁴ of every angle to choose from, at least one.
    pub turns: Vec<[i32; 2]>,
}

/// What changes every step, as the shaders' `Step` has it and checkpoints keep it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Step {
    /// Steps begun.
    pub step: u32,
    /// Backward temperature of the last step.
    pub temperature: f32,
    /// Learning rate of the last step.
    pub learning_rate: f32,
    /// Mean confidence of the last step's selections.
    pub confidence: f32,
    /// Its running mean.
    pub confidence_mean: f32,
    /// β₁ to the power of `step`.
    pub beta1_power: f32,
    /// β₂ to the power of `step`.
    pub beta2_power: f32,
    /// Epoch of the next batch's first sample.
    pub epoch: u32,
    /// Place of the next batch's first sample in that epoch.
    pub position: u32,
    /// Zeros.
    pub pad: [u32; 3],
}

/// CAGE for one layer or one gate, as the shaders' `Cage` has it and checkpoints keep it.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Pod, Zeroable)]
pub struct Cage {
    /// Running mean of its confidence.
    pub mean: f32,
    /// The backward temperature that it asks for.
    pub temperature: f32,
    /// Selections that its confidence is averaged over.
    pub selections: f32,
}

impl Constants {
    /// Before the first step, selections being among `choices` choices.
    pub fn first_step(&self, choices: f32) -> Step {
        Step {
            step: 0,
            temperature: self.temperature,
            learning_rate: 0.0,
            confidence: 0.0,
            confidence_mean: 1.0 / choices,
            beta1_power: 1.0,
            beta2_power: 1.0,
            epoch: 0,
            position: 0,
            pad: [0; 3],
        }
    }

    /// Integer units a unit of gradient: a class gradient is at most 1 / (τ · batch), and gets a quarter of the range; the
    /// rest is for sums.
    pub fn slice_scale(&self) -> f32 {
        (1u32 << (self.bits - 3)) as f32 * self.tau * self.batch as f32
    }

    /// CAGE's scope; the network where CAGE is off.
    pub fn scope(&self) -> Scope {
        self.cage.map_or(Scope::Network, |cage| cage.scope)
    }

    fn running_mean(&self, mean: f32, confidence: f32) -> f32 {
        let decay = self.cage.map_or(0.99, |cage| cage.decay);
        decay * mean + (1.0 - decay) * confidence
    }

    fn backward_temperature(&self, mean: f32, choices: f32) -> f32 {
        let Some(cage) = self.cage else { return self.temperature };
        let least = 1.0 / choices;
        let certainty = ((mean - least) / (1.0 - least)).clamp(0.0, 1.0);
        cage.tau_max - (cage.tau_max - cage.tau_min) * certainty
    }

    /// Take in a step's confidences, summed over the selections, each among `choices` choices.
    pub fn adapt(&self, cage: &mut Cage, sum: f32, choices: f32) {
        cage.mean = self.running_mean(cage.mean, sum / cage.selections);
        cage.temperature = self.backward_temperature(cage.mean, choices);
    }

    /// Begin a step whose selections' mean confidence is `confidence`, on one of `samples` samples.
    pub fn advance(&self, step: &mut Step, confidence: f32, choices: f32, samples: u32) {
        step.confidence = confidence;
        step.confidence_mean = self.running_mean(step.confidence_mean, confidence);
        step.temperature = self.backward_temperature(step.confidence_mean, choices);
        step.learning_rate = self.learning_rate(step.step);
        step.beta1_power *= self.beta1;
        step.beta2_power *= self.beta2;
        step.step += 1;
        step.position += self.batch;
        step.epoch += step.position / samples;
        step.position %= samples;
    }

    /// The rate of the step after `done` steps.
    fn learning_rate(&self, done: u32) -> f32 {
        if done < self.warmup_steps {
            return self.learning_rate * (done + 1) as f32 / self.warmup_steps as f32;
        }
        if self.cosine_steps == 0 {
            return self.learning_rate;
        }
        let span = self.cosine_steps.saturating_sub(self.warmup_steps).max(1);
        let progress = ((done - self.warmup_steps) as f32 / span as f32).min(1.0);
        let (_, cosine, _) = super::functions::sine_and_cosine(std::f32::consts::PI * progress);
        self.learning_rate * (self.final_fraction + (1.0 - self.final_fraction) * (0.5 + 0.5 * cosine))
    }
}
