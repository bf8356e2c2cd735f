//! Where a run's numbers stopped being finite.

use super::checkpoint::Checkpoint;
use super::device::Device;
use super::learner::Learner;
use crate::data::Dataset;
use crate::settings::Settings;
use crate::{Error, Result};

/// Repeat a run that stopped being finite from its last `checkpoint`, or from its first step, and say at which step and in
/// which layer that began. It was found within a stretch of evaluations that began at step `sound`.
pub fn diagnose(
    device: &Device,
    settings: &Settings,
    data: &Dataset,
    checkpoint: Option<&Checkpoint>,
    sound: u32,
) -> Result<String> {
    let mut trainer = Learner::new(device, settings, data)?;
    if let Some(checkpoint) = checkpoint {
        trainer.restore(&checkpoint.state).map_err(Error::Run)?;
    }
    while trainer.steps() < sound {
        trainer.submit((sound - trainer.steps()).min(16))?;
    }
    let until = sound.saturating_add(settings.eval_every).min(settings.steps);
    let advice = "lower --lr, raise --tau or --epsilon, or begin with --warmup";
    while trainer.steps() < until {
        trainer.submit(1)?;
        if let Some((layer, what)) = trainer.first_not_finite()? {
            let (step, last) = (trainer.steps(), settings.layer_gates().len() - 1);
            return Ok(format!(
                "training stopped being finite: at step {step} the {what} of layer {layer} (of 0 to {last}) were the \
                 first to go; {advice}"
            ));
        }
    }
    Ok(format!(
        "training stopped being finite between steps {sound} and {until}, but not when these were repeated, so the device \
         is to be doubted; otherwise {advice}"
    ))
}
