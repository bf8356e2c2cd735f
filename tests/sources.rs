//! Arrays, folders of pictures, LIBSVM text, CIFAR-100 and the sets known by name: made ones in temporary folders.

use std::fs;
use std::io::{Cursor, Write};
use std::path::Path;

use gatewright::data::Encoder;
use gatewright::data::{Coding, Dataset, ImageShape, Options, Split, is_table, open_with};
use tempfile::TempDir;

fn open(path: &Path, options: &Options) -> gatewright::Result<Dataset> {
    open_with(path.to_str().unwrap(), None, options, Coding::Learned { thresholds: 4 })
}

/// The refusal of a path, which must be bad input.
fn refusal(path: &Path, options: &Options) -> String {
    let error = open(path, options).map(drop).unwrap_err();
    assert_eq!(error.exit_code(), 2, "{error}");
    error.to_string()
}

/// An array as NumPy writes it.
fn npy(descr: &str, shape: &[usize], body: &[u8]) -> Vec<u8> {
    let shape: String = shape.iter().map(|extent| format!("{extent},")).collect();
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}");
    while (header.len() + 11) % 64 != 0 {
        header.push(' ');
    }
    header.push('\n');
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), body].concat()
}

fn npz(arrays: &[(&str, Vec<u8>)], deflated: bool) -> Vec<u8> {
    let mut archive = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let method = if deflated { zip::CompressionMethod::Deflated } else { zip::CompressionMethod::Stored };
    let options = zip::write::SimpleFileOptions::default().compression_method(method);
    for (name, array) in arrays {
        archive.start_file(format!("{name}.npy"), options).unwrap();
        archive.write_all(array).unwrap();
    }
    archive.finish().unwrap().into_inner()
}

fn written(name: &str, bytes: &[u8]) -> (TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(name);
    fs::write(&path, bytes).unwrap();
    (folder, path)
}

/// Arrays by name.
type Arrays = Vec<(&'static str, Vec<u8>)>;

/// Two images of 2 x 2 pixels and three channels, channels last; one test image.
fn coloured() -> Arrays {
    let pixels: Vec<u8> = (0..24).collect();
    vec![
        ("x_train", npy("|u1", &[2, 2, 2, 3], &pixels)),
        ("y_train", npy("<i8", &[2, 1], &[5i64.to_le_bytes(), 3i64.to_le_bytes()].concat())),
        ("x_test", npy("|u1", &[1, 2, 2, 3], &pixels[..12])),
        ("y_test", npy("|u1", &[1], &[3])),
    ]
}

#[test]
fn archives_and_folders_of_arrays_are_images_or_rows() {
    for deflated in [false, true] {
        let (_folder, path) = written("made.npz", &npz(&coloured(), deflated));
        assert!(!is_table(path.to_str().unwrap()));
        let set = open(&path, &Options::default()).unwrap();
        assert_eq!((&*set.name, set.image), ("made", ImageShape { channels: 3, height: 2, width: 2 }));
        assert_eq!(set.classes, ["3", "5"]);
        // Red, green and blue of the first image.
        assert_eq!(set.train.pixels[..12], [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
        assert_eq!((set.train.labels, set.test.labels), (vec![1, 0], vec![0]));
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, array) in coloured() {
        fs::write(folder.path().join(format!("{name}.npy")), array).unwrap();
    }
    assert_eq!(open(folder.path(), &Options::default()).unwrap().test.pixels, [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);

    // Rows of numbers, a missing one among them; test rows are drawn.
    let values: Vec<u8> = (0..20).flat_map(|i| if i == 3 { f32::NAN } else { i as f32 / 2.0 }.to_le_bytes()).collect();
    let labels: Vec<u8> = (0..10).map(|i| i % 2).collect();
    let arrays = [("X_train", npy("<f4", &[10, 2], &values)), ("y_train", npy("|b1", &[10], &labels))];
    let (_folder, path) = written("rows.npz", &npz(&arrays, true));
    assert!(is_table(path.to_str().unwrap()));
    let set = open(&path, &Options::default()).unwrap();
    assert_eq!((set.train.len(), set.test.len(), set.image.width), (8, 2, 2));
    let table = set.table.unwrap();
    let coding = Coding::Known { table: Some(&table), classes: &set.classes, head: &set.head };
    let again = open_with(path.to_str().unwrap(), None, &Options::default(), coding).unwrap();
    assert_eq!((again.train, again.test), (set.train, set.test));

    // One array, labels in its last column or another.
    let values: Vec<u8> = (0..30).flat_map(|i| f64::from(if i % 3 == 2 { i % 2 } else { i }).to_le_bytes()).collect();
    let (_folder, path) = written("one.npy", &npy("<f8", &[10, 3], &values));
    let set = open(&path, &Options { label: Some("3".into()), ..Options::default() }).unwrap();
    assert_eq!((set.classes.concat(), set.image.width, set.train.len()), ("01".into(), 2, 8));
}

#[test]
fn arrays_that_do_not_fit_are_refused_by_name() {
    let told = |change: &dyn Fn(&mut Arrays)| {
        let mut arrays = coloured();
        change(&mut arrays);
        let (_folder, path) = written("made.npz", &npz(&arrays, true));
        refusal(&path, &Options::default())
    };
    assert!(
        told(&|a| a[0].1 = npy("<f4", &[2, 2, 2, 3], &[0; 96]))
            .contains("x_train.npy: its images are not of type uint8")
    );
    assert!(told(&|a| a[1].1 = npy("<i8", &[3], &[0; 24])).contains("y_train.npy: labels of [3] do not fit"));
    assert!(told(&|a| a[1].1 = npy("<f4", &[2], &[0.5f32.to_le_bytes(); 2].concat())).contains("no whole numbers"));
    assert!(told(&|a| a[1].1 = npy("|u1", &[2], &[3, 3])).contains("nothing to learn"));
    assert!(told(&|a| a[3].1 = npy("|u1", &[1], &[4])).contains("label \"4\" of sample 0 is none of the 2 classes"));
    assert!(told(&|a| a[0].1 = npy("|u1", &[2, 2, 2, 4], &[0; 32])).contains("neither rows nor images"));
    assert!(told(&|a| a[0].1 = npy("|u1", &[0, 2, 2, 3], &[])).contains("do not fit"));
    assert!(told(&|a| a[2].1 = npy("|u1", &[1, 2, 2], &[0; 4])).contains("not of the extent"));
    assert!(told(&|a| a[0].1.truncate(100)).contains("x_train.npy: it ends within its header"));
    assert!(told(&|a| a[0].1.truncate(140)).contains("less than the 24 bytes"));
    assert!(told(&|a| a[0].1 = npy("|u1", &[1 << 40, 2, 2, 3], &[0; 24])).contains("its header promises"));
    assert!(told(&|a| a[0].1 = npy("<U8", &[2], &[0; 64])).contains("type U8"));
    assert!(told(&|a| a.remove(0).1.clear()).contains("training samples are called x_train"));
    let whole = npz(&coloured(), true);
    let (_folder, path) = written("made.npz", &whole[..whole.len() / 2]);
    assert!(refusal(&path, &Options::default()).contains("no whole .npz archive"));
    // A flipped bit in a compressed array: damaged data or a wrong checksum.
    for at in (40..whole.len()).step_by(7) {
        let mut flipped = whole.clone();
        flipped[at] ^= 0x10;
        let (_folder, path) = written("made.npz", &flipped);
        let _ = open(&path, &Options::default());
    }
    let (_folder, path) = written("empty.npz", &[]);
    assert!(refusal(&path, &Options::default()).contains("no whole .npz"));
    let (_folder, path) = written("cube.npy", &npy("|u1", &[2, 2, 2], &[0; 8]));
    assert!(refusal(&path, &Options::default()).contains("no table"));
}

/// A picture of one colour.
fn picture(path: &Path, width: u32, height: u32, colour: Option<[u8; 3]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    match colour {
        Some(colour) => image::RgbImage::from_pixel(width, height, image::Rgb(colour)).save(path).unwrap(),
        None => image::GrayImage::from_pixel(width, height, image::Luma([77])).save(path).unwrap(),
    }
}

#[test]
fn folders_of_pictures_are_read_with_and_without_test_folders() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for (i, class) in ["9", "10"].into_iter().enumerate() {
        for n in 0..5 {
            picture(&at(&format!("{class}/{n}.png")), 4, 3, Some([10 * n, i as u8, 200]));
        }
        fs::write(at(&format!("{class}/notes.txt")), "passed over").unwrap();
        fs::write(at(&format!("{class}/.hidden.png")), "passed over").unwrap();
    }
    let set = open(folder.path(), &Options::default()).unwrap();
    assert_eq!(set.classes, ["9", "10"], "numbers in their order");
    assert_eq!(set.image, ImageShape { channels: 3, height: 3, width: 4 });
    assert_eq!((set.train.len(), set.test.len()), (8, 2));
    assert!(
        set.train.pixels.chunks(36).zip(&set.train.labels).all(|(p, &l)| p[0] % 10 == 0 && p[12] == l && p[24] == 200)
    );

    let small = Options { size: Some("2x1".into()), channels: Some(1), ..Options::default() };
    assert_eq!(open(folder.path(), &small).unwrap().image, ImageShape { channels: 1, height: 1, width: 2 });
    for (size, channels) in [("2", 1), ("0x1", 1), ("99999x1", 1), ("2x2", 2)] {
        let options = Options { size: Some(size.into()), channels: Some(channels), ..Options::default() };
        assert!(open(folder.path(), &options).is_err(), "{size} {channels}");
    }

    let parts = tempfile::tempdir().unwrap();
    for (part, count) in [("train", 3), ("test", 2)] {
        for class in ["cat", "dog"] {
            let grey = |n| if class == "cat" { None } else { Some([n; 3]) };
            (0..count).for_each(|n| picture(&parts.path().join(format!("{part}/{class}/{n}.png")), 2, 2, grey(n)));
        }
    }
    let set = open(parts.path(), &Options::default()).unwrap();
    assert_eq!((set.train.len(), set.test.len(), set.image.channels), (6, 4, 3), "colour where any picture has it");
    assert_eq!(set.train.pixels.iter().filter(|&&p| p == 77).count(), 3 * 12);

    fs::write(parts.path().join("train/dog/torn.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    let told = refusal(parts.path(), &Options::default());
    assert!(told.contains("torn.png") && told.contains("damaged"), "{told}");
    fs::remove_file(parts.path().join("train/dog/torn.png")).unwrap();
    picture(&parts.path().join("test/cow/0.png"), 2, 2, None);
    assert!(refusal(parts.path(), &Options::default()).contains("label \"cow\""));
    let empty = tempfile::tempdir().unwrap();
    fs::create_dir(empty.path().join("cat")).unwrap();
    assert!(refusal(empty.path(), &Options::default()).contains("a folder of pictures for each class"));
}

#[test]
fn libsvm_text_is_a_table_of_numbers() {
    let text: String = (0..20).map(|i| format!("{} 1:{i} 3:{}\n", if i < 10 { "+1" } else { "-1" }, i % 5)).collect();
    let (folder, path) = written("made.libsvm", text.as_bytes());
    let set = open(&path, &Options::default()).unwrap();
    assert_eq!((set.classes.concat(), set.train.len(), set.test.len()), ("-11".into(), 16, 4));
    let table = set.table.unwrap();
    assert_eq!(table.columns.len(), 2, "the second column is never written, and so always 0");
    assert!(Encoder::of_table(&table).features() >= 8, "4 thresholds for the first column, 4 for the third");
    // Columns that training has not seen are left out.
    fs::write(folder.path().join("test.libsvm"), "+1 1:3 9:1\n").unwrap();
    let options = Options { test: Some(folder.path().join("test.libsvm")), ..Options::default() };
    assert_eq!(open(&path, &options).unwrap().test.len(), 1);
    let coding = Coding::Known { table: Some(&table), classes: &set.classes, head: &set.head };
    let known = open_with(path.to_str().unwrap(), None, &Options::default(), coding).unwrap();
    assert_eq!(known.test, set.test);
}

/// A record of CIFAR-100: coarse and fine label, then one value a channel.
fn record(coarse: u8, fine: u8, red: u8) -> Vec<u8> {
    let planes = [red, 100, 200].into_iter().flat_map(|value| [value; 1024]);
    [coarse, fine].into_iter().chain(planes).collect()
}

#[test]
fn cifar_100_is_learned_by_fine_or_coarse_labels() {
    let data = tempfile::tempdir().unwrap();
    let inner = data.path().join("cifar-100/cifar-100-binary");
    fs::create_dir_all(&inner).unwrap();
    fs::write(inner.join("train.bin"), [record(19, 99, 1), record(0, 7, 2)].concat()).unwrap();
    fs::write(inner.join("test.bin"), record(3, 42, 3)).unwrap();
    let named =
        |options: &Options| open_with("cifar-100", Some(data.path()), options, Coding::Learned { thresholds: 3 });
    let fine = named(&Options::default()).unwrap();
    assert_eq!((fine.classes.len(), &fine.train.labels[..], &fine.test.labels[..]), (100, &[99, 7][..], &[42][..]));
    assert_eq!((fine.train.pixels[0], fine.train.pixels[3072], fine.train.pixels[1024]), (1, 2, 100));
    let coarse = named(&Options { coarse: Some(true), ..Options::default() }).unwrap();
    assert_eq!((coarse.classes.len(), coarse.train.labels), (20, vec![19, 0]));
    let names: String = (0..100).map(|i| format!("name {i}\n")).collect();
    fs::write(inner.join("fine_label_names.txt"), names).unwrap();
    assert_eq!(named(&Options::default()).unwrap().classes[99], "name 99");
    // The folder itself, by what it holds.
    assert_eq!(open(&inner, &Options::default()).unwrap().train, fine.train);

    for (bytes, told) in [
        (Vec::new(), "empty"),
        (record(0, 7, 2)[..3073].to_vec(), "truncated"),
        (record(0, 100, 2), "label 100 of record 0 is not in 0 to 99"),
    ] {
        fs::write(inner.join("test.bin"), bytes).unwrap();
        let message = named(&Options::default()).unwrap_err().to_string();
        assert!(message.contains("test.bin") && message.contains(told), "{message}");
    }
    let python = tempfile::tempdir().unwrap();
    fs::create_dir_all(python.path().join("cifar-100/cifar-100-python")).unwrap();
    let error = open_with("cifar-100", Some(python.path()), &Options::default(), Coding::Learned { thresholds: 3 });
    assert!(error.unwrap_err().to_string().contains("cifar-100-binary.tar.gz"));
}

#[test]
fn an_emnist_split_is_found_by_its_name_among_others() {
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().join("emnist");
    fs::create_dir(&folder).unwrap();
    let idx = |magic: u32, sizes: &[u32], body: &[u8]| -> Vec<u8> {
        std::iter::once(&magic).chain(sizes).flat_map(|n| n.to_be_bytes()).chain(body.iter().copied()).collect()
    };
    for (split, label) in [("letters", 26), ("digits", 9)] {
        for (part, images) in [("train", 2), ("test", 1)] {
            let path = |what: &str| folder.join(format!("emnist-{split}-{part}-{what}-ubyte"));
            fs::write(path("images-idx3"), idx(0x803, &[images, 1, 2], &vec![label; 2 * images as usize])).unwrap();
            fs::write(path("labels-idx1"), idx(0x801, &[images], &vec![label; images as usize])).unwrap();
        }
    }
    let named = |name: &str| {
        open_with(name, Some(data.path()), &Options::default(), Coding::Learned { thresholds: 3 }).unwrap()
    };
    let letters = named("emnist-letters");
    assert_eq!(
        (letters.classes.len(), letters.train.clone()),
        (26, Split { pixels: vec![26; 4], labels: vec![25; 2], targets: Vec::new() })
    );
    assert_eq!(letters.image, ImageShape { channels: 1, height: 2, width: 1 });
    assert_eq!(named("emnist-digits").test.labels, [9]);
    let missing = open_with("kmnist", Some(data.path()), &Options::default(), Coding::Learned { thresholds: 3 });
    assert!(missing.unwrap_err().to_string().contains("kmnist"));
}

/// What `data info --json` says of a path.
fn info(arguments: &[&str]) -> serde_json::Value {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_gatewright"))
        .args(["data", "info", "--json"])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn data_info_tells_what_a_set_holds() {
    let (folder, path) = written("made.npz", &npz(&coloured(), true));
    let sheet = folder.path().join("sheet.png");
    let told = info(&[path.to_str().unwrap(), "--png", sheet.to_str().unwrap()]);
    assert_eq!(
        (&told["kind"], &told["train_samples"], &told["test_samples"]),
        (&"images".into(), &2.into(), &1.into())
    );
    assert_eq!(told["train_by_class"], serde_json::json!([1, 1]));
    // The bytes of the first channel are 0, 3, …, 21.
    assert_eq!(told["values"][0], serde_json::json!({ "least": 0, "greatest": 21, "mean": 10.5 }));
    // Two classes of images shown 24 times as large, with 4 pixels between.
    let sheet = image::open(sheet).unwrap();
    assert_eq!((sheet.width(), sheet.height()), (12 * 52 + 4, 2 * 52 + 4));

    let (_folder, path) = written("made.csv", b"x,w,y\n1,a,p\n2,b,q\n3,c,p\n4,a,q\n5,b,p\n6,c,q\n");
    let told = info(&[path.to_str().unwrap(), "--test-fraction", "0.34"]);
    assert_eq!(
        (&told["kind"], &told["label"], &told["columns"][1]["name"]),
        (&"table".into(), &"y".into(), &"w".into())
    );
    assert_eq!((&told["train_samples"], &told["test_by_class"]), (&4.into(), &serde_json::json!([1, 1])));
    let refused =
        std::process::Command::new(env!("CARGO_BIN_EXE_gatewright")).args(["data", "info", "nothing"]).output();
    assert_eq!(refused.unwrap().status.code(), Some(2));
}
