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
