//! `train`: a whole run.

use std::io::IsTerminal;
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use crate::Result;
use crate::data::{Task, counted, number_text};
use crate::network::config_of;
use crate::run::{
    Beginning, Cadence, Companion, Metrics, Options, Place, Reporter, Summary, Where, follow_run, run as train,
};
use crate::settings::{Chosen, Select, Settings};

/// Train a logic gate network and save it as a Boolean circuit
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    chosen: Chosen,
    /// Print what preset, file and flags come to, as a file for --config, and train nothing
    #[arg(long)]
    show_settings: bool,
    /// Run folder to make [default: runs/<data>-<n>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Go on with the run in this folder, or from this checkpoint of it, instead of beginning one
    #[arg(long, value_name = "DIR", conflicts_with = "out")]
    resume: Option<PathBuf>,
    #[command(flatten)]
    cadence: Cadence,
    /// If the GPU is lost, open it anew and go on from the last checkpoint, up to N times
    #[arg(long, value_name = "N", default_value_t = 0)]
    retry_lost_device: u32,
    /// Also write TensorBoard's event files into the run folder
    #[arg(long)]
    tensorboard: bool,
    /// Time one step in a hundred, kernel by kernel; leaves profile.json and trace.json in the run folder
    #[arg(long)]
    profile: bool,
    #[command(flatten)]
    place: Where,
    /// Print the summary as JSON on stdout, all else on stderr
    #[arg(long)]
    json: bool,
}

/// Train, then print the summary.
pub fn run(args: Args) -> Result<()> {
    let place = args.resume.map_or(Place::New(args.out), |path| Place::Resume(super::run_folder(&path)));
    // A resumed run's settings are its own; what is said beside is compared with them.
    let own = matches!(place, Place::Resume(_)).then(|| place.folder()).flatten().map(|folder| config_of(&folder));
    let config = args.chosen.config.or(own);
    let chosen = Chosen { config, ..args.chosen };
    if args.show_settings {
        return show(&chosen);
    }
    let mut companions = super::ranks_of(&args.place)?;
    let Companion { ranks, place: own_place } = companions.remove(0);
    let (settings, data) = chosen.open().inspect_err(|error| ranks.leave(error))?;
    if ranks.leads() {
        super::warn_of(&data.notes);
    }
    let settings = super::from_root(settings);
    let unit = if data.table.is_some() { "rows" } else { "images" };
    let options = Options {
        place,
        cadence: args.cadence,
        retry_lost_device: args.retry_lost_device,
        tensorboard: args.tensorboard,
        profile: args.profile,
        companions,
        // A launcher passes signals on to every rank; rank 0 has all stop after the same step.
        stop: if ranks.leads() { super::stop_on_signal()? } else { super::stay_on_signal()? },
        ranks,
    };
    let mut console =
        Console { bar: ProgressBar::hidden(), steps: 0, task: Task::Classes, watched: "", since: (0, 0.0) };
    let open = || super::open_device(&own_place, &settings);
    if !options.ranks.leads() {
        return follow_run(&open, &settings, data, &options);
    }
    let trained = train(&open, &settings, data, &options, &mut console);
    console.bar.finish_and_clear();
    let summary = trained?;
    if args.json {
        println!("{}", summary.json()?);
        return Ok(());
    }
    if let Some(told) = kept(&summary, &settings) {
        println!("{told}");
    }
    tell_test(&summary, settings.input.task(), unit);
    println!("{:.1} s, {:.2} ms a step, {:.0} samples/s", summary.seconds, summary.step_ms, summary.samples_per_second);
    if let Some((steps, overhead)) = summary.profiled_steps.zip(summary.profile_overhead) {
        let overhead = overhead * 100.0;
        match steps {
            0 => println!(
                "profile.json, trace.json: no step was timed, for the run is too short; `profile` times some by itself"
            ),
            _ => println!(
                "profile.json, trace.json: {steps} steps were timed, which took {overhead:.1} % of the run's time"
            ),
        }
    }
    Ok(())
}

/// Print settings as a `--config` file.
fn show(chosen: &Chosen) -> Result<()> {
    let (settings, unfitted) = chosen.show()?;
    print!("{}", settings.to_toml()?);
    if let Some(problem) = unfitted {
        eprintln!("warning: the last layer is not fitted to the data, which cannot be opened: {problem}");
    }
    Ok(())
}

/// Why the run ended before its last step, and which of its networks became the model, where either is not as a plain run has it.
fn kept(summary: &Summary, settings: &Settings) -> Option<String> {
    let ended = settings.patience.filter(|_| summary.steps < settings.steps);
    let ended = ended.map(|n| format!("ended after step {} of {} by --patience {n}", summary.steps, settings.steps));
    let best = (settings.select == Select::Best).then(|| {
        let quality = settings.input.task().quality_text(summary.best_accuracy.unwrap_or(f64::NAN));
        format!("the model is the network of step {}, the best held out, {quality}", summary.model_step)
    });
    let told: Vec<String> = ended.into_iter().chain(best).collect();
    (!told.is_empty()).then(|| told.join("; "))
}

/// Print how good the network is on the test samples, or where there are none on those that it was watched by.
fn tell_test(summary: &Summary, task: Task, unit: &str) {
    let line = |name: &str, value: String, more: &str| println!("{name:<20} {value:>9}{more}");
    let (judged, samples) = match (summary.test_samples, summary.validation_samples.unwrap_or(0)) {
        (0, 0) => ("training", summary.train_samples),
        (0, held_out) => ("held-out", held_out),
        (test, _) => ("test", test),
    };
    let checked = format!("   ({samples} {unit}; the circuit on the CPU gives the same votes on every one)");
    let name = format!("hard {judged} {}", task.quality_name());
    line(&name, task.quality_text(summary.test_accuracy), &checked);
    if let Some(exact) = summary.test_exact_match {
        line("every label right", task.quality_text(exact), "");
    }
    for target in summary.test_targets.iter().flatten() {
        let [rmse, mae] = [target.rmse, target.mae].map(number_text);
        let more = format!("   RMSE {rmse}, MAE {mae}");
        line(&format!("  R² of {}", target.name), task.quality_text(target.r2), &more);
    }
    let gap = |gap: f64| match task {
        Task::Values => task.quality_text(gap),
        _ => format!("{:.2} points", gap * 100.0),
    };
    line("selection gap", gap(summary.selection_gap), "");
    line("computation gap", gap(summary.computation_gap), "");
    if let Some(moved) = summary.moved_wires {
        let more = "   of the pins that learn read another input than they were drawn to";
        line("wires that moved", format!("{:.1} %", moved * 100.0), more);
    }
    line("in training mode", task.quality_text(summary.test_accuracy_training_mode), "");
}

/// A progress bar in a terminal, plain lines in a pipe; on stderr.
struct Console {
    bar: ProgressBar,
    steps: u32,
    task: Task,
    /// What the network is watched by.
    watched: &'static str,
    /// Steps and seconds of the run when this sitting began.
    since: (u32, f64),
}

impl Reporter for Console {
    fn stage(&mut self, what: &str) {
        self.bar.finish_and_clear();
        eprintln!("{what}");
    }

    fn begin(&mut self, run: &Beginning) {
        self.steps = run.steps;
        let [train, validation, test] = run.samples;
        let ranks = run.ranks.as_ref().map_or(String::new(), |ranks| format!(", {ranks}"));
        eprintln!("{} ({}){ranks}", run.adapter, run.backend);
        if let Some(unused) = crate::gpu::unused_card() {
            eprintln!("note: {unused}");
        }
        eprintln!("{}: {train} training, {validation} validation, {test} test samples", run.data);
        let gates: usize = run.layers.iter().sum();
        eprintln!(
            "{gates} gates in {} on {} input bits, {} parameters, {:.0} MiB to train in",
            counted(run.layers.len(), "layer"),
            run.features,
            run.parameters,
            run.gpu_bytes as f64 / 1048576.0
        );
        if let Some((bits, example)) = &run.left_out {
            eprintln!(
                "{bits} more input bits are left out, such as `{example}`: set or unset in less than {} % of the samples, \
                 and telling {} no better (--rare 0 keeps them)",
                number_text(run.rare * 100.0),
                if run.task == Task::Classes { "classes" } else { "targets" }
            );
        }
        eprintln!("run folder {}", run.folder.display());
        if run.done > 0 {
            eprintln!("going on after step {}", run.done);
        }
        self.since = (run.done, run.seconds);
        self.task = run.task;
        self.watched = if validation > 0 { "held-out" } else { "training samples" };
        if std::io::stderr().is_terminal() {
            self.bar = ProgressBar::new(u64::from(run.steps));
            let style = ProgressStyle::with_template("{bar:30} {pos}/{len} steps  {per_sec}  {eta} left  {msg}");
            self.bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        }
    }

    fn estimate(&mut self, seconds: f64) {
        let text = if seconds < 90.0 { format!("{seconds:.0} s") } else { format!("{:.1} minutes", seconds / 60.0) };
        self.say(format!("this will take about {text}"));
    }

    fn step(&mut self, step: u32) {
        self.bar.set_position(u64::from(step));
    }

    fn evaluated(&mut self, m: &Metrics) {
        let name = self.task.quality_name();
        let told = |quality| self.task.quality_text(quality);
        self.bar.set_message(format!("loss {:.4}  hard {name} {}", m.train_loss, told(m.accuracy)));
        let (step, seconds) = self.since;
        let left = (m.seconds - seconds) / f64::from(m.step - step).max(1.0) * f64::from(self.steps - m.step);
        let of = if self.task == Task::Classes { String::new() } else { format!(" {name}") };
        self.say(format!(
            "step {:>6}/{}  {:>6.1} s, {left:.0} s left  {:>6.0} samples/s  loss {:.4}  {}{of}: hard {}, soft {}, in training {}  tau_b {:.2}",
            m.step,
            self.steps,
            m.seconds,
            m.samples_per_second,
            m.train_loss,
            self.watched,
            told(m.accuracy),
            told(m.accuracy_soft),
            told(m.accuracy_training_mode),
            m.temperature
        ));
    }

    fn warn(&mut self, message: &str) {
        self.say(format!("warning: {message}"));
    }
}

impl Console {
    fn say(&self, line: String) {
        if self.bar.is_hidden() {
            eprintln!("{line}");
        } else {
            self.bar.println(crate::console::escaped(&line));
        }
    }
}
