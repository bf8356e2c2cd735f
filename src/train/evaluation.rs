//! How well the network does on a split, read three ways.

use super::memory_plan::{DataShape, Extents, MemoryPlan};
use super::samples::Samples;
use super::step::{PassMaker, SoftTables, Source};
use super::trainer::Trainer;
use super::workspace::{BatchSize, SoftBuffers, Workspace};
use crate::Result;
use crate::data::{Quality, Split};
use crate::gpu::Pass;

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
    samples: Samples,
    /// What is right, without pixels.
    truth: Split,
    workspace: Workspace,
    judged: wgpu::Buffer,
    /// One chunk after another, `[chunks][classes][words · 32]` f32.
    all_votes: wgpu::Buffer,
    hard: Passes,
    selected: Passes,
    training: Passes,
}

/// What one mode does.
struct Passes {
    /// Whether hard tables are made with noise.
    noise: bool,
    /// Once: real tables, if the mode needs them.
    tables: Vec<Pass>,
    /// For every chunk of samples.
    chunk: Vec<Pass>,
}

/// Samples evaluated at once, at most; fewer where real activations of the widest layer would pass 64 MiB.
const CHUNK: usize = 1024;

/// How many of `samples` samples are evaluated at once where the widest plane has `widest` rows.
pub(super) fn evaluated_at_once(widest: usize, samples: usize) -> u32 {
    let chunk = (64 << 20) / (widest * 4) / 32 * 32;
    chunk.clamp(32, CHUNK).min(samples.next_multiple_of(32)) as u32
}

impl Evaluator {
    /// Put `split` on the trainer's device.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) before anything is made, if a buffer would be larger than the device takes.
    pub fn new(trainer: &Trainer, split: &Split) -> Result<Self> {
        let (gpu, model, parameters) = (trainer.gpu(), trainer.model(), &trainer.parameters);
        let shape = DataShape {
            image: model.image,
            outputs: model.classes.len(),
            label_words: split.targets_a_sample().max(1),
            samples: split.len(),
        };
        MemoryPlan::for_evaluation(trainer.settings(), &Extents::of(gpu, &model.encoder, shape)).fits()?;
        let samples = Samples::upload(gpu, split, model.image)?;
        let widest = model.layers.iter().map(|l| l.gates().max(l.inputs)).max().unwrap_or(1);
        let chunk = evaluated_at_once(widest, split.len());
        let seed = trainer.settings().seed;
        let workspace = Workspace::new(gpu, model, parameters, &samples, BatchSize::whole(chunk), seed, None);
        let judged = gpu.storage("judged", split.len() as u64 * 8);
        let chunks = samples.count.div_ceil(chunk);
        let all_votes = gpu.storage("all votes", u64::from(chunks) * workspace.votes.size());
        let soft = SoftBuffers::for_evaluation(gpu, &workspace, model);
        let buffers = &trainer.buffers;
        let (method, input) = (trainer.settings().method, trainer.settings().input_kind);
        let source = Source { samples: &samples, encoder: &trainer.encoder, augmented: None };
        let mut make = PassMaker::new(gpu, trainer.tuning);
        let mut packed = |noise| {
            let mut chunk = make.pick(&workspace, &source, &buffers.step, false);
            chunk.push(make.encode(&workspace, &workspace.batch_uniform, &source));
            chunk.extend(make.forward_hard(parameters, &workspace));
            chunk.push(make.evaluate(&workspace, buffers, &samples, &judged));
            Passes { noise, tables: Vec::new(), chunk }
        };
        let hard = packed(false);
        let sampled = (!method.is_soft()).then(|| packed(method.is_noisy()));
        let mut real = |tables| {
            let mut chunk = make.pick(&workspace, &source, &buffers.step, false);
            chunk.extend(make.activate(&workspace, &workspace.batch_uniform, &source, &soft, input));
            chunk.extend(make.forward_soft(parameters, &workspace, &soft));
            chunk.push(make.evaluate(&workspace, buffers, &samples, &judged));
            let tables = make.tabulate_soft(model, parameters, &workspace, buffers, &soft, tables);
            Passes { noise: false, tables, chunk }
        };
        let selected = real(SoftTables::Selected);
        let training = sampled.unwrap_or_else(|| real(SoftTables::Mixed { noise: method.is_noisy() }));
        gpu.check()?;
        let (labels, targets) = (split.labels.clone(), split.targets.clone());
        let truth = Split { pixels: Vec::new(), labels, targets };
        Ok(Evaluator { samples, truth, workspace, judged, all_votes, hard, selected, training })
    }

    /// Evaluate the trainer's network as it is now.
    pub fn run(&self, trainer: &mut Trainer, mode: Mode) -> Result<Evaluation> {
        let passes = match mode {
            Mode::Hard => &self.hard,
            Mode::SelectedSoft => &self.selected,
            Mode::Training => &self.training,
        };
        trainer.finish()?;
        trainer.tabulate(passes.noise);
        let gpu = trainer.gpu();
        gpu.submit(&passes.tables);
        let batch = self.workspace.batch;
        let vote_bytes = self.workspace.votes.size();
        for (chunk, first) in (0..self.samples.count).step_by(batch.size as usize).enumerate() {
            gpu.write(&self.workspace.batch_uniform, &[crate::gpu::structs::Batch { first, ..batch }]);
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            {
                let mut pass = encoder.begin_compute_pass(&Default::default());
                passes.chunk.iter().for_each(|p| p.record(&mut pass));
            }
            let to = chunk as u64 * vote_bytes;
            encoder.copy_buffer_to_buffer(&self.workspace.votes, 0, &self.all_votes, to, vote_bytes);
            gpu.queue.submit([encoder.finish()]);
        }
        self.collect(trainer)
    }

    fn collect(&self, trainer: &Trainer) -> Result<Evaluation> {
        let gpu = trainer.gpu();
        let count = self.truth.len();
        let judged: Vec<[f32; 2]> = gpu.read(&self.judged, count)?;
        let raw: Vec<f32> = gpu.read(&self.all_votes, (self.all_votes.size() / 4) as usize)?;
        let (size, classes) = (self.workspace.batch.size as usize, self.workspace.batch.classes as usize);
        let (row, chunk) = (self.workspace.words as usize * 32, (self.workspace.votes.size() / 4) as usize);
        let votes: Vec<f32> = (0..count)
            .flat_map(|s| {
                let (from, at) = (&raw[s / size * chunk..], s % size);
                (0..classes).map(move |c| from[c * row + at])
            })
            .collect();
        let model = trainer.model();
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
