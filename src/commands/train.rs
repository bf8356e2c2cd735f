//! `train`: a whole run.

use std::io::IsTerminal;
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use crate::gpu::Gpu;
use crate::train::{Beginning, Metrics, Overrides, Reporter};
use crate::{Result, data};

/// Train a logic gate network and save it as a Boolean circuit
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    settings: Overrides,
    /// TOML file of settings; flags win over it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Run folder to make [default: runs/<data>-<n>]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Adapter, by number or name (see `devices`)
    #[arg(long)]
    adapter: Option<String>,
    /// Print the summary as JSON on stdout, all else on stderr
    #[arg(long)]
    json: bool,
}

/// Train, then print the summary.
pub fn run(args: Args) -> Result<()> {
    let settings = args.settings.resolve(args.config.as_deref())?;
    let data = data::open(&settings.data, args.settings.data_dir.as_deref())?;
    settings.check_classes(data.classes.len())?;
    let gpu = Gpu::open(args.adapter.as_deref())?;
    let mut console = Console { bar: ProgressBar::hidden(), steps: settings.steps };
    let summary = crate::train::run(&gpu, &settings, data, args.out, &mut console)?;
    console.bar.finish_and_clear();
    if args.json {
        println!("{summary:#}");
        return Ok(());
    }
    let percent = |key: &str| summary[key].as_f64().unwrap_or(f64::NAN) * 100.0;
    println!(
        "hard test accuracy   {:6.2} %   ({} images; the circuit on the CPU gives the same votes on every one)",
        percent("test_accuracy"),
        summary["test_samples"]
    );
    println!("selection gap        {:6.2} points", percent("selection_gap"));
    println!("computation gap      {:6.2} points", percent("computation_gap"));
    println!("relaxed network      {:6.2} %", percent("test_accuracy_relaxed"));
    println!(
        "{:.1} s, {:.2} ms a step, {:.0} samples/s",
        summary["seconds"].as_f64().unwrap_or(0.0),
        summary["step_ms"].as_f64().unwrap_or(0.0),
        summary["samples_per_second"].as_f64().unwrap_or(0.0)
    );
    Ok(())
}

/// A progress bar in a terminal, plain lines in a pipe; on stderr.
struct Console {
    bar: ProgressBar,
    steps: u32,
}

impl Reporter for Console {
    fn begin(&mut self, run: &Beginning) {
        let [train, validation, test] = run.samples;
        eprintln!("{} ({})", run.adapter, run.backend);
        eprintln!("{}: {train} training, {validation} validation, {test} test samples", run.data);
        let gates: usize = run.layers.iter().sum();
        eprintln!(
            "{gates} gates in {} layers on {} input bits, {} parameters, {:.0} MiB of GPU buffers",
            run.layers.len(),
            run.features,
            run.parameters,
            run.gpu_bytes as f64 / 1048576.0
        );
        eprintln!("run folder {}", run.folder.display());
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
        self.bar.set_message(format!("loss {:.4}  hard accuracy {:.2} %", m.train_loss, m.accuracy * 100.0));
        let left = m.seconds / f64::from(m.step) * f64::from(self.steps - m.step);
        self.say(format!(
            "step {:>6}/{}  {:>6.1} s, {left:.0} s left  {:>6.0} samples/s  loss {:.4}  held-out: hard {:.2} %, soft {:.2} %, relaxed {:.2} %  tau_b {:.2}",
            m.step,
            self.steps,
            m.seconds,
            m.samples_per_second,
            m.train_loss,
            m.accuracy * 100.0,
            m.accuracy_soft * 100.0,
            m.accuracy_relaxed * 100.0,
            m.temperature
        ));
    }
}

impl Console {
    fn say(&self, line: String) {
        if self.bar.is_hidden() {
            eprintln!("{line}");
        } else {
            self.bar.println(line);
        }
    }
}
