//! `profile`: where the time of a configuration's training steps goes.

use std::path::PathBuf;
use std::time::Instant;

use crate::data::Dataset;
use crate::gpu::{Clock, Gpu};
use crate::settings::{Chosen, Settings};
use crate::train::{Bandwidth, Evaluator, Pace, Profile, Trainer};
use crate::{Result, files};

/// Time every kernel of real training steps, layer by layer, beside what the adapter can do
///
/// Takes every setting of `train`. A trace opens in chrome://tracing and ui.perfetto.dev.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    chosen: Chosen,
    /// Steps timed; between any two of them others run untimed
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Compile every kernel of the configuration and end without running any, as a driver without its GPU can
    #[arg(long, conflicts_with_all = ["rounds", "trace", "json"])]
    compile_only: bool,
    /// Write a trace in Chrome's format
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Adapter, by number or name (see `devices`)
    #[arg(long)]
    adapter: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// What is planned and allocated under one label.
#[derive(serde::Serialize)]
struct Memory {
    label: String,
    buffers: u64,
    planned: u64,
    allocated: u64,
}

/// Steps in a submission of untimed ones; training puts about as many into one.
const UNTIMED: u32 = 16;

/// Compile what training and evaluating by these settings takes, and tell of it.
fn compile(settings: &Settings, data: &Dataset, adapter: Option<&str>) -> Result<()> {
    let gpu = Gpu::open_to_compile(adapter)?;
    let began = Instant::now();
    let trainer = Trainer::new(&gpu, settings, data)?;
    Evaluator::new(&trainer, &data.test)?;
    gpu.check()?;
    println!(
        "{} ({}): every kernel was compiled in {:.2} s, {} passes a step",
        gpu.adapter.name,
        gpu.adapter.backend,
        began.elapsed().as_secs_f64(),
        trainer.passes().len()
    );
    Ok(())
}

/// Print the profile, and write the trace where asked for.
pub fn run(args: Args) -> Result<()> {
    let (settings, data) = args.chosen.open()?;
    let (data, _) = data.hold_out(settings.validation, settings.seed)?;
    if args.compile_only {
        return compile(&settings, &data, args.adapter.as_deref());
    }
    let gpu = Gpu::open(args.adapter.as_deref())?;
    let mut trainer = Trainer::new(&gpu, &settings, &data)?;
    let (buffers, allocated) = (gpu.allocated_bytes(), gpu.allocations());
    let (planned_bytes, planned) = (trainer.plan().bytes(), trainer.plan().by_name());
    let memory = planned.into_iter().map(|(label, planned)| {
        let made = allocated.get(&label).copied().unwrap_or_default();
        Memory { label, buffers: planned.0, planned: planned.1, allocated: made.1 }
    });
    let memory: Vec<Memory> = memory.collect();
    let clock = Clock::best(&gpu);
    let mut profile = Profile::new(&trainer, clock);
    profile.set_bandwidth(Bandwidth::measure(&gpu, clock)?);
    trainer.submit(UNTIMED)?;
    trainer.finish()?;
    let mut pace = Pace { step: f64::INFINITY, host: f64::INFINITY };
    for _ in 0..args.rounds {
        let began = Instant::now();
        trainer.submit(UNTIMED)?;
        pace.host = pace.host.min(began.elapsed().as_secs_f64() / f64::from(UNTIMED));
        trainer.finish()?;
        pace.step = pace.step.min(began.elapsed().as_secs_f64() / f64::from(UNTIMED));
        profile.time_step(&mut trainer)?;
    }
    profile.set_pace(pace);
    if let Some(path) = &args.trace {
        files::write_whole(path, profile.trace(&gpu.adapter.name).to_string().as_bytes())?;
    }
    if args.json {
        let mut report = profile.json();
        report["adapter"] = gpu.adapter.name.clone().into();
        report["backend"] = gpu.adapter.backend.clone().into();
        report["layers"] = settings.layers.clone().into();
        report["features"] = trainer.model().encoder.features().into();
        report["batch"] = settings.batch.into();
        report["memory"] = serde_json::json!({ "planned": planned_bytes, "allocated": buffers, "buffers": memory });
        println!("{report:#}");
        return Ok(());
    }
    println!("{} ({})", gpu.adapter.name, gpu.adapter.backend);
    let gates: usize = settings.layers.iter().sum();
    println!(
        "{gates} gates in {} layers on {} input bits, batch {}, {:.1} MiB of GPU buffers",
        settings.layers.len(),
        trainer.model().encoder.features(),
        settings.batch,
        buffers as f64 / 1048576.0
    );
    print!("{}", profile.table());
    println!("\n{:<24}{:>8}{:>16}{:>16}", "memory", "buffers", "planned bytes", "allocated");
    for m in memory.iter().filter(|m| m.planned.max(m.allocated) >= buffers / 1000) {
        println!("{:<24}{:>8}{:>16}{:>16}", m.label, m.buffers, m.planned, m.allocated);
    }
    println!("{:<24}{:>8}{:>16}{:>16}", "all", memory.iter().map(|m| m.buffers).sum::<u64>(), planned_bytes, buffers);
    if let Some(path) = &args.trace {
        println!("trace: {}", path.display());
    }
    Ok(())
}
