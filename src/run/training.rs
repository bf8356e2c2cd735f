//! A whole run: data to device, steps and evaluations, the discretized network checked without the GPU, the run folder.

use std::path::{Path, PathBuf};

use super::checkpoint::{Checkpoint, Identity};
use super::checkpoints;
use super::convolutions::{Before, whole_of};
use super::device::Device;
use super::diagnose::diagnose;
use super::folder::RunFolder;
use super::learner::{Judge, Learner};
use super::metrics::best;
use super::modes::Modes;
use super::options::{Options, Place};
use super::reporter::{Beginning, Reporter};
use super::stepping::{Stepping, Time};
use super::summary::Summary;
use super::together::{Lead, Part, follow_to_the_end, heard, next_part};
use crate::data::{Dataset, Encoder, Split};
use crate::network::Model;
use crate::settings::{Select, Settings, essential_differences};
use crate::train::{Pace, Profile};
use crate::{Error, Result, files};

/// Train as `settings` say on a device that `open` gives and leave a run folder; returns the summary that it wrote.
///
/// # Errors
/// [`Error::Usage`] for settings that do not fit the data or the resumed run, [`Error::Input`] for a folder or checkpoint
/// that cannot be used, [`Error::Stopped`] if the user stopped it, [`Error::Gpu`], [`Error::DeviceLost`] and
/// [`Error::Run`] for what failed under way, with the last checkpoint's path.
pub fn run(
    open: &dyn Fn() -> Result<Device>,
    settings: &Settings,
    data: Dataset,
    options: &Options,
    report: &mut dyn Reporter,
) -> Result<Summary> {
    // Whatever ends this run lets the other ranks go.
    let mut lead = Lead::over(&options.ranks);
    settings.check_classes(data.classes.len())?;
    if options.ranks.size() > 1 && options.retry_lost_device > 0 {
        return Err(Error::usage(
            "--retry-lost-device is for one rank; several go on by --resume from the last checkpoint, on any number of ranks",
        ));
    }
    let (mut folder, from) = opened(&options.place, settings)?;
    if let Some(ended) = ended(&folder, &from, settings)? {
        return Ok(ended);
    }
    let (mut data, validation) = data.hold_out(settings.validation, settings.seed)?;
    check_held_out(settings, (&data, &validation), report)?;
    if let Some(whole) = whole_of(&options.place) {
        data.test = Split::default();
        let whole = whole.display();
        report.stage(&format!(
            "these are the convolutions of {whole}, so no test sample is looked at; what reads them is trained by: gatewright train --resume {whole}"
        ));
    }
    let mut settings = settings.clone();
    if let Some(first) = settings.of_convolutions() {
        let whole = match &mut folder {
            Some(whole) => whole,
            none => none.insert(RunFolder::create(folder_of_ranks(options)?.as_deref(), &data.name)?),
        };
        let before = Before::new(first, whole.path(), data.classes.len())?;
        let trained = match before.ended(&data.train)? {
            Some(trained) => trained,
            None => {
                // So that it can be gone on with before its first step, and by what a resumed run was told.
                whole.write_config(&settings)?;
                report.stage(&before.told(&settings));
                lead.part(Part::Convolutions)?;
                let trained = train_before(open, &before, (&mut data, &validation), (options, lead), report);
                // Whatever came of it, ranks in other processes wait for what is next.
                lead = Lead::over(&options.ranks);
                trained?
            }
        };
        report.stage("now what reads them");
        lead.part(Part::Above)?;
        whole.seconds_before = trained.seconds;
        settings = before.after(&settings);
    }
    train(open, &settings, (&data, &validation), (folder, from), (options, lead), report)
}

/// The folder to go on in and the checkpoint to go on from, where there are.
fn opened(place: &Place, settings: &Settings) -> Result<(Option<RunFolder>, Option<Checkpoint>)> {
    match place {
        Place::New(_) => Ok((None, None)),
        Place::Resume(path) => reopen(path, settings).map(|(folder, from)| (Some(folder), from)),
    }
}

/// What a run came to that has ended as these settings would have it.
fn ended(folder: &Option<RunFolder>, from: &Option<Checkpoint>, settings: &Settings) -> Result<Option<Summary>> {
    let is_same = from.as_ref().is_some_and(|c| c.header.settings == settings.spelled_out());
    match folder {
        Some(folder) if is_same => folder.summary(),
        _ => Ok(None),
    }
}

/// Refuse to judge by held-out samples where there are none, before anything is trained; tell where a part of the samples is none.
fn check_held_out(
    settings: &Settings,
    (data, validation): (&Dataset, &Split),
    report: &mut dyn Reporter,
) -> Result<()> {
    if !validation.is_empty() || settings.validation == 0.0 {
        return Ok(());
    }
    let told = format!("a validation fraction of {} takes none of {}", settings.validation, data.train.len());
    if settings.patience.is_some() || settings.select == Select::Best {
        return Err(Error::usage(format!(
            "{told} training samples, and --patience and --select best judge by them; choose a greater --validation"
        )));
    }
    report.warn(&format!("{told} training samples; what is told along the way is of these"));
    Ok(())
}

/// The run folder, which ranks in other processes must be told of where they look for convolutions in it.
fn folder_of_ranks(options: &Options) -> Result<Option<PathBuf>> {
    let folder = options.place.folder();
    if folder.is_none() && options.ranks.size() > 1 && !options.ranks.are_threads() {
        return Err(Error::usage(
            "every rank takes the convolutions that are trained first from the run folder; name one that all of them see by --out",
        ));
    }
    Ok(folder)
}

/// Do the run before a run without the test samples, which are for the end of all.
fn train_before(
    open: &dyn Fn() -> Result<Device>,
    before: &Before,
    (data, validation): (&mut Dataset, &Split),
    (options, lead): (&Options, Lead),
    report: &mut dyn Reporter,
) -> Result<Summary> {
    let own = before.options(options);
    let opened = opened(&own.place, &before.settings)?;
    let test = std::mem::take(&mut data.test);
    let trained = train(open, &before.settings, (data, validation), opened, (&own, lead), report);
    data.test = test;
    trained.map_err(|error| before.of_whole(error))
}

/// Train on these samples, in a folder or a new one, from a checkpoint or from the first step.
fn train(
    open: &dyn Fn() -> Result<Device>,
    settings: &Settings,
    (data, validation): (&Dataset, &Split),
    opened: (Option<RunFolder>, Option<Checkpoint>),
    (options, lead): (&Options, Lead),
    report: &mut dyn Reporter,
) -> Result<Summary> {
    lead.through(&options.companions, settings, data, &options.place, |lead| {
        on_devices(open, settings, (data, validation), opened, (options, lead), report)
    })
}

/// Be another rank than 0 of the run that [`run`] is of these settings and data, in another process.
///
/// # Errors
/// As [`run`]; the other ranks are told that this one ended.
pub fn follow_run(
    open: &dyn Fn() -> Result<Device>,
    settings: &Settings,
    data: Dataset,
    options: &Options,
) -> Result<()> {
    let ranks = &options.ranks;
    heard(ranks, || {
        let (data, _) = data.hold_out(settings.validation, settings.seed)?;
        let Some(first) = settings.of_convolutions() else {
            return follow_to_the_end(ranks, open, settings, &data, &options.place);
        };
        while let Some(part) = next_part(ranks)? {
            let whole = folder_of_ranks(options)?.unwrap_or_default();
            let before = Before::new(first.clone(), &whole, data.classes.len())?;
            before.check_seen(part)?;
            match part {
                Part::Convolutions => {
                    follow_to_the_end(ranks, open, &before.settings, &data, &before.options(options).place)?;
                }
                Part::Above => {
                    return follow_to_the_end(ranks, open, &before.after(settings), &data, &options.place);
                }
            }
        }
        Ok(())
    })
}

/// Train on the device that `open` gives, and on others if that is lost and may be replaced.
fn on_devices(
    open: &dyn Fn() -> Result<Device>,
    settings: &Settings,
    (data, validation): (&Dataset, &Split),
    (mut folder, mut from): (Option<RunFolder>, Option<Checkpoint>),
    (options, lead): (&Options, &Lead),
    report: &mut dyn Reporter,
) -> Result<Summary> {
    let mut replacements = options.retry_lost_device;
    loop {
        let device = match open() {
            Err(Error::DeviceLost(message)) if replacements > 0 => {
                replacements -= 1;
                report.warn(&format!("{message}; opening the device anew"));
                continue;
            }
            opened => opened?,
        };
        let trained =
            on_device(&device, settings, (data, validation), (&mut folder, from.take()), (options, lead), report);
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
                        Error::Run(diagnose(&device, settings, data, from.as_ref(), sound)?)
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
            let told: Vec<String> = differ.iter().map(ToString::to_string).collect();
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
    device: &Device,
    settings: &Settings,
    (data, validation): (&Dataset, &Split),
    (folder, from): (&mut Option<RunFolder>, Option<Checkpoint>),
    (options, lead): (&Options, &Lead),
    report: &mut dyn Reporter,
) -> Result<Summary> {
    let mut trainer = Learner::of_rank(device, settings, data, &options.ranks)?;
    let drawn: Vec<Vec<u32>> = trainer.model().layers.iter().map(|layer| layer.wiring.clone()).collect();
    // Without a validation split, the training samples themselves are watched; the test set is for the end.
    let is_held_out = !validation.is_empty();
    let watched = if is_held_out { validation } else { &data.train };
    let evaluator = Judge::new(&trainer, watched)?;
    let identity = Identity::of(trainer.model(), &data.train);
    let sha256 = identity.data.clone();
    let folder = match folder {
        Some(folder) => folder,
        none => none.insert(RunFolder::create(options.place.folder().as_deref(), &data.name)?),
    };
    if let Some(checkpoint) = &from {
        let header = &checkpoint.header;
        let unusable = |problem: String| Error::input(folder.path(), format!("it cannot go on: {problem}"));
        header.identity.check(&identity).map_err(unusable)?;
        trainer.restore(&checkpoint.state).map_err(unusable)?;
        if !Device::are_alike(&header.adapter, device.name()) {
            report.warn(&format!(
                "this run began on {} and goes on on {}: it will not be the same to the last bit",
                header.adapter,
                device.name()
            ));
        }
    }
    lead.begin(&mut trainer, device, &identity)?;
    let recorded = from.as_ref().map_or_else(Vec::new, |c| c.header.metrics.clone());
    if let Some(warning) = folder.warning.take() {
        report.warn(&warning);
    }
    folder.go_on(settings, recorded, is_held_out, options.tensorboard)?;
    let so_far = from.as_ref().map_or(folder.seconds_before, |c| c.header.seconds);
    let begun = Begun { seconds: so_far, folder: folder.path() };
    announce(&trainer, device, settings, (data, validation), options, &begun, report)?;
    let profile = match options.profile {
        true => {
            let mut profile = trainer.profile();
            profile.set_bandwidth(trainer.bandwidth()?);
            Some(profile)
        }
        false => None,
    };
    let before = (trainer.steps(), from.as_ref().map_or(0.0, |c| c.header.stepping_seconds));
    let mut stepping = Stepping {
        trainer: &mut trainer,
        device: device.name(),
        lead,
        evaluator: &evaluator,
        is_held_out,
        folder,
        options,
        report,
        identity,
        time: Time::from(so_far, from.as_ref().map_or(0.0, |c| c.header.stepping_seconds)),
        profile,
    };
    stepping.run()?;
    let (time, profile, done) = (stepping.time, stepping.profile, trainer.steps());
    let seconds = time.seconds();
    if settings.select == Select::Best {
        restore_best(&mut trainer, folder)?;
    }
    let ended = Ended { settings, options, steps: done, seconds, stepping: time.stepping, train_sha256: sha256 };
    let (model, mut summary) = conclude(&mut trainer, device, (data, watched), &ended)?;
    summary.moved_wires = moved_wires(&drawn, &model, settings);
    let saved = folder.recorded().iter().find(|m| m.step == summary.model_step).filter(|_| is_held_out);
    summary.held_out_accuracy = saved.map(|m| m.accuracy);
    let best = best(folder.recorded()).filter(|_| is_held_out);
    (summary.best_step, summary.best_accuracy) = (best.map(|m| m.step), best.map(|m| m.accuracy));
    summary.validation_samples = Some(validation.len());
    if let Some(mut profile) = profile {
        let steps = (done - before.0).max(1);
        let step = (time.stepping - before.1) / f64::from(steps);
        profile.set_pace(Pace { step, host: trainer.host_seconds_a_step() });
        write_profile(&profile, folder, device)?;
        summary.profiled_steps = Some(profile.steps());
        summary.profile_overhead = Some(profile.overhead(steps));
    }
    folder.finish(&model, &summary)?;
    Ok(summary)
}

/// Where a run begins, or goes on.
struct Begun<'a> {
    /// What it has taken so far.
    seconds: f64,
    folder: &'a Path,
}

/// Tell what is trained, on what, and from where.
fn announce(
    trainer: &Learner,
    device: &Device,
    settings: &Settings,
    (data, validation): (&Dataset, &Split),
    options: &Options,
    begun: &Begun,
    report: &mut dyn Reporter,
) -> Result<()> {
    let model = trainer.model();
    let mut all = Encoder::learn(data, settings.input.encoder_kind()?, settings.thresholds)?;
    if !settings.convolutions.is_empty() {
        all = all.by_maps(data.image);
    }
    report.begin(&Beginning {
        adapter: device.name(),
        backend: device.backend(),
        ranks: (options.ranks.size() > 1).then(|| options.ranks.told()),
        data: &data.name,
        task: data.head.task(),
        samples: [data.train.len(), validation.len(), data.test.len()],
        layers: &settings.layer_gates(),
        features: model.encoder.features(),
        left_out: all.beyond(&model.encoder, data),
        rare: settings.rare,
        parameters: model.parameters(),
        steps: settings.steps,
        done: trainer.steps(),
        seconds: begun.seconds,
        gpu_bytes: trainer.bytes(),
        folder: begun.folder.to_path_buf(),
    });
    Ok(())
}

/// What a run was asked for and what it took.
struct Ended<'a> {
    settings: &'a Settings,
    options: &'a Options,
    /// Steps that were done.
    steps: u32,
    /// In all.
    seconds: f64,
    /// Of these, in steps.
    stepping: f64,
    train_sha256: String,
}

/// Judge the trained network by the test samples, or by those that it was watched by if there are none (`test_samples` 0 tells so),
/// on the device and as a circuit.
fn conclude(
    trainer: &mut Learner,
    device: &Device,
    (data, watched): (&Dataset, &Split),
    ended: &Ended,
) -> Result<(Model, Summary)> {
    let Ended { settings, options, steps, seconds, stepping, .. } = *ended;
    let judged = if data.test.is_empty() { watched } else { &data.test };
    let judge = Judge::new(trainer, judged)?;
    let test = Modes::of(trainer, &judge)?;
    let model = trainer.download()?.clone();
    test.check_on_cpu(&model, judged)?;
    let summary = Summary {
        adapter: device.name().into(),
        backend: device.backend().into(),
        driver: device.driver(),
        data: data.name.clone(),
        train_samples: data.train.len(),
        test_samples: data.test.len(),
        layers: settings.layer_gates(),
        gates: model.gates(),
        parameters: model.parameters(),
        method: settings.method,
        parametrization: settings.parametrization,
        cage: settings.cage.is_some(),
        seed: settings.seed,
        steps,
        batch: settings.batch,
        seconds,
        step_ms: stepping * 1e3 / f64::from(steps),
        samples_per_second: f64::from(steps) * f64::from(settings.batch) / stepping,
        gpu_bytes: trainer.bytes(),
        test_loss: test.hard.loss,
        test_accuracy: test.hard.accuracy,
        test_accuracy_soft: test.selected_soft.accuracy,
        test_accuracy_training_mode: test.training.accuracy,
        selection_gap: test.selection_gap(),
        computation_gap: test.computation_gap(),
        total_gap: test.total_gap(),
        task: (!data.head.is_classes()).then(|| data.head.task()),
        test_exact_match: test.hard.quality.exact,
        test_targets: Some(test.hard.quality.targets.clone()).filter(|targets| !targets.is_empty()),
        train_sha256: Some(ended.train_sha256.clone()),
        model_step: trainer.steps(),
        ranks: (options.ranks.size() > 1).then_some(options.ranks.size()),
        ..Summary::default()
    };
    Ok((model, summary))
}

/// Of the pins that learn, the fraction that `model` has at another input than they were `drawn` to.
fn moved_wires(drawn: &[Vec<u32>], model: &Model, settings: &Settings) -> Option<f64> {
    let learned = drawn.iter().zip(&model.layers).enumerate().filter(|&(i, _)| settings.learns(i));
    let pins: Vec<bool> =
        learned.flat_map(|(_, (drawn, layer))| drawn.iter().zip(&layer.wiring).map(|(a, b)| a != b)).collect();
    let moved = pins.iter().filter(|&&moved| moved).count();
    (!pins.is_empty()).then(|| moved as f64 / pins.len() as f64)
}

/// Leave what the profiled steps came to in the run folder, as a table and as a trace.
fn write_profile(profile: &Profile, folder: &RunFolder, device: &Device) -> Result<()> {
    let report = profile.json();
    files::write_whole(&folder.path().join("profile.json"), format!("{report:#}\n").as_bytes())?;
    let trace = profile.trace(device.name()).to_string();
    files::write_whole(&folder.path().join("trace.json"), trace.as_bytes())
}

/// Go back to the network that was best on the held-out samples.
fn restore_best(trainer: &mut Learner, folder: &RunFolder) -> Result<()> {
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
