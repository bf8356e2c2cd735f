//! What people bring, and how they go about it: small inputs that were once met wrongly, and what is right for them.

mod tools;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use gatewright::data::{Background, Coding, Dataset, Options, open_with, read_image};
use gatewright::random::Philox;
use serde_json::Value;
use tempfile::TempDir;
use tools::have;

/// The program, run in `folder`.
fn program(arguments: &str, folder: &Path) -> Output {
    let arguments = arguments.split(' ').filter(|word| !word.is_empty());
    Command::new(env!("CARGO_BIN_EXE_gatewright")).args(arguments).current_dir(folder).output().unwrap()
}

#[track_caller]
fn said(arguments: &str, folder: &Path) -> String {
    let output = program(arguments, folder);
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[track_caller]
fn json(arguments: &str, folder: &Path) -> Value {
    serde_json::from_str(&said(&format!("{arguments} --json"), folder)).unwrap()
}

/// The sentence with which bad usage or input is refused.
#[track_caller]
fn refused(arguments: &str, folder: &Path) -> String {
    let output = program(arguments, folder);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{arguments}: {told}");
    assert!(output.stdout.is_empty(), "{arguments}");
    assert!(!told.contains("panicked"), "{told}");
    told
}

/// Settings of a run of a second.
const SHORT: &str = "--layers 200,100 --steps 60 --eval-every 30 --batch 40";

fn open(path: &Path, options: &Options) -> gatewright::Result<Dataset> {
    open_with(path.to_str().unwrap(), None, options, Coding::Learned { thresholds: 3 })
}

/// Whether the pixel is one of a stroke: down for class 0, across for class 1, at a place that `n` says.
fn is_stroke(class: usize, n: u32, x: u32, y: u32) -> bool {
    let at = 2 + n % 12;
    if class == 0 { x == at } else { y == at }
}

/// `count` pictures of 16 x 16 pixels a class, as `save` writes them.
fn strokes(folder: &Path, classes: &[&str], count: u32, save: impl Fn(&Path, &dyn Fn(u32, u32) -> bool)) {
    for (i, class) in classes.iter().enumerate() {
        fs::create_dir_all(folder.join(class)).unwrap();
        for n in 0..count {
            save(&folder.join(class).join(format!("{n:02}.png")), &|x, y| is_stroke(i % 2, n, x, y));
        }
    }
}

/// White strokes on black.
fn plain(path: &Path, is_set: &dyn Fn(u32, u32) -> bool) {
    image::GrayImage::from_fn(16, 16, |x, y| image::Luma([if is_set(x, y) { 255 } else { 0 }])).save(path).unwrap();
}

fn counts(data: &Dataset) -> (Vec<usize>, Vec<usize>) {
    let of =
        |labels: &[u8]| (0..data.classes.len()).map(|c| labels.iter().filter(|&&l| l == c as u8).count()).collect();
    (of(&data.train.labels), of(&data.test.labels))
}

/// Rows of two words and a number, with the class that the words decide.
fn table(rows: usize, seed: u64) -> String {
    let mut rng = Philox::new(seed, 0);
    let mut text = "colour,size,weight,kind\n".to_string();
    for _ in 0..rows {
        let colour = ["red", "green", "blue"][rng.below(3) as usize];
        let size = ["s", "m", "l"][rng.below(3) as usize];
        let kind = if (colour == "red") != (size == "l") { "yes" } else { "no" };
        text += &format!("{colour},{size},{:.3},{kind}\n", rng.uniform());
    }
    text
}

/// An array as NumPy writes it.
fn npy(descr: &str, shape: &str, body: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), body].concat()
}

/// An archive of `rows` rows of two numbers in `x` and of their labels, 0 or 1 as the first number is, in `y`.
fn npz(path: &Path, names: [&str; 2], rows: usize) {
    use std::io::Write;
    let numbers: Vec<u8> =
        (0..rows).flat_map(|i| [(i % 10) as f64, (i * 7 % 13) as f64]).flat_map(f64::to_le_bytes).collect();
    let labels: Vec<u8> = (0..rows).flat_map(|i| i64::from(i % 10 > 4).to_le_bytes()).collect();
    let mut archive = zip::ZipWriter::new(fs::File::create(path).unwrap());
    for (name, array) in names
        .into_iter()
        .zip([npy("<f8", &format!("({rows}, 2)"), &numbers), npy("<i8", &format!("({rows},)"), &labels)])
    {
        archive.start_file(format!("{name}.npy"), zip::write::SimpleFileOptions::default()).unwrap();
        archive.write_all(&array).unwrap();
    }
    archive.finish().unwrap();
}

#[test]
fn test_samples_come_from_a_second_archive() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    npz(&at.join("train.npz"), ["data", "target"], 200);
    npz(&at.join("test.npz"), ["data", "target"], 50);
    npz(&at.join("only.npz"), ["x_test", "y_test"], 30);
    for (test, count) in [("test.npz", 50), ("only.npz", 30)] {
        let set = open(&at.join("train.npz"), &Options { test: Some(at.join(test)), ..Options::default() }).unwrap();
        assert_eq!((set.train.len(), set.test.len()), (200, count));
        assert_eq!(counts(&set), (vec![100, 100], vec![count / 2, count / 2]));
    }
    assert!(refused("data info train.npz --test /nowhere.npz", at).contains("/nowhere.npz"));
    assert!(refused("data info only.npz", at).contains("test samples alone"));
}

#[test]
fn flags_that_the_data_cannot_take_are_refused_by_every_command() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    strokes(&at.join("pictures"), &["across", "down"], 5, plain);
    fs::write(at.join("t.csv"), table(40, 1)).unwrap();
    npz(&at.join("a.npz"), ["x", "y"], 40);
    for (arguments, told) in [
        ("data info mnist --test /nowhere", "/nowhere"),
        (
            "data info mnist --label y",
            "--label is for text tables and single .npy files, and mnist is a set of IDX files",
        ),
        ("data info mnist --size 20x20", "--size is for folders of pictures"),
        ("data info mnist --split-seed 3", "--split-seed is for data without test samples of its own"),
        ("train --data mnist --coarse", "--coarse is for CIFAR-100"),
        ("train --data mnist --encoder nonsense", "--encoder knows no `nonsense`"),
        ("train --data pictures --header true", "--header is for text tables"),
        ("profile --data pictures --ignore 3", "--ignore is for text tables"),
        ("train --data t.csv --channels 1", "--channels is for folders of pictures"),
        ("train --data t.csv --test t.csv --test-fraction 0.3", "--test names them; leave it out"),
        ("profile --data a.npz --label 2", "a.npz is arrays of rows and labels"),
        ("data info pictures --encoder one-hot", "--encoder one-hot is for columns of words"),
    ] {
        let told_now = refused(arguments, at);
        assert!(told_now.contains(told), "{arguments}: {told_now}");
    }
    fs::write(
        at.join("s.toml"),
        "title = \"t\"\n[base]\ndata = \"pictures\"\nsteps = 2\n[base.input]\nheader = true\n[[grid]]\nseed = [0]\n",
    )
    .unwrap();
    assert!(refused("sweep s.toml --out s", at).contains("--header is for text tables"));
}

#[test]
fn pictures_with_other_class_names_are_judged_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    strokes(&at.join("set"), &["across", "down"], 30, plain);
    let summary = json("train --data set --layers 2x500 --steps 300 --rare 0 --out run", at);
    let whole = json("eval run", at);
    assert_eq!((&whole["samples"], &whole["judged"]), (&12.into(), &"own test samples".into()));
    assert_eq!(whole["accuracy"], summary["test_accuracy"]);
    // The same pictures with names that sort the other way round, and with one class alone.
    strokes(&at.join("renamed"), &["x", "a"], 10, plain);
    let told = refused("eval run --data renamed", at);
    assert!(told.contains("classes that are not known: a, x; known are across, down"), "{told}");
    strokes(&at.join("one"), &["none", "down"], 10, plain);
    fs::remove_dir_all(at.join("one/none")).unwrap();
    let one = json("eval run --data one", at);
    assert_eq!((&one["samples"], &one["judged"]), (&10.into(), &"whole".into()));
    // They are of the second class, most of them trained on.
    assert_eq!(
        (&one["confusion"][0][0], &one["confusion"][0][1], &one["confusion"][1][1]),
        (&0.into(), &0.into(), &one["right"])
    );
    assert!(one["right"].as_u64().unwrap() >= 8, "{one}");
}

#[test]
fn a_run_is_judged_by_its_own_rows_wherever_the_data_went() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("t.csv"), table(200, 1)).unwrap();
    fs::write(at.join("new.csv"), table(50, 2)).unwrap();
    let summary = json(&format!("train --data t.csv {SHORT} --split-seed 7 --test-fraction 0.3 --out run"), at);
    assert_eq!(summary["test_samples"], 60);
    let own = |told: Value| {
        assert_eq!((&told["samples"], &told["judged"]), (&60.into(), &"own test samples".into()));
        assert_eq!(told["accuracy"], summary["test_accuracy"]);
    };
    // The run folder or the model in it, from here or from elsewhere, the same bytes under another name.
    own(json("eval run", at));
    own(json(&format!("eval {}", at.join("run/model.safetensors").display()), Path::new("/")));
    fs::copy(at.join("t.csv"), at.join("copy.csv")).unwrap();
    own(json("eval run --data copy.csv", at));
    assert_eq!(json("eval run --train", at)["samples"], 140);
    assert_eq!(json("eval run --all", at)["samples"], 200);
    let new = json("eval run --data new.csv", at);
    assert_eq!((&new["samples"], &new["judged"]), (&50.into(), &"whole".into()));
    assert!(refused("eval run --data new.csv --train", at).contains("not known to have been trained on new.csv"));
    assert_eq!(json("eval run --data new.csv --test-fraction 0.2", at)["samples"], 10);
    // A model without its run.
    fs::create_dir(at.join("alone")).unwrap();
    fs::copy(at.join("run/model.safetensors"), at.join("alone/m.safetensors")).unwrap();
    assert!(said("eval alone/m.safetensors --data t.csv", at).contains("all 200 rows of t.csv, for no run folder"));
    assert!(refused("eval alone/m.safetensors", at).contains("say so by --data"));
    assert!(refused("eval alone", at).contains("neither a model nor a run folder"));

    fs::remove_file(at.join("t.csv")).unwrap();
    assert!(refused("report run", at).contains("t.csv"));
    let page = said("report run/model.safetensors --data copy.csv", at);
    let page = fs::read_to_string(at.join(page.trim())).unwrap();
    let right = (summary["test_accuracy"].as_f64().unwrap() * 60.0).round();
    assert!(page.contains(&format!("Right: {right} of 60 test rows")), "of the run's own rows");
    assert!(page.contains("<th>colour</th>") && !page.contains("alt=\"sample"), "columns and no pictures");
    assert!(said("export run -f c --name t", at).contains("t.c"));
    assert!(said("verify run t.c --data copy.csv --random 5", at).contains("60 rows of the run's own 60 test rows"));
    assert!(refused("train --resume run --data new.csv --steps 70", at).contains("not those that it began with"));
    assert_eq!(json("train --resume run --data copy.csv --steps 70", at)["steps"], 70);
    own_after_resume(at);
}

/// The resumed run names the data where they are now.
fn own_after_resume(at: &Path) {
    assert_eq!(json("eval run", at)["judged"], "own test samples");
}

#[test]
fn figures_are_called_held_out_only_where_something_is() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("t.csv"), table(100, 1)).unwrap();
    let told = |more: &str, out: &str| {
        let output = program(&format!("train --data t.csv {SHORT} {more} --out runs/{out}"), at);
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let none = told("--validation 0", "none");
    assert!(none.contains("training samples: hard") && !none.contains("held-out"), "{none}");
    assert!(told("--validation 0.2", "some").contains("held-out: hard"));
    let runs = json("runs", at);
    let [none, some] = [0, 1].map(|i| &runs["runs"][i]);
    assert_eq!((&none["held_out"], &none["best_accuracy"]), (&false.into(), &Value::Null));
    assert!(none["best_training_accuracy"].is_f64() && some["best_accuracy"].is_f64());
    assert!(said("runs", at).lines().any(|line| line.starts_with("none") && line.contains("(training)")));
    assert_eq!(json("runs runs/some", at)["runs"].as_array().unwrap().len(), 1, "a run folder is a list of one");
    let empty = tempfile::tempdir().unwrap();
    assert!(refused("runs", empty.path()).contains("there are no runs yet"));
}

#[test]
fn few_pictures_are_enough_to_train() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    strokes(&at.join("set"), &["across", "down"], 4, plain);
    let output = program(&format!("train --data set {SHORT} --out run"), at);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    assert!(told.contains("a validation fraction of 0.05 takes none of 6 training samples"), "{told}");
    assert!(told.contains("training samples: hard"), "{told}");
    assert!(refused(&format!("train --data set {SHORT} --patience 2"), at).contains("greater --validation"));
}

#[test]
fn transparency_is_laid_over_white_or_black() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let ink = |grey: u8| {
        move |path: &Path, is_set: &dyn Fn(u32, u32) -> bool| {
            let pixel = |x, y| image::LumaA([grey, if is_set(x, y) { 255 } else { 0 }]);
            image::GrayAlphaImage::from_fn(16, 16, pixel).save(path).unwrap();
        }
    };
    strokes(&at.join("black"), &["across", "down"], 5, ink(0));
    let set = open(&at.join("black"), &Options::default()).unwrap();
    // Sixteen black pixels an image.
    assert!(set.train.pixels.chunks(256).all(|image| image.iter().filter(|&&p| p == 0).count() == 16));
    strokes(&at.join("white"), &["across", "down"], 5, ink(255));
    let told = open(&at.join("white"), &Options::default()).unwrap_err().to_string();
    assert!(told.contains("all the same") && told.contains("--background black"), "{told}");
    let black = Options { background: Some(Background::Black), ..Options::default() };
    let set = open(&at.join("white"), &black).unwrap();
    assert!(set.train.pixels.chunks(256).all(|image| image.iter().filter(|&&p| p == 255).count() == 16));
    // Half transparent red over white: 255, and half of white; to the nearest of 256.
    let half = at.join("half.png");
    image::RgbaImage::from_pixel(1, 1, image::Rgba([255, 0, 0, 51])).save(&half).unwrap();
    let shape = gatewright::data::ImageShape { channels: 3, height: 1, width: 1 };
    assert_eq!(read_image(&half, shape, Background::White).unwrap(), [255, 204, 204]);
    assert_eq!(read_image(&half, shape, Background::Black).unwrap(), [51, 0, 0]);
    // A model remembers what its pictures lay over.
    said(&format!("train --data white --background black {SHORT} --validation 0 --out run"), at);
    let votes = |more: &str| json(&format!("predict run white/down/00.png {more}"), at)["votes"].clone();
    assert_eq!(votes(""), votes("--background black"));
    assert_ne!(votes(""), votes("--background white"));
}

#[test]
fn files_are_pictures_by_content_and_what_is_passed_over_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let jpeg = |path: &Path, is_set: &dyn Fn(u32, u32) -> bool| {
        let picture = image::GrayImage::from_fn(16, 16, |x, y| image::Luma([if is_set(x, y) { 255 } else { 0 }]));
        picture.save_with_format(path.with_extension("jfif"), image::ImageFormat::Jpeg).unwrap();
    };
    strokes(&at.join("set"), &["cat"], 6, jpeg);
    // In a folder in the class's folder; without any extension.
    strokes(&at.join("set/dog"), &["2024", "2025"], 2, plain);
    fs::rename(at.join("set/dog/2024/00.png"), at.join("set/dog/2024/first")).unwrap();
    for name in ["notes.txt", "Thumbs.db", ".DS_Store", "2024/list.json"] {
        fs::write(at.join("set/dog").join(name), "x").unwrap();
    }
    fs::create_dir(at.join("set/__MACOSX")).unwrap();
    let output = program("data info set --json", at);
    let info: Value = serde_json::from_slice(&output.stdout).unwrap();
    let told = info["notes"].to_string();
    assert_eq!((&info["classes"], &info["train_by_class"]), (&vec!["cat", "dog"].into(), &vec![5, 3].into()));
    assert_eq!(info["test_by_class"], Value::from(vec![1, 1]));
    assert!(told.contains("3 files are passed over in dog, e.g. 2024/list.json"), "{told}");
    assert!(told.contains("the folder __MACOSX holds no pictures"), "{told}");

    // Cut: a JPEG that decoders would fill up.
    let path = at.join("set/cat/00.jfif");
    let whole = fs::read(&path).unwrap();
    fs::write(&path, &whole[..whole.len() - 40]).unwrap();
    let told = refused("data info set", at);
    assert!(told.contains("00.jfif") && told.contains("damaged"), "{told}");

    strokes(&at.join("wrapped/data"), &["a", "b"], 3, plain);
    assert!(refused("data info wrapped", at).contains("name wrapped/data"));
    assert!(refused("data info wrapped/data/a", at).contains("put those of each class into a folder"));
    for part in ["Train", "val", "extra"] {
        strokes(&at.join("parts").join(part), &["a", "b"], 3, plain);
    }
    let output = program("data info parts --json", at);
    let info: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&info["train_samples"], &info["test_samples"]), (&6.into(), &6.into()));
    assert!(info["notes"].to_string().contains("the folder parts/extra is passed over"), "{info}");

    // What lies beside the pictures that a network is judged by is told when it is judged.
    strokes(&at.join("mine/train"), &["a", "b"], 20, plain);
    strokes(&at.join("mine/test"), &["a", "b"], 4, plain);
    fs::write(at.join("mine/test/b/notes.txt"), "x").unwrap();
    for command in
        ["train --data mine --steps 20 --layers 60 --adapter cpu --out run", "eval run", "eval run --data parts"]
    {
        let output = program(command, at);
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command}: {told}");
        let passed = if command.ends_with("parts") { "the folder parts/extra is" } else { "mine/test: 1 file is" };
        assert_eq!(told.matches(&format!("{passed} passed over")).count(), 1, "{command}: {told}");
    }
}

#[cfg(unix)]
#[test]
fn names_that_are_not_unicode_are_read_and_refused_in_json() {
    use std::os::unix::ffi::OsStrExt;
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let odd = std::ffi::OsStr::from_bytes(b"m\xe4use.png");
    strokes(&at.join("set"), &["across", "down"], 5, plain);
    fs::rename(at.join("set/down/00.png"), at.join("set/down").join(odd)).unwrap();
    assert_eq!(counts(&open(&at.join("set"), &Options::default()).unwrap()), (vec![4, 4], vec![1, 1]));
    said(&format!("train --data set {SHORT} --validation 0 --out run"), at);
    let predict = |more: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_gatewright"))
            .args(["predict", "run"])
            .arg(at.join("set/down").join(odd))
            .args(more)
            .current_dir(at)
            .output()
            .unwrap()
    };
    assert!(predict(&[]).status.success());
    let refused = predict(&["--json"]);
    assert_eq!(refused.status.code(), Some(1));
    let told = String::from_utf8_lossy(&refused.stderr);
    assert!(told.contains("is not Unicode, and JSON is") && !told.contains("panicked"), "{told}");
}

#[test]
fn pictures_are_as_large_as_a_network_takes_or_a_size_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    for (i, class) in ["day", "night"].into_iter().enumerate() {
        fs::create_dir(at.join(class)).unwrap();
        for n in 0..3u8 {
            let colour = image::Rgb([100 * i as u8 + n, n, 9]);
            image::RgbImage::from_pixel(4032, 3024, colour).save(at.join(class).join(format!("{n}.png"))).unwrap();
        }
    }
    let told = open(at, &Options::default()).unwrap_err().to_string();
    assert!(told.contains("4032 x 3024 pixels") && told.contains("--size, such as 64x48"), "{told}");
    let small = open(at, &Options { size: Some("4x3".into()), ..Options::default() }).unwrap();
    assert_eq!((small.train.len() + small.test.len(), small.image.pixels()), (6, 36));
}

#[test]
fn little_that_differs_is_told_of() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    // Twelve bits in sixteen: the brightest becomes 4080 / 257 = 15.9.
    let dark = |path: &Path, is_set: &dyn Fn(u32, u32) -> bool| {
        let pixel = |x, y| image::Luma([if is_set(x, y) { 4080u16 } else { 0 }]);
        image::ImageBuffer::from_fn(16, 16, pixel).save(path).unwrap();
    };
    strokes(&at.join("set"), &["across", "down"], 5, dark);
    let told = said("data info set", at);
    assert!(told.contains("only from 0 to 16; --encoder distributive"), "{told}");
    assert!(!said("data info set --encoder distributive", at).contains("warning"));
}

#[test]
fn predict_answers_for_arrays_that_were_trained_on() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    npz(&at.join("rows.npz"), ["x", "y"], 200);
    let summary = json("train --data rows.npz --layers 200,200 --steps 300 --out run", at);
    assert_eq!(summary["test_accuracy"], 1.0, "a threshold tells the classes");
    let lines = said("predict run rows.npz --json", at);
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 200);
    for (i, line) in lines.iter().enumerate() {
        assert_eq!((&line["row"], &line["array"]), (&(i + 1).into(), &"x.npy".into()));
        assert_eq!(line["name"], if i % 10 > 4 { "1" } else { "0" });
    }
    // Rows alone, and rows with the label behind them, as an .npy file that a network was trained on has them.
    let numbers: Vec<u8> = [7.0f64, 1.0, 2.0, 1.0].into_iter().flat_map(f64::to_le_bytes).collect();
    fs::write(at.join("bare.npy"), npy("<f8", "(2, 2)", &numbers)).unwrap();
    let names: Vec<Value> = said("predict run bare.npy --json", at)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["name"].clone())
        .collect();
    assert_eq!(names, ["1", "0"]);
    fs::write(at.join("wide.npy"), npy("<f8", "(1, 4)", &numbers)).unwrap();
    assert!(refused("predict run wide.npy", at).contains("its rows have 4 columns, the network takes 2"));
    plain(&at.join("p.png"), &|_, _| false);
    assert!(refused("predict run p.png", at).contains("it is a picture, and this network takes rows of a table"));
}

#[test]
fn images_in_arrays_are_predicted_and_errors_are_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    strokes(&at.join("set"), &["across", "down"], 40, plain);
    said("train --data set --layers 2x500 --steps 300 --rare 0 --validation 0 --out run", at);
    let images: Vec<u8> = [0, 1]
        .into_iter()
        .flat_map(|class| (0..256).map(move |i| if is_stroke(class, 5, i % 16, i / 16) { 255 } else { 0 }))
        .collect();
    fs::write(at.join("two.npy"), npy("|u1", "(2, 16, 16)", &images)).unwrap();
    let names: Vec<Value> = said("predict run two.npy --json", at)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["name"].clone())
        .collect();
    assert_eq!(names, ["across", "down"]);
    fs::write(at.join("bad.png"), "no picture").unwrap();
    let output = program("predict run bad.png set/down/00.png", at);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), told.matches("bad.png").count()), (Some(2), 1), "{told}");
    assert!(told.contains("1 of 2 files could not be read"), "{told}");
    assert_eq!(refused("predict run bad.png", at).matches("bad.png").count(), 1);
}

#[test]
fn columns_called_like_words_of_c_compile_as_c_and_as_cpp() {
    if !have("gcc") || !have("g++") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    let names = "linux,unix,new,this,template,not_eq,class";
    let rows: String =
        (0..40).map(|i| format!("{},{},{},{},{},{},{}\n", i, i % 7, i % 5, i % 3, i % 11, i % 4, i % 2)).collect();
    fs::write(at.join("host.csv"), format!("{names}\n{rows}")).unwrap();
    said(&format!("train --data host.csv {SHORT} --out run"), at);
    said("export run -f c --name host", at);
    fs::write(
        at.join("main.c"),
        "#include \"host.h\"\nint main(void) { struct host_row row = {0}; unsigned char b[HOST_PIXELS]; \
         host_row_bytes(&row, b); return 0; }\n",
    )
    .unwrap();
    for compiler in [&["gcc", "-Werror"][..], &["g++", "-x", "c++"]] {
        let output = Command::new(compiler[0])
            .args(&compiler[1..])
            .args(["-o", "host", "main.c", "host.c"])
            .current_dir(at)
            .output()
            .unwrap();
        assert!(output.status.success(), "{compiler:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let source = fs::read_to_string(at.join("host.c")).unwrap();
    assert!(source.contains("Feature 0: ") && source.contains(" > ") && source.contains("rows of 6 columns"));
}

#[cfg(target_os = "linux")]
#[test]
fn a_result_that_cannot_be_written_is_no_success() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("t.csv"), table(100, 1)).unwrap();
    for arguments in ["data info t.csv", "data info t.csv --json", "devices"] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_gatewright"))
            .args(arguments.split(' '))
            .current_dir(at)
            .stdout(full)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments}: {told}");
        assert!(told.contains("cannot write the result to stdout: No space left"), "{told}");
        assert!(!told.contains("panicked"), "{told}");
    }
    // Nobody reads what a run tells: it trains on, and only its result is lost.
    let mut run = Command::new(env!("CARGO_BIN_EXE_gatewright"))
        .args(format!("train --data t.csv {SHORT} --out run").split(' '))
        .current_dir(at)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop((run.stdout.take(), run.stderr.take()));
    assert_eq!(run.wait().unwrap().code(), Some(141));
    assert_eq!(json("eval run", at)["samples"], 20);
}

#[test]
fn control_characters_in_names_reach_no_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("t.csv"), table(40, 1).replace("yes", "y\u{1b}[31m")).unwrap();
    let told = said("data info t.csv", at);
    assert!(told.contains("y\\u{1b}[31m") && !told.contains('\u{1b}'), "{told}");
}

/// A library that stands in for a file system: a C function that fails as such a one does.
#[cfg(target_os = "linux")]
fn preload(folder: &TempDir, name: &str, source: &str) -> Option<PathBuf> {
    let (c, library) = (folder.path().join(format!("{name}.c")), folder.path().join(format!("{name}.so")));
    fs::write(&c, source).unwrap();
    let made = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &c]).arg("-ldl").output();
    made.is_ok_and(|output| output.status.success()).then_some(library)
}

#[cfg(target_os = "linux")]
#[test]
fn file_systems_without_locks_or_flushing_of_folders_are_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("t.csv"), table(100, 1)).unwrap();
    let no_flush = "#define _GNU_SOURCE\n#include <dlfcn.h>\n#include <errno.h>\n#include <sys/stat.h>\n\
                    int fsync(int fd) { static int (*real)(int); struct stat s;\n\
                    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, \"fsync\");\n\
                    if (fstat(fd, &s) == 0 && S_ISDIR(s.st_mode)) { errno = EINVAL; return -1; } return real(fd); }\n";
    let no_locks =
        |errno: i32| format!("#include <errno.h>\nint flock(int fd, int o) {{ errno = {errno}; return -1; }}\n");
    // ENOLCK, and what some automounters say.
    for (name, source) in [("flush", no_flush.to_string()), ("nfs", no_locks(37)), ("autofs", no_locks(524))] {
        let Some(library) = preload(&folder, name, &source) else {
            println!("skipped: no C compiler");
            return;
        };
        let output = Command::new(env!("CARGO_BIN_EXE_gatewright"))
            .args(format!("train --data t.csv {SHORT} --out {name}").split(' '))
            .env("LD_PRELOAD", library)
            .current_dir(at)
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{name}: {told}");
        assert_eq!(told.contains("cannot be locked"), name != "flush", "{told}");
        assert!(at.join(name).join("model.safetensors").is_file());
    }
}

#[cfg(unix)]
#[test]
fn a_stopped_sweep_keeps_what_it_has_and_goes_on() {
    use std::io::{BufRead, BufReader};
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("t.csv"), table(100, 1)).unwrap();
    let sweep = |steps: u32| {
        let text = format!(
            "title = \"t\"\n[base]\ndata = \"t.csv\"\nlayers = \"200,100\"\nbatch = 40\nsteps = {steps}\n\
             schedule = \"constant\"\neval-every = 50\n[[grid]]\nseed = [0, 1]\n"
        );
        fs::write(at.join("s.toml"), text).unwrap();
    };
    sweep(1_000_000);
    let mut child = Command::new(env!("CARGO_BIN_EXE_gatewright"))
        .args(["sweep", "s.toml", "--out", "s"])
        .current_dir(at)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(lines.any(|line| line.contains("1/2: seed=0")));
    while fs::read_to_string(at.join("s/seed=0/metrics.jsonl")).unwrap_or_default().is_empty() {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    let told: Vec<String> = lines.collect();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{told:?}");
    let last = told.last().unwrap();
    assert!(
        last.contains("stopped in cell 1 of 2, seed=0") && last.contains("gatewright sweep s.toml --out s"),
        "{last}"
    );
    let done = fs::read_dir(at.join("s/seed=0/checkpoints"))
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .max();
    let done: u32 = done.unwrap().trim_start_matches("step-").trim_end_matches(".ckpt").parse().unwrap();
    sweep(done + 20);
    let cells = json("sweep s.toml --out s", at);
    let steps: Vec<u64> =
        cells.as_array().unwrap().iter().map(|cell| cell["summary"]["steps"].as_u64().unwrap()).collect();
    assert_eq!(steps, [u64::from(done) + 20; 2]);
}
