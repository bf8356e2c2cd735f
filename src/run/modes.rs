//! A network judged three ways, and the gaps between them (Align Forward, Adapt Backward).

use super::learner::{Judge, Learner};
use super::metrics::Metrics;
use crate::circuit::Engine;
use crate::data::Split;
use crate::network::Model;
use crate::train::{Evaluation, Mode};
use crate::{Error, Result};

/// One split judged three ways, by kernels that share tables and wiring and nothing else.
pub struct Modes {
    /// The selected gates on bits.
    pub hard: Evaluation,
    /// The selected gates on real activations.
    pub selected_soft: Evaluation,
    /// The network as training runs it.
    pub training: Evaluation,
}

impl Modes {
    /// Judge the trainer's network as it is.
    pub fn of(trainer: &mut Learner, evaluator: &Judge) -> Result<Self> {
        Ok(Modes {
            hard: evaluator.run(trainer, Mode::Hard)?,
            selected_soft: evaluator.run(trainer, Mode::SelectedSoft)?,
            training: evaluator.run(trainer, Mode::Training)?,
        })
    }

    /// Accuracy lost by selecting gates.
    pub fn selection_gap(&self) -> f64 {
        self.training.accuracy - self.selected_soft.accuracy
    }

    /// Accuracy lost by running the selected gates on bits; zero if inputs are bits.
    pub fn computation_gap(&self) -> f64 {
        self.selected_soft.accuracy - self.hard.accuracy
    }

    /// Their sum.
    pub fn total_gap(&self) -> f64 {
        self.training.accuracy - self.hard.accuracy
    }

    /// The circuit, evaluated without the device, must give the device's votes on every sample.
    pub fn check_on_cpu(&self, model: &Model, test: &Split) -> Result<()> {
        let netlist = model.netlist().map_err(Error::Run)?;
        let counts = Engine::new(&netlist).counts(&test.pixels, true);
        let outputs = model.classes.len();
        let differs = self.hard.votes.iter().zip(&counts).position(|(&device, &cpu)| device != cpu as f32);
        match differs {
            None if counts.len() == self.hard.votes.len() => Ok(()),
            None => Err(Error::Run("training and the circuit evaluated different numbers of samples".into())),
            Some(i) => Err(Error::Run(format!(
                "the device counts {} votes for output {} on test sample {}, the circuit {}; one of them computes \
                 wrongly, please report it with the output of `gatewright devices`",
                self.hard.votes[i],
                i % outputs,
                i / outputs,
                counts[i]
            ))),
        }
    }
}

/// Evaluate the network as it is, `seconds` into the run; training figures are of the steps since `since`.
pub fn evaluate(
    trainer: &mut Learner,
    evaluator: &Judge,
    since: u32,
    seconds: f64,
    samples_per_second: f64,
) -> Result<Metrics> {
    let progress = trainer.progress(since)?;
    let gradient_norms = trainer.gradient_norms()?;
    let modes = Modes::of(trainer, evaluator)?;
    Ok(Metrics {
        step: progress.step,
        seconds,
        train_loss: progress.loss,
        train_accuracy: progress.accuracy,
        loss: modes.hard.loss,
        accuracy: modes.hard.accuracy,
        accuracy_soft: modes.selected_soft.accuracy,
        accuracy_training_mode: modes.training.accuracy,
        selection_gap: modes.selection_gap(),
        computation_gap: modes.computation_gap(),
        temperature: progress.temperature,
        temperature_min: progress.temperature_range[0],
        temperature_max: progress.temperature_range[1],
        confidence: progress.confidence,
        confidence_mean: progress.confidence_mean,
        learning_rate: progress.learning_rate,
        gradient_norms,
        samples_per_second,
    })
}
