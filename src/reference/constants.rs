//! What does not change during a run, as numbers with meaning.

use crate::network::Model;
use crate::settings::{Cage, Schedule, Settings};

/// A run's constants.
#[derive(Debug, Clone, Copy)]
pub struct Constants {
    /// Adam's rate after the warm-up.
    pub learning_rate: f64,
    /// Cosine: the last rate as a fraction of the first.
    pub final_fraction: f64,
    /// Steps over which the rate rises linearly.
    pub warmup_steps: u32,
    /// Steps over which the rate falls along half a cosine, warm-up included; `None`: it stays.
    pub cosine_steps: Option<u32>,
    /// Adam's decay of the first moment.
    pub beta1: f64,
    /// Adam's decay of the second moment.
    pub beta2: f64,
    /// Adam's ε.
    pub epsilon: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// τ of the group sum: a class's score is its votes / τ.
    pub group_tau: f64,
    /// Temperature of selection where CAGE does not set it.
    pub temperature: f64,
    /// CAGE's constants, if it is on.
    pub cage: Option<Cage>,
    /// K, choices of one selection.
    pub choices: f64,
    /// Selections of the whole network.
    pub selections: f64,
    /// Training samples.
    pub samples: u32,
    /// Samples a step.
    pub batch: u32,
}

impl Constants {
    /// Those of training `model` on `samples` samples.
    pub fn of(settings: &Settings, model: &Model, samples: u32) -> Self {
        let selections = model.layers.iter().map(|l| l.gates() * l.parametrization.selections(l.arity));
        Constants {
            learning_rate: settings.lr.into(),
            final_fraction: settings.lr_final.into(),
            warmup_steps: settings.warmup,
            cosine_steps: (settings.schedule == Schedule::Cosine).then_some(settings.steps),
            beta1: settings.beta1.into(),
            beta2: settings.beta2.into(),
            epsilon: settings.epsilon.into(),
            weight_decay: settings.weight_decay.into(),
            group_tau: settings.tau.into(),
            temperature: settings.temperature.into(),
            cage: settings.cage,
            choices: settings.parametrization.choices(settings.arity) as f64,
            selections: selections.sum::<usize>() as f64,
            samples,
            batch: settings.batch,
        }
    }
}
