//! Labels and values from end to end: read, trained on, judged, predicted, exported; and what cannot be is refused.

mod common;
mod device;
mod tools;

use std::fmt::Write;
use std::fs;
use std::io::{Cursor, Write as _};
use std::path::Path;
use std::process::{Command, Output};

use common::{THING, random_model, random_pixels, thing};
use device::devices;
use gatewright::circuit::export::{Format, Inputs, Options as ExportOptions, Outputs, export};
use gatewright::circuit::verify::verify;
use gatewright::circuit::{Engine, simplify};
use gatewright::data::{Coding, Head, ImageShape, Options, Split, Target, Task, Values, open_with};
use gatewright::network::{Answer, Model};
use gatewright::plan::Tuning;
use gatewright::random::Philox;
use gatewright::reference;
use gatewright::settings::Settings;
use gatewright::train::{Evaluator, Mode, Trainer, draw_model};
use serde_json::Value;
use tempfile::TempDir;
use tools::have;

fn program(arguments: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gatewright"));
    command.args(arguments).current_dir(folder).env("XDG_RUNTIME_DIR", "/tmp").output().unwrap()
}

/// The standard output of the program in `folder`, which must succeed.
fn said(arguments: &str, folder: &Path) -> String {
    let output = program(&arguments.split(' ').collect::<Vec<_>>(), folder);
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(arguments: &str, folder: &Path) -> Value {
    serde_json::from_str(&said(arguments, folder)).unwrap()
}

/// Things with three labels, each by a rule of its own over six columns of words.
fn labelled_things(rows: usize) -> String {
    let mut rng = Philox::new(6, 0);
    let mut text = format!("{THING},heavy,bright,rare\n");
    for _ in 0..rows {
        let row = thing(&mut rng);
        let [colour, shape, size, material, origin, finish] = row;
        let heavy = matches!(material, "metal" | "stone") && size != "small";
        let bright = matches!(colour, "red" | "yellow") != (finish == "matt");
        let rare = (shape == "star" && origin == "north") || colour == "blue";
        let _ = writeln!(text, "{},{},{},{}", row.join(","), u8::from(heavy), u8::from(bright), u8::from(rare));
    }
    text
}

#[test]
fn three_labels_by_rules_are_learned_whole_by_default() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("things.csv"), labelled_things(2000)).unwrap();
    let told = "--data things.csv --task labels --label heavy,bright,rare";
    let summary = json(&format!("train {told} --out run --json"), at);
    assert_eq!((summary["train_samples"].as_u64(), summary["test_samples"].as_u64()), (Some(1600), Some(400)));
    assert_eq!(
        (&summary["task"], &summary["test_accuracy"], &summary["test_exact_match"]),
        (&"labels".into(), &1.0.into(), &1.0.into())
    );

    let model = "run/model.safetensors";
    for engine in ["cpu", "gpu"] {
        let eval = json(&format!("eval {model} --data things.csv --all --engine {engine} --json"), at);
        assert_eq!(
            (eval["samples"].as_u64(), &eval["accuracy"], &eval["exact_match"]),
            (Some(2000), &1.0.into(), &1.0.into())
        );
    }
    // Rows without labels, columns in another order: heavy and bright; rare; none.
    let rows = "finish,size,note,origin,shape,material,colour\n\
                gloss,large,x,south,round,stone,red\n\
                gloss,small,y,south,square,metal,blue\n\
                matt,small,z,north,round,wood,red\n";
    // Blue and gloss is not bright, red and gloss is, red and matt is not.
    fs::write(at.join("rows.csv"), rows).unwrap();
    let predicted = said(&format!("predict {model} rows.csv --json"), at);
    let labels: Vec<Value> =
        predicted.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["labels"].clone()).collect();
    assert_eq!(labels, [serde_json::json!(["heavy", "bright"]), serde_json::json!(["rare"]), serde_json::json!([])]);
    assert!(said(&format!("predict {model} rows.csv"), at).contains("row 3  none "));

    let report = said("report run", at);
    let page = fs::read_to_string(at.join(report.trim())).unwrap();
    assert!(page.contains("label accuracy: 100.00 %") && !page.contains("Confusion"));
    assert!(said("runs .", at).contains("100.00 %"));
    let info = said(&format!("data info {told}").replace("--data ", ""), at);
    assert!(info.contains("labels: heavy, bright, rare") && info.contains("finish    gloss or matt"), "{info}");
    for (format, outputs, tool) in
        [("verilog", "labels", "iverilog"), ("c", "counts", "cc"), ("rust", "counts", "rustc")]
    {
        let made = said(&format!("export {model} --format {format} --outputs {outputs} --output {format}"), at);
        if have(tool) {
            said(&format!("verify {model} {} --data things.csv --random 200", made.lines().next().unwrap()), at);
        }
    }
}

/// Rows of three numbers in -1..1, a smooth function of them, and a plane; every fifth goes to another file.
fn smooth(rows: usize) -> [String; 2] {
    let mut rng = Philox::new(8, 0);
    let mut texts = ["a,b,c,y,z\n".to_string(), "a,b,c,y,z\n".to_string()];
    for row in 0..rows {
        let [a, b, c] = [0; 3].map(|_| rng.uniform() * 2.0 - 1.0);
        let (y, z) = (50.0 + 20.0 * (3.0 * a).sin() + 10.0 * b * b + 5.0 * a * c, 1000.0 * (a + b) - 300.0 * c);
        let _ = writeln!(texts[usize::from(row % 5 == 0)], "{a},{b},{c},{y},{z}");
    }
    texts
}

#[test]
fn two_smooth_functions_are_told_in_their_units() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let [train, test] = smooth(4000);
    fs::write(at.join("train.csv"), train).unwrap();
    fs::write(at.join("test.csv"), &test).unwrap();
    let data = "--data train.csv --test test.csv --task values --label y,z";
    for (more, least) in [("--thresholds 64", 0.995), ("--code-bits 3 --steps 600 --eval-every 300", 0.97)] {
        let run = format!("run-{least}");
        let summary = json(&format!("train {data} {more} --out {run} --json"), at);
        let r2 = summary["test_accuracy"].as_f64().unwrap();
        assert!(r2 >= least, "{more}: {r2}");
        // Errors by hand, from what is predicted.
        let predicted = said(&format!("predict {run}/model.safetensors test.csv --json"), at);
        let predicted: Vec<Value> = predicted.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for (i, name) in ["y", "z"].into_iter().enumerate() {
            let is: Vec<f64> =
                test.lines().skip(1).map(|line| line.split(',').nth(3 + i).unwrap().parse().unwrap()).collect();
            let errors: Vec<f64> =
                predicted.iter().zip(&is).map(|(line, is)| line["values"][name].as_f64().unwrap() - is).collect();
            let count = is.len() as f64;
            let mean = is.iter().sum::<f64>() / count;
            let squares: f64 = errors.iter().map(|e| e * e).sum();
            let spread: f64 = is.iter().map(|x| (x - mean).powi(2)).sum();
            let target = &summary["test_targets"][i];
            let near = |key: &str, by_hand: f64| {
                // Targets are kept as fractions in f32: 2⁻²⁴ of the range, beside errors of some thousandths.
                let told = target[key].as_f64().unwrap();
                assert!((told - by_hand).abs() <= 1e-4 * by_hand.abs(), "{more}, {key} of {name}: {told}, {by_hand}");
            };
            assert_eq!(target["name"], name);
            near("r2", 1.0 - squares / spread);
            near("rmse", (squares / count).sqrt());
            near("mae", errors.iter().map(|e| e.abs()).sum::<f64>() / count);
        }
        let eval = json(&format!("eval {run}/model.safetensors --data train.csv --all --json"), at);
        assert!(eval["accuracy"].as_f64().unwrap() >= least && eval["samples"] == 3200);
    }
    let info = json("data info train.csv --task values --label y,z --json", at);
    let range =
        |row: usize| info["ranges"][row].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<_>>();
    assert!((0..3).all(|row| (-1.0..-0.99).contains(&range(row)[0]) && (0.99..1.0).contains(&range(row)[1])));
    let page = said("report run-0.97", at);
    assert!(fs::read_to_string(at.join(page.trim())).unwrap().contains("RMSE"));
}

#[test]
fn soft_methods_train_labels_and_values() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("things.csv"), labelled_things(1000)).unwrap();
    fs::write(at.join("smooth.csv"), &smooth(1000)[0]).unwrap();
    let short = "--layers 300,300 --steps 300 --eval-every 300 --json";
    for method in ["soft-mix", "soft-gumbel"] {
        for (data, least) in [
            ("--data things.csv --task labels --label heavy,bright,rare", 0.9),
            ("--data smooth.csv --task values --label z --ignore y", 0.9),
        ] {
            let summary = json(&format!("train {data} --method {method} {short} --out {method}{}", data.len()), at);
            let quality = summary["test_accuracy_training_mode"].as_f64().unwrap();
            assert!(quality >= least, "{method}, {data}: {quality}");
        }
    }
}

#[test]
fn what_labels_and_values_cannot_be_is_told_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let rows = |of: &dyn Fn(usize) -> String| (0..20).map(|i| format!("{i},{}\n", of(i))).collect::<String>();
    let write =
        |name: &str, of: &dyn Fn(usize) -> String| fs::write(at.join(name), format!("x,y,z\n{}", rows(of))).unwrap();
    write("words.csv", &|i| format!("{},{}", if i == 7 { "many".into() } else { i.to_string() }, i % 2));
    write("three.csv", &|i| format!("{},{}", i % 3, i % 2));
    write("nan.csv", &|i| format!("{},{}", if i == 4 { "NaN".into() } else { i.to_string() }, i % 2));
    write("infinite.csv", &|i| format!("{},{}", if i == 4 { "inf".into() } else { i.to_string() }, i % 2));
    write("constant.csv", &|_| "5,1".into());
    write("huge.csv", &|i| format!("{}e307,{}", i as f64 - 10.0, i % 2));
    write("good.csv", &|i| format!("{},{}", i * i, i % 2));
    for (arguments, fragment) in [
        ("--data words.csv --task values --label y", "line 9: \"y\" is \"many\", which is no number"),
        ("--data words.csv --task labels --label y", "no number; --task labels takes numbers"),
        ("--data three.csv --task labels --label y,z", "line 4: \"y\" is 2; --task labels takes columns of 0 and 1"),
        ("--data nan.csv --task values --label y", "line 6: \"y\" is missing; remove the row"),
        ("--data infinite.csv --task values --label y", "line 6: \"y\" is inf; --task values takes numbers"),
        (
            "--data huge.csv --task values --label y",
            "line 2: \"y\" is -1.00000e308; --task values takes numbers up to 3e38",
        ),
        (
            "--data constant.csv --task values --label y",
            "\"y\" is 5 in every training sample; there is nothing to learn",
        ),
        ("--data constant.csv --task labels --label z", "there is nothing to learn"),
        ("--data good.csv --task values --label y,w", "there is no column \"w\"; name one of x, y, z"),
        ("--data good.csv --task values --label y,y", "names column \"y\" twice"),
        ("--data good.csv --task values --label x,y,z", "no column beside the labels"),
        ("--data good.csv --label y,z", "add --task labels or --task values"),
        ("--data good.csv --task values --code-bits 17", "--code-bits takes 1 to 16, not 17"),
        ("--data good.csv --code-bits 2", "add --task values"),
        ("--data good.csv --task values --label y --layers 7,7 --code-bits 2", "7 gates cannot be shared evenly by 2"),
        ("--data mnist --task values", "--task is for tables and arrays, and mnist is a set of IDX files"),
    ] {
        let output =
            program(&["train", "--out", "run"].into_iter().chain(arguments.split(' ')).collect::<Vec<_>>(), at);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments}: {told}");
        assert!(told.contains(fragment), "{arguments}: {told}");
    }
    said("train --data good.csv --task values --label y --steps 2 --layers 40,20 --out run --json", at);
    for (arguments, fragment) in [
        ("export run/model.safetensors -f verilog --outputs class", "values and no class; choose --outputs counts"),
        (
            "export run/model.safetensors -f verilog --outputs labels",
            "is for networks of labels, this one tells values",
        ),
        ("eval run/model.safetensors --data mnist", "rows of a table"),
        ("data info good.csv --task values --png sheet.png", "leave it out"),
    ] {
        let output = program(&arguments.split(' ').collect::<Vec<_>>(), at);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && told.contains(fragment), "{arguments}: {told}");
    }
}

/// A .npy file of floats.
fn npy(shape: &str, numbers: &[f64]) -> Vec<u8> {
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': ({shape}), }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(numbers.iter().flat_map(|n| n.to_le_bytes()));
    bytes
}

fn npz(folder: &TempDir, name: &str, y_shape: &str, y: &[f64]) -> String {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default();
    let x: Vec<f64> = (0..20).map(f64::from).collect();
    for (name, bytes) in [("x.npy", npy("10, 2", &x)), ("y.npy", npy(y_shape, y))] {
        archive.start_file(name, options).unwrap();
        archive.write_all(&bytes).unwrap();
    }
    let path = folder.path().join(name);
    fs::write(&path, archive.finish().unwrap().into_inner()).unwrap();
    path.to_str().unwrap().into()
}

#[test]
fn arrays_hold_labels_in_columns_and_values() {
    let folder = tempfile::tempdir().unwrap();
    let bits: Vec<f64> = (0..30).map(|i| f64::from(u8::from(i % 4 == 0))).collect();
    let labels = npz(&folder, "labels.npz", "10, 3", &bits);
    let numbers: Vec<f64> = (0..10).map(|i| f64::from(i) * 0.5 - 1.0).collect();
    let values = npz(&folder, "values.npz", "10,", &numbers);
    let open = |path: &str, task: Task, whole: bool| {
        let options = Options { task: Some(task), whole, ..Options::default() };
        open_with(path, None, &options, Coding::Learned { thresholds: 16 })
    };
    let set = open(&labels, Task::Labels, true).unwrap();
    assert_eq!((set.head, set.classes.len(), set.train.len()), (Head::Labels, 3, 10));
    assert_eq!(set.train.targets, bits.iter().map(|&b| b as f32).collect::<Vec<_>>());
    let set = open(&values, Task::Values, true).unwrap();
    let target = Target { name: "value".into(), least: -1.0, greatest: 3.5 };
    assert_eq!(set.head, Head::Values(Values { targets: vec![target], bits: 1 }));
    assert_eq!(set.train.targets, (0..10).map(|i| (i as f64 / 9.0) as f32).collect::<Vec<_>>());
    // Eight samples to train on and two to test: the range is that of the eight.
    let set = open(&values, Task::Values, false).unwrap();
    let (least, greatest) = set.train.targets.iter().fold((1.0f32, 0.0f32), |(l, g), &y| (l.min(y), g.max(y)));
    assert_eq!((set.train.len(), set.test.len(), least, greatest), (8, 2, 0.0, 1.0));

    // A network of three labels finds two.
    let two = npz(&folder, "two.npz", "10, 2", &bits[..20]);
    let model =
        Model { head: Head::Labels, table: open(&labels, Task::Labels, true).unwrap().table, ..drawn(Head::Labels) };
    let coding = Coding::Known { table: model.table.as_ref(), classes: &model.classes[..3], head: &model.head };
    let options = Options { task: Some(Task::Labels), ..Options::default() };
    let refused = open_with(&two, None, &options, coding).unwrap_err().to_string();
    assert!(refused.contains("it tells 2 labels or values of each sample, and 3 are needed"), "{refused}");

    let told = |path: &str, task| open(path, task, true).map(drop).unwrap_err().to_string();
    assert!(told(&labels, Task::Classes).contains("or --task labels or --task values"));
    assert!(told(&values, Task::Labels).contains("sample 0: \"label\" is -1"));
    assert!(told(&values, Task::Classes).contains("--task values"), "halves are no classes");
    let mut with_nan = numbers.clone();
    with_nan[3] = f64::NAN;
    assert!(told(&npz(&folder, "nan.npz", "10,", &with_nan), Task::Values).contains("sample 3: \"value\" is NaN"));
    assert!(
        told(&npz(&folder, "short.npz", "9,", &numbers[..9]), Task::Values)
            .contains("[9] do not fit samples of [10, 2]")
    );
}

/// A drawn network of ten outputs with this head.
fn drawn(head: Head) -> Model {
    let image = ImageShape { channels: 1, height: 3, width: 4 };
    Model { head, ..random_model(image, 3, &[60, 50, 40], 2, 3) }
}

fn values(targets: usize, bits: u32) -> Head {
    let target = |t| Target { name: format!("t{t}"), least: -0.1 * t as f64, greatest: 7.0 + t as f64 };
    Head::Values(Values { targets: (0..targets).map(target).collect(), bits })
}

#[test]
fn models_keep_their_heads_and_heads_that_do_not_fit_are_refused() {
    for head in [Head::Classes, Head::Labels, values(10, 1), values(2, 5)] {
        let model = drawn(head);
        assert_eq!(Model::from_bytes(&model.to_bytes().unwrap()).unwrap(), model);
    }
    let bytes = drawn(Head::Classes).to_bytes().unwrap();
    assert!(!bytes.windows(4).any(|w| w == b"head"), "networks of classes are written as they always were");
    let told = Model::from_bytes(&drawn(values(3, 3)).to_bytes().unwrap()).unwrap_err();
    assert!(told.contains("3 targets of 3 bits do not fit 10 outputs"), "{told}");
}

#[test]
fn exported_functions_say_what_the_model_says() {
    let pixels = random_pixels(130, 12, 5);
    for head in [Head::Labels, values(10, 1), values(2, 5)] {
        let model = drawn(head);
        let netlist = model.netlist().unwrap();
        let counts = Engine::new(&netlist).counts(&pixels, false);
        let expected: Vec<Answer> = counts.chunks_exact(10).map(|votes| model.answer(votes)).collect();
        // Of a label four gates vote: it is set by three.
        if model.head == Head::Labels {
            let by_hand = counts.chunks_exact(10).map(|c| Answer::Labels((0..10).filter(|&l| c[l] >= 3).collect()));
            assert!(by_hand.eq(expected.iter().cloned()));
        }
        let options = |outputs| ExportOptions {
            name: "circuit".into(),
            origin: "a test".into(),
            outputs,
            inputs: Inputs::Features,
            pipeline: 0,
            table: None,
            head: model.head.clone(),
            group: model.group(),
        };
        let simple = simplify(&netlist).0;
        for format in [Format::Verilog, Format::Blif, Format::Aag, Format::Aig] {
            let outputs = if model.head == Head::Labels { Outputs::Labels } else { Outputs::Counts };
            let folder = tempfile::tempdir().unwrap();
            let made = export(&simple, format, &options(outputs)).unwrap();
            let path = folder.path().join(&made[0].name);
            fs::write(&path, &made[0].bytes).unwrap();
            if format != Format::Verilog || have("iverilog") {
                assert_eq!(verify(&netlist, &path, &pixels).unwrap(), 130);
            }
        }
        for (format, tool) in [(Format::C, "cc"), (Format::Rust, "rustc")] {
            let folder = tempfile::tempdir().unwrap();
            for file in export(&simple, format, &options(Outputs::Counts)).unwrap() {
                fs::write(folder.path().join(&file.name), &file.bytes).unwrap();
            }
            if !have(tool) {
                continue;
            }
            verify(&netlist, &folder.path().join(format!("circuit.{}", format.extension())), &pixels).unwrap();
            let printed = if format == Format::C {
                run_c(&model, &pixels, folder.path())
            } else {
                run_rust(&model, &pixels, folder.path())
            };
            for (line, answer) in printed.lines().zip(&expected) {
                let numbers: Vec<f64> = line.split_whitespace().map(|n| n.parse().unwrap()).collect();
                match answer {
                    Answer::Values(values) => {
                        assert!(numbers.iter().zip(values).all(|(a, b)| (a - b).abs() < 1e-12), "{line}, {values:?}");
                    }
                    answer => {
                        let set: Vec<usize> = (0..10).filter(|&l| numbers[l] == 1.0).collect();
                        assert_eq!(set, answer.outputs());
                    }
                }
            }
            assert_eq!(printed.lines().count(), 130);
        }
    }
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// What an exported C function prints of each image.
fn run_c(model: &Model, pixels: &[u8], folder: &Path) -> String {
    let images: Vec<String> = pixels.iter().map(u8::to_string).collect();
    let (kind, function, count) = match model.head {
        Head::Labels => ("uint8_t", "labels", "CIRCUIT_CLASSES"),
        _ => ("double", "values", "CIRCUIT_TARGETS"),
    };
    let main = format!(
        "#include <stdio.h>\n#include \"circuit.h\"\nstatic const uint8_t images[] = {{{}}};\nint main(void) {{\n  for (int i \
         = 0; i < 130; i++) {{\n    {kind} told[{count}];\n    circuit_{function}(images + 12 * i, told);\n    for (int k = 0; k < \
         {count}; k++) printf(\"%.17g \", (double)told[k]);\n    printf(\"\\n\");\n  }}\n}}\n",
        images.join(",")
    );
    fs::write(folder.join("main.c"), main).unwrap();
    let arguments =
        ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1", "main.c", "circuit.c", "-o", "made"];
    run(Command::new("cc").args(arguments).current_dir(folder));
    run(&mut Command::new(folder.join("made")))
}

/// What an exported Rust function prints of each image.
fn run_rust(model: &Model, pixels: &[u8], folder: &Path) -> String {
    let function = if model.head == Head::Labels { "labels" } else { "values" };
    let number = if model.head == Head::Labels { "u8::from(x)" } else { "x" };
    let main = format!(
        "fn main() {{\n  let images: [[u8; 12]; 130] = {:?};\n  for image in &images {{\n    for x in circuit::{function}(image) {{ \
         print!(\"{{}} \", {number}); }}\n    println!();\n  }}\n}}\n",
        pixels.chunks_exact(12).collect::<Vec<_>>()
    );
    fs::write(folder.join("main.rs"), main).unwrap();
    let library = ["--edition=2021", "-Dwarnings", "--crate-type=rlib", "--crate-name=circuit", "circuit.rs"];
    run(Command::new("rustc").args(library).current_dir(folder));
    let arguments = ["--edition=2021", "--extern", "circuit=libcircuit.rlib", "main.rs", "-o", "made"];
    run(Command::new("rustc").args(arguments).current_dir(folder));
    run(&mut Command::new(folder.join("made")))
}

/// Random samples of 9 bytes with targets for 6 outputs.
fn samples(head: &Head, samples: usize, seed: u64) -> Split {
    let mut rng = Philox::new(seed, 0);
    let pixels = (0..samples * 9).map(|_| rng.below(256) as u8).collect();
    let width = 6 / head.bits() as usize;
    let is_labels = *head == Head::Labels;
    let targets = (0..samples * width).map(|_| if is_labels { rng.below(2) as f32 } else { rng.uniform() as f32 });
    Split { pixels, labels: vec![0; samples], targets: targets.collect() }
}

/// Votes, loss and quality by the twins; and targets that are streamed give the bytes that resident ones give.
#[test]
fn targets_are_evaluated_and_streamed_as_classes_are() {
    let image = ImageShape { channels: 1, height: 1, width: 9 };
    for gpu in &devices() {
        for head in [Head::Labels, values(6, 1), values(2, 3)] {
            let settings = Settings { layers: vec![120, 60], batch: 33, ..Settings::deep() };
            let train = samples(&head, 64, 3);
            let names: Vec<String> = (0..6).map(|c| c.to_string()).collect();
            let encoder = gatewright::data::Encoder::thermometer(image, 3).unwrap();
            let model = Model { head: head.clone(), ..draw_model(&settings, "noise", image, &names, encoder).unwrap() };
            let usual = Tuning::for_adapter(&gpu.adapter);
            let trained = |most_resident_bytes| {
                let tuning = Tuning { most_resident_bytes, ..usual };
                let mut trainer = Trainer::with_model(gpu, &settings, model.clone(), &train, tuning).unwrap();
                trainer.submit(40).unwrap();
                trainer
            };
            let mut trainer = trained(u64::MAX);
            let made = trainer.download().unwrap().clone();
            assert!(made.to_bytes().unwrap() == trained(0).download().unwrap().to_bytes().unwrap());
            for count in [1, 31, 33, 1025] {
                let split = samples(&head, count, count as u64);
                let told = Evaluator::new(&trainer, &split).unwrap().run(&mut trainer, Mode::Hard).unwrap();
                let (mut loss, mut votes) = (0.0, Vec::new());
                for (s, pixels) in split.pixels.chunks_exact(9).enumerate() {
                    let bits = reference::encode(&made.encoder, pixels);
                    let outputs = made.layers.iter().fold(bits, |bits, layer| reference::forward_hard(layer, &bits));
                    let own = reference::group_sum(&outputs, 6);
                    loss += reference::loss_of(&head, &own, &split, s, 10, settings.tau.into(), 1).loss / count as f64;
                    votes.extend(own);
                }
                assert!(told.votes.iter().map(|&v| f64::from(v)).eq(votes.iter().copied()));
                // Scores up to 1/2, so losses of labels up to 6, of values up to 3: some roundings, an exponential and
                // a logarithm.
                assert!((told.loss - loss).abs() < 1e-5, "{} against {loss}, {head:?}", told.loss);
                let quality = head.quality(&votes, 6, 10, &split);
                assert_eq!((told.accuracy, &told.quality), (quality.score, &quality));
                assert!(told.predictions.is_empty());
            }
        }
    }
}
