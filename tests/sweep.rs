//! `sweep`: cells are run, kept and gone on with; its ready files can be used.

use std::path::Path;
use std::process::{Command, Output};

use gatewright::run::Sweep;

fn gatewright(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gatewright")).args(args).output().unwrap()
}

const SWEEP: &str = r#"
title = "two methods"
[base]
layers = "2x50"
steps = 20
eval-every = 10
[[grid]]
method = ["hard-st", "soft-mix"]
cage = false
temperature = 0.5
seed = [0, 1]
[[plot]]
file = "accuracy.png"
x = ["method"]
y = "test_accuracy"
"#;

#[test]
fn finished_cells_are_kept_and_the_others_run() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("sweep.toml"), dir.path().join("out"));
    let args = ["sweep", file.to_str().unwrap(), "--out", out.to_str().unwrap(), "--json"];
    std::fs::write(&file, SWEEP).unwrap();
    let first = gatewright(&args);
    assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
    let told: serde_json::Value = serde_json::from_slice(&first.stdout).unwrap();
    assert_eq!(told.as_array().unwrap().len(), 4);
    let table = std::fs::read_to_string(out.join("results.md")).unwrap();
    // What settings are to be chosen by stands before what the test samples tell.
    let held_out = &told[0]["summary"]["held_out_accuracy"];
    let metrics =
        std::fs::read_to_string(out.join("cage=false,method=hard-st,seed=0,temperature=0.5/metrics.jsonl")).unwrap();
    let last: serde_json::Value = serde_json::from_str(metrics.lines().last().unwrap()).unwrap();
    assert!(held_out.is_f64() && *held_out == last["accuracy"], "{held_out} {last}");
    assert!(table.contains("| runs | held out, % |"), "{table}");
    // A row a method, over two seeds.
    assert_eq!(table.lines().filter(|line| line.contains("| 2 |")).count(), 2, "{table}");
    assert!(image::open(out.join("accuracy.png")).is_ok());

    let removed = out.join("cage=false,method=soft-mix,seed=1,temperature=0.5");
    let kept = out.join("cage=false,method=hard-st,seed=0,temperature=0.5/model.safetensors");
    let before = std::fs::metadata(&kept).unwrap().modified().unwrap();
    std::fs::remove_dir_all(&removed).unwrap();
    let second = gatewright(&args);
    assert!(second.status.success(), "{}", String::from_utf8_lossy(&second.stderr));
    assert_eq!(std::fs::metadata(&kept).unwrap().modified().unwrap(), before, "a finished cell is not run again");
    assert!(removed.join("model.safetensors").exists());
    let again: serde_json::Value = serde_json::from_slice(&second.stdout).unwrap();
    for (cell, other) in told.as_array().unwrap().iter().zip(again.as_array().unwrap()) {
        assert_eq!(cell["summary"]["test_accuracy"], other["summary"]["test_accuracy"]);
    }

    std::fs::write(&file, SWEEP.replace("2x50", "2x60")).unwrap();
    let other = gatewright(&args);
    assert_eq!(other.status.code(), Some(2), "cells of another sweep are not taken for this one's");
    assert!(String::from_utf8_lossy(&other.stderr).contains("layers was"));

    // Before anything is trained: what would not become a run of that length, and what the CPU does not train.
    std::fs::remove_dir_all(&removed).unwrap();
    let longer = SWEEP.replace("steps = 20", "steps = 30");
    let real =
        SWEEP.replace("temperature = 0.5", "temperature = 0.5\ngradients = [\"bf16\"]").replace(", \"soft-mix\"", "");
    for (text, told) in [(longer, "20 steps whose rate fell along a cosine"), (real, "choose --gradients int8")] {
        std::fs::write(&file, text).unwrap();
        let refused = gatewright(&[&args[..], &["--adapter", "cpu"]].concat());
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(refused.status.code() == Some(2) && said.contains(told) && said.contains("cell cage=false"), "{said}");
        assert!(!removed.exists());
    }
}

/// The ready sweep over a table's networks, on a table of a user's: presets differ as they are said to, and a fifth is held out.
#[test]
fn a_sweep_is_run_on_the_data_that_are_said() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    let rows = (0..60).map(|i| format!("{},{},{}\n", i % 7, i % 5, ["no", "yes"][(i % 7 > 3) as usize]));
    std::fs::write(path("rows.csv"), "a,b,told\n".to_string() + &rows.collect::<String>()).unwrap();
    let ready = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/sweeps/table-networks.toml");
    let short = std::fs::read_to_string(ready).unwrap().replace("[base]", "[base]\nsteps = 20\neval-every = 20");
    std::fs::write(path("sweep.toml"), short.replace("[0, 1, 2]", "[0]")).unwrap();
    let told = |more: &[&str]| {
        let output = gatewright(
            &[&["sweep", &path("sweep.toml"), "--out", &path("out"), "--json", "--adapter", "cpu"], more].concat(),
        );
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, _, said) = told(&[]);
    assert!(code == Some(2) && said.contains("there is no file table.csv"), "{said}");
    let (code, cells, said) = told(&["--data", &path("rows.csv")]);
    assert_eq!(code, Some(0), "{said}");
    let cells: serde_json::Value = serde_json::from_str(&cells).unwrap();
    let of = |key: &str| cells.as_array().unwrap().iter().map(|cell| cell["summary"][key].as_u64()).collect::<Vec<_>>();
    assert_eq!(of("gates"), [8000, 3600, 3900].map(Some));
    // Of 60 rows a fifth is to test, and a fifth of the others held out, class by class.
    assert_eq!(of("test_samples"), [Some(12); 3]);
    assert!(of("validation_samples").iter().all(|held| (8..=11).contains(&held.unwrap())), "{cells}");
}

/// Three processes on one folder, of which one dies in a cell: each cell is trained once, and all tell the same table.
#[test]
fn processes_share_a_sweep_and_take_over_a_dead_ones_cell() {
    let dir = tempfile::tempdir().unwrap();
    let (file, out) = (dir.path().join("sweep.toml"), dir.path().join("out"));
    let text = "title = \"Shared\"\n[base]\ndata = \"mnist\"\nlayers = \"200\"\nsteps = 600\neval-every = 100\n\
                [[grid]]\nseed = [0, 1, 2, 3, 4, 5]\n";
    std::fs::write(&file, text).unwrap();
    let start = || {
        Command::new(env!("CARGO_BIN_EXE_gatewright"))
            .args([
                "sweep",
                file.to_str().unwrap(),
                "--out",
                out.to_str().unwrap(),
                "--adapter",
                "cpu",
                "--threads",
                "1",
            ])
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let mut dying = start();
    let first = out.join("seed=0");
    let begun = std::time::Instant::now();
    while !first.join("config.toml").exists() {
        assert!(begun.elapsed().as_secs() < 60 && dying.try_wait().unwrap().is_none(), "no cell was begun");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let others = [start(), start()];
    dying.kill().unwrap();
    dying.wait().unwrap();
    let told: Vec<(String, String)> = others
        .into_iter()
        .map(|other| {
            let output = other.wait_with_output().unwrap();
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(output.status.success(), "{said}");
            (String::from_utf8(output.stdout).unwrap(), said)
        })
        .collect();
    assert!(told[0].0 == told[1].0 && told[0].0.contains("| 6 |"), "{}", told[0].0);
    for seed in 0..6 {
        let steps = std::fs::read_to_string(out.join(format!("seed={seed}/metrics.jsonl"))).unwrap();
        assert_eq!(steps.lines().count(), 6, "seed {seed} was trained once, and whole");
    }
}

#[test]
fn ready_sweeps_have_cells() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/sweeps");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let cells = Sweep::load(&path).unwrap().cells().unwrap();
        assert!(cells.len() >= 4, "{}", path.display());
        files += 1;
    }
    assert!(files >= 6);
}
