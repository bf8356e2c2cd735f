//! The circuit's commands as a shell sees them: exit codes, what is printed where, and that nothing half-written stays.

mod common;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{MNIST, mnist_images, random_model};
use gatewright::network::{Convolution, Draw, Initialization, Layer, Model, Parametrization, TreeChannels, Wiring};

fn gatewright(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gatewright")).args(arguments).output().unwrap()
}

/// A network of 600 random gates, saved after `change`; the file is not checked when it is written.
fn model(folder: &Path, change: impl Fn(&mut Model)) -> PathBuf {
    let mut model = random_model(MNIST, 1, &[300, 200, 100], 2, 3);
    model.dataset = "mnist".into();
    change(&mut model);
    let path = folder.join("model.safetensors");
    std::fs::write(&path, model.to_bytes().unwrap()).unwrap();
    path
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Exit code and the one line on stderr.
fn refused(arguments: &[&str]) -> (i32, String) {
    let output = gatewright(arguments);
    assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
    (output.status.code().unwrap(), text(&output.stderr))
}

#[test]
fn what_is_exported_is_verified() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path(), |_| ());
    let out = folder.path().join("new").join("folder");
    for (format, file) in [("blif", "mnist_net.blif"), ("aig", "mnist_net.aig"), ("aag", "mnist_net.aag")] {
        let output =
            gatewright(&["export", model.to_str().unwrap(), "--format", format, "--output", out.to_str().unwrap()]);
        let path = out.join(file);
        assert_eq!(text(&output.stdout), format!("{}\n", path.display()), "{}", text(&output.stderr));
        let verified = gatewright(&["verify", model.to_str().unwrap(), path.to_str().unwrap(), "--images", "200"]);
        assert!(verified.status.success(), "{}", text(&verified.stderr));
        assert!(
            text(&verified.stdout)
                .contains("equal on 200 images of the 10000 test images of mnist and on 1000 of random bytes")
        );
    }
}

#[test]
fn circuits_come_back_as_models() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path(), |_| ());
    let [model, out] = [model.as_path(), folder.path()].map(|path| path.to_str().unwrap());
    let bytes: Vec<u8> = mnist_images(300);
    let counts = |path: &Path| {
        gatewright::circuit::Engine::new(&Model::load(path).unwrap().netlist().unwrap()).counts(&bytes, true)
    };
    let expected = counts(Path::new(model));
    for outputs in ["votes", "counts"] {
        for (format, file) in [("blif", "mnist_net.blif"), ("aig", "mnist_net.aig"), ("aag", "mnist_net.aag")] {
            let exported = gatewright(&["export", model, "-f", format, "-o", out, "--outputs", outputs]);
            assert!(exported.status.success(), "{}", text(&exported.stderr));
            let (from, to) = (folder.path().join(file), folder.path().join("back.safetensors"));
            let [from, to_path] = [&from, &to].map(|path| path.to_str().unwrap());
            let back = gatewright(&["import", from, "--like", model, "-o", to_path]);
            assert!(text(&back.stdout).contains("every one"), "{}{}", text(&back.stdout), text(&back.stderr));
            assert!(counts(&to) == expected, "{outputs} as {format}");
            let again = gatewright(&["export", to_path, "-f", "verilog", "-o", out]);
            assert!(again.status.success(), "{}", text(&again.stderr));
        }
    }
    let plain = folder.path().join("adder.blif");
    std::fs::write(&plain, ".model a\n.inputs a b\n.outputs s c\n.names a b s\n10 1\n01 1\n.names a b c\n11 1\n.end\n")
        .unwrap();
    let told = gatewright(&["import", plain.to_str().unwrap(), "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!((&told["gates"], &told["compared"]), (&2.into(), &serde_json::Value::Null));
    let adder = Model::load(&plain.with_extension("safetensors")).unwrap();
    let sums = gatewright::circuit::Engine::new(&adder.netlist().unwrap()).counts(&[0, 0, 1, 0, 0, 9, 7, 255], false);
    assert_eq!(sums, [0, 0, 1, 0, 1, 0, 0, 1]);
    std::fs::write(&plain, ".model a\n.inputs a\n.outputs q\n.latch a q re a 0\n.end\n").unwrap();
    let (code, told) = refused(&["import", plain.to_str().unwrap()]);
    assert!(code == 2 && told.contains("line 4 has a latch"), "{told}");
}

#[test]
fn json_is_all_that_is_printed() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path(), |_| ());
    let json = |arguments: &[&str]| -> serde_json::Value {
        let output = gatewright(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let report = json(&["simplify", model.to_str().unwrap(), "--json"]);
    assert_eq!(report["simplification"]["before"]["gates"], 600);
    let report = json(&["inspect", model.to_str().unwrap(), "--json"]);
    assert_eq!(report["census"]["gates"], 600);
    let of_functions: u64 = report["functions"].as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
    assert_eq!(of_functions, 600);
    let report =
        json(&["bench", "infer", "--layers", "2x100", "--inputs", "50", "--samples", "600", "--rounds", "2", "--json"]);
    assert_eq!(report["gates_evaluated"], 200);
    assert!(report["ns_per_sample"].as_f64().unwrap() > 0.0);
    let bench = ["bench", "infer", "--engine", "gpu", "--layers", "2x100", "--inputs", "50"];
    let report = json(&[&bench[..], &["--samples", "600", "--rounds", "2", "--json"]].concat());
    assert_eq!(report["gates_evaluated"], 200);
    assert!(report["adapter"].is_string() && report["peak_bytes"].as_u64().unwrap() > 0);
    assert!(report["ns_per_sample"].as_f64().unwrap() > 0.0);
    let evaluated = ["cpu", "gpu"].map(|engine| json(&["eval", model.to_str().unwrap(), "--engine", engine, "--json"]));
    assert_eq!(evaluated[0]["confusion"], evaluated[1]["confusion"]);
    assert_eq!(evaluated[1]["engine"], "gpu");
    assert!(evaluated[0]["adapter"].is_null() && evaluated[1]["adapter"].is_string());
}

#[test]
fn options_of_the_other_engine_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path(), |_| ());
    let model = model.to_str().unwrap();
    for (arguments, expected) in [
        (vec!["eval", model, "--adapter", "0"], "--adapter is for --engine gpu"),
        (vec!["eval", model, "--engine", "gpu", "--single"], "--single is for --engine cpu"),
        (vec!["bench", "infer", "--engine", "gpu", "--threads", "2"], "--threads and --simd are for --engine cpu"),
    ] {
        let (code, told) = refused(&arguments);
        assert_eq!(code, 2);
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn pictures_are_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path(), |_| ());
    let digit = folder.path().join("digit.pgm");
    let bytes = [b"P5 28 28 255\n".to_vec(), mnist_images(1)].concat();
    std::fs::write(&digit, bytes).unwrap();
    let out = folder.path().join("png");
    let arguments =
        ["inspect", model.to_str().unwrap(), "--png", out.to_str().unwrap(), "--image", digit.to_str().unwrap()];
    let output = gatewright(&arguments);
    assert!(output.status.success(), "{}", text(&output.stderr));
    for name in ["gate-types.png", "input-use.png", "gates-on.png"] {
        assert!(image::open(out.join(name)).is_ok(), "{name}");
    }
}

#[test]
fn convolutions_are_loops_or_a_warning_and_are_drawn() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path(), |model| {
        let (channels, start) = (TreeChannels::One, Initialization::Gaussian.into());
        let draw = Draw { wiring: Wiring::Unique, parametrization: Parametrization::IwpSin, start, seed: 3 };
        let what = Convolution { units: 6, kernel: [5, 5], stride: 1, pad: 0, depth: 2, channels, pool: 2 };
        let first = Layer::draw_conv(0, &what, what.over([1, 28, 28]).unwrap(), draw);
        model.layers = vec![Layer::draw(1, first.outputs(), 100, 2, draw)];
        model.layers.insert(0, first);
    });
    let model = model.to_str().unwrap();
    let out = folder.path().to_str().unwrap();
    for (format, is_loop) in [("blif", false), ("aig", false), ("c", true), ("rust", true), ("verilog", true)] {
        let output = gatewright(&["export", model, "--format", format, "--output", out]);
        let told = text(&output.stderr);
        assert!(output.status.success() && told.contains("where the network has 118") != is_loop, "{format}: {told}");
        if !is_loop {
            let path = text(&output.stdout);
            let verified = gatewright(&["verify", model, path.trim_end(), "--images", "100"]);
            assert!(verified.status.success(), "{}", text(&verified.stderr));
        }
    }
    let digit = folder.path().join("digit.pgm");
    std::fs::write(&digit, [b"P5 28 28 255\n".to_vec(), mnist_images(1)].concat()).unwrap();
    let output = gatewright(&["inspect", model, "--png", out, "--image", digit.to_str().unwrap()]);
    // Six trees of three gates at 24 x 24 places, and 100 gates.
    let told = text(&output.stdout);
    assert!(told.contains("118 gates") && told.contains("10468 gates are evaluated for a sample"), "{told}");
    for name in ["gates-on.png", "trees-0.png"] {
        assert!(image::open(folder.path().join(name)).is_ok(), "{name}");
    }
    let (code, told) = refused(&["inspect", model, "--png", out, "--from-tree", "6"]);
    assert!(code == 2 && told.contains("no convolution has more than 6 trees"), "{told}");
}

#[test]
fn broken_models_are_refused_with_a_sentence_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let model = model(folder.path(), |m| m.layers[1].wiring[7] = 5000);
    let arguments = ["export", model.to_str().unwrap(), "--format", "c", "--output", out.to_str().unwrap()];
    let (code, told) = refused(&arguments);
    assert_eq!(code, 2);
    assert!(told.contains("layer 1 has gate 3, which reads input 5000, but there are only 300"), "{told}");
    let bytes = std::fs::read(&model).unwrap();
    std::fs::write(&model, &bytes[..bytes.len() / 2]).unwrap();
    let (code, told) = refused(&arguments);
    assert_eq!(code, 2);
    assert!(told.contains("no whole safetensors file"), "{told}");
    let version = b"format_version\\\":";
    let at = bytes.windows(version.len()).position(|w| w == version).unwrap() + version.len();
    let mut other = bytes;
    other[at] = b'7';
    std::fs::write(&model, other).unwrap();
    let (code, told) = refused(&arguments);
    assert_eq!(code, 2);
    assert!(told.contains("format version is 7"), "{told}");
    assert!(!out.exists());
}

#[test]
fn files_that_are_not_what_they_should_be_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let model = model(folder.path(), |_| ());
    let (model, note) = (model.to_str().unwrap(), folder.path().join("note.txt"));
    std::fs::write(&note, "no circuit, no picture").unwrap();
    let note = note.to_str().unwrap();
    let (code, told) = refused(&["verify", model, note, "--images", "1"]);
    assert_eq!(code, 2);
    assert!(told.contains("note.txt") && told.contains("not exported by gatewright"), "{told}");
    let png = folder.path().join("png");
    let (code, told) = refused(&["inspect", model, "--png", png.to_str().unwrap(), "--image", note]);
    assert_eq!(code, 2);
    assert!(told.contains("note.txt"), "{told}");
    assert!(!png.exists());
    // A folder that cannot be written: its place is taken by a file. (Permissions do not stop root.)
    let (code, told) = refused(&["export", model, "--format", "blif", "--as-trained", "--output", note]);
    assert_eq!(code, 1);
    assert!(told.contains("cannot create") && told.contains("note.txt"), "{told}");
    let (code, told) = refused(&["export", model, "--format", "aig", "--pipeline", "3", "--as-trained"]);
    assert_eq!(code, 2);
    assert!(told.contains("--pipeline is for verilog"), "{told}");
}
