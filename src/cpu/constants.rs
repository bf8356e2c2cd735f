//! What does not change during a run, and what changes every step.

use crate::Result;
use crate::network::Model;
use crate::plan::uniforms::{Cage, Step};
use crate::plan::{CageScope, GradientFormat, slice_scale};
use crate::settings::{self, FrozenLayers, PoolGradient, Schedule, Settings};
use crate::train::Augmentation;

/// Everything that decides a run beside its network and its samples.
#[derive(Debug, Clone, PartialEq)]
pub struct Constants {
    /// Samples a step.
    pub batch: u32,
    /// Bits of an integer of a gradient: 4, 8, 12 or 16.
    pub bits: u32,
    /// Whether selections or mixtures are noisy (Gumbel-ST, Soft-Gumbel).
    pub noisy: bool,
    /// Where gates are mixtures, forward and backward (Soft-Mix, Soft-Gumbel), what gradients are rounded to from layer to layer: f32,
    /// bf16 or f16. `bits` has no meaning then.
    pub soft: Option<GradientFormat>,
    /// CAGE's constants, if it is on.
    pub cage: Option<settings::Cage>,
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
    /// Which places of a pooled window gradients go to.
    pub pool_gradient: PoolGradient,
    /// Layers that are not trained.
    pub frozen: FrozenLayers,
    /// How images are moved, if they are.
    pub augmentation: Option<Augmentation>,
}

impl Constants {
    /// What `settings` say, samples being rows of a table or images.
    ///
    /// # Errors
    /// [`crate::Error::Usage`] if rows are to be moved.
    pub fn of(settings: &Settings, are_rows: bool) -> Result<Self> {
        Ok(Constants {
            batch: settings.batch,
            bits: settings.gradients.bits(),
            noisy: settings.method.is_noisy(),
            soft: settings.method.is_soft().then_some(settings.gradients),
            cage: settings.cage,
            temperature: settings.temperature,
            tau: settings.tau,
            learning_rate: settings.lr,
            final_fraction: settings.lr_final,
            warmup_steps: settings.warmup,
            cosine_steps: if settings.schedule == Schedule::Cosine { settings.steps } else { 0 },
            beta1: settings.beta1,
            beta2: settings.beta2,
            epsilon: settings.epsilon,
            weight_decay: settings.weight_decay,
            seed: settings.seed,
            pool_gradient: settings.pool_gradient,
            frozen: settings.freeze.clone(),
            augmentation: Augmentation::of_samples(settings, are_rows)?,
        })
    }

    /// Integer units a unit of gradient.
    pub fn slice_scale(&self) -> f32 {
        slice_scale(self.bits, self.tau, self.batch)
    }

    /// CAGE's scope; the network where CAGE is off.
    pub fn scope(&self) -> CageScope {
        self.cage.map_or(CageScope::Network, |cage| cage.scope)
    }

    /// `[layers]`: whether each of `model`'s is trained.
    pub fn trained(&self, model: &Model) -> Vec<bool> {
        let layers = model.layers.iter().enumerate();
        layers.map(|(i, layer)| !self.frozen.has(i, !layer.form.is_dense())).collect()
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
        let (_, cosine) = super::functions::sine_and_cosine(std::f32::consts::PI * progress);
        self.learning_rate * (self.final_fraction + (1.0 - self.final_fraction) * (0.5 + 0.5 * cosine))
    }
}
