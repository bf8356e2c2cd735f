//! Whether training is sound: how large gradients are, and where numbers stopped being finite.

use super::checkpoint::Checkpoint;
use super::settings::Settings;
use super::trainer::Trainer;
use crate::data::Dataset;
use crate::gpu::Gpu;
use crate::{Error, Result};

impl Trainer<'_> {
    /// `[layers]`: the Euclidean norm of the loss's gradient by each layer's table entries at the last step.
    pub fn gradient_norms(&mut self) -> Result<Vec<f64>> {
        self.finish()?;
        self.table_gradients(|entries| entries.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt())
    }

    /// `[layers]`: the Euclidean norm of Adam's first moments of each layer's logits.
    pub(super) fn first_moment_norms(&mut self) -> Result<Vec<f64>> {
        self.finish()?;
        let mut norms = Vec::new();
        for (l, layer) in self.parameters.layers.iter().zip(&self.model().layers) {
            let count = layer.gates() * layer.parametrization.logits(layer.arity);
            let moments: Vec<[f32; 2]> = self.gpu().read(&l.moments, count)?;
            norms.push(moments.iter().map(|m| f64::from(m[0]).powi(2)).sum::<f64>().sqrt());
        }
        Ok(norms)
    }

    /// What each layer's table gradients are to `of`, first layer to last.
    fn table_gradients<T>(&self, of: impl Fn(&[f32]) -> T) -> Result<Vec<T>> {
        let layers = self.parameters.layers.iter();
        layers.map(|l| Ok(of(&self.gpu().read(&l.table_gradients, (l.gates as usize) << l.arity)?))).collect()
    }

    /// The layer, in the order of the backward pass, whose numbers are no longer finite, and which numbers these are.
    fn first_not_finite(&mut self) -> Result<Option<(usize, &'static str)>> {
        self.finish()?;
        let broken = |values: &[f32]| values.iter().any(|x| !x.is_finite());
        let last = |flags: Vec<bool>| flags.iter().rposition(|&broken| broken);
        if let Some(layer) = last(self.table_gradients(broken)?) {
            return Ok(Some((layer, "gradients")));
        }
        let mut moments = Vec::new();
        let mut logits = Vec::new();
        for (l, layer) in self.parameters.layers.iter().zip(&self.model().layers) {
            let count = layer.gates() * layer.parametrization.logits(layer.arity);
            moments.push(broken(&self.gpu().read(&l.moments, 2 * count)?));
            logits.push(broken(&self.gpu().read(&l.logits, count)?));
        }
        // Moments are the logits' gradients, averaged.
        let found = last(moments).map(|layer| (layer, "gradients"));
        Ok(found.or_else(|| last(logits).map(|layer| (layer, "logits"))))
    }
}

/// Repeat a run that stopped being finite from its last `checkpoint`, or from its first step, and say at which step and in
/// which layer that began. It was found within a stretch of evaluations that began at step `sound`.
pub fn diagnose(
    gpu: &Gpu,
    settings: &Settings,
    data: &Dataset,
    checkpoint: Option<&Checkpoint>,
    sound: u32,
) -> Result<Error> {
    let mut trainer = Trainer::new(gpu, settings, data)?;
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
            let (step, last) = (trainer.steps(), settings.layers.len() - 1);
            return Ok(Error::Run(format!(
                "training stopped being finite: at step {step} the {what} of layer {layer} (of 0 to {last}) were the \
                 first to go; {advice}"
            )));
        }
    }
    Ok(Error::Run(format!(
        "training stopped being finite between steps {sound} and {until}, but not when these were repeated, so the driver \
         is to be doubted; otherwise {advice}"
    )))
}
