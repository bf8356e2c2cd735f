//! A whole run: data to device, steps and evaluations, the discretized network checked without the GPU, the run folder.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::json;

use super::evaluation::{Evaluation, Evaluator, Mode};
use super::run_folder::{Metrics, RunFolder};
use super::settings::Settings;
use super::trainer::Trainer;
use crate::circuit::{Engine, Netlist};
use crate::data::{Dataset, Split};
use crate::gpu::Gpu;
use crate::network::Model;
use crate::{Error, Result};

/// Time one submission should take: long enough to hide the host, far below a GPU watchdog's patience.
const SUBMISSION: Duration = Duration::from_millis(50);

/// What a run tells while it goes.
pub trait Reporter {
    /// Once, before the first step: what will be trained, where.
    fn begin(&mut self, run: &Beginning);
    /// Once, after the first steps: the estimated whole time.
    fn estimate(&mut self, seconds: f64);
    /// Often: steps submitted so far.
    fn step(&mut self, step: u32);
    /// After every evaluation.
    fn evaluated(&mut self, metrics: &Metrics);
}

/// What will be trained, where.
#[derive(Debug)]
pub struct Beginning<'a> {
    /// The adapter's name.
    pub adapter: &'a str,
    /// Its backend.
    pub backend: &'a str,
    /// The data set's name.
    pub data: &'a str,
    /// Training, validation and test samples.
    pub samples: [usize; 3],
    /// Gates of each layer.
    pub layers: &'a [usize],
    /// Input bits.
    pub features: usize,
    /// Trained parameters.
    pub parameters: usize,
    /// Steps.
    pub steps: u32,
    /// Bytes of GPU buffers.
    pub gpu_bytes: u64,
    /// The run folder.
    pub folder: PathBuf,
}

/// Train as `settings` say and leave a run folder; returns the summary that it wrote.
pub fn run(
    gpu: &Gpu,
    settings: &Settings,
    data: Dataset,
    out: Option<PathBuf>,
    report: &mut dyn Reporter,
) -> Result<serde_json::Value> {
    settings.check_classes(data.classes.len())?;
    let (data, validation) = data.hold_out(settings.validation, settings.seed)?;
    let mut trainer = Trainer::new(gpu, settings, &data)?;
    // Without a validation split, the training samples themselves are watched; the test set is for the end.
    let watched = if validation.is_empty() { &data.train } else { &validation };
    let evaluator = Evaluator::new(&trainer, watched)?;
    let mut folder = RunFolder::create(out.as_deref(), &data.name, settings)?;
    let model = trainer.model();
    report.begin(&Beginning {
        adapter: &gpu.adapter.name,
        backend: &gpu.adapter.backend,
        data: &data.name,
        samples: [data.train.len(), validation.len(), data.test.len()],
        layers: &settings.layers,
        features: model.encoder.features(),
        parameters: model.parameters(),
        steps: settings.steps,
        gpu_bytes: gpu.allocated_bytes(),
        folder: folder.path().to_path_buf(),
    });
    let started = Instant::now();
    let stepping = train(&mut trainer, &evaluator, &mut folder, started, report)?;
    let seconds = started.elapsed().as_secs_f64();
    let test = TestResult::of(&mut trainer, &data.test)?;
    let model = trainer.download()?.clone();
    test.check_on_cpu(&model, &data.test)?;
    let summary = summary(gpu, settings, &data, &model, &test, seconds, stepping);
    folder.finish(&model, &summary)?;
    Ok(summary)
}

/// Run all steps with their evaluations; returns the seconds spent stepping, without evaluations.
fn train(
    trainer: &mut Trainer,
    evaluator: &Evaluator,
    folder: &mut RunFolder,
    started: Instant,
    report: &mut dyn Reporter,
) -> Result<f64> {
    let (steps, every, batch) = (trainer.settings().steps, trainer.settings().eval_every, trainer.settings().batch);
    let mut chunk = 1u32;
    let mut stepping = 0.0;
    let mut estimated = false;
    while trainer.steps() < steps {
        let first = trainer.steps();
        let until = (first / every + 1).saturating_mul(every).min(steps);
        let from = Instant::now();
        while trainer.steps() < until {
            let (at, before) = (Instant::now(), trainer.steps());
            trainer.submit(chunk.min(until - before))?;
            if chunk == 1 || !estimated {
                trainer.finish()?;
            }
            report.step(trainer.steps());
            let per_step = at.elapsed().as_secs_f64() / f64::from(trainer.steps() - before);
            chunk = chunk_for(per_step);
            if !estimated && trainer.steps() >= 20.min(steps) {
                estimated = true;
                report.estimate(per_step * f64::from(steps) * 1.05);
            }
        }
        trainer.finish()?;
        let spent = from.elapsed().as_secs_f64();
        stepping += spent;
        let metrics =
            evaluate(trainer, evaluator, first, started, f64::from(until - first) * f64::from(batch) / spent)?;
        folder.record(&metrics)?;
        report.evaluated(&metrics);
    }
    Ok(stepping)
}

/// Steps a submission, for a step of `seconds`.
fn chunk_for(seconds: f64) -> u32 {
    ((SUBMISSION.as_secs_f64() / seconds.max(1e-6)) as u32).clamp(1, 256)
}

fn evaluate(
    trainer: &mut Trainer,
    evaluator: &Evaluator,
    since: u32,
    started: Instant,
    samples_per_second: f64,
) -> Result<Metrics> {
    let progress = trainer.progress(since)?;
    let hard = evaluator.run(trainer, Mode::Hard)?;
    let soft = evaluator.run(trainer, Mode::SelectedSoft)?;
    let relaxed = evaluator.run(trainer, Mode::Relaxed)?;
    Ok(Metrics {
        step: progress.step,
        seconds: started.elapsed().as_secs_f64(),
        train_loss: progress.loss,
        train_accuracy: progress.accuracy,
        loss: hard.loss,
        accuracy: hard.accuracy,
        accuracy_soft: soft.accuracy,
        accuracy_relaxed: relaxed.accuracy,
        temperature: progress.temperature,
        confidence: progress.confidence,
        confidence_mean: progress.confidence_mean,
        learning_rate: progress.learning_rate,
        samples_per_second,
    })
}

/// The test set, touched once, at the end.
struct TestResult {
    /// The network as training runs it; Hard-ST runs the selected gates on bits.
    hard: Evaluation,
    selected_soft: Evaluation,
    relaxed: Evaluation,
}

impl TestResult {
    fn of(trainer: &mut Trainer, test: &Split) -> Result<Self> {
        let evaluator = Evaluator::new(trainer, test)?;
        Ok(TestResult {
            hard: evaluator.run(trainer, Mode::Hard)?,
            selected_soft: evaluator.run(trainer, Mode::SelectedSoft)?,
            relaxed: evaluator.run(trainer, Mode::Relaxed)?,
        })
    }

    /// The circuit, evaluated without the GPU, must give the GPU's votes on every sample.
    fn check_on_cpu(&self, model: &Model, test: &Split) -> Result<()> {
        let netlist = Netlist::from_model(model).map_err(Error::Run)?;
        let counts = Engine::new(&netlist).counts(&test.pixels, true);
        let classes = model.classes.len();
        let differs = self.hard.votes.iter().zip(&counts).position(|(&gpu, &cpu)| gpu != cpu as f32);
        match differs {
            None if counts.len() == self.hard.votes.len() => Ok(()),
            None => Err(Error::Run("GPU and CPU evaluated different numbers of samples".into())),
            Some(i) => Err(Error::Run(format!(
                "the GPU counts {} votes for class {} on test sample {}, the CPU {}; this driver computes wrongly, \
                 please report it with the output of `gatewright devices`",
                self.hard.votes[i],
                i % classes,
                i / classes,
                counts[i]
            ))),
        }
    }
}

fn summary(
    gpu: &Gpu,
    settings: &Settings,
    data: &Dataset,
    model: &Model,
    test: &TestResult,
    seconds: f64,
    stepping: f64,
) -> serde_json::Value {
    let training_mode = test.hard.accuracy;
    json!({
        "adapter": gpu.adapter.name,
        "backend": gpu.adapter.backend,
        "driver": gpu.adapter.driver,
        "data": data.name,
        "train_samples": data.train.len(),
        "test_samples": data.test.len(),
        "layers": settings.layers,
        "gates": model.gates(),
        "parameters": model.parameters(),
        "method": settings.method,
        "parametrization": settings.parametrization,
        "cage": settings.cage.is_some(),
        "seed": settings.seed,
        "steps": settings.steps,
        "batch": settings.batch,
        "seconds": seconds,
        "step_ms": stepping * 1e3 / f64::from(settings.steps),
        "samples_per_second": f64::from(settings.steps) * f64::from(settings.batch) / stepping,
        "gpu_bytes": gpu.allocated_bytes(),
        "test_loss": test.hard.loss,
        "test_accuracy": test.hard.accuracy,
        "test_accuracy_soft": test.selected_soft.accuracy,
        "test_accuracy_relaxed": test.relaxed.accuracy,
        "test_accuracy_training_mode": training_mode,
        "selection_gap": training_mode - test.selected_soft.accuracy,
        "computation_gap": test.selected_soft.accuracy - test.hard.accuracy,
        "cpu_agrees": true,
    })
}
