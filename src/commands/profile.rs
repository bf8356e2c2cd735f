//! `profile`: where the time of a configuration's training steps goes.

use std::path::PathBuf;
use std::time::Instant;

use crate::data::{Dataset, counted};
use crate::gpu::Gpu;
use crate::ranks::Ranks;
use crate::run::{Companion, Device, Identity, Lead, Learner, Place, Where, follow};
use crate::settings::{Chosen, Settings};
use crate::train::{Evaluator, Pace, Trainer};
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
    #[command(flatten)]
    place: Where,
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

/// What is planned and allocated on a GPU, by label.
fn memory_of(learner: &Learner) -> Vec<Memory> {
    let Learner::Gpu(trainer) = learner else { return Vec::new() };
    let allocated = trainer.gpu().allocations();
    let memory = trainer.plan().by_name().into_iter().map(|(label, planned)| {
        let made = allocated.get(&label).copied().unwrap_or_default();
        Memory { label, buffers: planned.0, planned: planned.1, allocated: made.1 }
    });
    memory.collect()
}

/// Print the profile, and write the trace where asked for.
pub fn run(args: Args) -> Result<()> {
    let (settings, data) = args.chosen.open()?;
    super::warn_of(&data.notes);
    let (data, _) = data.hold_out(settings.validation, settings.seed)?;
    if args.compile_only {
        return compile(&settings, &data, args.place.adapter.as_deref());
    }
    let mut companions = super::ranks_of(&args.place)?;
    let Companion { ranks, place } = companions.remove(0);
    let open = || super::open_device(&place, &settings);
    let begin = Place::New(None);
    if !ranks.leads() {
        return follow(&ranks, &open, &settings, &data, &begin);
    }
    Lead::over(&ranks).through(&companions, &settings, &data, &begin, |lead| {
        profile(&args, &open()?, (&settings, &data), (&ranks, lead))
    })
}

/// Time steps on rank 0, which the others do too, and tell of them.
fn profile(
    args: &Args,
    device: &Device,
    (settings, data): (&Settings, &Dataset),
    (ranks, lead): (&Ranks, &Lead),
) -> Result<()> {
    let mut trainer = Learner::of_rank(device, settings, data, ranks)?;
    let identity = Identity::of(trainer.model(), &data.train);
    lead.begin(&mut trainer, device, &identity)?;
    let buffers = trainer.bytes();
    let memory = memory_of(&trainer);
    let planned: u64 = memory.iter().map(|m| m.planned).sum();
    let mut profile = trainer.profile();
    profile.set_bandwidth(trainer.bandwidth()?);
    lead.steps(UNTIMED, || trainer.submit(UNTIMED))?;
    trainer.finish()?;
    let (mut step, mut host) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..args.rounds {
        let began = Instant::now();
        lead.steps(UNTIMED, || trainer.submit(UNTIMED))?;
        host = host.min(began.elapsed().as_secs_f64() / f64::from(UNTIMED));
        trainer.finish()?;
        step = step.min(began.elapsed().as_secs_f64() / f64::from(UNTIMED));
        lead.steps(1, || trainer.time_step(&mut profile))?;
    }
    // Where the CPU does the work itself, it submits nothing.
    profile.set_pace(Pace { step, host: trainer.host_seconds_a_step().map(|_| host) });
    if let Some(path) = &args.trace {
        files::write_whole(path, profile.trace(device.name()).to_string().as_bytes())?;
    }
    if args.json {
        let mut report = profile.json();
        report["adapter"] = device.name().into();
        report["backend"] = device.backend().into();
        report["driver"] = device.driver().into();
        report["layers"] = settings.layer_gates().into();
        report["features"] = trainer.model().encoder.features().into();
        report["batch"] = settings.batch.into();
        report["ranks"] = ranks.size().into();
        report["memory"] = serde_json::json!({ "planned": planned, "allocated": buffers, "buffers": memory });
        println!("{report:#}");
        return Ok(());
    }
    let shared = if ranks.size() > 1 { format!(", {}", ranks.told()) } else { String::new() };
    println!("{} ({}; {}){shared}", device.name(), device.backend(), device.driver());
    let gates = settings.layer_gates();
    println!(
        "{} gates in {} on {} input bits, batch {}, {:.1} MiB to train in",
        gates.iter().sum::<usize>(),
        counted(gates.len(), "layer"),
        trainer.model().encoder.features(),
        settings.batch,
        buffers as f64 / 1048576.0
    );
    print!("{}", profile.table());
    if !memory.is_empty() {
        println!("\n{:<24}{:>8}{:>16}{:>16}", "memory", "buffers", "planned bytes", "allocated");
    }
    for m in memory.iter().filter(|m| m.planned.max(m.allocated) >= buffers / 1000) {
        println!("{:<24}{:>8}{:>16}{:>16}", m.label, m.buffers, m.planned, m.allocated);
    }
    if !memory.is_empty() {
        let count: u64 = memory.iter().map(|m| m.buffers).sum();
        println!("{:<24}{count:>8}{planned:>16}{buffers:>16}", "all");
    }
    if let Some(path) = &args.trace {
        println!("trace: {}", path.display());
    }
    Ok(())
}
