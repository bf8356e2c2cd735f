//! Profiling: clocks, the bytes that passes move, what `bench step`, `profile` and `train --profile` tell.

mod device;

use std::process::Command;
use std::sync::Arc;

use device::devices;
use gatewright::data::{Dataset, Head, ImageShape, Split};
use gatewright::gpu::{Clock, Gpu};
use gatewright::network::Parametrization;
use gatewright::plan::{CageScope, GradientFormat};
use gatewright::random::Philox;
use gatewright::settings::{Cage, InputKind, Method, Settings};
use gatewright::train::{Bandwidth, Evaluator, Trainer};
use serde_json::Value;

/// 64 random images of 6 × 6 bytes in 4 classes.
fn noise() -> Dataset {
    let mut rng = Philox::new(5, 0);
    let pixels = (0..64 * 36).map(|_| rng.below(256) as u8).collect();
    let labels = (0..64).map(|_| rng.below(4) as u8).collect();
    Dataset {
        name: "noise".into(),
        classes: (0..4).map(|c| c.to_string()).collect(),
        image: ImageShape { channels: 1, height: 6, width: 6 },
        table: None,
        head: Head::Classes,
        ranges: Vec::new(),
        notes: Vec::new(),
        train: Split { pixels, labels, targets: Vec::new() },
        test: Split::default(),
    }
}

fn settings() -> Settings {
    Settings { layers: vec![80, 60, 40], batch: 40, rare: 0.0, ..Settings::deep() }
}

/// What `gatewright` prints as JSON.
fn told(args: &[&str]) -> Value {
    let out = Command::new(env!("CARGO_BIN_EXE_gatewright")).args(args).output().unwrap();
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[test]
fn every_clock_times_every_pass_and_changes_nothing() {
    let gpu = Gpu::open(None).unwrap();
    let logits = |clock: Option<Clock>| {
        let mut trainer = Trainer::new(&gpu, &settings(), &noise()).unwrap();
        for _ in 0..3 {
            let Some(clock) = clock else {
                trainer.submit(1).unwrap();
                continue;
            };
            let spans = trainer.timed_step(clock).unwrap();
            assert_eq!(spans.len(), trainer.passes().len());
            assert!(spans.iter().all(|s| s.seconds >= 0.0 && s.start >= 0.0), "{clock:?}: {spans:?}");
            assert!(spans.is_sorted_by(|a, b| a.start <= b.start), "{clock:?}: {spans:?}");
            assert!(spans.iter().map(|s| s.seconds).sum::<f64>() > 0.0, "{clock:?}");
        }
        assert_eq!(trainer.steps(), 3);
        trainer.download().unwrap().layers.iter().map(|l| l.logits.clone()).collect::<Vec<_>>()
    };
    let untimed = logits(None);
    let features = gpu.device.features();
    let has = |clock| match clock {
        Clock::InsidePasses => features.contains(wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES),
        Clock::PassBoundaries => features.contains(wgpu::Features::TIMESTAMP_QUERY),
        Clock::Host => true,
    };
    for clock in [Clock::InsidePasses, Clock::PassBoundaries, Clock::Host].into_iter().filter(|&c| has(c)) {
        assert_eq!(logits(Some(clock)), untimed, "{clock:?}");
    }
    assert_eq!(Clock::best(&Gpu::open_plain().unwrap()), Clock::Host);
}

/// The methods' paths: real activations of bits and of pixels, gates of three inputs, CAGE by layer and by gate.
fn paths() -> [Settings; 4] {
    let scoped = |scope| Some(Cage { scope, ..Cage::default() });
    let base = settings();
    let soft = Settings { method: Method::SoftGumbel, cage: None, gradients: GradientFormat::F32, ..base.clone() };
    [
        Settings { gradients: GradientFormat::Bf16, arity: 3, ..soft.clone() },
        Settings { input_kind: InputKind::Soft, thresholds: 1, ..soft },
        Settings { method: Method::GumbelSt, cage: scoped(CageScope::Gate), arity: 6, ..base.clone() },
        Settings { cage: scoped(CageScope::Layer), parametrization: Parametrization::Op, ..base },
    ]
}

#[test]
fn every_pass_of_a_step_has_least_bytes() {
    for gpu in &devices() {
        for gradients in [GradientFormat::Int8, GradientFormat::Bf16] {
            for shift in [0, 1] {
                let settings = Settings { gradients, shift, ..settings() };
                let trainer = Trainer::new(gpu, &settings, &noise()).unwrap();
                assert_least_bytes(&trainer);
            }
        }
        for settings in paths() {
            assert_least_bytes(&Trainer::new(gpu, &settings, &noise()).unwrap());
        }
    }
}

fn assert_least_bytes(trainer: &Trainer) {
    for pass in trainer.passes() {
        assert!(pass.least_bytes.is_some_and(|b| b > 0), "{}", pass.label());
    }
}

#[test]
fn what_is_planned_is_what_is_allocated() {
    for settings in paths() {
        assert_planned(&Gpu::open(None).unwrap(), &settings);
    }
    for (layers, shift, gradients) in [
        (vec![80, 60, 40], 0, GradientFormat::Int8),
        (vec![40], 1, GradientFormat::Int16),
        (vec![40, 400, 80, 120, 40], 1, GradientFormat::F32),
    ] {
        let rotate = f64::from(shift) * 10.0;
        let settings = Settings { layers: layers.clone(), shift, rotate, gradients, ..settings() };
        let cut = Settings { batch: 100, micro_batch: Some(64), ..settings.clone() };
        for settings in [settings, cut] {
            devices().iter().for_each(|gpu| assert_planned(gpu, &settings));
        }
    }
}

fn assert_planned(gpu: &Arc<Gpu>, settings: &Settings) {
    let data = noise();
    let trainer = Trainer::new(gpu, settings, &data).unwrap();
    assert_eq!(trainer.plan().by_name(), gpu.allocations(), "{settings:?}");
    assert_eq!(trainer.plan().bytes(), gpu.allocated_bytes(), "{settings:?}");
    let evaluator = Evaluator::new(&trainer, &data.train).unwrap();
    let both = trainer.plan().bytes() + evaluator.plan().bytes();
    assert_eq!(gpu.allocated_bytes(), both, "{settings:?}");
    drop(evaluator);
    assert_eq!(gpu.allocated_bytes(), trainer.plan().bytes(), "an evaluator's memory is given back");
    drop(trainer);
    assert_eq!((gpu.allocated_bytes(), gpu.peak_bytes() >= both), (0, true));
}

#[test]
fn too_large_a_batch_is_refused_before_anything_is_allocated() {
    let gpu = Gpu::open_plain().unwrap();
    // A plane of 1,024,000 gates is 131,072,000 bytes at batch 128, and 128 MiB are bound at most.
    let settings = Settings { layers: vec![1_024_000; 3], batch: 200, micro_batch: Some(224), ..settings() };
    let refused = Trainer::new(&gpu, &settings, &noise()).err().unwrap();
    assert!(refused.to_string().contains("--micro-batch 128 is the largest that fits"), "{refused}");
    assert_eq!((refused.exit_code(), gpu.allocated_bytes()), (2, 0));
}

#[test]
fn bandwidth_is_measured_and_its_memory_given_back() {
    for gpu in &devices() {
        let before = gpu.allocated_bytes();
        let bandwidth = Bandwidth::measure(gpu, Clock::best(gpu)).unwrap();
        assert!(bandwidth.copy.is_finite() && bandwidth.copy > 1e6, "{bandwidth:?}");
        assert!(bandwidth.dispatch.is_finite() && bandwidth.dispatch >= 0.0, "{bandwidth:?}");
        assert_eq!(gpu.allocated_bytes(), before);
    }
}

#[test]
fn bench_step_tells_the_share_of_a_copy() {
    let shape = ["--layers", "2x500", "--inputs", "50", "--batch", "33", "--rounds", "2", "--json"];
    let args = [&["bench", "step", "--adapter", "0"][..], &shape].concat();
    let report = told(&args);
    let rate = number(&report["bytes_min"]) / number(&report["step_ms_min"]) * 1e-6;
    assert!((number(&report["gb_per_s"]) / rate - 1.0).abs() < 1e-9, "{report}");
    let share = number(&report["gb_per_s"]) / number(&report["copy_gb_per_s"]);
    assert!((number(&report["share_of_copy"]) / share - 1.0).abs() < 1e-9, "{report}");
}

#[test]
fn profile_accounts_for_the_whole_step_and_leaves_a_trace() {
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace.json");
    let path = trace.to_str().unwrap();
    let report = told(&[
        "profile",
        "--adapter",
        "0",
        "--layers",
        "60,40,50",
        "--learn-wiring",
        "none",
        "--shift",
        "0",
        "--batch",
        "64",
        "--rounds",
        "3",
        "--json",
        "--trace",
        path,
    ]);
    let sum =
        |rows: &str, what: &str| -> f64 { report[rows].as_array().unwrap().iter().map(|row| number(&row[what])).sum() };
    for rows in ["kernels", "passes"] {
        assert!((sum(rows, "share") - 1.0).abs() < 1e-9, "{report}");
        assert_eq!(sum(rows, "calls"), number(&report["step"]["calls"]));
        assert_eq!(sum(rows, "bytes_min"), number(&report["step"]["bytes_min"]));
    }
    assert_eq!(number(&report["timed_steps"]), 3.0);
    assert!(["gpu", "dispatch", "host"].contains(&report["bound"].as_str().unwrap()), "{report}");
    assert!(number(&report["host_us_per_step"]) > 0.0 && number(&report["copy_bytes_per_s"]) > 0.0);
    assert_eq!(report["memory"]["planned"], report["memory"]["allocated"]);
    // Three layers: forward and backward each; advance, encode, votes, loss, update once.
    assert_eq!(number(&report["step"]["calls"]), 11.0);

    let trace: Value = serde_json::from_slice(&std::fs::read(&trace).unwrap()).unwrap();
    let events = trace["traceEvents"].as_array().unwrap();
    let complete: Vec<_> = events.iter().filter(|e| e["ph"] == "X").collect();
    assert_eq!(complete.len(), 3 * (11 + 1));
    assert!(complete.iter().all(|e| number(&e["ts"]) >= 0.0 && number(&e["dur"]) >= 0.0 && e["tid"].is_u64()));
}

#[test]
fn a_profiled_run_is_the_same_run() {
    let folder = tempfile::tempdir().unwrap();
    let train = |name: &str, more: &[&str]| {
        let out = folder.path().join(name);
        let place = out.to_str().unwrap();
        let args = [
            "train",
            "--adapter",
            "0",
            "--layers",
            "60,40",
            "--steps",
            "250",
            "--eval-every",
            "125",
            "--json",
            "--out",
            place,
        ];
        let summary = told(&[&args, more].concat());
        (summary, std::fs::read(out.join("model.safetensors")).unwrap(), out)
    };
    let (_, model, plain) = train("plain", &[]);
    let (summary, profiled_model, profiled) = train("profiled", &["--profile"]);
    assert!(model == profiled_model, "timing steps changed the model");
    // Steps 50 and 150.
    assert_eq!(summary["profiled_steps"], 2);
    let overhead = number(&summary["profile_overhead"]);
    assert!((0.0..1.0).contains(&overhead), "{overhead}");
    let report: Value = serde_json::from_slice(&std::fs::read(profiled.join("profile.json")).unwrap()).unwrap();
    assert_eq!(report["timed_steps"], 2);
    assert!(number(&report["host_us_per_step"]) > 0.0, "{report}");
    assert!(profiled.join("trace.json").is_file() && !plain.join("trace.json").exists());
}

#[test]
fn bench_scale_leaves_a_table_and_a_drawing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("scale");
    let sizes = ["--widths", "50,100", "--depths", "1,2", "--batches", "40", "--width", "30", "--depth", "3"];
    let ran = Command::new(env!("CARGO_BIN_EXE_gatewright"))
        .args([
            "bench",
            "scale",
            "--adapter",
            "0",
            "--inputs",
            "20",
            "--rounds",
            "2",
            "--batch",
            "64",
            "--out",
            out.to_str().unwrap(),
        ])
        .args(sizes)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let csv = std::fs::read_to_string(out.join("scale.csv")).unwrap();
    let rows: Vec<Vec<&str>> = csv.lines().skip(1).map(|line| line.split(',').collect()).collect();
    let configurations: Vec<String> = rows.iter().map(|row| row[..4].join(" ")).collect();
    assert_eq!(configurations, ["width 50 3 64", "width 100 3 64", "depth 30 1 64", "depth 30 2 64", "batch 30 3 40"]);
    for row in &rows {
        let [width, depth, batch, ms, _, rate]: [f64; 6] = std::array::from_fn(|i| row[i + 1].parse().unwrap());
        assert!((rate / (width * depth * batch / ms * 1e3) - 1.0).abs() < 0.01, "{row:?}");
        assert!(row[7].parse::<u64>().unwrap() > 0 && row[8].parse::<u64>().unwrap() > 0, "{row:?}");
    }
    image::open(out.join("scale.png")).unwrap();
}
