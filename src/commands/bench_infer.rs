//! `gatewright bench infer`: how fast an engine runs a random circuit.

use std::time::Instant;

use serde_json::json;

use super::EngineKind;
use crate::circuit::{Engine, Netlist, Simd};
use crate::data::Encoder;
use crate::data::{Head, ImageShape};
use crate::gpu::{Gpu, GpuEngine};
use crate::network::{Draw, Initialization, Layer, Model, Parametrization, Wiring};
use crate::random::Philox;
use crate::settings::Layers;
use crate::{Error, Result};

/// Time an engine on a random dense circuit in which nothing is simplified away.
///
/// Samples go in as bytes of 0 or 1 and class counts come out. On the CPU every round times three things in turn: bytes
/// to counts, bits packed before to counts, bytes to bits. On a GPU it times bytes to counts, transfers included.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Gates of each layer, as DEPTHxWIDTH or a list: 3x2000, 2x2000,1000.
    #[arg(long, default_value = "3x2000")]
    layers: Layers,
    /// Input bits, a byte each.
    #[arg(long, default_value_t = 784, value_parser = clap::value_parser!(u32).range(1..=1 << 24))]
    inputs: u32,
    /// Inputs a gate.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=6))]
    arity: u8,
    /// Classes that the last layer votes for; they must divide its gates.
    #[arg(long, default_value_t = 10)]
    classes: usize,
    /// Samples a round.
    #[arg(long, default_value_t = 12_800, value_parser = clap::value_parser!(u32).range(1..))]
    samples: u32,
    /// Rounds; the least and the median time are told.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Where the circuit runs.
    #[arg(long, value_enum, default_value = "cpu")]
    engine: EngineKind,
    /// Adapter of --engine gpu, by number or name.
    #[arg(long)]
    adapter: Option<String>,
    /// Threads, 0 for one a core.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Vector instructions; by default the widest that this machine has.
    #[arg(long, value_enum, default_value_t = Instructions::Best)]
    simd: Instructions,
    /// Seed of the circuit and the samples.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print one JSON object instead of a table.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Instructions {
    Best,
    Avx512,
    Avx2,
    Portable,
}

/// Least and median seconds of one kind of run.
struct Times {
    least: f64,
    median: f64,
}

/// Run the benchmark and print what it found.
pub fn run(args: Args) -> Result<()> {
    args.engine.check_adapter(&args.adapter)?;
    let netlist = random_model(&args)?.netlist().map_err(Error::Run)?;
    match args.engine {
        EngineKind::Cpu => run_cpu(&args, &netlist),
        EngineKind::Gpu => run_gpu(&args, &netlist),
    }
}

/// `[sample][input]` bytes of 0 or 1.
fn random_bytes(args: &Args) -> Vec<u8> {
    let mut rng = Philox::new(args.seed, u32::MAX);
    (0..args.samples as usize * args.inputs as usize).map(|_| (rng.next_u32() >> 31) as u8).collect()
}

fn run_gpu(args: &Args, netlist: &Netlist) -> Result<()> {
    if args.threads != 1 || args.simd != Instructions::Best {
        return Err(Error::usage("--threads and --simd are for --engine cpu"));
    }
    let gpu = Gpu::open(args.adapter.as_deref())?;
    let started = Instant::now();
    let engine = GpuEngine::new(&gpu, netlist)?;
    let schedule_ms = started.elapsed().as_secs_f64() * 1e3;
    let bytes = random_bytes(args);
    let mut sink = engine.counts(&bytes)?[0];
    let mut whole = Vec::new();
    for _ in 0..args.rounds {
        let started = Instant::now();
        sink ^= engine.counts(&bytes)?[0];
        whole.push(started.elapsed().as_secs_f64());
    }
    let whole = Times::of(whole);
    let samples = args.samples as usize;
    let ns = |seconds: f64| seconds / samples as f64 * 1e9;
    let rate = engine.gates() as f64 * samples as f64 / whole.least;
    if args.json {
        let report = json!({
            "engine": "gpu",
            "adapter": gpu.adapter.name,
            "backend": gpu.adapter.backend,
            "adapter_kind": gpu.adapter.kind,
            "layers": args.layers.dense,
            "arity": args.arity,
            "inputs": args.inputs,
            "samples": samples,
            "samples_a_batch": engine.batch(),
            "rounds": args.rounds,
            "gates_evaluated": engine.gates(),
            "schedule_ms": round(schedule_ms),
            "ns_per_sample": round(ns(whole.least)),
            "ns_per_sample_median": round(ns(whole.median)),
            "gate_samples_per_s": rate.round(),
            "peak_bytes": gpu.allocated_bytes(),
            "checksum": sink,
        });
        println!("{report}");
        return Ok(());
    }
    println!(
        "{} gates of {} inputs in {} layers, {} input bits, {} ({})",
        engine.gates(),
        args.arity,
        args.layers.dense.len(),
        args.inputs,
        gpu.adapter.name,
        gpu.adapter.kind
    );
    let mib = gpu.allocated_bytes() as f64 / f64::from(1 << 20);
    println!("laid out in {schedule_ms:.1} ms, {mib:.1} MiB on the device, {} samples a batch", engine.batch());
    let (least, median) = (ns(whole.least), ns(whole.median));
    println!("bytes to counts: {least:.1} ns a sample at least, {median:.1} in the median, {rate:.3e} gate samples/s");
    Ok(())
}

fn run_cpu(args: &Args, netlist: &Netlist) -> Result<()> {
    let simd = choose(args.simd)?;
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(args.threads)
        .build()
        .map_err(|e| Error::Run(format!("cannot start {} threads: {e}", args.threads)))?;
    let started = Instant::now();
    let engine = Engine::with_simd(netlist, simd);
    let schedule_ms = started.elapsed().as_secs_f64() * 1e3;

    let samples = args.samples as usize;
    let bytes = random_bytes(args);
    let packed = engine.encode(&bytes);
    let mut counts = vec![0; samples * engine.classes()];
    let mut sink = 0;
    let (mut whole, mut evaluate, mut encode) = (Vec::new(), Vec::new(), Vec::new());
    let threads = pool.current_num_threads();
    pool.install(|| {
        for _ in 0..args.rounds {
            whole.push(seconds(|| engine.counts_into(&bytes, &mut counts, threads > 1)));
            sink ^= counts[0];
            evaluate.push(seconds(|| engine.counts_packed(&packed, &mut counts, threads > 1)));
            sink ^= counts[0];
            encode.push(seconds(|| sink ^= engine.encode(&bytes).samples() as u32));
        }
    });
    let copy = second_level_copy();
    let (whole, evaluate, encode) = (Times::of(whole), Times::of(evaluate), Times::of(encode));
    let ns = |seconds: f64| seconds / samples as f64 * 1e9;
    let rate = |seconds: f64| engine.gates() as f64 * samples as f64 / seconds;
    let moved = engine.bytes_moved() as f64;
    let share = moved / (ns(evaluate.least) * 1e-9) / copy;
    if args.json {
        let report = json!({
            "engine": "cpu",
            "simd": simd.name(),
            "threads": threads,
            "layers": args.layers.dense,
            "arity": args.arity,
            "inputs": args.inputs,
            "samples": samples,
            "rounds": args.rounds,
            "gates_evaluated": engine.gates(),
            "schedule_ms": round(schedule_ms),
            "ns_per_sample": round(ns(whole.least)),
            "ns_per_sample_median": round(ns(whole.median)),
            "gate_samples_per_s": rate(whole.least).round(),
            "ns_per_sample_packed": round(ns(evaluate.least)),
            "ns_per_sample_packed_median": round(ns(evaluate.median)),
            "gate_samples_per_s_packed": rate(evaluate.least).round(),
            "ns_per_sample_encode": round(ns(encode.least)),
            "ns_per_sample_encode_median": round(ns(encode.median)),
            "working_set_bytes": engine.working_set(),
            "bytes_moved_per_sample": round(moved),
            "l2_copy_bytes_per_s": copy.round(),
            "share_of_l2_copy": round(share),
            "checksum": sink,
        });
        println!("{report}");
        return Ok(());
    }
    println!(
        "{} gates of {} inputs in {} layers, {} input bits, {threads} thread(s), {}",
        engine.gates(),
        args.arity,
        args.layers.dense.len(),
        args.inputs,
        simd.name()
    );
    println!("laid out in {schedule_ms:.1} ms, {:.0} KiB of working memory", engine.working_set() as f64 / 1024.0);
    println!("{:<28}{:>12}{:>12}{:>20}", "", "least ns", "median ns", "gate samples/s");
    for (name, times) in [("bytes to counts", &whole), ("packed bits to counts", &evaluate)] {
        let (least, median) = (ns(times.least), ns(times.median));
        println!("{name:<28}{least:>12.1}{median:>12.1}{:>20.3e}", rate(times.least));
    }
    println!("{:<28}{:>12.1}{:>12.1}", "bytes to bits", ns(encode.least), ns(encode.median));
    println!("{moved:.0} bytes moved a sample: {:.0} % of a copy within the second-level cache", share * 100.0);
    Ok(())
}

fn random_model(args: &Args) -> Result<Model> {
    let widths = &args.layers.dense;
    if !args.layers.convolutions.is_empty() {
        return Err(Error::usage("random circuits are dense; leave convolutions out of --layers"));
    }
    let (inputs, arity) = (args.inputs as usize, args.arity as usize);
    let (last, before) = widths.split_last().ok_or_else(|| Error::usage("--layers takes one layer or more"))?;
    if args.classes == 0 || last % args.classes != 0 {
        return Err(Error::usage(format!("--classes {} does not divide the last layer's {last} gates", args.classes)));
    }
    if before.iter().chain([&inputs]).any(|&rows| rows < arity) {
        return Err(Error::usage(format!("gates of {arity} inputs need as many inputs and gates a layer")));
    }
    let draw = Draw {
        wiring: Wiring::Unique,
        parametrization: Parametrization::IwpSin,
        start: Initialization::Gaussian.into(),
        seed: args.seed,
    };
    let layers = widths.iter().enumerate();
    let layers =
        layers.map(|(l, &gates)| Layer::draw(l, if l == 0 { inputs } else { widths[l - 1] }, gates, arity, draw));
    Ok(Model {
        dataset: "a random circuit".into(),
        image: ImageShape { channels: 1, height: 1, width: inputs },
        table: None,
        head: Head::Classes,
        classes: (0..args.classes).map(|c| c.to_string()).collect(),
        tau: 1.0,
        encoder: Encoder { pixel: (0..args.inputs).collect(), threshold: vec![0; inputs] },
        layers: layers.collect(),
    })
}

fn choose(instructions: Instructions) -> Result<Simd> {
    let available = Simd::available();
    let wanted = match instructions {
        Instructions::Best => return Ok(available[0]),
        Instructions::Avx512 => "avx512",
        Instructions::Avx2 => "avx2",
        Instructions::Portable => "portable",
    };
    let found = available.into_iter().find(|simd| simd.name() == wanted);
    found.ok_or_else(|| Error::usage(format!("this machine does not have {wanted}")))
}

/// Bytes read and written per second by copying 256 KiB to and fro, which fits a second-level cache and no first-level
/// one: the best of many.
fn second_level_copy() -> f64 {
    const BYTES: usize = 256 << 10;
    let (mut a, mut b) = (vec![1u8; BYTES], vec![2u8; BYTES]);
    let best = (0..2000).map(|_| {
        seconds(|| {
            b.copy_from_slice(std::hint::black_box(&a));
            a.copy_from_slice(std::hint::black_box(&b));
        })
    });
    4.0 * BYTES as f64 / best.fold(f64::INFINITY, f64::min)
}

fn seconds(mut work: impl FnMut()) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_secs_f64()
}

impl Times {
    fn of(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        Times { least: seconds[0], median: seconds[seconds.len() / 2] }
    }
}

fn round(x: f64) -> f64 {
    (x * 1e3).round() / 1e3
}
