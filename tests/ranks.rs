//! Ranks that share batches: threads of one process, and processes that MPI connects. The model is that of one rank, byte for
//! byte.

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use gatewright::data::{Dataset, Head, ImageShape, Split};
use gatewright::network::{Convolution, Initialization, Parametrization, TreeChannels, WireRule};
use gatewright::plan::uniforms::Step;
use gatewright::plan::{CageScope, GradientFormat};
use gatewright::random::Philox;
use gatewright::ranks::Ranks;
use gatewright::run::{Beginning, Checkpoint, Cpu, Device, Learner, Metrics, Options, Place, Reporter, Where};
use gatewright::settings::{Cage, ConvolutionsFrom, FrozenLayers, LearnedLayers, Method, Preset, Settings};
use gatewright::train::State;

/// A run's flags; its batch has 4 words, which 3 ranks share as 2, 1 and 1.
const RUN: &str =
    "train --data mnist --layers 500,300 --arity 2 --steps 40 --eval-every 20 --batch 128 --shift 1 --adapter";

fn program(launcher: &[&str], arguments: &str, folder: &Path) -> Output {
    let own = env!("CARGO_BIN_EXE_gatewright");
    let words = [launcher, &[own]].concat();
    Command::new(words[0])
        .args(&words[1..])
        .args(arguments.split_whitespace())
        .current_dir(folder)
        .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
        .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
        .env("XDG_RUNTIME_DIR", "/tmp")
        .output()
        .unwrap()
}

fn done(launcher: &[&str], arguments: &str, folder: &Path) -> (String, String) {
    let output = program(launcher, arguments, folder);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{launcher:?} {arguments}: {told}");
    (String::from_utf8(output.stdout).unwrap(), told)
}

fn model(run: &Path) -> Vec<u8> {
    std::fs::read(run.join("model.safetensors")).unwrap()
}

/// `mpirun`, if there is one; CI has it.
fn mpirun() -> Option<Vec<&'static str>> {
    let is_there = Command::new("mpirun").arg("--version").output().is_ok_and(|output| output.status.success());
    let is_required = std::env::var("GATEWRIGHT_REQUIRE_TOOLS").is_ok();
    assert!(is_there || !is_required, "mpirun is missing");
    if !is_there {
        println!("skipped: no mpirun");
    }
    is_there.then(|| vec!["mpirun", "--oversubscribe", "-n"])
}

#[test]
fn threads_of_one_process_make_the_model_of_one_rank() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    done(&[], &format!("{RUN} cpu --threads 2 --out one"), at);
    let (_, told) = done(&[], &format!("{RUN} cpu,cpu --out two"), at);
    assert!(told.contains("2 ranks"), "{told}");
    done(&[], &format!("{RUN} cpu,cpu,cpu --out three"), at);
    done(&[], &format!("{RUN} cpu,cpu --profile --out profiled"), at);
    let one = model(&at.join("one"));
    for other in ["two", "three", "profiled"] {
        assert!(model(&at.join(other)) == one, "{other}");
    }
    let profile = std::fs::read_to_string(at.join("profiled/profile.json")).unwrap();
    assert!(["wait_for_ranks 1", "update 0", "exchange_tables"].iter().all(|pass| profile.contains(pass)), "{profile}");
    let summary = std::fs::read_to_string(at.join("two/summary.json")).unwrap();
    assert_eq!(serde_json::from_str::<serde_json::Value>(&summary).unwrap()["ranks"], 2);

    // With noise, temperatures of gates, finer integers, and batches in several pieces.
    let other = "train --data mnist --layers 300 --steps 12 --method gumbel-st --cage-scope gate --gradients int12 --batch 430 \
                 --adapter";
    done(&[], &format!("{other} cpu --out a"), at);
    done(&[], &format!("{other} cpu,cpu,cpu --threads 1 --out b"), at);
    assert!(model(&at.join("a")) == model(&at.join("b")));

    // Other numbers of ranks go on to the same bytes.
    for (out, adapters) in [("broken", "cpu,cpu,cpu"), ("again", "cpu")] {
        done(&[], &format!("{RUN} cpu,cpu --checkpoint-steps 10 --keep-checkpoints 3 --out {out}"), at);
        for step in [30, 40] {
            std::fs::remove_file(at.join(format!("{out}/checkpoints/step-{step:010}.ckpt"))).unwrap();
        }
        std::fs::remove_file(at.join(format!("{out}/summary.json"))).unwrap();
        std::fs::remove_file(at.join(format!("{out}/model.safetensors"))).unwrap();
        done(&[], &format!("train --resume {out} --adapter {adapters}"), at);
        assert!(model(&at.join(out)) == one);
    }
}

/// 300 random images of 2 × 6 × 7 bytes, of 5 classes.
fn images() -> Dataset {
    let image = ImageShape { channels: 2, height: 6, width: 7 };
    let mut rng = Philox::new(31, 0);
    Dataset {
        name: "toy".into(),
        classes: (0..5).map(|class| class.to_string()).collect(),
        image,
        table: None,
        head: Head::Classes,
        ranges: Vec::new(),
        notes: Vec::new(),
        train: Split {
            pixels: (0..300 * image.pixels()).map(|_| rng.below(256) as u8).collect(),
            labels: (0..300).map(|_| rng.below(5) as u8).collect(),
            targets: Vec::new(),
        },
        test: Split::default(),
    }
}

/// What one rank has in the end: its state, its model's bytes, and its gradients' norms.
type Ended = (State, Vec<u8>, Vec<f64>);

/// `[ranks]`: so many ranks go on from `from`, or begin, by so many steps at a time.
fn trained(settings: &Settings, data: &Dataset, ranks: usize, from: Option<&State>, steps: &[u32]) -> Vec<Ended> {
    let one = |ranks: Ranks| {
        let threads = Some(1 + ranks.rank() as u16 % 2);
        let place = Where { adapter: Some("cpu".into()), threads, ..Where::default() };
        let (device, _) = Device::open(&place, settings).unwrap();
        let mut learner = Learner::of_rank(&device, settings, data, &ranks).unwrap();
        if let Some(state) = from {
            learner.restore(state).unwrap();
        }
        for &count in steps {
            learner.submit(count).unwrap();
            assert_eq!(learner.is_whole(), ranks.size() == 1);
            if ranks.size() > 1 {
                let told = [
                    learner.state().map(|_| ()),
                    learner.download().map(|_| ()),
                    learner.gradient_norms().map(|_| ()),
                    learner.progress(0).map(|_| ()),
                    learner.common().map(|_| ()),
                ];
                assert!(
                    told.iter().all(|told| told.as_ref().unwrap_err().to_string().contains("before it was gathered"))
                );
            }
            learner.gather().unwrap();
            assert_eq!(ranks.first_that_differs(&learner.common().unwrap()).unwrap(), None);
        }
        (learner.state().unwrap(), learner.download().unwrap().to_bytes().unwrap(), learner.gradient_norms().unwrap())
    };
    let one = &one;
    std::thread::scope(|scope| {
        let ranks: Vec<_> = Ranks::threads(ranks).into_iter().map(|ranks| scope.spawn(move || one(ranks))).collect();
        ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
    })
}

/// Parts of the update that are uneven, everything that is noted of gates, wires and trees: gathered, each is what one rank has.
#[test]
fn what_ranks_gather_is_what_one_rank_has_tensor_by_tensor() {
    let data = images();
    let base =
        Settings { tau: 3.0, shift: 1, batch: 170, steps: 40, learn_wiring: LearnedLayers::None, ..Settings::deep() };
    let cage = |scope| Some(Cage { tau_min: 0.5, tau_max: 3.0, decay: 0.9, scope });
    let conv = |units, depth, pool| Convolution {
        units,
        kernel: [3, 3],
        stride: 1,
        pad: 1,
        depth,
        channels: TreeChannels::One,
        pool,
    };
    // Of 64 gates a chunk: 11 chunks, 2, and 1 of 30 gates.
    let odd = Settings { layers: vec![700, 65, 30], ..base.clone() };
    let learned = Settings { learn_wiring: LearnedLayers::All, probe_every: 2, candidates: 5, ..odd.clone() };
    let trees = Settings { convolutions: vec![conv(40, 2, 2), conv(50, 3, 1)], layers: vec![300, 30], ..base.clone() };
    let noisy = Settings { method: Method::GumbelSt, cage: cage(CageScope::Gate), ..base.clone() };
    let (walsh, op) = (Parametrization::Walsh, Parametrization::Op);
    for (i, settings) in [
        Settings { cage: None, ..odd.clone() },
        Settings { cage: cage(CageScope::Layer), gradients: GradientFormat::Int16, arity: 3, ..odd.clone() },
        Settings { layers: vec![200, 100], arity: 4, gradients: GradientFormat::Int12, ..noisy.clone() },
        Settings { layers: vec![130, 70, 65], arity: 5, parametrization: walsh, batch: 330, ..noisy.clone() },
        Settings { layers: vec![150], arity: 6, cage: cage(CageScope::Network), ..noisy.clone() },
        Settings { layers: vec![200, 95], parametrization: op, ..noisy.clone() },
        Settings { cage: cage(CageScope::Network), ..learned.clone() },
        // One rank of these moves weights by what it looks up, several by scores that are kept.
        Settings { layers: vec![730], candidates: 16, batch: 128, ..learned.clone() },
        Settings {
            layers: vec![730],
            candidates: 16,
            gradients: GradientFormat::Int4,
            arity: 4,
            batch: 100,
            ..learned.clone()
        },
        Settings { wiring_rule: WireRule::Acc, arity: 3, batch: 330, method: Method::GumbelSt, ..learned.clone() },
        Settings { cage: cage(CageScope::Gate), ..trees.clone() },
        Settings { freeze: FrozenLayers::Convolutions, learn_wiring: LearnedLayers::All, ..trees.clone() },
    ]
    .into_iter()
    .enumerate()
    {
        let settings = Settings { start: Initialization::Gaussian.into(), ..settings };
        settings.check().unwrap();
        let (state, model, norms) = trained(&settings, &data, 1, None, &[5, 4]).remove(0);
        let (begun, ..) = trained(&settings, &data, 2, None, &[3, 2]).remove(1);
        for (ranks, from, steps) in [
            (2, None, vec![4, 5]),
            (3, None, vec![9]),
            (5, None, vec![1, 8]),
            (3, Some(&begun), vec![4]),
            (1, Some(&begun), vec![4]),
        ]
        .into_iter()
        // A rank takes 32 samples at least.
        .filter(|&(ranks, ..)| settings.batch as usize > 32 * (ranks - 1))
        {
            for (rank, own) in trained(&settings, &data, ranks, from, &steps).iter().enumerate() {
                let what = format!("network {i}, rank {rank} of {ranks}, from another's state: {}", from.is_some());
                assert_eq!(own.0.tensors.len(), state.tensors.len());
                for (made, expected) in own.0.tensors.iter().zip(&state.tensors) {
                    // Losses are added up in another order by other numbers of ranks.
                    assert!(made.name == "history" || made == expected, "{what}: {}", expected.name);
                }
                assert!(own.1 == model && own.2 == norms, "{what}");
            }
        }
    }
}

/// The first adapter, twice: two devices that share it.
#[test]
fn shaders_of_several_ranks_make_the_model_of_one() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    done(&[], &format!("{RUN} 0 --out one"), at);
    let (_, told) = done(&[], &format!("{RUN} 0,0 --out two"), at);
    assert!(told.contains("2 ranks, threads of one process"), "{told}");
    done(&[], &format!("{RUN} 0,0 --micro-batch 32 --profile --out profiled"), at);
    let one = model(&at.join("one"));
    assert!(model(&at.join("two")) == one && model(&at.join("profiled")) == one);
    let profile = std::fs::read_to_string(at.join("profiled/profile.json")).unwrap();
    assert!(profile.contains("wait_for_ranks") && profile.contains("weigh_sums"), "{profile}");

    // One goes on with what two began.
    done(&[], &format!("{RUN} 0,0 --checkpoint-steps 10 --out broken"), at);
    for step in [30, 40] {
        std::fs::remove_file(at.join(format!("broken/checkpoints/step-{step:010}.ckpt"))).unwrap();
    }
    std::fs::remove_file(at.join("broken/summary.json")).unwrap();
    std::fs::remove_file(at.join("broken/model.safetensors")).unwrap();
    done(&[], "train --resume broken --adapter 0", at);
    assert!(model(&at.join("broken")) == one);

    // Convolutions, pooled and not.
    let layers = "layers = \"conv 6 5x5 depth 2 channels 1 pool 2; conv 10 3x3 pad 1 depth 3; 200\"\n";
    std::fs::write(at.join("trees.toml"), layers).unwrap();
    let trees = "train --config trees.toml --steps 6 --eval-every 6 --batch 96 --adapter";
    done(&[], &format!("{trees} 0 --out trees"), at);
    done(&[], &format!("{trees} 0,0 --out trees-of-two"), at);
    assert!(model(&at.join("trees")) == model(&at.join("trees-of-two")));

    // Wires that learn, by ranks that a launcher started.
    let learned = RUN.replace("--adapter", "--learn-wiring all --probe-every 3 --adapter");
    done(&[], &format!("{learned} 0 --out learned"), at);
    done(&[], &format!("{learned} 0,0,0 --out three"), at);
    assert!(model(&at.join("learned")) == model(&at.join("three")) && model(&at.join("learned")) != one);
    let Some(mpirun) = mpirun() else { return };
    done(&[&mpirun[..], &["2"]].concat(), &format!("{learned} 0 --out mpi"), at);
    assert!(model(&at.join("mpi")) == model(&at.join("learned")));
}

#[test]
fn profile_tells_what_waiting_for_ranks_costs() {
    let folder = tempfile::tempdir().unwrap();
    let flags = RUN.replace("train", "profile --json --rounds 2").replace("--steps 40 --eval-every 20", "");
    for (adapters, ranks) in [("cpu,cpu", 2), ("0,0", 2), ("cpu", 1)] {
        let (told, _) = done(&[], &format!("{flags} {adapters}"), folder.path());
        let profile: serde_json::Value = serde_json::from_str(&told).unwrap();
        assert_eq!(profile["ranks"], ranks);
        let of = |row: &serde_json::Value| row["label"] == "wait_for_ranks";
        let waits = profile["kernels"].as_array().unwrap().iter().find(|row| of(row));
        assert_eq!(waits.is_some(), ranks > 1, "{told}");
        assert!(waits.is_none_or(|row| row["ms"].as_f64().unwrap() > 0.0));
    }
}

#[test]
fn what_ranks_cannot_do_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (arguments, told) in [
        ("--batch 64 --adapter cpu,cpu,cpu", "cannot be shared by 3 ranks"),
        ("--adapter cpu,nothing", "nothing"),
        ("--adapter cpu,0", "another device or driver"),
        ("--adapter 0,0 --retry-lost-device 1", "--retry-lost-device is for one rank"),
    ] {
        let output = program(&[], &format!("train --data mnist --layers 100 --steps 9 {arguments}"), at);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && said.contains(told), "{arguments}: {said}");
    }
    let output = program(&[], "train --resume nowhere --adapter cpu,cpu", at);
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
    // Ranks that a launcher of another family started would each train alone.
    let output = Command::new(env!("CARGO_BIN_EXE_gatewright"))
        .args(["train", "--data", "mnist", "--steps", "9", "--adapter", "cpu"])
        .current_dir(at)
        .env("PMI_SIZE", "2")
        .env("GATEWRIGHT_MPI", "/nowhere/libmpich.so")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("GATEWRIGHT_MPI names /nowhere/libmpich.so"));
}

#[test]
fn processes_that_mpi_connects_make_the_model_of_one_rank() {
    let Some(mpirun) = mpirun() else { return };
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    done(&[], &format!("{RUN} cpu --threads 2 --out one"), at);
    let one = model(&at.join("one"));
    for count in ["2", "3"] {
        let out = format!("run{count}");
        let (told, _) = done(&[&mpirun[..], &[count]].concat(), &format!("{RUN} cpu --json --out {out}"), at);
        assert!(model(&at.join(&out)) == one, "{count} ranks");
        let summary: serde_json::Value = serde_json::from_str(&told).expect("one document, not one a rank");
        assert_eq!(summary["ranks"].to_string(), count);
    }

    // With noise, temperatures of gates, wires that learn and batches in several pieces: all that ranks exchange.
    let other = "train --data mnist --layers 300,100 --arity 3 --steps 12 --method gumbel-st --cage-scope gate --batch 430 \
                 --learn-wiring all --checkpoint-steps 5 --adapter cpu --threads 1";
    done(&[], &format!("{other} --out a"), at);
    done(&[&mpirun[..], &["3"]].concat(), &format!("{other} --out b"), at);
    assert!(model(&at.join("a")) == model(&at.join("b")));

    // A rank that dies ends the others, and one rank goes on to the same bytes.
    let long = RUN.replace("--steps 40", "--steps 1500");
    let started = Instant::now();
    let mut running = Command::new(mpirun[0])
        .args(&mpirun[1..])
        .args(["2", env!("CARGO_BIN_EXE_gatewright")])
        .args(format!("{long} cpu --checkpoint-steps 50 --out killed").split_whitespace())
        .current_dir(at)
        .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
        .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let checkpoints = at.join("killed/checkpoints");
    while std::fs::read_dir(&checkpoints).map_or(0, Iterator::count) == 0 {
        assert!(started.elapsed() < Duration::from_secs(120) && running.try_wait().unwrap().is_none());
        std::thread::sleep(Duration::from_millis(20));
    }
    let rank = ranks_of(running.id()).pop().expect("a rank's process");
    assert!(Command::new("kill").args(["-9", &rank.to_string()]).status().unwrap().success());
    let died = Instant::now();
    assert!(!running.wait().unwrap().success());
    assert!(died.elapsed() < Duration::from_secs(60));
    done(&[], "train --resume killed --adapter cpu --threads 2", at);
    done(&[], &format!("{long} cpu --threads 2 --out whole"), at);
    assert!(model(&at.join("killed")) == model(&at.join("whole")));
}

/// What two ranks that fail say, which are asked for different things, and the launcher's exit code.
fn unlike(mpirun: &[&str], [zero, one]: [&str; 2], folder: &Path) -> (String, Option<i32>) {
    let own = env!("CARGO_BIN_EXE_gatewright");
    let script = format!("if [ $OMPI_COMM_WORLD_RANK = 1 ]; then exec {own} {one}; else exec {own} {zero}; fi");
    let output = Command::new(mpirun[0])
        .args(&mpirun[1..])
        .args(["2", "timeout", "60", "sh", "-c", &script])
        .current_dir(folder)
        .env("OMPI_ALLOW_RUN_AS_ROOT", "1")
        .env("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    (said, output.status.code())
}

/// What rank 1 alone cannot do it tells with its number, and all end.
#[test]
fn a_rank_that_fails_ends_all_with_a_sentence() {
    let Some(mpirun) = mpirun() else { return };
    let folder = tempfile::tempdir().unwrap();
    let usual = format!("{RUN} cpu");
    for (of_all, of_one, told, code) in [
        ("mnist", "nowhere.npz", "this was rank 1 of 2", 2),
        ("cpu", "nothing", "this was rank 1 of 2", 2),
        ("--shift 1", "--shift 2", "rank 1 has other settings than rank 0", 1),
    ] {
        let odd = usual.replace(of_all, of_one);
        let (said, ended) = unlike(&mpirun, [&usual, &odd], folder.path());
        assert!(said.contains(told) && ended == Some(code), "{of_one}: {ended:?}, {said}");
    }
}

/// A data set in files: 300 images of 8 × 8 bytes to train on and 40 to test, of 5 classes.
fn write_images(folder: &Path) {
    std::fs::create_dir(folder).unwrap();
    let mut rng = Philox::new(32, 0);
    for (part, count) in [("train", 300_u32), ("t10k", 40)] {
        for (name, sizes, below) in
            [("images-idx3", &[0x803, count, 8, 8][..], 256), ("labels-idx1", &[0x801, count], 5)]
        {
            let header = sizes.iter().flat_map(|n: &u32| n.to_be_bytes());
            let body = (0..sizes[1..].iter().product()).map(|_| rng.below(below) as u8);
            std::fs::write(folder.join(format!("{part}-{name}-ubyte")), header.chain(body).collect::<Vec<_>>())
                .unwrap();
        }
    }
}

/// The folder `out` of a run of two parts, whose first, of thousands of steps, has one left: its checkpoint is that of two steps,
/// said to be later.
fn begun_in_turns(data: &Path, out: &Path) {
    let preset = Preset::MnistConvQuick;
    let settings = Settings {
        data: data.to_str().unwrap().into(),
        convolutions: preset.settings().convolutions,
        layers: vec![100],
        reads: vec![1, 2, 3, 4],
        freeze: FrozenLayers::Convolutions,
        convolutions_from: ConvolutionsFrom::Preset { preset, trained: None },
        learn_wiring: LearnedLayers::First,
        steps: 6,
        ..Settings::deep()
    };
    settings.check().unwrap();
    let first = settings.of_convolutions().unwrap();
    let last = first.steps - 1;
    let folder = out.join("convolutions");
    let options = Options { place: Place::New(Some(folder.clone())), ..Options::default() };
    let device = || Ok(Device::Cpu(Cpu::new(&Where::default())));
    let two = Settings { steps: 2, ..first };
    gatewright::run::run(&device, &two, settings.open_data().unwrap(), &options, &mut Silent).unwrap();
    std::fs::write(out.join("config.toml"), settings.to_toml().unwrap()).unwrap();
    for name in ["summary.json", "model.safetensors"] {
        std::fs::remove_file(folder.join(name)).unwrap();
    }
    let at = |step: u32| folder.join(format!("checkpoints/step-{step:010}.ckpt"));
    let mut checkpoint = Checkpoint::load(&at(2)).unwrap();
    checkpoint.header.step = last;
    let step = checkpoint.state.tensors.iter_mut().find(|tensor| tensor.name == "step").unwrap();
    let later = Step { step: last, ..bytemuck::pod_read_unaligned(&step.bytes) };
    step.bytes = bytemuck::bytes_of(&later).to_vec();
    std::fs::write(at(last), checkpoint.to_bytes().unwrap()).unwrap();
    std::fs::remove_file(at(2)).unwrap();
}

/// Tells nobody.
struct Silent;

impl Reporter for Silent {
    fn begin(&mut self, _: &Beginning) {}
    fn estimate(&mut self, _: f64) {}
    fn step(&mut self, _: u32) {}
    fn evaluated(&mut self, _: &Metrics) {}
    fn warn(&mut self, _: &str) {}
}

#[test]
fn ranks_train_convolutions_first_and_then_what_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let data = at.join("images");
    write_images(&data);
    for out in ["one", "threads", "processes"] {
        begun_in_turns(&data, &at.join(out));
    }
    let resume = |out: &str| format!("train --resume {out} --adapter cpu --threads 1");
    done(&[], &resume("one"), at);
    let same = |out: &str| {
        for part in ["one", "one/convolutions"] {
            assert!(model(&at.join(part)) == model(&at.join(part.replace("one", out))), "{part} of {out}");
        }
    };
    done(&[], "train --resume threads --adapter cpu,cpu --threads 1", at);
    same("threads");
    let Some(mpirun) = mpirun() else { return };
    // A rank that waits for another must not keep this waiting.
    let two = [&mpirun[..], &["2", "timeout", "120"]].concat();
    done(&two, &resume("processes"), at);
    same("processes");
    // Where the first part has ended; ranks that do not see it, or are asked for other runs than rank 0; and where all has ended.
    for name in ["summary.json", "model.safetensors"] {
        std::fs::remove_file(at.join("processes").join(name)).unwrap();
    }
    std::fs::remove_dir_all(at.join("processes/checkpoints")).unwrap();
    std::fs::create_dir(at.join("elsewhere")).unwrap();
    std::fs::copy(at.join("processes/config.toml"), at.join("elsewhere/config.toml")).unwrap();
    let one_part = format!("train --data {} --layers 100 --steps 4 --out other --adapter cpu", data.display());
    let new = |out: &str| format!("train --config one/config.toml --adapter cpu --threads 1 --out {out}");
    for (zero, one, told) in [
        (new("seen"), new("unseen"), "rank 0 has begun the run in this folder, and this rank does not see it there"),
        (
            resume("processes"),
            resume("elsewhere"),
            "rank 0 has trained the convolutions in this folder, and this rank does not",
        ),
        (resume("processes"), one_part.clone(), "all must be given the same flags"),
        (one_part, resume("processes"), "all must be given the same flags"),
    ] {
        let (said, _) = unlike(&mpirun, [&zero, &one], at);
        assert!(said.contains(told) && said.contains("this was rank 1 of 2"), "{said}");
    }
    for _ in 0..2 {
        done(&two, &resume("processes"), at);
        same("processes");
    }
}

/// The processes that process `parent` started, by Linux's own record.
fn ranks_of(parent: u32) -> Vec<u32> {
    let stat = |pid: u32| std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    let parent_of = |pid: u32| stat(pid)?.rsplit(") ").next()?.split(' ').nth(1)?.parse::<u32>().ok();
    let all = std::fs::read_dir("/proc").unwrap();
    let pids = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|&pid| parent_of(pid) == Some(parent)).collect()
}
