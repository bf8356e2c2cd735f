//! `bench step`: time whole training steps on synthetic data.

use std::time::Instant;

use crate::data::{Dataset, Head, ImageShape, Split};
use crate::network::{Initialization, Parametrization, Wiring};
use crate::plan::GradientFormat;
use crate::plan::Tuning;
use crate::random::Philox;
use crate::run::{Device, Learner, Where};
use crate::settings::{Layers, LearnedLayers, Method, Overrides};
use crate::train::Trainer;
use crate::{Error, Result};

/// Time whole training steps on random bits; needs no data set
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Gates of each layer
    #[arg(long, default_value = "6x8000")]
    layers: Layers,
    /// Input bits
    #[arg(long, default_value_t = 784)]
    inputs: usize,
    /// Samples a step
    #[arg(long, default_value_t = 128)]
    batch: u32,
    /// Inputs a gate
    #[arg(long, default_value_t = 2)]
    arity: usize,
    /// How gates are selected and differentiated
    #[arg(long, value_enum, default_value = "hard-st")]
    method: Method,
    /// How logits become tables
    #[arg(long, value_enum, default_value = "iwp")]
    parametrization: Parametrization,
    /// Where logits start; gaussian gates depend on both inputs, residual ones mostly on one, which is faster
    #[arg(long, value_enum, default_value = "gaussian")]
    init: Initialization,
    /// How gradient planes are stored
    #[arg(long, value_enum)]
    gradients: Option<GradientFormat>,
    /// Timed rounds, each of several steps in one submission
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// Steps a round
    #[arg(long, default_value_t = 5)]
    steps: u32,
    /// Stream the samples, as if they did not fit the device, instead of keeping them there
    #[arg(long)]
    streamed: bool,
    #[command(flatten)]
    place: Where,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Print the minimum and the median over the rounds.
pub fn run(args: Args) -> Result<()> {
    if args.inputs < 2 || args.inputs > 1 << 22 || args.rounds == 0 || args.steps == 0 {
        return Err(Error::usage("--inputs takes 2 to 2^22, --rounds and --steps at least 1"));
    }
    let said = Overrides {
        layers: Some(args.layers),
        thresholds: Some(1),
        rare: Some(0.0),
        batch: Some(args.batch),
        method: Some(args.method),
        parametrization: Some(args.parametrization),
        arity: Some(args.arity),
        init: Some(args.init),
        gradients: args.gradients,
        // Random bits are no pictures, and gates are what is timed.
        shift: Some(0),
        wiring: Some(Wiring::Unique),
        learn_wiring: Some(LearnedLayers::None),
        ..Overrides::default()
    };
    let settings = said.resolve(None)?;
    settings.check_classes(CLASSES)?;
    let device = super::open_device(&args.place, &settings)?;
    let data = random_bits(args.inputs, args.batch);
    let mut trainer = match (&device, args.streamed) {
        (Device::Gpu(gpu), true) => {
            let tuning = Tuning { most_resident_bytes: 0, ..Tuning::for_adapter(&gpu.adapter) };
            Learner::Gpu(Box::new(Trainer::tuned(gpu, &settings, &data, tuning)?))
        }
        (Device::Cpu(_), true) => {
            return Err(Error::usage("the CPU takes samples from memory as they are; leave out --streamed"));
        }
        _ => Learner::new(&device, &settings, &data)?,
    };
    let (min, median) = time_steps(&mut trainer, args.rounds, args.steps)?;
    let layers = settings.layer_gates();
    let gates: usize = layers.iter().sum();
    let peak = trainer.bytes();
    let copy = trainer.bandwidth()?.copy;
    let bytes = trainer.least_bytes();
    let rate = bytes.map(|bytes| bytes as f64 / (min * 1e-3));
    let report = serde_json::json!({
        "adapter": device.name(),
        "backend": device.backend(),
        "driver": device.driver(),
        "layers": layers,
        "inputs": args.inputs,
        "batch": args.batch,
        "arity": args.arity,
        "method": settings.method,
        "parametrization": settings.parametrization,
        "init": settings.start.initialization,
        "gradients": settings.gradients,
        "step_ms_min": min,
        "step_ms_median": median,
        "gate_samples_per_s": gates as f64 * f64::from(args.batch) / (min * 1e-3),
        "bytes_min": bytes,
        "gb_per_s": rate.map(|r| r * 1e-9),
        "copy_gb_per_s": copy * 1e-9,
        "share_of_copy": rate.map(|r| r / copy),
        "peak_gpu_bytes": peak,
    });
    if args.json {
        println!("{report}");
    } else {
        println!("{} ({}; {})", device.name(), device.backend(), device.driver());
        println!("{gates} gates in {} layers, {} inputs, batch {}", layers.len(), args.inputs, args.batch);
        println!(
            "step: minimum {min:.3} ms, median {median:.3} ms over {} rounds of {} steps",
            args.rounds, args.steps
        );
        println!(
            "{:.3e} gate·samples/s, {:.1} MiB to train in",
            gates as f64 * f64::from(args.batch) / (min * 1e-3),
            peak as f64 / 1048576.0
        );
        if let (Some(bytes), Some(rate)) = (bytes, rate) {
            println!(
                "a step moves {:.2} MB at least: {:.3} GB/s, {:.1} % of the {:.2} GB/s of a copy",
                bytes as f64 * 1e-6,
                rate * 1e-9,
                rate / copy * 100.0,
                copy * 1e-9
            );
        }
    }
    Ok(())
}

/// Least and median milliseconds of a step, over `rounds` submissions of `steps` each, after a first one of two.
pub(super) fn time_steps(trainer: &mut Learner, rounds: u32, steps: u32) -> Result<(f64, f64)> {
    trainer.submit(2)?;
    trainer.finish()?;
    let mut times = Vec::new();
    for _ in 0..rounds {
        let start = Instant::now();
        trainer.submit(steps)?;
        trainer.finish()?;
        times.push(start.elapsed().as_secs_f64() * 1e3 / f64::from(steps));
    }
    times.sort_by(f64::total_cmp);
    Ok((times[0], times[times.len() / 2]))
}

/// Classes of the random samples.
pub(super) const CLASSES: usize = 10;

/// Enough samples for some steps, each byte 0 or 255.
pub(super) fn random_bits(inputs: usize, batch: u32) -> Dataset {
    let mut rng = Philox::new(1, 0);
    let samples = (batch as usize * 2).max(64);
    let pixels = (0..samples * inputs).map(|_| if rng.next_u32() & 1 == 1 { 255 } else { 0 }).collect();
    let labels = (0..samples).map(|_| rng.below(CLASSES as u32) as u8).collect();
    Dataset {
        name: "random bits".into(),
        classes: (0..CLASSES).map(|c| c.to_string()).collect(),
        image: ImageShape { channels: 1, height: 1, width: inputs },
        table: None,
        head: Head::Classes,
        ranges: Vec::new(),
        notes: Vec::new(),
        train: Split { pixels, labels, targets: Vec::new() },
        test: Split::default(),
    }
}
