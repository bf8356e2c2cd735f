//! A whole run: data to device, steps and evaluations, the discretized network checked without the GPU, the run folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde_json::json;

use super::bandwidth::Bandwidth;
use super::checkpoint::{Checkpoint, Identity};
use super::checkpoints::{self, Cadence};
use super::differences::essential_differences;
use super::evaluation::{Evaluation, Evaluator, Mode};
use super::health::diagnose;
use super::profile::{Pace, Profile};
use super::run_folder::{Metrics, RunFolder, best};
use super::settings::{Select, Settings};
use super::stepping::{Stepping, Time};
use super::trainer::Trainer;
use crate::circuit::{Engine, Netlist};
use crate::data::{Dataset, Split, Task};
use crate::gpu::{Clock, Gpu};
use crate::network::{Encoder, Model};
use crate::{Error, Result, files};

/// How a run is kept; nothing here changes its result.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Its folder, or the run to go on with.
    pub place: Place,
    /// When checkpoints are written.
    pub cadence: Cadence,
    /// How often a lost device may be replaced.
    pub retry_lost_device: u32,
    /// Whether to write TensorBoard's event files too.
    pub tensorboard: bool,
    /// Whether to time some of the steps, kernel by kernel, and write what is found into the run folder.
    pub profile: bool,
    /// Set to have the run stop after the steps that are under way, with a checkpoint.
    pub stop: Arc<AtomicBool>,
}

/// Where a run begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At its first step, in this folder, or in the next free one.
    New(Option<PathBuf>),
    /// Where the newest checkpoint of this run folder, or this checkpoint file, left it.
    Resume(PathBuf),
}

impl Default for Place {
    fn default() -> Self {
        Place::New(None)
    }
}

impl Place {
    /// The run folder, if it is known before the run begins.
    pub fn folder(&self) -> Option<PathBuf> {
        match self {
            Place::New(out) => out.clone(),
            Place::Resume(path) => Some(checkpoints::run_of(path).unwrap_or_else(|| path.clone())),
        }
    }
}

/// What a run tells while it goes.
pub trait Reporter {
    /// Before the first step on a device: what will be trained, where.
    fn begin(&mut self, run: &Beginning);
    /// After the first of these steps: the estimated time of the whole run.
    fn estimate(&mut self, seconds: f64);
    /// Often: steps submitted so far.
    fn step(&mut self, step: u32);
    /// After every evaluation.
    fn evaluated(&mut self, metrics: &Metrics);
    /// Something failed that the run survives.
    fn warn(&mut self, message: &str);
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
    /// What it is trained to tell.
    pub task: Task,
    /// Training, validation and test samples.
    pub samples: [usize; 3],
    /// Gates of each layer.
    pub layers: &'a [usize],
    /// Input bits.
    pub features: usize,
    /// How many more there were, and what one of them tells.
    pub left_out: Option<(usize, String)>,
    /// The share of samples below which bits were left out.
    pub rare: f64,
    /// Trained parameters.
    pub parameters: usize,
    /// Steps.
    pub steps: u32,
    /// Steps done already, where the run is resumed.
    pub done: u32,
    /// Seconds that these took.
    pub seconds: f64,
    /// Bytes of GPU buffers.
    pub gpu_bytes: u64,
    /// The run folder.
    pub folder: PathBuf,
}

/// Train as `settings` say on a device that `open` gives and leave a run folder; returns the summary that it wrote.
///
/// # Errors
/// [`Error::Usage`] for settings that do not fit the data or the resumed run, [`Error::Input`] for a folder or checkpoint
/// that cannot be used, [`Error::Stopped`] if the user stopped it, [`Error::Gpu`], [`Error::DeviceLost`] and
/// [`Error::Run`] for what failed under way, with the last checkpoint's path.
pub fn run(
    open: &dyn Fn() -> Result<Gpu>,
    settings: &Settings,
    data: Dataset,
    options: &Options,
    report: &mut dyn Reporter,
) -> Result<serde_json::Value> {
    settings.check_classes(data.classes.len())?;
    let (mut folder, mut from) = match &options.place {
        Place::New(_) => (None, None),
        Place::Resume(path) => {
            let (folder, from) = reopen(path, settings)?;
            if let Some(summary) = folder.summary()?
                && from.as_ref().is_some_and(|c| c.header.settings == settings.spelled_out())
            {
                return Ok(summary);
            }
            (Some(folder), from)
        }
    };
    let (data, validation) = data.hold_out(settings.validation, settings.seed)?;
    let mut replacements = options.retry_lost_device;
    loop {
        let gpu = open()?;
        let trained = on_device(&gpu, settings, &data, &validation, (&mut folder, from.take()), options, report);
        let last = folder.as_ref().and_then(|f| f.last_checkpoint.clone());
        match trained {
            Err(Error::DeviceLost(message)) if replacements > 0 => {
                replacements -= 1;
                let place = last.as_ref().map_or("the beginning".into(), |path| path.display().to_string());
                report.warn(&format!("{message}; opening the device anew and going on from {place}"));
                from = last.map(|path| Checkpoint::load(&path)).transpose()?;
            }
            Err(error) => {
                let error = match error {
                    Error::Diverged(message) => {
                        report.warn(&format!("{message}; repeating the last steps to find where it began"));
                        let from = last.as_ref().map(|path| Checkpoint::load(path)).transpose()?;
                        let sound = folder.as_ref().and_then(|f| f.recorded().last()).map_or(0, |m| m.step);
                        diagnose(&gpu, settings, &data, from.as_ref(), sound)?
                    }
                    error => error,
                };
                return Err(match last {
                    Some(path) => error.with_advice(&format!("the last checkpoint is {}", path.display())),
                    None => error,
                });
            }
            Ok(summary) => return Ok(summary),
        }
    }
}

/// Open the run folder of `path`, and read the checkpoint to go on from, if there is one already.
fn reopen(path: &Path, settings: &Settings) -> Result<(RunFolder, Option<Checkpoint>)> {
    let run = checkpoints::run_of(path).unwrap_or_else(|| path.to_path_buf());
    let mut folder = RunFolder::reopen(&run)?;
    let chosen = if run == path { checkpoints::newest(&run)? } else { Some(Checkpoint::load(path)?) };
    if let Some(checkpoint) = &chosen {
        let step = checkpoint.header.step;
        let began = checkpoint.header.settings.resolve(None)?;
        let differ = essential_differences(&began, settings);
        if !differ.is_empty() {
            let told: Vec<_> = differ.iter().map(|d| format!("{} was {}, now {}", d.name, d.first, d.second)).collect();
            return Err(Error::usage(format!(
                "{} cannot go on with other settings: {}; begin a new run with these",
                run.display(),
                told.join(", ")
            )));
        }
        if settings.steps < step {
            return Err(Error::usage(format!(
                "{} has done {step} steps already, so it cannot end after {}; --steps may only grow",
                run.display(),
                settings.steps
            )));
        }
        folder.last_checkpoint = Some(checkpoints::path(&run, step));
    }
    Ok((folder, chosen))
}

/// Train on one device from a checkpoint or from the first step, to the end.
fn on_device(
    gpu: &Gpu,
    settings: &Settings,
    data: &Dataset,
    validation: &Split,
    (folder, from): (&mut Option<RunFolder>, Option<Checkpoint>),
    options: &Options,
    report: &mut dyn Reporter,
) -> Result<serde_json::Value> {
    let mut trainer = Trainer::new(gpu, settings, data)?;
    // Without a validation split, the training samples themselves are watched; the test set is for the end.
    let is_held_out = !validation.is_empty();
    let watched = if is_held_out { validation } else { &data.train };
    let evaluator = Evaluator::new(&trainer, watched)?;
    let identity = Identity::of(trainer.model(), &data.train);
    let folder = match folder {
        Some(folder) => folder,
        none => none.insert(RunFolder::create(options.place.folder().as_deref(), &data.name)?),
    };
    if let Some(checkpoint) = &from {
        let header = &checkpoint.header;
        let unusable = |problem: String| Error::input(folder.path(), format!("it cannot go on: {problem}"));
        header.identity.check(&identity).map_err(unusable)?;
        trainer.restore(&checkpoint.state).map_err(unusable)?;
        if header.adapter != gpu.adapter.name {
            report.warn(&format!(
                "this run began on {} and goes on on {}: it will not be the same to the last bit",
                header.adapter, gpu.adapter.name
            ));
        }
    }
    let recorded = from.as_ref().map_or_else(Vec::new, |c| c.header.metrics.clone());
    folder.go_on(settings, recorded, options.tensorboard)?;
    let model = trainer.model();
    let all = Encoder::learn(data, settings.input.encoder_kind()?, settings.thresholds)?;
    report.begin(&Beginning {
        adapter: &gpu.adapter.name,
        backend: &gpu.adapter.backend,
        data: &data.name,
        task: data.head.task(),
        samples: [data.train.len(), validation.len(), data.test.len()],
        layers: &settings.layers,
        features: model.encoder.features(),
        left_out: all.beyond(&model.encoder, data),
        rare: settings.rare,
        parameters: model.parameters(),
        steps: settings.steps,
        done: trainer.steps(),
        seconds: from.as_ref().map_or(0.0, |c| c.header.seconds),
        gpu_bytes: gpu.allocated_bytes(),
        folder: folder.path().to_path_buf(),
    });
    let profile = options.profile.then(|| start_profile(gpu, &trainer)).transpose()?;
    let before = (trainer.steps(), from.as_ref().map_or(0.0, |c| c.header.stepping_seconds));
    let mut stepping = Stepping {
        trainer: &mut trainer,
        evaluator: &evaluator,
        is_held_out,
        folder,
        options,
        report,
        identity,
        time: Time::from(from.as_ref().map(|c| &c.header)),
        profile,
    };
    stepping.run()?;
    let (time, profile, done) = (stepping.time, stepping.profile, trainer.steps());
    let seconds = time.seconds();
    if settings.select == Select::Best {
        restore_best(&mut trainer, folder)?;
    }
    let test = TestResult::of(&mut trainer, &data.test)?;
    let model = trainer.download()?.clone();
    test.check_on_cpu(&model, &data.test)?;
    let mut summary = summary(gpu, settings, data, &model, &test, seconds, (done, time.stepping));
    if let Some(best) = best(folder.recorded()).filter(|_| is_held_out) {
        summary["best_step"] = json!(best.step);
        summary["best_accuracy"] = json!(best.accuracy);
    }
    summary["model_step"] = json!(trainer.steps());
    if let Some(mut profile) = profile {
        let steps = (done - before.0).max(1);
        let step = (time.stepping - before.1) / f64::from(steps);
        profile.set_pace(Pace { step, host: trainer.host_seconds_a_step() });
        let report = profile.json();
        files::write_whole(&folder.path().join("profile.json"), format!("{report:#}\n").as_bytes())?;
        let trace = profile.trace(&gpu.adapter.name).to_string();
        files::write_whole(&folder.path().join("trace.json"), trace.as_bytes())?;
        summary["profiled_steps"] = json!(profile.steps());
        summary["profile_overhead"] = json!(profile.overhead(steps));
    }
    folder.finish(&model, &summary)?;
    Ok(summary)
}

/// A profile of the trainer's steps, with what the device could do.
fn start_profile(gpu: &Gpu, trainer: &Trainer) -> Result<Profile> {
    let clock = Clock::best(gpu);
    let mut profile = Profile::new(trainer, clock);
    profile.set_bandwidth(Bandwidth::measure(gpu, clock)?);
    Ok(profile)
}

/// Go back to the network that was best on the held-out samples.
fn restore_best(trainer: &mut Trainer, folder: &RunFolder) -> Result<()> {
    let Some(best) = best(folder.recorded()).filter(|best| best.step != trainer.steps()) else { return Ok(()) };
    let path = checkpoints::path(folder.path(), best.step);
    Checkpoint::load(&path)
        .and_then(|checkpoint| trainer.restore(&checkpoint.state).map_err(|problem| Error::input(&path, problem)))
        .map_err(|e| {
            Error::Run(format!(
                "the best network, of step {}, is lost: {e}; go on with the last by --select last",
                best.step
            ))
        })
}

/// Evaluate the network as it is, `seconds` into the run; training figures are of the steps since `since`.
pub(super) fn evaluate(
    trainer: &mut Trainer,
    evaluator: &Evaluator,
    since: u32,
    seconds: f64,
    samples_per_second: f64,
) -> Result<Metrics> {
    let progress = trainer.progress(since)?;
    let gradient_norms = trainer.gradient_norms()?;
    let hard = evaluator.run(trainer, Mode::Hard)?;
    let soft = evaluator.run(trainer, Mode::SelectedSoft)?;
    let training = evaluator.run(trainer, Mode::Training)?;
    Ok(Metrics {
        step: progress.step,
        seconds,
        train_loss: progress.loss,
        train_accuracy: progress.accuracy,
        loss: hard.loss,
        accuracy: hard.accuracy,
        accuracy_soft: soft.accuracy,
        accuracy_training_mode: training.accuracy,
        selection_gap: training.accuracy - soft.accuracy,
        computation_gap: soft.accuracy - hard.accuracy,
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

/// The test set, touched once, at the end.
struct TestResult {
    hard: Evaluation,
    selected_soft: Evaluation,
    training: Evaluation,
}

impl TestResult {
    fn of(trainer: &mut Trainer, test: &Split) -> Result<Self> {
        let evaluator = Evaluator::new(trainer, test)?;
        Ok(TestResult {
            hard: evaluator.run(trainer, Mode::Hard)?,
            selected_soft: evaluator.run(trainer, Mode::SelectedSoft)?,
            training: evaluator.run(trainer, Mode::Training)?,
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
    (done, stepping): (u32, f64),
) -> serde_json::Value {
    let training_mode = test.training.accuracy;
    let mut summary = json!({
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
        "steps": done,
        "batch": settings.batch,
        "seconds": seconds,
        "step_ms": stepping * 1e3 / f64::from(done),
        "samples_per_second": f64::from(done) * f64::from(settings.batch) / stepping,
        "gpu_bytes": gpu.allocated_bytes(),
        "test_loss": test.hard.loss,
        "test_accuracy": test.hard.accuracy,
        "test_accuracy_soft": test.selected_soft.accuracy,
        "test_accuracy_training_mode": training_mode,
        "selection_gap": training_mode - test.selected_soft.accuracy,
        "computation_gap": test.selected_soft.accuracy - test.hard.accuracy,
        "total_gap": training_mode - test.hard.accuracy,
        "cpu_agrees": true,
    });
    if !data.head.is_classes() {
        summary["task"] = json!(data.head.task());
        for (key, value) in test.hard.quality.details() {
            summary[format!("test_{key}")] = value;
        }
    }
    summary
}
