//! The program as a user meets it: exit codes, streams, files.

use std::path::Path;
use std::process::{Command, Output};

fn gatewright(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gatewright")).args(args).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The message on stderr, with what Mesa's drivers say of the environment left out.
fn complaint(output: &Output) -> String {
    text(&output.stderr).lines().filter(|l| !l.contains("XDG_RUNTIME_DIR")).collect::<Vec<_>>().join("\n")
}

fn train(out: &Path, more: &[&str]) -> Output {
    let mut args = vec!["train", "--layers", "200,100", "--steps", "24", "--eval-every", "10", "--batch", "40"];
    args.extend(["--json", "--out", out.to_str().unwrap()]);
    args.extend(more);
    gatewright(&args)
}

#[test]
fn a_run_leaves_a_folder_that_repeats_it_byte_for_byte() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("a"), dir.path().join("b"));
    let run = train(&first, &["--seed", "5"]);
    assert!(run.status.success(), "{}", complaint(&run));

    let summary: serde_json::Value = serde_json::from_slice(&run.stdout).expect("stdout is JSON and nothing else");
    let written: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(first.join("summary.json")).unwrap()).unwrap();
    assert_eq!(summary, written);
    for key in ["adapter", "backend", "gates", "parameters", "steps", "seconds", "samples_per_second", "test_accuracy"]
    {
        assert!(!summary[key].is_null(), "summary has no {key}");
    }
    assert_eq!((summary["gates"].as_u64(), summary["parameters"].as_u64()), (Some(300), Some(1200)));
    assert_eq!((summary["selection_gap"].as_f64(), summary["computation_gap"].as_f64()), (Some(0.0), Some(0.0)));

    // Evaluations after 10, 20 and the last, partial stretch of 4 steps.
    let metrics = std::fs::read_to_string(first.join("metrics.jsonl")).unwrap();
    let steps: Vec<u64> = metrics
        .lines()
        .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap()["step"].as_u64().unwrap())
        .collect();
    assert_eq!(steps, [10, 20, 24]);
    let curves = image::open(first.join("curves.png")).unwrap();
    assert!(curves.width() >= 600);

    let config = first.join("config.toml");
    let again = gatewright(&["train", "--config", config.to_str().unwrap(), "--out", second.to_str().unwrap()]);
    assert!(again.status.success(), "{}", complaint(&again));
    let model = |folder: &Path| std::fs::read(folder.join("model.safetensors")).unwrap();
    assert_eq!(model(&first), model(&second), "the same configuration gives the same bytes");

    // The circuit alone repeats the run's accuracy, to the image.
    let path = first.join("model.safetensors");
    let eval = gatewright(&["eval", path.to_str().unwrap(), "--json", "--gaps"]);
    let eval: serde_json::Value = serde_json::from_slice(&eval.stdout).unwrap();
    assert_eq!(eval["accuracy"], summary["test_accuracy"]);
    assert_eq!(eval["samples"].as_u64(), Some(10_000));
    let confusion: u64 = eval["confusion"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(|r| r.as_array().unwrap())
        .map(|n| n.as_u64().unwrap())
        .sum();
    assert_eq!(confusion, 10_000);
}

/// A run that ends early, or whose last network is not the model, says which it is; a plain one says nothing.
#[test]
fn the_step_that_is_kept_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let kept = |name: &str, more: &[&str]| {
        let run = dir.path().join(name);
        let small = ["train", "--layers", "200", "--steps", "6", "--eval-every", "2", "--out", run.to_str().unwrap()];
        let output = gatewright(&[&small[..], more].concat());
        assert!(output.status.success(), "{}", complaint(&output));
        let summary = std::fs::read_to_string(run.join("summary.json")).unwrap();
        (text(&output.stdout), serde_json::from_str::<serde_json::Value>(&summary).unwrap())
    };
    assert!(!kept("plain", &[]).0.contains("the model is"));
    // At a rate of nothing no evaluation is better than the first.
    let (told, summary) = kept("still", &["--lr", "1e-30", "--learn-wiring", "none", "--patience", "1"]);
    assert_eq!((summary["steps"].as_u64(), summary["model_step"].as_u64()), (Some(4), Some(2)), "{summary}");
    assert!(told.contains("ended after step 4 of 6 by --patience 1; "), "{told}");
    assert!(told.contains("the network of step 2, the best held out"), "{told}");
}

/// What preset, file and flags come to is a file that comes to the same; it takes no device.
#[test]
fn settings_are_shown_as_a_file_that_repeats_them() {
    let dir = tempfile::tempdir().unwrap();
    let shown = |args: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_gatewright"))
            .args([&["train", "--show-settings"], args].concat())
            .env("VK_DRIVER_FILES", "/nonexistent.json")
            .env("VK_ICD_FILENAMES", "/nonexistent.json")
            .output()
            .unwrap();
        assert!(output.status.success(), "{args:?}: {}", complaint(&output));
        (text(&output.stdout), complaint(&output))
    };
    let file = dir.path().join("shown.toml");
    let again = ["--config", file.to_str().unwrap()];
    for args in [
        &[] as &[&str],
        &["--preset", "mnist-8k", "--layers", "6x8000", "--lr", "0.04"],
        &["--method", "soft-mix", "--input", "soft", "--thresholds", "1"],
        &["--no-cage", "--temperature", "0.3", "--patience", "2"],
    ] {
        let (settings, _) = shown(args);
        std::fs::write(&file, &settings).unwrap();
        assert_eq!(shown(&again).0, settings, "{args:?}");
    }
    let (small, _) = shown(&["--preset", "mnist-8k", "--layers", "6x8000", "--lr", "0.04"]);
    assert!(small.contains("layers = \"6x8000\"\n") && small.contains("lr = 0.04\n"), "{small}");
    // Data that are not there keep the last layer from being fitted, which is told.
    let (_, told) = shown(&["--data", "cifar-10", "--data-dir", dir.path().to_str().unwrap()]);
    assert!(told.is_empty() || told.contains("the last layer is not fitted"), "{told}");
}

/// `train`, `profile` and `sweep` read the same table in the same way, and give its three classes the same last layer.
#[test]
fn every_command_makes_the_network_that_train_would() {
    let dir = tempfile::tempdir().unwrap();
    let table = dir.path().join("t.csv");
    let row = |i: usize| format!("c{},{},{}\n", i % 3, i % 7, i % 5);
    std::fs::write(&table, "kind,a,b\n".to_string() + &(0..90).map(row).collect::<String>()).unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    let (table, run, cells) = (table.to_str().unwrap(), path("run"), path("cells"));
    let said = ["--data", table, "--label", "kind", "--encoder", "distributive", "--batch", "32"];
    let json = |args: &[&str]| -> serde_json::Value {
        let output = gatewright(args);
        assert!(output.status.success(), "{args:?}: {}", complaint(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let short = ["--steps", "2", "--eval-every", "2", "--json", "--out", &run];
    let trained = json(&[&["train"], &said[..], &short[..]].concat());
    assert_eq!(trained["layers"], serde_json::json!([2000, 2000, 2000, 2001]), "shared by three classes");
    let profiled = json(&[&["profile", "--rounds", "1", "--json"], &said[..]].concat());
    assert_eq!(profiled["layers"], trained["layers"]);
    let model = gatewright::network::Model::load(&Path::new(&run).join("model.safetensors")).unwrap();
    assert_eq!(profiled["features"].as_u64(), Some(model.encoder.features() as u64));

    let sweep = format!(
        "title = \"t\"\n[base]\ndata = '{table}'\nbatch = 32\nsteps = 2\neval-every = 2\n\
         input = {{ label = \"kind\", encoder = [\"distributive\"] }}\n[[grid]]\nseed = [0]\n"
    );
    std::fs::write(path("sweep.toml"), sweep).unwrap();
    let swept = json(&["sweep", &path("sweep.toml"), "--out", &cells, "--json"]);
    assert_eq!(swept[0]["summary"]["layers"], trained["layers"]);
    assert_eq!(swept[0]["summary"]["test_accuracy"], trained["test_accuracy"], "the same run");

    // Layers that are said are refused alike.
    for command in ["train", "profile", "depth"] {
        let refused = gatewright(&[&[command, "--layers", "2x100"], &said[..]].concat());
        assert_eq!(refused.status.code(), Some(2), "{command}");
        assert!(complaint(&refused).contains("99 can"), "{command}: {}", complaint(&refused));
    }
    // What a file says wins over what `depth` has of its own.
    std::fs::write(path("two.toml"), "layers = \"2x90\"\n").unwrap();
    let deep = json(&[&["depth", "--json", "--config", &path("two.toml")], &said[..]].concat());
    assert_eq!(deep[0]["layers"].as_array().unwrap().len(), 2);
}

#[test]
fn depth_tells_of_every_layer_of_every_network() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("new");
    let folder = out.to_str().unwrap();
    let told = gatewright(&["depth", "--layers", "12x40", "--batch", "64", "--out", folder, "--json"]);
    assert!(told.status.success(), "{}", complaint(&told));
    let networks: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    let networks = networks.as_array().unwrap();
    assert_eq!(networks.len(), 4, "two parametrizations with two initializations");
    for network in networks {
        let layers = network["layers"].as_array().unwrap();
        assert_eq!(layers.len(), 12);
        assert!(layers.iter().all(|layer| layer["logit_gradient_norm"].as_f64().is_some_and(|norm| norm > 0.0)));
    }
    assert_eq!(std::fs::read_to_string(out.join("depth.csv")).unwrap().lines().count(), 1 + 4 * 12);
    assert!(image::open(out.join("depth.png")).is_ok());
    let refused = gatewright(&["depth", "--parametrization", "op", "--parametrizations", "iwp"]);
    assert_eq!(refused.status.code(), Some(2));
}

#[test]
fn gaps_of_a_saved_network_are_those_that_its_run_told() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("soft");
    let run = train(&out, &["--method", "soft-mix", "--temperature", "2.5", "--init", "gaussian"]);
    assert!(run.status.success(), "{}", complaint(&run));
    let summary: serde_json::Value = serde_json::from_slice(&run.stdout).unwrap();
    let model = out.join("model.safetensors");
    let eval = gatewright(&["eval", model.to_str().unwrap(), "--gaps", "--json"]);
    assert!(eval.status.success(), "{}", complaint(&eval));
    let gaps = serde_json::from_slice::<serde_json::Value>(&eval.stdout).unwrap()["gaps"].clone();
    for (told, run) in [
        ("accuracy_training_mode", "test_accuracy_training_mode"),
        ("accuracy_soft", "test_accuracy_soft"),
        ("accuracy", "test_accuracy"),
        ("selection_gap", "selection_gap"),
        ("computation_gap", "computation_gap"),
        ("total_gap", "total_gap"),
    ] {
        assert_eq!(gaps[told], summary[run], "{told}");
    }
    assert!(gaps["selection_gap"].as_f64().unwrap() != 0.0, "nothing to tell apart");

    let alone = dir.path().join("model.safetensors");
    std::fs::copy(&model, &alone).unwrap();
    let refused = gatewright(&["eval", alone.to_str().unwrap(), "--gaps"]);
    assert_eq!(refused.status.code(), Some(2));
    assert!(complaint(&refused).contains("config.toml"), "{}", complaint(&refused));
}

#[test]
fn a_folder_in_use_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("thesis.tex"), "years of work").unwrap();
    let run = train(dir.path(), &[]);
    assert_eq!(run.status.code(), Some(2));
    assert!(complaint(&run).contains("is not empty"), "{}", complaint(&run));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn bad_usage_is_told_in_a_sentence_with_exit_code_2() {
    let dir = tempfile::tempdir().unwrap();
    let torn = dir.path().join("torn.safetensors");
    std::fs::write(&torn, [200, 0, 0, 0, 0, 0, 0, 0, b'{']).unwrap();
    let config = dir.path().join("c.toml");
    std::fs::write(&config, "learning-rate = 3\n").unwrap();
    let (torn, config) = (torn.to_str().unwrap(), config.to_str().unwrap());
    let nowhere = "/nonexistent/model.safetensors";
    for (args, told) in [
        (vec!["train", "--layers", "3x"], "DEPTHxWIDTH"),
        (vec!["train", "--layers", "8004"], "8000 can"),
        (vec!["train", "--lr", "-1"], "--lr"),
        (vec!["train", "--batch", "0"], "--batch"),
        (vec!["train", "--temperature", "0.5"], "--no-cage"),
        (vec!["train", "--data", "mnits"], "mnist"),
        (vec!["train", "--config", config], "learning-rate"),
        (vec!["train", "--adapter", "abacus"], "no adapter is numbered or named `abacus`"),
        (vec!["train", "--adapter", "abacus"], "`cpu` trains without one"),
        (vec!["train", "--method", "prayer"], "hard-st"),
        (vec!["eval", nowhere], "cannot read /nonexistent/model.safetensors"),
        (vec!["eval", torn], "no whole safetensors file"),
        (vec!["predict", torn, "x.png"], "no whole safetensors file"),
        (vec!["bench", "step", "--inputs", "1"], "--inputs"),
    ] {
        let output = gatewright(&args);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {}", complaint(&output));
        assert!(complaint(&output).contains(told), "{args:?}: {}", complaint(&output));
        assert!(output.stdout.is_empty(), "{args:?} prints on stdout");
        assert!(!complaint(&output).contains("panicked"));
    }
}

#[test]
fn without_a_driver_it_trains_on_the_cpu_or_says_what_to_install() {
    let bench = |more: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_gatewright"))
            .args(["bench", "step", "--layers", "2x500", "--rounds", "1", "--json"])
            .args(more)
            .env("VK_DRIVER_FILES", "/nonexistent.json")
            .env("VK_ICD_FILENAMES", "/nonexistent.json")
            .output()
            .unwrap()
    };
    let output = bench(&["--adapter", "0"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(complaint(&output).contains("apt-get install mesa-vulkan-drivers"), "{}", complaint(&output));
    let output = bench(&["--gradients", "f32"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(complaint(&output).contains("int12 or int16, which the CPU trains"), "{}", complaint(&output));
    let report: serde_json::Value = serde_json::from_slice(&bench(&["--method", "soft-mix"]).stdout).unwrap();
    assert_eq!(report["backend"], "cpu");
    let report: serde_json::Value = serde_json::from_slice(&bench(&[]).stdout).unwrap();
    assert_eq!(report["backend"], "cpu");
}

#[test]
fn predict_reads_images_of_other_sizes_and_goes_on_past_a_bad_one() {
    let dir = tempfile::tempdir().unwrap();
    let run = train(&dir.path().join("run"), &[]);
    assert!(run.status.success(), "{}", complaint(&run));
    let model = dir.path().join("run/model.safetensors");
    let images = dir.path().join("images");
    std::fs::create_dir(&images).unwrap();
    image::RgbImage::from_pixel(50, 40, image::Rgb([9, 200, 30])).save(images.join("a.png")).unwrap();
    image::GrayImage::new(28, 28).save(images.join("c.png")).unwrap();
    std::fs::write(images.join("b.png"), "no image").unwrap();
    let output = gatewright(&["predict", model.to_str().unwrap(), images.to_str().unwrap(), "--json"]);
    assert_eq!(output.status.code(), Some(2), "one of three could not be read");
    assert!(complaint(&output).contains("b.png"));
    let lines: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    for line in lines {
        assert_eq!(line["votes"].as_array().unwrap().len(), 10);
        assert!(line["class"].as_u64().unwrap() < 10);
    }
}

#[test]
fn bench_step_tells_what_it_promises() {
    let args = ["bench", "step", "--layers", "2x500", "--inputs", "50", "--batch", "33", "--rounds", "2", "--json"];
    let output = gatewright(&args);
    assert!(output.status.success(), "{}", complaint(&output));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    for key in ["step_ms_min", "step_ms_median", "gate_samples_per_s", "peak_gpu_bytes"] {
        assert!(report[key].as_f64().unwrap() > 0.0, "{key}");
    }
    assert!(report["step_ms_min"].as_f64() <= report["step_ms_median"].as_f64());
    assert!(report["adapter"].is_string() && report["backend"].is_string());
}

/// The program in docs/MODEL_FORMAT.md, run by Python over a saved model, gives the engine's votes.
#[test]
fn numpy_reads_the_model_as_documented() {
    let has_numpy = Command::new("python3").args(["-c", "import numpy, safetensors"]).output();
    if !has_numpy.is_ok_and(|o| o.status.success()) {
        println!("skipped: python3 has no numpy and safetensors");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let run = train(&dir.path().join("run"), &[]);
    assert!(run.status.success(), "{}", complaint(&run));
    let page = std::fs::read_to_string("docs/MODEL_FORMAT.md").unwrap();
    let program = page.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let program = format!(
        "{program}\nimages = np.frombuffer(open('images','rb').read(), np.uint8).reshape(-1, 784)\n\
         print(json.dumps(votes(images).tolist()))\n"
    );
    let images = gatewright::data::open("mnist", None).unwrap().test.pixels[..784 * 50].to_vec();
    std::fs::write(dir.path().join("run/images"), &images).unwrap();
    let output = Command::new("python3").args(["-c", &program]).current_dir(dir.path().join("run")).output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let theirs: Vec<Vec<u32>> = serde_json::from_slice(&output.stdout).unwrap();
    let model = gatewright::network::Model::load(&dir.path().join("run/model.safetensors")).unwrap();
    let netlist = model.netlist().unwrap();
    assert_eq!(theirs.concat(), gatewright::circuit::Engine::new(&netlist).counts(&images, false));
}
