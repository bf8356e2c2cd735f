//! Runs that are stopped, killed, starved of disk or robbed of their device, and go on to the same bytes.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use gatewright::Error;
use gatewright::data::{Dataset, Head, ImageShape, Split};
use gatewright::gpu::Gpu;
use gatewright::network::{Model, Parametrization};
use gatewright::plan::{CageScope, GradientFormat};
use gatewright::random::Philox;
use gatewright::run::{Beginning, Cadence, Checkpoint, Cpu, Device, Metrics, Options, Place, Reporter, Where};
use gatewright::settings::{
    Cage, ConvolutionsFrom, FrozenLayers, LearnedLayers, Method, Preset, Schedule, Select, Settings,
};
use gatewright::train::Trainer;

const STEPS: u32 = 600;

fn gatewright(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gatewright")).args(args).output().unwrap()
}

/// A small real run on MNIST: constant rate, so that it may be extended.
fn begin<'a>(out: &'a Path, steps: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["train", "--adapter", "0", "--layers", "200,100", "--eval-every", "150", "--batch", "40"];
    args.extend(["--schedule", "constant", "--steps", steps, "--out", out.to_str().unwrap()]);
    args.extend(more);
    args
}

fn resume<'a>(place: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["train", "--adapter", "0", "--resume", place.to_str().unwrap()];
    args.extend(more);
    args
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[track_caller]
fn assert_done(output: &Output) {
    assert!(output.status.success(), "{}", stderr(output));
}

fn model(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("model.safetensors")).unwrap()
}

/// What an evaluation tells of the network, leaving out times.
fn evaluations(run: &Path) -> Vec<Metrics> {
    let lines = std::fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    lines
        .lines()
        .map(|line| Metrics { seconds: 0.0, samples_per_second: 0.0, ..serde_json::from_str(line).unwrap() })
        .collect()
}

fn checkpoints(run: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> =
        std::fs::read_dir(run.join("checkpoints")).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found
}

/// Every file of the run folder, none half written.
#[track_caller]
fn assert_tidy(run: &Path) {
    let mut names: Vec<String> =
        std::fs::read_dir(run).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let expected =
        ["checkpoints", "config.toml", "curves.png", "metrics.jsonl", "model.safetensors", "run.lock", "summary.json"];
    assert_eq!(names, expected);
    for path in checkpoints(run) {
        Checkpoint::load(&path).unwrap();
    }
}

fn spawn(args: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_gatewright"))
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Wait until a line of the run's stderr holds `text`, then keep reading in the background; returns all that it says.
fn wait_for(child: &mut Child, text: &str) -> std::thread::JoinHandle<String> {
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let mut said = String::new();
    for line in lines.by_ref() {
        said.push_str(&line);
        said.push('\n');
        if line.contains(text) {
            return std::thread::spawn(move || said + &lines.collect::<Vec<_>>().join("\n"));
        }
    }
    panic!("the run ended without saying `{text}`:\n{said}");
}

#[cfg(unix)]
fn signal(child: &Child, name: &str) {
    assert!(Command::new("kill").args([name, &child.id().to_string()]).status().unwrap().success());
}

/// A run killed at random moments, then resumed until it ends; the folder and the model are those of a run left alone.
#[test]
fn a_run_killed_at_random_moments_ends_in_the_same_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, killed) = (dir.path().join("whole"), dir.path().join("killed"));
    let steps = STEPS.to_string();
    assert_done(&gatewright(&begin(&whole, &steps, &[])));
    // Seeded by the clock: each run of the test tries other moments.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    let mut rng = Philox::new(now.as_nanos() as u64, 0);
    for kill in 0..6 {
        let args = if killed.join("config.toml").exists() {
            resume(&killed, &["--checkpoint-minutes", "0.001"])
        } else {
            begin(&killed, &steps, &["--checkpoint-minutes", "0.001"])
        };
        let mut child = spawn(&args);
        std::thread::sleep(Duration::from_millis(300 + u64::from(rng.below(1500))));
        child.kill().unwrap();
        let status = child.wait().unwrap();
        println!("kill {kill}: {status}");
    }
    let args = if killed.join("config.toml").exists() { resume(&killed, &[]) } else { begin(&killed, &steps, &[]) };
    assert_done(&gatewright(&args));
    assert_eq!(model(&whole), model(&killed));
    assert_eq!(evaluations(&whole), evaluations(&killed));
    assert_tidy(&killed);
}

#[cfg(unix)]
#[test]
fn a_stopped_run_leaves_a_checkpoint_and_another_process_out() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, stopped) = (dir.path().join("whole"), dir.path().join("stopped"));
    assert_done(&gatewright(&begin(&whole, "600", &[])));
    // Long enough that it cannot end before it is stopped.
    let mut child = spawn(&begin(&stopped, "1000000", &[]));
    let said = wait_for(&mut child, "step    150");
    let second = gatewright(&resume(&stopped, &[]));
    assert_eq!(second.status.code(), Some(2));
    assert!(stderr(&second).contains("another process is training in this folder"), "{}", stderr(&second));
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let said = said.join().unwrap();
    assert!(said.contains("stopped after step") && said.contains("train --resume"), "{said}");
    // Mesa's drivers may complain of the environment.
    let errors = said.lines().filter(|line| line.contains("error:") && !line.contains("XDG_RUNTIME_DIR"));
    assert_eq!(errors.count(), 0, "{said}");

    let at = Checkpoint::load(checkpoints(&stopped).last().unwrap()).unwrap().header.step;
    assert!(said.contains(&format!("stopped after step {at};")), "{said}");
    if at < 600 {
        let shortened = gatewright(&resume(&stopped, &["--steps", "600"]));
        assert_done(&shortened);
        assert_eq!(model(&whole), model(&stopped));
        assert_eq!(evaluations(&whole), evaluations(&stopped));
    }
}

/// A preset's convolutions are trained first, in a folder of the run's; a stop among them loses nothing.
#[cfg(unix)]
#[test]
fn a_run_stopped_in_its_convolutions_goes_on_there() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, first) = (dir.path().join("whole"), dir.path().join("whole/convolutions"));
    let network = "conv 64 5x5 depth 2 channels 1 pool 2; conv 256 3x3 pad 1 depth 2 channels 1 pool 2; \
                   conv 512 3x3 pad 1 depth 2 channels 1; 300 reads 1:2:3:4";
    let mut flags = vec!["train", "--adapter", "cpu", "--layers", network, "--freeze", "convolutions", "--steps", "20"];
    flags.extend(["--convolutions-from", "mnist-conv-quick", "--out", whole.to_str().unwrap()]);
    let mut child = spawn(&flags);
    let said = wait_for(&mut child, "this will take about");
    signal(&child, "-TERM");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let (said, resumed) = (said.join().unwrap(), format!("gatewright train --resume {}", whole.display()));
    assert!(said.contains("first its convolutions, by the preset mnist-conv-quick, in "), "{said}");
    assert!(said.contains("stopped in its convolutions; go on by: ") && said.contains(&resumed), "{said}");
    assert_eq!(checkpoints(&first).len(), 1);
    let runs = gatewright(&["runs", dir.path().to_str().unwrap()]);
    let runs = String::from_utf8_lossy(&runs.stdout).into_owned();
    assert!(runs.contains("of 20, not ended, in its convolutions: 0 of 6000"), "{runs}");
    let settings = std::fs::read_to_string(whole.join("config.toml")).unwrap();
    assert!(settings.contains("convolutions-from = \"mnist-conv-quick\""), "{settings}");

    let mut child = spawn(&["train", "--adapter", "cpu", "--resume", whole.to_str().unwrap()]);
    let said = wait_for(&mut child, "going on after step");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(said.join().unwrap().contains(&first.display().to_string()));

    // One of three or four steps, which sees no test sample either, stands for the end of the 6,000 that it takes.
    std::fs::remove_dir_all(&first).unwrap();
    let quick = ["train", "--adapter", "cpu", "--preset", "mnist-conv-quick", "--steps", "3", "--out"];
    let part = gatewright(&[&quick[..], &[first.to_str().unwrap()]].concat());
    let resumed = gatewright(&["train", "--adapter", "cpu", "--steps", "4", "--resume", first.to_str().unwrap()]);
    for part in [part, resumed] {
        assert_done(&part);
        assert!(stderr(&part).contains("no test sample is looked at"), "{}", stderr(&part));
        let told = String::from_utf8_lossy(&part.stdout).into_owned();
        assert!(told.contains("hard held-out accuracy") && told.contains("(3000 images;"), "{told}");
    }
    let resume = ["train", "--adapter", "cpu", "--resume", whole.to_str().unwrap()];
    let refused = gatewright(&[&resume[..], &["--seed", "7"]].concat());
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("were trained otherwise: seed was 0, now 7"), "{}", stderr(&refused));
    // What the first part took is a part of the whole's time, and none of what is ahead.
    let summary = std::fs::read_to_string(first.join("summary.json")).unwrap();
    let seconds = serde_json::from_str::<serde_json::Value>(&summary).unwrap()["seconds"].to_string();
    std::fs::write(first.join("summary.json"), summary.replacen(&seconds, "100000.5", 1)).unwrap();
    let done = gatewright(&resume);
    assert_done(&done);
    let estimate = stderr(&done).lines().find(|line| line.contains("this will take about")).unwrap().to_string();
    assert!(!estimate.contains("minutes"), "{estimate}");
    let [above, below] = [&whole, &first].map(|run| Model::load(&run.join("model.safetensors")).unwrap());
    assert!(above.layers.len() == 4 && above.layers[..3] == below.layers[..3]);
    let seconds = |run: &Path| {
        let summary = std::fs::read(run.join("summary.json")).unwrap();
        serde_json::from_slice::<serde_json::Value>(&summary).unwrap()["seconds"].as_f64().unwrap()
    };
    assert!(seconds(&whole) > seconds(&first), "the whole run's time has both parts");
}

/// Settings of a run that is to train the convolutions of a preset first, on images of 8 × 8 bytes, and the images.
fn toy_in_turns() -> (Settings, Dataset) {
    let preset = Preset::MnistConvQuick;
    let settings = Settings {
        convolutions: preset.settings().convolutions,
        layers: vec![100],
        freeze: FrozenLayers::Convolutions,
        convolutions_from: ConvolutionsFrom::Preset { preset, trained: None },
        learn_wiring: LearnedLayers::None,
        ..toy_settings()
    };
    settings.check().unwrap();
    let image = ImageShape { channels: 1, height: 8, width: 8 };
    let mut rng = Philox::new(3, 0);
    let mut split = |samples: usize| Split {
        pixels: (0..samples * image.pixels()).map(|_| rng.below(256) as u8).collect(),
        labels: (0..samples).map(|_| rng.below(5) as u8).collect(),
        targets: Vec::new(),
    };
    (settings, Dataset { image, train: split(100), test: split(20), ..toy() })
}

#[test]
fn what_cannot_be_judged_is_refused_before_anything_is_trained() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let (settings, data) = toy_in_turns();
    for change in [
        Settings { validation: 0.001, select: Select::Best, ..settings.clone() },
        Settings { validation: 0.001, patience: Some(2), select: Select::Best, ..settings },
    ] {
        let options = Options { place: Place::New(Some(out.clone())), ..Options::default() };
        let device = || Ok(Device::Cpu(Cpu::new(&Where::default())));
        let run = gatewright::run::run(&device, &change, data.clone(), &options, &mut Listener::default());
        let told = run.err().unwrap().to_string();
        assert!(told.contains("choose a greater --validation") && !out.exists(), "{told}");
    }
}

/// Refused in its first part by its data, its device, and its ranks: there is nothing in the way of the next try.
#[test]
fn a_run_that_is_refused_leaves_nothing_in_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let rows: String = (0..40).map(|i| format!("{i},{},{}\n", i * 7 % 11, i % 2)).collect();
    let (table, made) = (dir.path().join("rows.csv"), dir.path().join("made"));
    std::fs::write(&table, format!("a,b,kind\n{rows}")).unwrap();
    std::fs::create_dir(&made).unwrap();
    for (flags, told) in [
        (vec!["--data", table.to_str().unwrap(), "--adapter", "cpu"], "nothing to convolve"),
        (vec!["--adapter", "no such card"], "no such card"),
        (vec!["--adapter", "cpu,cpu,cpu,cpu,cpu"], "cannot be shared by 5 ranks"),
    ] {
        for out in [dir.path().join("new/run"), made.clone()] {
            let refused =
                gatewright(&[&["train", "--preset", "mnist", "--out", out.to_str().unwrap()], &flags[..]].concat());
            assert_eq!(refused.status.code(), Some(2), "{}", stderr(&refused));
            assert!(stderr(&refused).contains(told), "{}", stderr(&refused));
        }
        assert!(!dir.path().join("new").exists() && std::fs::read_dir(&made).unwrap().next().is_none());
    }
}

/// A stop that comes with the last step before an evaluation: what that tells of the step must not be lost.
#[test]
fn a_run_stopped_at_an_evaluation_tells_all_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { steps: 60, ..toy_settings() };
    let evaluations_of = |folder: &str, stop_at: Option<u32>| {
        let path = dir.path().join(folder);
        let stop = Arc::new(AtomicBool::new(false));
        let options = Options { place: Place::New(Some(path.clone())), stop: stop.clone(), ..Options::default() };
        let mut stopper = Stopper { stop, at: stop_at.unwrap_or(u32::MAX) };
        let run = |options: &Options, report: &mut dyn Reporter| {
            gatewright::run::run(&|| Gpu::open(None).map(Device::from), &settings, toy(), options, report)
        };
        let first = run(&options, &mut stopper);
        assert_eq!(first.is_err(), stop_at.is_some());
        if stop_at.is_some() {
            let options = Options { place: Place::Resume(path.clone()), ..Options::default() };
            run(&options, &mut Stopper { stop: Arc::default(), at: u32::MAX }).unwrap();
        }
        evaluations(&path)
    };
    let whole = evaluations_of("whole", None);
    assert_eq!(whole.len(), 2);
    assert!(whole.iter().all(|m| m.gradient_norms.iter().all(|&norm| norm > 0.0)));
    assert_eq!(whole, evaluations_of("stopped", Some(30)));
}

/// Asks for a stop once step `at` is submitted.
struct Stopper {
    stop: Arc<AtomicBool>,
    at: u32,
}

impl Reporter for Stopper {
    fn begin(&mut self, _: &Beginning) {}
    fn estimate(&mut self, _: f64) {}
    fn step(&mut self, step: u32) {
        self.stop.fetch_or(step >= self.at, Ordering::Relaxed);
    }
    fn evaluated(&mut self, _: &Metrics) {}
    fn warn(&mut self, _: &str) {}
}

#[test]
fn a_finished_run_may_be_extended_and_nothing_else_may_change() {
    let dir = tempfile::tempdir().unwrap();
    let (long, short) = (dir.path().join("long"), dir.path().join("short"));
    // Wires that learn freeze by the length of the run.
    let fixed = ["--learn-wiring", "none"];
    assert_done(&gatewright(&begin(&long, "400", &fixed)));
    assert_done(&gatewright(&begin(&short, "200", &[&fixed[..], &["--checkpoint-steps", "60"]].concat())));
    // Steps 60, 120 and 180, the evaluations at 150 and 200: the last two, and the best of these.
    assert!((2..=3).contains(&checkpoints(&short).len()), "{:?}", checkpoints(&short));
    let first = model(&short);

    let again = gatewright(&resume(&short, &["--json"]));
    assert_done(&again);
    let summary = std::fs::read_to_string(short.join("summary.json")).unwrap();
    assert_eq!(String::from_utf8_lossy(&again.stdout), summary, "a finished run is told of, not made again");
    for (more, told) in [
        (["--batch", "41"], "batch was 40, now 41"),
        (["--lr", "0.5"], "lr was 0.03, now 0.5"),
        (["--seed", "1"], "seed was 0, now 1"),
        (["--layers", "300,100"], "layers was 200,100, now 300,100"),
        (["--steps", "199"], "--steps may only grow"),
    ] {
        let refused = gatewright(&resume(&short, &more));
        assert_eq!(refused.status.code(), Some(2), "{more:?}: {}", stderr(&refused));
        assert!(stderr(&refused).contains(told), "{more:?}: {}", stderr(&refused));
        assert_eq!(model(&short), first);
    }
    assert_done(&gatewright(&resume(&short, &["--steps", "400", "--eval-every", "150"])));
    assert_eq!(model(&long), model(&short));
    // The short run looked at its own last step too.
    let steps = |run: &Path| evaluations(run).iter().map(|m| m.step).collect::<Vec<_>>();
    assert_eq!((steps(&long), steps(&short)), (vec![150, 300, 400], vec![150, 200, 300, 400]));
    assert_tidy(&short);
}

#[test]
fn a_damaged_checkpoint_is_refused_and_the_one_before_offered() {
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    assert_done(&gatewright(&begin(&run, "200", &["--validation", "0", "--checkpoint-steps", "60"])));
    let whole = model(&run);
    let [before, last] = &checkpoints(&run)[..] else { panic!("{:?}", checkpoints(&run)) };
    assert!(before.ends_with("step-0000000180.ckpt") && last.ends_with("step-0000000200.ckpt"));
    let bytes = std::fs::read(last).unwrap();
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 8;
    for damaged in [&bytes[..bytes.len() - 1], &bytes[..bytes.len() / 2], &bytes[..40], b"", b"MZ\0\0", &flipped] {
        std::fs::write(last, damaged).unwrap();
        let refused = gatewright(&resume(&run, &["--steps", "300"]));
        assert_eq!(refused.status.code(), Some(2));
        let told = stderr(&refused);
        assert!(told.contains(last.to_str().unwrap()), "{told}");
        assert!(told.contains(&format!("--resume {}", before.display())), "{told}");
    }
    std::fs::remove_file(run.join("summary.json")).unwrap();
    assert_done(&gatewright(&resume(before, &[])));
    assert_eq!(model(&run), whole);

    for path in checkpoints(&run) {
        std::fs::write(path, "").unwrap();
    }
    let refused = gatewright(&resume(&run, &["--steps", "300"]));
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("must begin anew"), "{}", stderr(&refused));
    let nothing = gatewright(&resume(dir.path(), &[]));
    assert_eq!(nothing.status.code(), Some(2));
}

/// Files may grow to 44 KiB, so that no checkpoint fits (its history alone takes 32 KiB) but a model does.
#[cfg(unix)]
#[test]
fn a_full_disk_costs_a_checkpoint_and_not_the_run() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, starved) = (dir.path().join("whole"), dir.path().join("starved"));
    assert_done(&gatewright(&begin(&whole, "300", &["--validation", "0"])));
    let mut child = spawn(&begin(&starved, "1000000", &["--validation", "0", "--checkpoint-steps", "40"]));
    let said = wait_for(&mut child, "step    150");
    signal(&child, "-KILL");
    child.wait().unwrap();
    drop(said);
    let before = checkpoints(&starved);
    let first = before.first().unwrap();
    let bytes = std::fs::read(first).unwrap();
    let limited = format!(
        "trap '' XFSZ; ulimit -f 88; exec '{}' train --adapter 0 --resume '{}' --steps 300 --checkpoint-steps 40",
        env!("CARGO_BIN_EXE_gatewright"),
        first.display()
    );
    let output = Command::new("sh").args(["-c", &limited]).output().unwrap();
    assert_done(&output);
    let told = stderr(&output);
    assert!(told.contains("warning: cannot write") && told.contains("training goes on"), "{told}");
    assert!(told.contains(&format!("{}, is whole", first.display())), "{told}");
    assert_eq!(std::fs::read(first).unwrap(), bytes);
    assert_eq!(checkpoints(&starved), before, "nothing is removed for what could not be written");
    assert_eq!(model(&whole), model(&starved));
}

#[test]
fn a_folder_that_cannot_be_written_is_told_before_training() {
    for out in ["/proc/self/run", "/dev/null/run"] {
        let output = gatewright(&begin(Path::new(out), "100", &[]));
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains(&format!("cannot create {out}")), "{}", stderr(&output));
    }
}

fn toy() -> Dataset {
    let mut rng = Philox::new(2, 0);
    let split = |rng: &mut Philox, samples: usize| Split {
        pixels: (0..samples * 20).map(|_| rng.below(256) as u8).collect(),
        labels: (0..samples).map(|_| rng.below(5) as u8).collect(),
        targets: Vec::new(),
    };
    Dataset {
        name: "toy".into(),
        classes: (0..5).map(|c| c.to_string()).collect(),
        image: ImageShape { channels: 1, height: 1, width: 20 },
        table: None,
        head: Head::Classes,
        ranges: Vec::new(),
        notes: Vec::new(),
        train: split(&mut rng, 150),
        test: split(&mut rng, 40),
    }
}

fn toy_settings() -> Settings {
    Settings {
        layers: vec![100, 90, 50],
        batch: 33,
        steps: 90,
        eval_every: 30,
        validation: 0.2,
        rare: 0.0,
        ..Settings::deep()
    }
}

/// Through a file into a new trainer on a new device, in the middle of an epoch and of a warm-up.
#[test]
fn a_restored_trainer_takes_the_same_steps() {
    let scoped = |scope| Some(Cage { scope, ..Cage::default() });
    let cases = [
        (Method::HardSt, GradientFormat::F32, scoped(CageScope::Network), 2),
        (Method::HardSt, GradientFormat::Int8, scoped(CageScope::Layer), 3),
        (Method::GumbelSt, GradientFormat::Int8, scoped(CageScope::Gate), 2),
        (Method::SoftMix, GradientFormat::F32, None, 2),
        (Method::SoftGumbel, GradientFormat::Bf16, None, 2),
    ];
    for (i, (method, gradients, cage, arity)) in cases.into_iter().enumerate() {
        for parametrization in [Parametrization::IwpSin, Parametrization::ALL[i % 4], Parametrization::Op] {
            if !parametrization.can_have(arity) {
                continue;
            }
            let settings = Settings {
                parametrization,
                method,
                cage,
                arity,
                gradients,
                schedule: Schedule::Cosine,
                steps: 40,
                warmup: 20,
                weight_decay: 0.01,
                shift: 0,
                ..toy_settings()
            };
            let first = Gpu::open(None).unwrap();
            let mut whole = Trainer::new(&first, &settings, &toy()).unwrap();
            whole.submit(17).unwrap();
            let state = whole.state().unwrap();
            whole.submit(13).unwrap();
            let second = Gpu::open(None).unwrap();
            let mut restored = Trainer::new(&second, &settings, &toy()).unwrap();
            restored.restore(&state).unwrap();
            assert_eq!(restored.steps(), 17);
            restored.submit(13).unwrap();
            assert_eq!(restored.state().unwrap(), whole.state().unwrap(), "{method:?}, {parametrization:?}, {cage:?}");
            assert_eq!(restored.progress(0).unwrap(), whole.progress(0).unwrap());
            assert_eq!(restored.download().unwrap(), whole.download().unwrap());

            let wider = Settings { layers: vec![100, 95, 50], ..settings };
            let mut other = Trainer::new(&first, &wider, &toy()).unwrap();
            assert!(other.restore(&state).unwrap_err().contains("layers.1.logits"));
        }
    }
}

/// Hears nothing but warnings.
#[derive(Default)]
struct Listener(Vec<String>);

impl Reporter for Listener {
    fn begin(&mut self, _: &Beginning) {}
    fn estimate(&mut self, _: f64) {}
    fn step(&mut self, _: u32) {}
    fn evaluated(&mut self, _: &Metrics) {}
    fn warn(&mut self, message: &str) {
        self.0.push(message.to_string());
    }
}

fn train_toy(run: &Path, settings: &Settings) -> gatewright::Result<gatewright::run::Summary> {
    let options = Options { place: Place::New(Some(run.into())), ..Options::default() };
    gatewright::run::run(&|| Gpu::open(None).map(Device::from), settings, toy(), &options, &mut Listener::default())
}

/// The model of a patient run is that of a run that ends at its best evaluation.
#[test]
fn patience_ends_a_run_and_selects_its_best_network() {
    let dir = tempfile::tempdir().unwrap();
    let folder = |name: &str| dir.path().join(name);
    let patient = Settings {
        steps: 1000,
        eval_every: 5,
        patience: Some(3),
        select: Select::Best,
        schedule: Schedule::Constant,
        ..toy_settings()
    };
    let summary = train_toy(&folder("patient"), &patient).unwrap();
    let seen = evaluations(&folder("patient"));
    let best = seen.iter().map(|m| m.accuracy).fold(0.0, f64::max);
    let first = seen.iter().position(|m| m.accuracy == best).unwrap();
    assert_eq!(seen.len(), first + 4, "three evaluations that were no better, then the end: {seen:?}");
    assert!(seen.last().unwrap().step < 1000);
    let at = seen[first].step;
    assert_eq!(summary.best_step, Some(at));
    assert_eq!(summary.model_step, at);
    assert_eq!(summary.best_accuracy, Some(best));
    assert_eq!(summary.held_out_accuracy, Some(best), "of the network that is kept");
    let short = Settings { steps: at, patience: None, select: Select::Last, ..patient.clone() };
    let short_summary = train_toy(&folder("short"), &short).unwrap();
    assert_eq!(model(&folder("patient")), model(&folder("short")));
    assert_eq!(summary.test_accuracy, short_summary.test_accuracy);
    assert!(seen.iter().all(|m| m.gradient_norms.len() == 3 && m.gradient_norms.iter().all(|n| n.is_finite())));
}

/// A rate of 3e38 takes logits beyond f32's 3.4e38 within a few steps of about that size.
#[test]
fn numbers_that_are_no_longer_finite_end_a_run_with_step_and_layer() {
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings { lr: 3e38, schedule: Schedule::Constant, ..toy_settings() };
    let error = train_toy(&dir.path().join("run"), &settings).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    let told = error.to_string();
    println!("{told}");
    let step = told.split("at step ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    assert!((1..=settings.eval_every).contains(&step.parse().unwrap()), "{told}");
    assert!(told.contains("of layer") && told.contains("--lr"), "{told}");
}

/// Does something to the device after the `at`-th evaluation, and hears what the run says.
struct Saboteur<'a> {
    devices: &'a Mutex<Vec<wgpu::Device>>,
    deed: fn(&wgpu::Device),
    at: Vec<usize>,
    evaluations: usize,
    warnings: Vec<String>,
}

impl Reporter for Saboteur<'_> {
    fn begin(&mut self, _: &Beginning) {}
    fn estimate(&mut self, _: f64) {}
    fn step(&mut self, _: u32) {}
    fn evaluated(&mut self, _: &Metrics) {
        self.evaluations += 1;
        if self.at.contains(&self.evaluations) {
            (self.deed)(self.devices.lock().unwrap().last().unwrap());
        }
    }
    fn warn(&mut self, message: &str) {
        self.warnings.push(message.to_string());
    }
}

/// Train into `run`, `deed` being done after the evaluations `at`; how it ended, and its warnings.
fn sabotaged(
    run: PathBuf,
    deed: fn(&wgpu::Device),
    at: Vec<usize>,
    retries: u32,
) -> (gatewright::Result<gatewright::run::Summary>, Vec<String>) {
    let devices = Mutex::new(Vec::new());
    let open = || {
        let gpu = Gpu::open(None)?;
        devices.lock().unwrap().push(gpu.device.clone());
        Ok(Device::from(gpu))
    };
    let mut saboteur = Saboteur { devices: &devices, deed, at, evaluations: 0, warnings: Vec::new() };
    let options = Options {
        place: Place::New(Some(run)),
        retry_lost_device: retries,
        cadence: Cadence { checkpoint_steps: Some(10), ..Cadence::default() },
        ..Options::default()
    };
    let ended = gatewright::run::run(&open, &toy_settings(), toy(), &options, &mut saboteur);
    (ended, saboteur.warnings)
}

#[test]
fn a_lost_device_is_replaced_as_often_as_allowed() {
    let dir = tempfile::tempdir().unwrap();
    // A driver's loss and this one are told by the same callback.
    let train = |name: &str, at, retries| sabotaged(dir.path().join(name), wgpu::Device::destroy, at, retries);
    train("whole", vec![], 0).0.unwrap();
    let (ended, warnings) = train("robbed", vec![1, 3], 2);
    ended.unwrap();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings[0].contains("the GPU was lost") && warnings[0].contains("checkpoints/step-"), "{warnings:?}");
    assert_eq!(model(&dir.path().join("whole")), model(&dir.path().join("robbed")));
    assert_tidy(&dir.path().join("robbed"));

    let (ended, _) = train("given up", vec![2], 0);
    let error = ended.unwrap_err();
    assert!(matches!(error, Error::DeviceLost(_)), "{error}");
    assert!(error.to_string().contains("the last checkpoint is"), "{error}");
    assert_eq!(error.exit_code(), 1);
}

/// What is told of an error that a new device would not help against, the run's last checkpoint at its end.
#[track_caller]
fn gpu_error(error: Error, run: &Path) -> String {
    assert!(matches!(error, Error::Gpu(_)), "{error}");
    assert_eq!(error.exit_code(), 1);
    let told = error.to_string();
    assert!(
        told.ends_with(&format!("; the last checkpoint is {}", checkpoints(run).last().unwrap().display())),
        "{told}"
    );
    told
}

#[test]
fn a_refused_command_ends_a_run_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let deed = |device: &wgpu::Device| {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::MAP_WRITE;
        let refused = wgpu::BufferDescriptor { label: None, size: 16, usage, mapped_at_creation: false };
        drop(device.create_buffer(&refused));
    };
    let run = dir.path().join("run");
    let (ended, _) = sabotaged(run.clone(), deed, vec![2], 1);
    let told = gpu_error(ended.unwrap_err(), &run);
    assert!(told.starts_with("the GPU refused a command (In Device::create_buffer: "), "{told}");
    assert!(!told.contains('\n'), "{told}");
}

/// On a software GPU, whose memory a limit on the address space limits: in a process of its own.
#[cfg(target_os = "linux")]
#[test]
fn memory_that_runs_out_ends_a_run_in_one_sentence() {
    const LIMITED: &str = "GATEWRIGHT_TEST_LIMITED";
    if !Gpu::open(None).unwrap().adapter.is_software() {
        println!("skipped: the memory of a real GPU cannot be limited");
        return;
    }
    if std::env::var_os(LIMITED).is_none() {
        let test = std::env::current_exe().unwrap();
        let name = "memory_that_runs_out_ends_a_run_in_one_sentence";
        let limited = format!("ulimit -v 25165824; exec '{}' --exact {name} --nocapture", test.display());
        assert_done(&Command::new("sh").args(["-c", &limited]).env(LIMITED, "24 GiB").output().unwrap());
        return;
    }
    let deed = |device: &wgpu::Device| {
        let usage = wgpu::BufferUsages::STORAGE;
        let gibibyte = wgpu::BufferDescriptor { label: None, size: 1 << 30, usage, mapped_at_creation: false };
        (0..24).for_each(|_| std::mem::forget(device.create_buffer(&gibibyte)));
    };
    let dir = tempfile::tempdir().unwrap();
    let run = dir.path().join("run");
    let (ended, _) = sabotaged(run.clone(), deed, vec![2], 1);
    let told = gpu_error(ended.unwrap_err(), &run);
    assert!(told.starts_with("the GPU is out of memory; use a smaller --batch or fewer gates"), "{told}");
}
