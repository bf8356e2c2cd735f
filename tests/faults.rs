//! Tables that people brought and that were met wrongly: each is read as it was meant, or refused in a sentence.
//! `tests/faults/` holds the inputs; siblings of them are written here, those of pictures and habits in `tests/inputs.rs`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn fault(name: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/faults").join(name);
    path.to_str().unwrap().to_string()
}

fn program(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_gatewright");
    let output = Command::new(program).args(arguments).env("XDG_RUNTIME_DIR", "/tmp").stdin(Stdio::null()).output();
    output.unwrap()
}

/// The sentence by which input is refused.
fn refused(arguments: &[&str]) -> String {
    let output = program(arguments);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {told}{}", String::from_utf8_lossy(&output.stdout));
    assert!(!told.contains("panicked"), "{told}");
    told
}

/// What is printed as JSON.
fn told(arguments: &[&str]) -> Value {
    let output = program(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// What `data info` says of a file.
fn info(path: &str, more: &[&str]) -> Value {
    told(&[&["data", "info", path, "--json"], more].concat())
}

/// Names of the columns that are read, each with the kind of its coding; and the classes.
fn columns(info: &Value) -> (Vec<String>, Vec<String>) {
    let text = |value: &Value| value.as_str().unwrap().to_string();
    let column = |column: &Value| {
        let kind = column["coding"].as_object().unwrap().keys().next().unwrap();
        format!("{} {kind}", text(&column["name"]))
    };
    (
        info["columns"].as_array().unwrap().iter().map(column).collect(),
        info["classes"].as_array().unwrap().iter().map(text).collect(),
    )
}

fn has_note(info: &Value, part: &str) -> bool {
    info["notes"].as_array().unwrap().iter().any(|note| note["text"].as_str().unwrap().contains(part))
}

/// Accuracy on test rows after a short training.
fn accuracy(path: &str, layers: &str) -> f64 {
    let out = tempfile::tempdir().unwrap();
    let out = out.path().join("run").display().to_string();
    let base = ["train", "--data", path, "--steps", "300", "--eval-every", "300", "--layers", layers];
    let summary = told(&[&base[..], &["--out", &out, "--json"]].concat());
    summary["test_accuracy"].as_f64().unwrap()
}

const TREES: [&str; 3] = ["ash", "elm", "oak"];

/// Rows of three numbers and a tree, which the first number tells alone: 1 to 2, 3 to 4, 5 to 6.
fn rows() -> Vec<[String; 4]> {
    let row = |i: usize| {
        let (kind, noise) = (i % 3, (i * 7 % 10) as f64 / 10.0);
        let numbers = [1.0 + 2.0 * kind as f64 + noise, 3.0 + (i * 3 % 7) as f64 / 2.0, (i * 5 % 11) as f64 + 0.25];
        [format!("{:.1}", numbers[0]), format!("{:.1}", numbers[1]), format!("{:.2}", numbers[2]), TREES[kind].into()]
    };
    (0..90).map(row).collect()
}

fn joined(header: &str, separator: &str, rows: &[[String; 4]]) -> String {
    let lines = rows.iter().map(|row| row.join(separator) + "\n");
    let header = if header.is_empty() { String::new() } else { format!("{header}\n") };
    header + &lines.collect::<String>()
}

fn written(name: &str, text: impl AsRef<[u8]>) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    let path = path.display().to_string();
    (folder, path)
}

/// Refuses anything but the three columns of numbers and the three trees.
fn check_trees(name: &str, text: impl AsRef<[u8]>, names: [&str; 3]) -> Value {
    let (_folder, path) = written(name, text);
    let info = info(&path, &[]);
    let (found, classes) = columns(&info);
    assert_eq!(found, names.map(|name| format!("{name} thermometer")), "{info:#}");
    assert_eq!(classes, TREES, "{info:#}");
    assert_eq!(info["train_samples"].as_u64().unwrap() + info["test_samples"].as_u64().unwrap(), 90);
    info
}

#[test]
fn an_index_without_a_name_is_left_out_and_told() {
    for (name, note) in [("pandas.csv", "left out column 1, which has no name"), ("r-table.csv", "row names")] {
        let path = fault(&format!("02-index-column/{name}"));
        let info = info(&path, &[]);
        assert!(has_note(&info, note), "{info:#}");
        let (found, classes) = columns(&info);
        assert_eq!(found, ["len", "wid", "dep"].map(|name| format!("{name} thermometer")));
        assert_eq!(classes, TREES);
        assert!(accuracy(&path, "2x600") > 0.9, "{name}");
    }
    let indexed = |first: &str| {
        let rows = rows().iter().enumerate().map(|(i, row)| format!("{i},{}\n", row.join(","))).collect::<String>();
        format!("{first}{rows}")
    };
    check_trees("t.csv", indexed(",a,b,c,tree\n"), ["a", "b", "c"]);
    check_trees("t.csv", indexed("Unnamed: 0,a,b,c,tree\n"), ["a", "b", "c"]);
    check_trees("t.csv", indexed(""), ["c2", "c3", "c4"]);
    check_trees("t.csv", indexed("a,b,c,tree\n"), ["a", "b", "c"]);
    let (_folder, path) = written("t.csv", indexed("id,a,b,c,tree\n"));
    assert!(has_note(&info(&path, &[]), "\"id\" counts the rows from 0; if it is no value of theirs, leave it out by"));
    let kept = info(&path, &["--ignore", "id"]);
    assert_eq!(columns(&kept).0.len(), 3);
}

#[test]
fn headers_are_known_whatever_their_names_are() {
    let path = fault("03-numeric-names/target.csv");
    let (found, classes) = columns(&info(&path, &[]));
    assert_eq!(found, ["0 thermometer", "1 thermometer", "2 thermometer"]);
    assert_eq!(classes, TREES);
    assert!(accuracy(&path, "2x600") > 0.9);

    let twice = refused(&["data", "info", &fault("04-odd-headers/twice.csv")]);
    assert!(twice.contains("two of its columns are called \"size\"; rename one"), "{twice}");

    check_trees("t.csv", joined("1,2,3,target", ",", &rows()), ["1", "2", "3"]);
    check_trees("t.csv", joined("2019,2020,2021,tree", ",", &rows()), ["2019", "2020", "2021"]);
    check_trees("t.csv", joined("2024-01,2024-02,2024-03,tree", ",", &rows()), ["2024-01", "2024-02", "2024-03"]);
    check_trees("t.csv", joined("Na,K,NaN,tree", ",", &rows()), ["Na", "K", "NaN"]);
    check_trees("t.csv", joined("", ",", &rows()), ["c1", "c2", "c3"]);
    check_trees("t.csv", joined("len,,,tree", ",", &rows()), ["len", "c2", "c3"]);
    check_trees("t.csv", joined("len,wid,dep,elm", ",", &rows()), ["len", "wid", "dep"]);

    // A label's name that is a value of its column, over words alone; and the same without a header.
    let words = |first: &str| {
        let row = |i: usize| {
            format!(
                "{},{},{}\n",
                ["flat", "round"][i / 2 % 2],
                ["red", "tan"][i % 2],
                ["edible", "poisonous"][i / 2 % 2]
            )
        };
        format!("{first}{}", (0..60).map(row).collect::<String>())
    };
    let (_folder, path) = written("t.csv", words("cap,gill,edible\n"));
    let found = info(&path, &[]);
    assert_eq!(
        columns(&found),
        (vec!["cap binary".into(), "gill binary".into()], vec!["edible".into(), "poisonous".into()])
    );
    assert_eq!(found["label"], "edible");
    let (_folder, path) = written("t.csv", words(""));
    assert_eq!(info(&path, &[])["label"], "c3");
    let (_folder, path) = written("t.csv", "a,b\nx,y\nz,w\n");
    assert!(refused(&["data", "info", &path]).contains("say --header true or --header false"));
}

#[test]
fn lines_that_are_no_rows_are_refused_or_told() {
    let two = |second: &str| joined(&format!("len,wid,dep,tree\n{second}"), ",", &rows());
    let together = joined("len,wid,dep,tree", ",", &rows()[..40]) + &joined("len,wid,dep,tree", ",", &rows()[40..]);
    let torn = joined("len,wid,dep,tree", ",", &rows()[..40]) + "1.2,3.\n" + &joined("", ",", &rows()[40..]);
    let unclosed = joined("len,wid,dep,tree", ",", &rows()[..5]) + "1,2,3,\"ash\n" + &joined("", ",", &rows()[5..]);
    for (text, told) in [
        (two("cm,cm,m,"), "line 2 holds words where 3 columns hold numbers"),
        (two("float,float,float,str"), "line 2 holds words where 3 columns hold numbers"),
        (together, "line 42 is the header of line 1 again"),
        (torn, "line 42 has 2 cells and most lines have 4"),
        (unclosed, "line 7 opens quotes that nothing closes"),
        (
            "Trees of the park\n".to_string() + &joined("len,wid,dep,tree", ",", &rows()),
            "line 1 has 1 cell and most lines have 4",
        ),
        (joined("len,wid,dep,tree", ",", &rows()) + "Total,90,,\n", "line 92 has no label"),
    ] {
        let (_folder, path) = written("t.csv", text);
        let said = refused(&["data", "info", &path]);
        assert!(said.contains(told), "{said}");
    }
    let plain = joined("len,wid,dep,tree", ",", &rows());
    let names = ["len", "wid", "dep"];
    let commented = check_trees("t.csv", format!("# made\n# on a day\n{plain}# end\n"), names);
    assert!(has_note(&commented, "passed over 3 lines, a comment or rule, the first of them line 1"));
    assert!(has_note(
        &check_trees("t.csv", format!("{plain},,,\n,,,\n"), names),
        "passed over 2 lines, without any value"
    ));
    check_trees("t.csv", format!("\u{feff}\n\n{}\n\n", plain.replace('\n', "\r\n")), names);
    check_trees("t.csv", plain.replace('\n', "\r"), names);
}

#[test]
fn separators_are_told_from_the_lines() {
    let names = ["len", "wid", "dep"];
    for (name, sign) in [("t.csv", ";"), ("t.txt", "\t"), ("t.txt", "|"), ("t.dat", "  "), ("t.csv", ", ")] {
        check_trees(name, joined(&["len", "wid", "dep", "tree"].join(sign), sign, &rows()), names);
    }
    check_trees("t.csv", format!("sep=;\n{}", joined("len;wid;dep;tree", ";", &rows())), names);
    let trailing: Vec<[String; 4]> = rows().into_iter().map(|[a, b, c, d]| [a, b, c, d + ","]).collect();
    assert!(has_note(
        &check_trees("t.csv", joined("len,wid,dep,tree,", ",", &trailing), names),
        "left out 1 column without"
    ));
    check_trees("t.csv", joined("len,wid,dep,tree", ",", &trailing), names);
    let ruled = joined("|len|wid|dep|tree|\n|---|---|---|---|", "|", &[])
        + &rows().iter().map(|row| format!("|{}|\n", row.join("|"))).collect::<String>();
    check_trees("t.txt", ruled, names);
    let r: String = rows()
        .iter()
        .enumerate()
        .map(|(i, [a, b, c, tree])| format!("\"{}\" {a} {b} {c} \"{tree}\"\n", i + 1))
        .collect();
    check_trees("t.txt", format!("\"len\" \"wid\" \"dep\" \"tree\"\n{r}"), names);
    let colons = joined("len:wid:dep:tree", ":", &rows());
    let (_folder, path) = written("t.csv", colons);
    assert_eq!(columns(&info(&path, &["--separator", ":"])).0.len(), 3);
    assert!(refused(&["data", "info", &path]).contains("--separator"));

    let blanks = fault("26-blanks/rule.data");
    let said = refused(&["data", "info", &blanks]);
    assert!(said.contains("another in each of 124 samples; name the labels' column by --label"), "{said}");
    let found = info(&blanks, &["--label", "1"]);
    assert_eq!(columns(&found).1, ["0", "1"]);
    assert_eq!(found["train_samples"].as_u64().unwrap() + found["test_samples"].as_u64().unwrap(), 124);
    assert!(has_note(&found, "left out column \"c8\", with another word in every training row"), "{found:#}");
    assert_eq!(columns(&found).0.len(), 6);
}

#[test]
fn packed_text_utf_16_and_standard_input_are_read() {
    let names = ["len", "wid", "dep"];
    let plain = joined("len,wid,dep,tree", ",", &rows());
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut packed, plain.as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    assert_eq!(check_trees("trees.csv.gz", &packed, names)["name"], "trees");
    check_trees("t.csv", &packed, names);
    let wide: Vec<u8> = "\u{feff}".encode_utf16().chain(plain.encode_utf16()).flat_map(u16::to_le_bytes).collect();
    check_trees("t.csv", wide, names);
    let (_folder, path) = written("t.csv", &plain);
    let piped = Command::new(env!("CARGO_BIN_EXE_gatewright"))
        .args(["data", "info", "-", "--json"])
        .stdin(fs::File::open(path).unwrap())
        .output()
        .unwrap();
    let piped: Value = serde_json::from_slice(&piped.stdout).unwrap();
    assert_eq!((piped["name"].as_str(), columns(&piped).0.len()), (Some("stdin"), 3));
    for (bytes, told) in [
        (&b"PK\x03\x04rest"[..], "spreadsheet"),
        (b"{\"len\": 1}\n", "JSON"),
        (b"1,2\n\xe9,3\n", "line 2 is not UTF-8"),
        (&packed[..40], "cannot be unpacked"),
    ] {
        let (_folder, path) = written("t.csv", bytes);
        let said = refused(&["data", "info", &path]);
        assert!(said.contains(told), "{said}");
    }
}

#[test]
fn numbers_are_read_as_they_are_written() {
    let path = fault("16-decimal-comma/header.csv");
    let found = info(&path, &[]);
    assert_eq!(columns(&found).0, ["laenge thermometer", "breite thermometer", "tiefe thermometer"]);
    assert_eq!(columns(&found).1, TREES);
    assert!(has_note(&found, "decimal mark: comma, in 3 columns"));
    assert!(accuracy(&path, "2x600") > 0.9);

    let names = ["len", "wid", "dep"];
    let range = |made: &Value| (made["ranges"][0][0].as_f64().unwrap(), made["ranges"][0][1].as_f64().unwrap());
    let with = |change: &dyn Fn(&str) -> String| -> Vec<[String; 4]> {
        rows().into_iter().map(|[a, b, c, tree]| [change(&a), b, c, tree]).collect()
    };
    let commas: Vec<[String; 4]> = rows().into_iter().map(|row| row.map(|cell| cell.replace('.', ","))).collect();
    check_trees("t.tsv", joined("len\twid\tdep\ttree", "\t", &commas), names);
    check_trees("t.csv", joined("", ";", &commas), ["c1", "c2", "c3"]);
    let all_quoted: Vec<[String; 4]> = commas.iter().map(|row| row.clone().map(|cell| format!("\"{cell}\""))).collect();
    let made = check_trees("t.csv", joined("len,wid,dep,tree", ",", &all_quoted), names);
    assert!(range(&made).1 < 6.0, "{made:#}");
    let grouped = with(&|a| format!("\"{},{}00.50\"", &a[..1], &a[2..]));
    let made = check_trees("t.csv", joined("len,wid,dep,tree", ",", &grouped), names);
    assert!(range(&made).0 >= 1000.5 && range(&made).1 <= 5900.5, "1,100.50 is 1100.5: {made:#}");
    for dressed in [
        with(&|a| format!("{a}%")),
        with(&|a| format!("${a}")),
        with(&|a| format!("{a} €")),
        with(&|a| format!("+{a}e0")),
    ] {
        assert!(range(&check_trees("t.csv", joined("len,wid,dep,tree", ",", &dressed), names)).0 >= 1.0);
    }
    let negative = with(&|a| format!("\u{2212}{a}"));
    assert!(range(&check_trees("t.csv", joined("len,wid,dep,tree", ",", &negative), names)).1 <= -1.0);
    // What is left a column of words is told.
    for (rows, note) in [
        (with(&|a| format!("{a} cm")), "numbers with a unit"),
        (with(&|a| format!("'{a}'")), "numbers in single quotes"),
        (with(&|a| format!("2024-0{}-1{}", &a[..1], &a[2..3])), "dates or times"),
        (with(&|a| format!("1{}:3{}", &a[..1], &a[2..3])), "dates or times"),
        (with(&|a| format!("0x{}f", &a[..1])), "hexadecimal numbers"),
    ] {
        let (_folder, path) = written("t.csv", joined("len,wid,dep,tree", ",", &rows));
        assert!(has_note(&info(&path, &[]), note));
    }
    let nines = with(&|a| if a.starts_with("1.") { "-999".into() } else { a.into() });
    let nines = joined("len,wid,dep,tree", ",", &nines);
    assert!(nines.matches("-999").count() > 5);
    let (_folder, path) = written("t.csv", nines);
    assert!(has_note(&info(&path, &[]), "\"len\" holds -999 in"));
    let (_folder, path) = written("t.csv", joined("len,wid,dep,tree", ",", &rows()).replacen("\n1.7,", "\n1.7.1,", 1));
    assert!(
        has_note(&info(&path, &[]), "\"len\" is read as words: 89 of 90 cells are numbers"),
        "{:#}",
        info(&path, &[])
    );
}

#[test]
fn missing_values_are_known_as_tools_write_them() {
    let path = fault("17-missing-words/none.csv");
    let found = info(&path, &[]);
    assert_eq!(columns(&found).0, ["len thermometer", "wid thermometer", "dep thermometer"]);
    assert!(has_note(&found, "missing values: 5 cells in 1 column, such as \"len\", written None"), "{found:#}");
    for word in [
        "None", "\\N", "#N/A", ".", "<NA>", "NaN", "null", "-", "?", "NA", "nil", "(null)", "#DIV/0!", "--", "unknown",
        "",
    ] {
        let holed: Vec<[String; 4]> = rows()
            .into_iter()
            .enumerate()
            .map(|(i, [a, b, c, tree])| [a, if i % 5 == 4 { word.into() } else { b }, c, tree])
            .collect();
        let made = check_trees("t.csv", joined("len,wid,dep,tree", ",", &holed), ["len", "wid", "dep"]);
        assert!(has_note(&made, "missing values: 18 cells in 1 column, such as \"wid\""), "{word}: {made:#}");
        assert_eq!(made["columns"][1]["missing"], true, "{word}");
    }
}

#[test]
fn a_renamed_column_is_refused_with_the_nearest_name() {
    let out = tempfile::tempdir().unwrap();
    let run = out.path().join("run").display().to_string();
    let data = fault("18-renamed-column/train.csv");
    let short = ["--steps", "20", "--eval-every", "20", "--layers", "2x200", "--json"];
    told(&[&["train", "--data", &data, "--out", &run][..], &short].concat());
    let model = format!("{run}/model.safetensors");
    let said = refused(&["predict", &model, &fault("18-renamed-column/new.csv")]);
    assert!(said.contains("no column \"colour\"") && said.contains("rename its column \"Colour\""), "{said}");
    let (_folder, path) = written("t.csv", "color,form,size\nred,round,big\nblue,star,small\n");
    assert!(refused(&["predict", &model, &path]).contains("rename its column \"color\""));
    let (_folder, path) = written("t.csv", "size;form;colour\nbig;round;red\n");
    assert!(program(&["predict", &model, &path]).status.success(), "another order, another separator");
}

#[test]
fn sparse_text_is_read_as_other_tools_write_it() {
    let marked = info(&fault("25-libsvm/bom.libsvm"), &[]);
    assert_eq!((columns(&marked).1, marked["train_samples"].as_u64()), (vec!["0".into(), "1".into()], Some(64)));
    let zero = info(&fault("25-libsvm/zero-based.libsvm"), &[]);
    assert_eq!(columns(&zero).0.first().unwrap(), "c0 thermometer");
    assert_eq!(zero["ranges"], marked["ranges"], "the same samples");
    for (text, told) in [
        ("1 1:2\nnan 1:3\n0 1:4\n", "line 2: its label is nan"),
        ("1 1:2 1:3\n0 1:1\n", "line 1: its index 1 comes twice"),
    ] {
        let (_folder, path) = written("t.libsvm", text);
        assert!(refused(&["data", "info", &path]).contains(told));
    }
}

#[test]
fn data_in_which_nothing_differs_is_refused() {
    let path = fault("31-small-sets/constant.csv");
    let said = refused(&["train", "--data", &path]);
    assert!(said.contains("no column beside the labels differs between its training rows"), "{said}");
    let one: String = (0..40).map(|i| format!("{},{}\n", ["u", "v"][i / 2 % 2], ["p", "q"][i / 2 % 2])).collect();
    let (folder, path) = written("one.csv", format!("a,y\n{one}"));
    let run = folder.path().join("run").display().to_string();
    let said = refused(&["train", "--data", &path, "--out", &run]);
    assert!(said.contains("1 of its 1 input bits differ") && said.contains("a gate takes 2"), "{said}");
    let partly: String = (0..40).map(|i| format!("{},7,same,{}\n", i % 10, ["p", "q"][i % 10 / 5])).collect();
    let (_folder, path) = written("t.csv", format!("a,b,c,y\n{partly}"));
    let found = info(&path, &[]);
    assert_eq!(columns(&found).0, ["a thermometer"]);
    assert!(has_note(&found, "left out 2 columns that never differ in training rows, such as \"b\", always 7"));
}

#[test]
fn rare_bits_that_tell_classes_stay_and_the_others_are_told() {
    // Each town is in less than one row of a hundred, and tells the side alone; no network is needed to say how well.
    let path = fault("09-rare-words/towns.csv");
    let reached = accuracy(&path, "2x2000");
    assert!(reached > 0.98, "{reached}");

    let flags: String = (0..4000)
        .map(|i| {
            let (flag, class) =
                if i % 200 == 0 { ("on", "bad") } else { ("off", if i % 7 == 0 { "bad" } else { "good" }) };
            // One word in half a hundred is as good as noise.
            format!("{flag},w{},{},{class}\n", if i % 250 == 3 { i % 3 } else { 9 }, i * 37 % 100)
        })
        .collect();
    let (folder, path) = written("flags.csv", format!("flag,word,n,y\n{flags}"));
    let run = folder.path().join("run").display().to_string();
    let output =
        program(&["train", "--data", &path, "--steps", "2", "--eval-every", "2", "--out", &run, "--layers", "2x200"]);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("4 more input bits are left out, such as `word is w0`"), "{said}");
    assert!(
        said.contains("2880 training, 320 validation, 800 test samples"),
        "a tenth of large tables is held out: {said}"
    );
}

#[test]
fn sparse_pictures_keep_the_dots_that_tell_them() {
    let reached = accuracy(&fault("08-sparse-images/dots.npz"), "2x2000");
    assert!(reached > 0.9, "{reached}");
}

#[test]
fn arrays_pictures_and_habits_give_what_is_right() {
    let out = tempfile::tempdir().unwrap();
    let at = |name: &str| out.path().join(name).display().to_string();
    let train = |name: &str, data: &str, layers: &str, more: &[&str]| {
        let run = at(name);
        let base = ["train", "--data", data, "--steps", "300", "--eval-every", "300", "--layers", layers, "--json"];
        let summary = told(&[&base[..], &["--out", &run], more].concat());
        (run, summary)
    };

    let archive = info(&fault("01-npz-test/train.npz"), &["--test", &fault("01-npz-test/test.npz")]);
    assert_eq!((&archive["train_samples"], &archive["test_samples"]), (&200.into(), &50.into()));
    let said = refused(&["data", "info", &fault("01-npz-test/train.npz"), "--label", "target"]);
    assert!(said.contains("--label"), "{said}");

    let (shapes, _) = train("shapes", &fault("06-other-classes/train"), "399", &[]);
    let said = refused(&["eval", &shapes, "--data", &fault("06-other-classes/renamed")]);
    assert!(said.contains("not known: box, disc, wedge; known are circle, square, triangle"), "{said}");

    let noise = fault("07-split-seed/noise.csv");
    let (run, trained) = train("noise", &noise, "2x200", &["--split-seed", "7"]);
    let judged = told(&["eval", &run, "--json"]);
    assert_eq!(judged["accuracy"], trained["test_accuracy"]);
    assert_eq!((&judged["samples"], &judged["judged"]), (&60.into(), &"own test samples".into()), "{judged}");
    let text = fs::read_to_string(&noise).unwrap();
    let (_folder, other) = written("other.csv", text.lines().take(101).collect::<Vec<_>>().join("\n"));
    assert_eq!(told(&["eval", &run, "--data", &other, "--json"])["samples"], 100, "a new file is judged whole");

    let (_, strokes) = train("strokes", &fault("11-transparent"), "2x200", &[]);
    assert_eq!(strokes["test_accuracy"], 1.0);

    let (host, _) = train("host", &fault("22-reserved-columns/host.csv"), "2x200", &[]);
    let made = out.path().to_str().unwrap();
    assert!(program(&["export", &host, "-f", "c", "--name", "host", "--output", made]).status.success());
    for compiler in [&["gcc", "-Werror"][..], &["g++", "-x", "c++"]] {
        let (main, source) = (fault("22-reserved-columns/main.c"), at("host.c"));
        let compiled = Command::new(compiler[0])
            .args(&compiler[1..])
            .args(["-I", made, "-o", &at("host.out"), &main, &source])
            .output();
        match compiled {
            Ok(made) => assert!(made.status.success(), "{compiler:?}: {}", String::from_utf8_lossy(&made.stderr)),
            Err(_) => println!("skipped: no {}", compiler[0]),
        }
    }

    for name in ["rows.npz", "rows.npy"] {
        let file = fault(&format!("24-predict-arrays/{name}"));
        let (run, _) = train(name, &file, "2x200", &[]);
        let answers = program(&["predict", &run, &file, "--json"]);
        assert!(answers.status.success(), "{name}: {}", String::from_utf8_lossy(&answers.stderr));
        assert_eq!(String::from_utf8(answers.stdout).unwrap().lines().count(), 200, "{name}");
    }

    let pets = info(&fault("30-passed-over"), &[]);
    assert_eq!(pets["classes"], Value::from(vec!["cat", "dog"]), "{pets:#}");
    assert_eq!(pets["train_samples"].as_u64().unwrap() + pets["test_samples"].as_u64().unwrap(), 24);
}

#[test]
fn every_input_of_the_folder_is_judged_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults");
    let here = fs::read_to_string(file!()).unwrap_or_else(|_| include_str!("faults.rs").into());
    for entry in fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(here.contains(&name), "{name} is in no test");
    }
}
