//! A training step, whole: the twins in the order of the kernels.
//!
//! All four methods are one: the forward pass uses each gate's weights w, its hard table (as zeros and ones) or its soft
//! one, with or without noise; w's value also gives the inputs' gradients; and the table's gradient goes to the logits by
//! the soft table's derivative (straight through, where w is hard: w = soft + stop_gradient(hard − soft)).

use super::{
    CageState, Constants, Moments, Step, advance, backward_soft, encode, encode_soft, forward_soft, group_sum_soft,
    loss_of, select_batch, selection_noise, tables_of_bits, tabulate, tabulate_soft, update,
};
use crate::data::Split;
use crate::network::Model;
use crate::plan::CageScope;
use crate::settings::{InputKind, Method, Settings};

/// A run: a network, its optimizer and its training samples.
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
    /// `[layer][1]` or `[layer][gate]`, where that is CAGE's scope; empty otherwise.
    pub cages: Vec<Vec<CageState>>,
    method: Method,
    input_kind: InputKind,
    train: Split,
    seed: u64,
}

/// What one step saw.
#[derive(Debug, Clone, PartialEq)]
pub struct StepReport {
    /// Mean loss of its batch.
    pub loss: f64,
    /// Mean quality of its batch: for classes the fraction that was classified rightly.
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
        let cage = CageState::start(&constants);
        let cages = match settings.cage.map(|cage| cage.scope) {
            None | Some(CageScope::Network) => Vec::new(),
            Some(CageScope::Layer) => model.layers.iter().map(|_| vec![cage]).collect(),
            Some(CageScope::Gate) => model.layers.iter().map(|l| vec![cage; l.gates()]).collect(),
        };
        Run {
            constants,
            model,
            logits,
            moments,
            step: Step::start(&constants),
            cages,
            method: settings.method,
            input_kind: settings.input_kind,
            train: train.clone(),
            seed: settings.seed,
        }
    }

    /// One step over one batch.
    pub fn train_step(&mut self) -> StepReport {
        let constants = self.constants;
        let begun = self.step;
        let chosen = select_batch(self.seed, constants.samples, constants.batch, begun.epoch, begun.position);
        let noise = self.noise();
        let weights = self.tabulate_and_advance(&noise);

        let layers = &self.model.layers;
        let table_gradients = layers.iter().map(|l| vec![vec![0.0; 1 << l.arity]; l.gates()]).collect();
        let mut report = StepReport { loss: 0.0, accuracy: 0.0, table_gradients };
        for &sample in &chosen {
            let (bytes, group) = (self.model.image.pixels(), self.model.group());
            let pixels = &self.train.pixels[sample as usize * bytes..][..bytes];
            let mut activations = vec![match self.input_kind {
                InputKind::Bits => {
                    encode(&self.model.encoder, pixels).into_iter().map(|b| f64::from(u8::from(b))).collect()
                }
                InputKind::Soft => encode_soft(&self.model.encoder, pixels),
            }];
            for (layer, weights) in layers.iter().zip(&weights) {
                activations.push(forward_soft(layer, weights, &activations[activations.len() - 1]));
            }
            let votes = group_sum_soft(&activations[layers.len()], self.model.classes.len());
            let (tau, batch) = (constants.group_tau, constants.batch);
            let judged = loss_of(&self.model.head, &votes, &self.train, sample as usize, group, tau, batch);
            report.loss += judged.loss / f64::from(batch);
            report.accuracy += judged.quality / f64::from(batch);
            let mut gradients: Vec<f64> = judged.gradient.iter().flat_map(|&g| std::iter::repeat_n(g, group)).collect();
            for (i, layer) in layers.iter().enumerate().rev() {
                let adjoints = backward_soft(layer, &weights[i], &activations[i], &gradients);
                for (sum, own) in report.table_gradients[i].iter_mut().zip(adjoints.tables) {
                    sum.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
                }
                gradients = adjoints.inputs;
            }
        }

        for (i, layer) in layers.iter().enumerate() {
            for (gate, s) in report.table_gradients[i].iter().enumerate() {
                let own = self.cages.get(i).map(|cages| cages[gate.min(cages.len() - 1)].temperature);
                let temperature = own.unwrap_or(self.step.temperature);
                let (logits, moments) = (&mut self.logits[i][gate], &mut self.moments[i][gate]);
                let (parametrization, noise) = (layer.parametrization, &noise[i][gate]);
                update(&constants, &self.step, parametrization, temperature, noise, s, logits, moments);
            }
        }
        report
    }

    /// `[layer][gate][logit]` noise of the next step; zeros where the method has none.
    fn noise(&self) -> Vec<Vec<Vec<f64>>> {
        let mut first = 0;
        let layers = self.model.layers.iter().map(|layer| {
            let logits = layer.parametrization.logits(layer.arity);
            let draw = |gate| match self.method.is_noisy() {
                true => selection_noise(layer.parametrization, logits, self.seed, self.step.step, gate),
                false => vec![0.0; logits],
            };
            let gates = first..first + layer.gates();
            first = gates.end;
            gates.map(draw).collect()
        });
        layers.collect()
    }

    /// Begin a step; returns the weights of its forward pass, `[layer][gate][code]`.
    fn tabulate_and_advance(&mut self, noise: &[Vec<Vec<f64>>]) -> Vec<Vec<Vec<f64>>> {
        let mut confidence = 0.0;
        let mut weights = Vec::new();
        for (i, layer) in self.model.layers.iter_mut().enumerate() {
            let tabulated = tabulate(layer.parametrization, &self.logits[i], &noise[i]);
            layer.tables = tabulated.tables;
            let sum: f64 = tabulated.confidences.iter().sum();
            confidence += sum;
            let per_gate = layer.parametrization.selections(layer.arity) as f64;
            match self.cages.get_mut(i).map(Vec::as_mut_slice) {
                None => {}
                Some([whole]) => whole.adapt(&self.constants, sum / (per_gate * layer.gates() as f64)),
                Some(gates) => {
                    let own = gates.iter_mut().zip(&tabulated.confidences);
                    own.for_each(|(cage, c)| cage.adapt(&self.constants, c / per_gate));
                }
            }
            weights.push(if self.method.is_soft() {
                tabulate_soft(layer.parametrization, &self.logits[i], &noise[i], self.constants.temperature)
            } else {
                tables_of_bits(&layer.tables, layer.arity)
            });
        }
        advance(&self.constants, confidence, &mut self.step);
        weights
    }
}
