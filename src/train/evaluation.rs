//! How well the network does on a split, read three ways.

use super::batch::{Batch, BatchSize, Share};
use super::context::Context;
use super::outline::Outline;
use super::samples::{Residence, Samples};
use super::sender::{Activations, row_bytes};
use super::step::Network;
use super::trainer::Trainer;
use super::votes::{self, Truth};
use crate::data::{Quality, Split};
use crate::gpu::Session;
use crate::plan::{Buffer, Id, Limits, List, Pass, Plan, Tuning, uniforms};
use crate::settings::Settings;
use crate::{Error, Result};

/// Which network is evaluated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The selected gates on packed bits: inference, and the forward pass of Hard-ST.
    Hard,
    /// The selected gates by their multilinear extension on real activations.
    SelectedSoft,
    /// The network as the next training step would run it: Hard-ST the selected gates on bits, Gumbel-ST sampled ones, the
    /// soft methods mixtures at the fixed temperature, with noise or without.
    Training,
}

/// One split's result.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Mean loss.
    pub loss: f64,
    /// `quality.score`: for classes the fraction classified rightly.
    pub accuracy: f64,
    /// How good the answers are.
    pub quality: Quality,
    /// `[samples]` predicted class, the first among equals; none where no classes are told.
    pub predictions: Vec<u8>,
    /// `[samples][classes]` votes.
    pub votes: Vec<f32>,
}

/// A split on the device, ready to be evaluated at any time in training.
pub struct Evaluator {
    session: Session,
    evaluation: EvaluationPlan,
    /// What is right, without pixels.
    truth: Split,
}

/// An evaluation's buffers and passes, beside those of training.
pub struct EvaluationPlan {
    /// All of them.
    pub plan: Plan,
    /// A chunk's extent; its buffer is written for every chunk.
    chunk: uniforms::Batch,
    batch: Id,
    samples: Samples,
    votes: Id,
    /// `[samples]` (loss, verdict) f32.
    judged: Id,
    /// One chunk after another, `[chunks][classes][words · 32]` f32.
    all_votes: Id,
    hard: Passes,
    selected: Passes,
    training: Passes,
}

/// What one mode does.
#[derive(Debug, Clone)]
struct Passes {
    /// Whether hard tables are made with noise.
    noise: bool,
    /// Once: real tables, if the mode needs them.
    tables: List,
    /// For every chunk of samples.
    chunk: List,
}

/// Samples evaluated at once, at most; fewer where real activations of the widest layer, or all that a layer reads, would pass
/// [`MOST_PLANE_BYTES`].
const CHUNK: u64 = 1024;
const MOST_PLANE_BYTES: u64 = 32 << 20;

/// How many samples are evaluated at once.
fn evaluated_at_once(outline: &Outline) -> u32 {
    // Two bytes a sample of each row.
    let widest = outline.layers.iter().map(|layer| layer.inputs).fold(outline.widest(), u32::max);
    let chunk = MOST_PLANE_BYTES / (u64::from(widest).max(1) * 2) / 32 * 32;
    chunk.clamp(32, CHUNK).min(u64::from(outline.samples).next_multiple_of(32)) as u32
}

impl EvaluationPlan {
    /// Plan it for the samples of `outline`, beside `training`, whose network is `network`.
    ///
    /// # Errors
    /// [`Error::Usage`] if a buffer would be larger than the device takes.
    pub fn make(
        settings: &Settings,
        outline: &Outline,
        tuning: Tuning,
        limits: Limits,
        (training, network): (&Plan, &Network),
    ) -> Result<Self> {
        let mut plan = Plan::beside(training);
        let cx = Context::new(settings, outline, tuning, limits).with_training(network.tables.training);
        let samples = Samples::plan(&mut plan, outline, Residence::whole(outline, &limits)?);
        let size = BatchSize::whole(evaluated_at_once(outline));
        let batch = Batch::plan(&mut plan, &cx, samples.clone(), network.encoder, size, None);
        let words = size.words;
        let extents = network.extents(&mut plan, &cx, words);
        let last = extents.len() - 1;
        let mut scratch = |name, rows: u64, bytes: u64| plan.add(Buffer::scratch(name, rows * bytes));
        let bits = scratch("input bits", outline.features.into(), row_bytes(words, false));
        // A layer's activations take the place of those two layers before.
        let planes = [0, 1].map(|_| scratch("soft activations", outline.widest().into(), row_bytes(words, true)));
        let judged = scratch("judged", outline.samples.into(), 8);
        let outputs = outline.layers.iter().enumerate().map(|(i, layer)| {
            plan.add(Buffer::scratch("outputs", u64::from(layer.rows()) * row_bytes(words, false)).of_layer(i))
        });
        let outputs = outputs.collect();
        let tables = network.tables.layers.iter().map(|tables| tables.bits).collect();
        let packed = Activations::plan(&mut plan, &cx, (false, words), (bits, outputs), tables);
        let real_tables = network.tables.plan_real(&mut plan, &cx);
        let outputs = (0..outline.layers.len()).map(|i| planes[i % 2]).collect();
        let real = Activations::plan(&mut plan, &cx, (true, words), (planes[1], outputs), real_tables.layers.clone());
        let votes = votes::plan(&mut plan, &cx, words);
        let chunks = u64::from(outline.samples.div_ceil(size.samples));
        let all_votes = plan.add(Buffer::scratch("all votes", chunks * plan.buffer(votes).bytes));

        let truth = Truth { training: network.tables.training, labels: samples.labels, spread: network.spread };
        let share = Share { batch: batch.uniform, added: false, whole: false };
        // Votes, however they were made, are judged alike.
        let chunk = |features: Vec<Pass>, x: &Activations| {
            let mut passes = vec![batch.pick()];
            passes.extend(features);
            passes.extend(network.forward(&cx, &extents, x, None));
            passes.push(votes::count(&cx, extents[last], x, votes));
            passes.push(votes::evaluate(&cx, &truth, [batch.uniform, votes, judged], words));
            passes
        };
        let on_bits = plan.list(chunk(vec![batch.encode(&cx, share, bits)], &packed));
        let on_reals = plan.list(chunk(batch.activate(&cx, share, Some(bits), extents[0], planes[1]), &real));
        let method = settings.method;
        let select = plan.list(network.tables.select(&cx, &real_tables));
        let hard = Passes { noise: false, tables: List::default(), chunk: on_bits };
        let selected = Passes { noise: false, tables: select, chunk: on_reals };
        let training = match method.is_soft() {
            true => {
                let mixed = network.tables.tabulate_soft(&cx, method.is_noisy(), &real_tables);
                Passes { tables: plan.list(mixed), ..selected.clone() }
            }
            false => Passes { noise: method.is_noisy(), ..hard.clone() },
        };
        if let Some(problem) = plan.too_large(&limits) {
            return Err(Error::usage(format!("{problem}; evaluate fewer samples, or use narrower layers")));
        }
        let (chunk, batch) = (batch.extent, batch.uniform);
        Ok(EvaluationPlan { plan, chunk, batch, samples, votes, judged, all_votes, hard, selected, training })
    }
}

impl Evaluator {
    /// Put `split` on the trainer's device.
    ///
    /// # Errors
    /// [`Error::Usage`] before anything is made, if a buffer would be larger than the device takes.
    pub fn new(trainer: &Trainer, split: &Split) -> Result<Self> {
        let model = trainer.model();
        let mut evaluation = EvaluationPlan::make(
            trainer.settings(),
            &Outline::of_model(model, None, split),
            trainer.tuning(),
            trainer.gpu().limits(),
            (trainer.plan(), &trainer.step.network),
        )?;
        let contents = evaluation.samples.contents(split, model.image.pixels());
        let session = trainer.session.open_beside(std::mem::take(&mut evaluation.plan), &contents)?;
        let (labels, targets) = (split.labels.clone(), split.targets.clone());
        Ok(Evaluator { session, evaluation, truth: Split { pixels: Vec::new(), labels, targets } })
    }

    /// Its buffers and passes.
    pub fn plan(&self) -> &Plan {
        self.session.plan()
    }

    /// Evaluate the trainer's network as it is now.
    ///
    /// # Errors
    /// [`Error::Gpu`] and [`Error::DeviceLost`] as the driver tells.
    pub fn run(&self, trainer: &mut Trainer, mode: Mode) -> Result<Evaluation> {
        let evaluation = &self.evaluation;
        let passes = match mode {
            Mode::Hard => &evaluation.hard,
            Mode::SelectedSoft => &evaluation.selected,
            Mode::Training => &evaluation.training,
        };
        trainer.finish()?;
        trainer.tabulate(passes.noise)?;
        self.session.submit(&passes.tables, 1)?;
        let vote_bytes = self.session.plan().buffer(evaluation.votes).bytes;
        for (n, first) in (0..self.truth.len() as u32).step_by(evaluation.chunk.size as usize).enumerate() {
            self.session.write(evaluation.batch, 0, &[uniforms::Batch { first, ..evaluation.chunk }]);
            self.session.submit(&passes.chunk, 1)?;
            self.session.copy(evaluation.votes, evaluation.all_votes, n as u64 * vote_bytes);
        }
        self.session.finish()?;
        self.collect(trainer.model())
    }

    fn collect(&self, model: &crate::network::Model) -> Result<Evaluation> {
        let (evaluation, count) = (&self.evaluation, self.truth.len());
        let bytes = |id| self.session.plan().buffer(id).bytes as usize;
        let judged: Vec<[f32; 2]> = self.session.read(evaluation.judged, count)?;
        let raw: Vec<f32> = self.session.read(evaluation.all_votes, bytes(evaluation.all_votes) / 4)?;
        let (size, classes) = (evaluation.chunk.size as usize, evaluation.chunk.classes as usize);
        let (row, chunk) = (evaluation.chunk.words as usize * 32, bytes(evaluation.votes) / 4);
        let votes: Vec<f32> = (0..count)
            .flat_map(|s| {
                let (from, at) = (&raw[s / size * chunk..], s % size);
                (0..classes).map(move |c| from[c * row + at])
            })
            .collect();
        let (predictions, quality) = if model.head.is_classes() {
            let predictions: Vec<u8> = judged.iter().map(|j| j[1] as u8).collect();
            let right = predictions.iter().zip(&self.truth.labels).filter(|(p, l)| p == l).count();
            let score = right as f64 / count as f64;
            (predictions, Quality { score, exact: None, targets: Vec::new() })
        } else {
            let votes: Vec<f64> = votes.iter().map(|&v| v.into()).collect();
            (Vec::new(), model.head.quality(&votes, classes, model.group(), &self.truth))
        };
        Ok(Evaluation {
            loss: judged.iter().map(|j| f64::from(j[0])).sum::<f64>() / count as f64,
            accuracy: quality.score,
            quality,
            predictions,
            votes,
        })
    }
}
