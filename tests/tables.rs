//! Tables from end to end: read, trained on by the program, judged, predicted, exported with their columns.

mod common;
mod tools;

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use common::{THING, thing};
use gatewright::circuit::export::{Format, Inputs, Options as ExportOptions, Outputs, export};
use gatewright::circuit::verify::verify;
use gatewright::circuit::{Engine, Netlist, reference};
use gatewright::data::Encoder;
use gatewright::data::{Coding, ColumnCoding, Dataset, Head, Options, Table, open_with, read_rows};
use gatewright::network::Model;
use gatewright::random::Philox;
use gatewright::settings::{Preset, Settings};
use gatewright::train::draw_model;
use tempfile::TempDir;
use tools::have;

fn folder_of(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, text)| fs::write(folder.path().join(name), text).unwrap());
    folder
}

fn open(folder: &TempDir, name: &str, options: &Options) -> gatewright::Result<Dataset> {
    let path = folder.path().join(name);
    open_with(path.to_str().unwrap(), None, options, Coding::Learned { thresholds: 16 })
}

fn program(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_gatewright")).args(arguments).env("XDG_RUNTIME_DIR", "/tmp").output().unwrap()
}

/// The standard output of the program, which must succeed.
fn said(arguments: &[&str]) -> String {
    let output = program(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Things sold or not, by a rule over six columns of words that has an exclusive or in it.
fn rule(rows: usize) -> String {
    let mut rng = Philox::new(5, 0);
    let mut text = format!("{THING},sold\n");
    for _ in 0..rows {
        let row = thing(&mut rng);
        let [colour, shape, size, _, origin, finish] = row;
        let sold = (colour == "red" && finish == "gloss" && size != "small")
            || ((shape == "star") != matches!(origin, "north" | "east"));
        let _ = writeln!(text, "{},{}", row.join(","), if sold { "yes" } else { "no" });
    }
    text
}

#[test]
fn a_rule_over_six_columns_of_words_is_learned_whole_by_default() {
    let folder = folder_of(&[("rule.csv", &rule(2000))]);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (table, run) = (path("rule.csv"), path("run"));
    let summary: serde_json::Value =
        serde_json::from_str(&said(&["train", "--data", &table, "--out", &run, "--json"])).unwrap();
    assert_eq!((summary["train_samples"].as_u64(), summary["test_samples"].as_u64()), (Some(1600), Some(400)));
    assert_eq!(summary["test_accuracy"], 1.0);

    // The run can be repeated from its folder, and its model reads the table by itself.
    let config = fs::read_to_string(folder.path().join("run/config.toml")).unwrap();
    assert!(config.contains("[input]") && config.contains("rule.csv"), "{config}");
    let model = path("run/model.safetensors");
    let eval = |more: &[&str]| -> serde_json::Value {
        serde_json::from_str(&said(&[&["eval", &model, "--json"], more].concat())).unwrap()
    };
    assert_eq!(eval(&["--data", &table])["right"], 400);
    assert_eq!(eval(&["--data", &table, "--all"])["samples"], 2000);
    assert_eq!((eval(&[])["right"].as_u64(), &eval(&[])["judged"]), (Some(400), &"own test samples".into()));

    // Rows without labels, columns in another order, an ignored one among them.
    let rows = "finish,note,origin,shape,material,size,colour\n\
                gloss,x,south,round,wood,large,red\n\
                matt,y,south,round,wood,large,red\n\
                gloss,z,south,star,wood,small,green\n";
    fs::write(folder.path().join("rows.csv"), rows).unwrap();
    let predicted = said(&["predict", &model, &path("rows.csv"), "--json"]);
    let names: Vec<String> = predicted
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["name"].as_str().unwrap().into())
        .collect();
    assert_eq!(names, ["yes", "no", "yes"]);

    for format in ["verilog", "c"] {
        let exported = said(&["export", &model, "--format", format, "--output", &path("out"), "--name", "rule"]);
        let tool = if format == "verilog" { "iverilog" } else { "cc" };
        if have(tool) {
            said(&["verify", &model, exported.lines().next().unwrap(), "--data", &table, "--random", "500"]);
        }
    }
}

/// Numbers with missing ones, two words, three words; the word `a"b\` is there to break string literals.
const MIXED: &str = "size,answer,kind,class\n\
                     0.1,yes,plain,x\n\
                     0.2,no,\"a\"\"b\\\",y\n\
                     ,yes,odd,x\n\
                     0.30000000000000004,no,plain,y\n\
                     -7e300,yes,?,x\n\
                     1e-320,no,odd,y\n";

#[test]
fn columns_become_what_the_training_rows_suggest() {
    let folder = folder_of(&[("t.csv", MIXED), ("test.csv", MIXED)]);
    let test = Some(folder.path().join("test.csv"));
    let set = open(&folder, "t.csv", &Options { test: test.clone(), ..Options::default() }).unwrap();
    assert_eq!((&*set.name, set.classes.concat().as_str()), ("t", "xy"));
    assert_eq!((set.train.len(), set.train.labels.clone()), (6, vec![0, 1, 0, 1, 0, 1]));
    let table = set.table.as_ref().unwrap();
    let ColumnCoding::Thermometer { thresholds } = &table.columns[0].coding else { panic!("{table:?}") };
    // Midway between neighbours among -7e300, 1e-320, 0.1, 0.2 and 0.30000000000000004.
    let halves = [-7e300 / 2.0 + 1e-320 / 2.0, 0.05, 0.1 / 2.0 + 0.1, 0.1 + 0.30000000000000004 / 2.0];
    assert_eq!(thresholds[..], halves);
    assert_eq!(table.columns.iter().map(|c| c.missing).collect::<Vec<_>>(), [true, false, true]);
    let words = ["a\"b\\", "odd", "plain"].map(String::from).to_vec();
    assert_eq!(table.columns[2].coding, ColumnCoding::OneHot { values: words });
    // 0.1 is above two thresholds; yes is the second word; plain the third.
    assert_eq!(set.train.pixels[..5], [3, 2, 0, 0, 1]);
    assert_eq!(set.train.pixels[2 * 5..3 * 5], [0, 2, 0, 1, 0]);
    assert_eq!(set.train, set.test);

    let told = |options: Options| {
        let error = open(&folder, "t.csv", &Options { test: test.clone(), ..options }).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        error.to_string()
    };
    let encoder = |said: &str| Options { encoder: vec![said.into()], ..Options::default() };
    assert!(told(encoder("size=binary")).contains("\"size\" holds 5 different values"));
    assert!(told(encoder("kind=gaussian")).contains("\"kind\" holds words"));
    assert!(told(encoder("weight=gaussian")).contains("name one of size, answer, kind, class"));
    assert!(told(Options { label: Some("5".into()), ..Options::default() }).contains("no column \"5\""));
    let one = open(&folder, "t.csv", &Options { test: test.clone(), ..encoder("1=one-hot") }).unwrap();
    let values = ["-7e300", "1e-320", "0.1", "0.2", "0.30000000000000004"].map(String::from).to_vec();
    assert_eq!(one.table.unwrap().columns[0].coding, ColumnCoding::OneHot { values });
    let by_answer = Options {
        test: test.clone(),
        label: Some("2".into()),
        ignore: vec!["class".into()],
        encoder: vec!["uniform".into()],
        ..Options::default()
    };
    let set = open(&folder, "t.csv", &by_answer).unwrap();
    assert_eq!(set.classes, ["no", "yes"]);
    let names: Vec<_> = set.table.unwrap().columns.into_iter().map(|c| c.name).collect();
    assert_eq!(names, ["size", "kind"]);
}

/// A drawn network for the mixed table.
fn mixed_model() -> (Model, Table) {
    let folder = folder_of(&[("t.csv", MIXED)]);
    let options = Options { test: Some(folder.path().join("t.csv")), ..Options::default() };
    let set = open(&folder, "t.csv", &options).unwrap();
    let table = set.table.unwrap();
    let settings = Settings { layers: vec![40, 40, 20], ..Preset::Table.settings() };
    let encoder = Encoder::of_table(&table);
    let drawn = draw_model(&settings, "mixed", set.image, &set.classes, encoder).unwrap();
    (Model { table: Some(table.clone()), ..drawn }, table)
}

#[test]
fn a_model_keeps_its_columns_to_the_last_bit() {
    let (model, table) = mixed_model();
    let loaded = Model::from_bytes(&model.to_bytes().unwrap()).unwrap();
    assert_eq!(loaded, model);
    let mut wrong = model.clone();
    wrong.table.as_mut().unwrap().columns.pop();
    assert!(Model::from_bytes(&wrong.to_bytes().unwrap()).unwrap_err().contains("columns give 2 bytes"));

    // A file for prediction: thresholds hit exactly, next to them, missing, unseen; found by name and by place.
    let ColumnCoding::Thermometer { thresholds } = &table.columns[0].coding else { panic!("{table:?}") };
    let mut text = String::new();
    for t in thresholds {
        let _ = writeln!(text, "{t:?},no,odd,x\n{:?},,odd,x\n{:?},NaN,new,y", t.next_up(), t.next_down());
    }
    text.push_str("nan,no,odd,y\ninf,YES,plain,y\n-inf,yes,,x\n");
    let folder = folder_of(&[("named.csv", &format!("size,answer,kind,class\n{text}")), ("placed.csv", &text)]);
    let read = |name: &str| read_rows(&folder.path().join(name), &Options::default(), &table).unwrap().0;
    let bytes = read("named.csv");
    assert_eq!(read("placed.csv"), bytes);
    for (i, _) in thresholds.iter().enumerate() {
        let size = |row: usize| bytes[(3 * i + row) * 5];
        let not_above = i as u8 + 1;
        assert_eq!((size(0), size(1), size(2)), (not_above, not_above + 1, not_above));
    }
    let rest: Vec<u8> = bytes[12 * 5..].to_vec();
    assert_eq!(rest, [[0, 1, 0, 1, 0], [5, 0, 0, 0, 1], [1, 2, 0, 0, 0]].concat());
    let told = |text: &str| {
        let folder = folder_of(&[("t.csv", text)]);
        read_rows(&folder.path().join("t.csv"), &Options::default(), &table).unwrap_err().to_string()
    };
    assert!(told("1,yes\n").contains("2 columns"));
    assert!(told("big,yes,odd\n").contains("\"big\" in column \"size\" is no number"));
    let headed = Options { header: Some(true), ..Options::default() };
    let folder = folder_of(&[("t.csv", "size,kind\n1,odd\n")]);
    let missing = read_rows(&folder.path().join("t.csv"), &headed, &table).unwrap_err().to_string();
    assert!(missing.contains("no column \"answer\""), "{missing}");
}

/// Rows that try an encoder: cells as text, as C, as Rust.
fn trying(table: &Table) -> Vec<[[String; 3]; 3]> {
    let ColumnCoding::Thermometer { thresholds } = &table.columns[0].coding else { panic!("{table:?}") };
    let mut numbers: Vec<[String; 3]> = thresholds
        .iter()
        .flat_map(|t| [*t, t.next_up(), t.next_down()])
        .chain([0.0, -0.0, f64::MAX, f64::MIN, 5e-324])
        .map(|n| [format!("{n:?}"), format!("{n:?}"), format!("{n:?}")])
        .collect();
    numbers.push(["NaN".into(), "NAN".into(), "f64::NAN".into()]);
    numbers.push(["inf".into(), "INFINITY".into(), "f64::INFINITY".into()]);
    numbers.push(["-inf".into(), "-INFINITY".into(), "f64::NEG_INFINITY".into()]);
    let word = |word: &str| [word.to_string(), format!("{word:?}"), format!("Some({word:?})")];
    let none = || [String::new(), "NULL".into(), "None".into()];
    let answers = [word("yes"), word("no"), word("ye"), word("yes!"), none()];
    let kinds = [word("plain"), word("a\"b\\"), word("odd"), word("unseen"), none()];
    let answer = |i: usize| answers[i % answers.len()].clone();
    numbers.into_iter().enumerate().map(|(i, n)| [n, answer(i), kinds[i / 2 % kinds.len()].clone()]).collect()
}

/// Write an export; the folder and the first file's path.
fn exported(netlist: &Netlist, table: &Table, format: Format, inputs: Inputs) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let options = ExportOptions {
        name: "circuit".into(),
        origin: "a test".into(),
        outputs: Outputs::Counts,
        inputs,
        pipeline: 0,
        table: Some(table.clone()),
        head: Head::Classes,
        group: 1,
    };
    let files = export(netlist, format, &options).unwrap();
    files.iter().for_each(|file| fs::write(folder.path().join(&file.name), &file.bytes).unwrap());
    let first = folder.path().join(&files[0].name);
    (folder, first)
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// For each row, its bytes and its class, as the exported programs print them.
fn expected(model: &Model, table: &Table, rows: &[[[String; 3]; 3]]) -> String {
    let engine = Engine::new(&model.netlist().unwrap());
    let mut text = String::new();
    for row in rows {
        let bytes = table.encode_text(&[&row[0][0], &row[1][0], &row[2][0]]).unwrap();
        let class = reference::argmax(&engine.counts(&bytes, false));
        let bytes: Vec<String> = bytes.iter().map(u8::to_string).collect();
        let _ = writeln!(text, "{} {class}", bytes.join(" "));
    }
    text
}

fn compile_and_run(compiler: &str, arguments: &[&str], folder: &Path) -> String {
    run(Command::new(compiler).args(arguments).args(["-o", "made"]).current_dir(folder));
    run(&mut Command::new(folder.join("made")))
}

#[test]
fn exported_c_and_rust_take_rows_as_the_table_does() {
    let (model, table) = mixed_model();
    let netlist = model.netlist().unwrap();
    let rows = trying(&table);
    let expected = expected(&model, &table, &rows);
    if have("cc") {
        let (folder, _) = exported(&netlist, &table, Format::C, Inputs::Features);
        let list: String = rows.iter().map(|[a, b, c]| format!("{{{}, {}, {}}},\n", a[1], b[1], c[1])).collect();
        let main = format!(
            "#include <math.h>\n#include <stdio.h>\n#include \"circuit.h\"\nstatic const struct circuit_row rows[] = \
             {{\n{list}}};\nint main(void) {{\n  for (size_t i = 0; i < {}; i++) {{\n    uint8_t p[CIRCUIT_PIXELS];\n    \
             circuit_row_bytes(&rows[i], p);\n    for (size_t j = 0; j < CIRCUIT_PIXELS; j++) printf(\"%d \", p[j]);\n    \
             printf(\"%u\\n\", circuit_class(p));\n  }}\n}}\n",
            rows.len()
        );
        fs::write(folder.path().join("main.c"), main).unwrap();
        let arguments = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-O1", "main.c", "circuit.c"];
        assert_eq!(compile_and_run("cc", &arguments, folder.path()), expected);
    }
    if have("rustc") {
        let (folder, _) = exported(&netlist, &table, Format::Rust, Inputs::Features);
        let list: String = rows
            .iter()
            .map(|[a, b, c]| format!("circuit::Row {{ size: {}, answer: {}, kind: {} }},\n", a[2], b[2], c[2]))
            .collect();
        let main = format!(
            "fn main() {{\n  for row in [\n{list}] {{\n    let bytes = row.bytes();\n    for b in bytes {{ print!(\"{{b}} \
             \"); }}\n    println!(\"{{}}\", circuit::class(&bytes));\n  }}\n}}\n"
        );
        fs::write(folder.path().join("main.rs"), main).unwrap();
        let library = ["--edition=2021", "--crate-type=rlib", "--crate-name=circuit", "circuit.rs"];
        run(Command::new("rustc").args(library).current_dir(folder.path()));
        let arguments = ["--edition=2021", "--extern", "circuit=libcircuit.rlib", "main.rs"];
        assert_eq!(compile_and_run("rustc", &arguments, folder.path()), expected);
    }
}

#[test]
fn exported_verilog_takes_the_bytes_of_rows_and_says_what_they_are() {
    let (model, table) = mixed_model();
    let netlist = model.netlist().unwrap();
    let bytes: Vec<u8> = trying(&table)
        .iter()
        .flat_map(|row| table.encode_text(&[&row[0][0], &row[1][0], &row[2][0]]).unwrap())
        .collect();
    for inputs in [Inputs::Pixels, Inputs::Features] {
        let (_folder, path) = exported(&netlist, &table, Format::Verilog, inputs);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("// Byte 1 is answer: 1 for no, 2 for yes, 0 if missing or another."), "{text}");
        assert!(text.contains("// Feature 0: size is there."), "{text}");
        if have("iverilog") {
            assert_eq!(verify(&netlist, &path, &bytes).unwrap(), bytes.len() / 5);
        }
    }
}

#[test]
fn broken_tables_are_refused_in_a_sentence() {
    let told = |text: &str| {
        let folder = folder_of(&[("t.csv", text)]);
        let error = open(&folder, "t.csv", &Options::default()).map(drop).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
        error.to_string()
    };
    assert!(told("").contains("no rows"));
    assert!(told("a,b\n1\n").contains("line 2 has 1 cell and most lines have 2"));
    assert!(told("a;b\n").contains("t.csv"));
    assert!(told("1\n2\n").contains("no column beside the labels"));
    assert!(told("1,x\n2,\n").contains("line 2 has no label"));
    assert!(told("1,x\n2,x\n").contains("nothing to learn"));
    assert!(told("1,x\n2,y\n").contains("--test-fraction"), "two rows give no test rows");
    let many: String = (0..300).map(|i| format!("1,{i}\n")).collect();
    assert!(told(&many).contains("300 different values"));
    let words: String = (0..400).map(|i| format!("w{i},{}\n", i % 2)).collect();
    assert!(told(&words).contains("--ignore"));
    let huge: String = (0..70_000).map(|i| format!("{i},")).collect();
    assert!(told(&huge).contains("columns"));

    let folder = folder_of(&[("t.csv", "a,b\n1,x\n2,y\n"), ("more.csv", "a,b\n1,z\n"), ("other.csv", "a,c\n1,x\n")]);
    let with = |test: &str| {
        let options = Options { test: Some(folder.path().join(test)), ..Options::default() };
        open(&folder, "t.csv", &options).unwrap_err().to_string()
    };
    assert!(with("more.csv").contains("the label \"z\" of line 2 is none of the 2 classes"));
    assert!(with("other.csv").contains("columns are not those"));
    assert!(with("none.csv").contains("none.csv"));
}
