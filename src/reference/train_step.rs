//! A training step, whole: the twins in the order of the kernels.

use super::{
    Constants, Moments, Step, add_table_gradients, advance, encode, forward_hard, group_sum, input_gradients, loss,
    select_batch, tabulate, update,
};
use crate::data::Split;
use crate::network::Model;
use crate::train::Settings;

/// A Hard-ST run: a network, its optimizer and its training samples.
#[derive(Debug, Clone)]
pub struct Run {
    /// Constants of the run.
    pub constants: Constants,
    /// Wiring, encoder and parametrization; its tables are those of the last step's beginning, its logits the first.
    pub model: Model,
    /// `[layer][gate][logit]`
    pub logits: Vec<Vec<Vec<f64>>>,
    /// `[layer][gate][logit]`
    pub moments: Vec<Vec<Vec<Moments>>>,
    /// State of the run.
    pub step: Step,
    train: Split,
    seed: u64,
}

/// What one step saw.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// Mean cross-entropy of its batch.
    pub loss: f64,
    /// Fraction of its batch that was classified rightly.
    pub accuracy: f64,
    /// `[layer][gate][code]`
    pub table_gradients: Vec<Vec<Vec<f64>>>,
}

impl Run {
    /// Start from `model`'s logits.
    pub fn new(settings: &Settings, model: Model, train: &Split) -> Self {
        let constants = Constants::of(settings, &model, train.len() as u32);
        let gates = |logits: &[f32], count: usize| {
            logits.chunks_exact(count).map(|z| z.iter().map(|&z| f64::from(z)).collect()).collect()
        };
        let logits: Vec<Vec<Vec<f64>>> =
            model.layers.iter().map(|l| gates(&l.logits, l.parametrization.logits(l.arity))).collect();
        let moments = logits.iter().map(|l| l.iter().map(|z| vec![Moments::default(); z.len()]).collect()).collect();
        Run {
            constants,
            model,
            logits,
            moments,
            step: Step::start(&constants),
            train: train.clone(),
            seed: settings.seed,
        }
    }

    /// One step over one batch.
    pub fn train_step(&mut self) -> StepReport {
        let (constants, step) = (self.constants, &mut self.step);
        let chosen = select_batch(self.seed, constants.samples, constants.batch, step.epoch, step.position);
        let mut confidence = 0.0;
        for (layer, logits) in self.model.layers.iter_mut().zip(&self.logits) {
            let tabulated = tabulate(layer.parametrization, logits);
            layer.tables = tabulated.tables;
            confidence += tabulated.confidence;
        }
        advance(&constants, confidence, step);

        let layers = &self.model.layers;
        let table_gradients = layers.iter().map(|l| vec![vec![0.0; 1 << l.arity]; l.gates()]).collect();
        let mut report = StepReport { loss: 0.0, accuracy: 0.0, table_gradients };
        for &sample in &chosen {
            let (bytes, label) = (self.model.image.pixels(), self.train.labels[sample as usize]);
            let pixels = &self.train.pixels[sample as usize * bytes..][..bytes];
            let mut activations = vec![encode(&self.model.encoder, pixels)];
            for layer in layers {
                activations.push(forward_hard(layer, &activations[activations.len() - 1]));
            }
            let votes = group_sum(&activations[layers.len()], self.model.classes.len());
            let judged = loss(&votes, label.into(), constants.group_tau, constants.batch);
            report.loss += judged.cross_entropy / f64::from(constants.batch);
            report.accuracy += f64::from(u8::from(judged.right)) / f64::from(constants.batch);
            let group = self.model.group();
            let mut gradients: Vec<f64> = judged.gradient.iter().flat_map(|&g| std::iter::repeat_n(g, group)).collect();
            for (i, layer) in layers.iter().enumerate().rev() {
                add_table_gradients(layer, &activations[i], &gradients, &mut report.table_gradients[i]);
                gradients = input_gradients(layer, &activations[i], &gradients);
            }
        }

        for (i, layer) in layers.iter().enumerate() {
            for (gate, s) in report.table_gradients[i].iter().enumerate() {
                let (logits, moments) = (&mut self.logits[i][gate], &mut self.moments[i][gate]);
                update(&constants, step, layer.parametrization, s, logits, moments);
            }
        }
        report
    }
}
