//! What every pass of a step is made for: settings, shapes, the device's ways.

use super::learning::pace;
use super::outline::Outline;
use crate::plan::{Id, Limits, Tuning, slice_scale, uniforms};
use crate::settings::{Schedule, Settings};

/// In which numbers layers compute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Bits forward, real gradients backward.
    Hard,
    /// Bits forward, bit-sliced integers backward.
    Sliced,
    /// Real activations forward, real gradients backward.
    Soft,
}

/// What every pass of a step is made for.
pub struct Context<'a> {
    /// What it does.
    pub settings: &'a Settings,
    /// What it does that to.
    pub outline: &'a Outline,
    /// How it is shaped.
    pub tuning: Tuning,
    /// What the device takes.
    pub limits: Limits,
    /// `uniforms::Training`, once the run's buffers are planned.
    training: Option<Id>,
}

impl<'a> Context<'a> {
    /// Of steps as `settings` say, for a device that takes `limits`.
    pub fn new(settings: &'a Settings, outline: &'a Outline, tuning: Tuning, limits: Limits) -> Self {
        Context { settings, outline, tuning, limits, training: None }
    }

    /// The same, its constants being in the buffer `training`.
    pub fn with_training(self, training: Id) -> Self {
        Context { training: Some(training), ..self }
    }

    /// `uniforms::Training` of the network that is planned.
    pub fn training(&self) -> Id {
        self.training.expect("passes are made for a network that is planned")
    }

    /// Whether layer `i` is trained; others keep their logits, and their tables have no noise.
    pub fn is_trained(&self, i: usize) -> bool {
        !self.settings.freeze.has(i, !self.outline.layers[i].form.is_dense())
    }

    /// The first layer that is trained: those before it need no gradients.
    pub fn first_trained(&self) -> usize {
        (0..self.outline.layers.len()).find(|&i| self.is_trained(i)).unwrap_or(0)
    }

    /// In which numbers layers compute.
    pub fn way(&self) -> Way {
        match (self.settings.method.is_soft(), self.settings.gradients.is_sliced()) {
            (true, _) => Way::Soft,
            (false, true) => Way::Sliced,
            (false, false) => Way::Hard,
        }
    }

    /// Bytes of a gradient row of `words` words of samples.
    pub fn gradient_row_bytes(&self, words: u32) -> u64 {
        u64::from(words) * u64::from(self.settings.gradients.bits()) * 4
    }

    /// The same of an output's row as the loss leaves it: in f32 where gradients are sliced.
    pub fn output_row_bytes(&self, words: u32) -> u64 {
        if self.settings.gradients.is_sliced() { u64::from(words) * 128 } else { self.gradient_row_bytes(words) }
    }

    /// The run's constants as the pages read them, where each layer leaves `partials` sums of confidences.
    pub fn constants(&self, partials: u32) -> uniforms::Training {
        let (settings, outline, cage) = (self.settings, self.outline, self.settings.cage);
        let choices = outline.layers.first().map_or(2, |l| l.parametrization.choices(l.arity));
        let [key0, key1] = crate::random::key(settings.seed);
        let (wire_rate, wire_every, wire_until) = pace(settings);
        let trained: Vec<_> = (0..outline.layers.len()).filter(|&i| self.is_trained(i)).collect();
        uniforms::Training {
            learning_rate: settings.lr,
            final_fraction: settings.lr_final,
            warmup_steps: settings.warmup,
            total_steps: match settings.schedule {
                Schedule::Constant => 0,
                Schedule::Cosine => settings.steps,
            },
            beta1: settings.beta1,
            beta2: settings.beta2,
            epsilon: settings.epsilon,
            weight_decay: settings.weight_decay,
            group_tau: settings.tau,
            temperature: settings.temperature,
            cage: u32::from(cage.is_some()),
            cage_tau_min: cage.map_or(0.0, |c| c.tau_min),
            cage_tau_max: cage.map_or(0.0, |c| c.tau_max),
            cage_decay: cage.map_or(0.99, |c| c.decay),
            choices: choices as f32,
            selections: trained.iter().map(|&i| outline.layers[i].selections()).sum::<usize>() as f32,
            partials: trained.len() as u32 * partials,
            samples: outline.samples,
            batch: settings.batch,
            slice_scale: match settings.gradients.is_sliced() {
                true => slice_scale(settings.gradients.bits(), settings.tau, settings.batch),
                false => 1.0,
            },
            key0,
            key1,
            layers: trained.len() as u32,
            group: outline.group(),
            wire_rate,
            wire_every,
            wire_until,
            pad: 0,
        }
    }
}
