//! Data sets through the public door: the real ones where they are, made ones in temporary folders, broken ones.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use gatewright::Error;
use gatewright::data::{Background, Dataset, ImageShape, Split, open, read_image};
use tempfile::TempDir;

const IDX_FILES: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];

fn idx_images(count: u32, rows: u32, columns: u32, body: &[u8]) -> Vec<u8> {
    let header = [0x803, count, rows, columns].map(u32::to_be_bytes).concat();
    [&header[..], body].concat()
}

fn idx_labels(count: u32, body: &[u8]) -> Vec<u8> {
    let header = [0x801, count].map(u32::to_be_bytes).concat();
    [&header[..], body].concat()
}

/// Five training and three test images of 3 x 2 pixels with labels below 4, in the order of `IDX_FILES`.
fn small_idx() -> [Vec<u8>; 4] {
    let pixels: Vec<u8> = (0..30).collect();
    [
        idx_images(5, 3, 2, &pixels),
        idx_labels(5, &[0, 1, 2, 3, 0]),
        idx_images(3, 3, 2, &pixels[..18]),
        idx_labels(3, &[2, 1, 0]),
    ]
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn folder_of<N: AsRef<str>>(files: impl IntoIterator<Item = (N, Vec<u8>)>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    files.into_iter().for_each(|(name, bytes)| fs::write(folder.path().join(name.as_ref()), bytes).unwrap());
    folder
}

fn open_folder(folder: &Path) -> gatewright::Result<Dataset> {
    open(folder.to_str().unwrap(), None)
}

/// The refusal of a folder, which must be bad input.
fn refusal(folder: &TempDir) -> String {
    let error = open_folder(folder.path()).unwrap_err();
    assert_eq!(error.exit_code(), 2, "{error}");
    error.to_string()
}

/// What is told where part `part` of the small IDX data set is replaced; the file must be named.
fn idx_refusal(part: usize, bytes: Vec<u8>) -> String {
    let mut files = small_idx();
    files[part] = bytes;
    let message = refusal(&folder_of(IDX_FILES.into_iter().zip(files)));
    assert!(message.contains(IDX_FILES[part]), "{message}");
    message
}

fn counts(split: &Split) -> Vec<usize> {
    (0..10).map(|class| split.labels.iter().filter(|&&label| label == class).count()).collect()
}

#[test]
fn mnist_is_embedded_whole() {
    let set = open("mnist", None).unwrap();
    assert_eq!(set.name, "mnist");
    assert_eq!(set.image, ImageShape { channels: 1, height: 28, width: 28 });
    assert_eq!(set.classes, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert_eq!((set.train.len(), set.train.pixels.len()), (60_000, 60_000 * 784));
    assert_eq!((set.test.len(), set.test.pixels.len()), (10_000, 10_000 * 784));
    assert_eq!(counts(&set.train), [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]);
    assert_eq!(counts(&set.test), [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]);
    // The mean that MNIST's training pixels are commonly normalized by.
    let mean = set.train.pixels.iter().map(|&p| f64::from(p)).sum::<f64>() / (255.0 * set.train.pixels.len() as f64);
    assert!((mean - 0.1307).abs() < 0.0001, "{mean}");
}

/// A downloaded data set, or none with a printed line.
fn real(name: &str) -> Option<Dataset> {
    match open(name, None) {
        Ok(set) => Some(set),
        Err(e @ Error::Usage(_)) => {
            println!("skipped: {e}");
            None
        }
        Err(e) => panic!("{e}"),
    }
}

#[test]
fn real_fashion_mnist_is_read_where_it_is() {
    let Some(set) = real("fashion-mnist") else { return };
    assert_eq!(set.image, ImageShape { channels: 1, height: 28, width: 28 });
    assert_eq!((counts(&set.train), counts(&set.test)), (vec![6000; 10], vec![1000; 10]));
    assert_eq!((&*set.classes[0], &*set.classes[9]), ("T-shirt/top", "ankle boot"));
}

#[test]
fn real_cifar_10_is_read_where_it_is() {
    let Some(set) = real("cifar-10") else { return };
    assert_eq!(set.image, ImageShape { channels: 3, height: 32, width: 32 });
    assert_eq!((counts(&set.train), counts(&set.test)), (vec![5000; 10], vec![1000; 10]));
    assert_eq!((&*set.classes[0], &*set.classes[9]), ("airplane", "truck"));
    // The means that CIFAR-10's training pixels are commonly normalized by: red, green, blue.
    for (channel, known) in [0.4914, 0.4822, 0.4465].into_iter().enumerate() {
        let planes = set.train.pixels.chunks_exact(1024).skip(channel).step_by(3);
        let sum = planes.flatten().map(|&p| f64::from(p)).sum::<f64>();
        let mean = sum / (255.0 * 50_000.0 * 1024.0);
        assert!((mean - known).abs() < 0.0001, "channel {channel}: {mean}");
    }
}

#[test]
fn idx_folders_read_equal_plain_packed_and_under_other_names() {
    let plain = folder_of(IDX_FILES.into_iter().zip(small_idx()));
    let set = open_folder(plain.path()).unwrap();
    assert_eq!(set.name, plain.path().file_name().unwrap().to_str().unwrap());
    assert_eq!(set.image, ImageShape { channels: 1, height: 3, width: 2 });
    assert_eq!(set.classes, ["0", "1", "2", "3"]);
    assert_eq!(set.train, Split { pixels: (0..30).collect(), labels: vec![0, 1, 2, 3, 0], targets: Vec::new() });
    assert_eq!(set.test, Split { pixels: (0..18).collect(), labels: vec![2, 1, 0], targets: Vec::new() });

    let packed = IDX_FILES.map(|name| format!("{name}.gz")).into_iter().zip(small_idx().map(|file| gzip(&file)));
    let dotted = IDX_FILES.map(|name| name.replace("-idx", ".idx")).into_iter().zip(small_idx());
    // Content decides, not the name.
    let misnamed = IDX_FILES.map(String::from).into_iter().zip(small_idx().map(|file| gzip(&file)));
    for folder in [folder_of(packed), folder_of(dotted), folder_of(misnamed)] {
        let other = open_folder(folder.path()).unwrap();
        assert_eq!((other.train, other.test), (set.train.clone(), set.test.clone()));
    }
}

#[test]
fn a_data_folder_goes_before_the_embedded_mnist_and_named_sets_have_their_classes() {
    let data = tempfile::tempdir().unwrap();
    for name in ["mnist", "fashion-mnist"] {
        let folder = data.path().join(name);
        fs::create_dir(&folder).unwrap();
        IDX_FILES.into_iter().zip(small_idx()).for_each(|(file, bytes)| fs::write(folder.join(file), bytes).unwrap());
    }
    let mnist = open("mnist", Some(data.path())).unwrap();
    assert_eq!((mnist.train.len(), mnist.classes.len()), (5, 10));
    let fashion = open("fashion-mnist", Some(data.path())).unwrap();
    assert_eq!((fashion.train.len(), &*fashion.classes[1]), (5, "trouser"));

    fs::write(data.path().join("mnist").join(IDX_FILES[3]), idx_labels(3, &[9, 10, 0])).unwrap();
    let message = open("mnist", Some(data.path())).unwrap_err().to_string();
    assert!(message.contains(IDX_FILES[3]) && message.contains("label 10 of sample 1"), "{message}");
    assert!(open("mnist", Some(&data.path().join("typo"))).unwrap_err().to_string().contains("typo"));
}

#[test]
fn emnist_is_turned_upright_and_its_splits_are_kept_apart() {
    let names = |split: &str| {
        ["train-images-idx3", "train-labels-idx1", "test-images-idx3", "test-labels-idx1"]
            .map(|part| format!("emnist-{split}-{part}-ubyte.gz"))
    };
    let mut files = small_idx();
    files[1] = idx_labels(5, &[1, 2, 26, 3, 4]);
    files[3] = idx_labels(3, &[26, 1, 2]);
    let files = files.map(|file| gzip(&file));
    let folder = folder_of(names("letters").into_iter().zip(files.clone()));
    let set = open_folder(folder.path()).unwrap();
    assert_eq!(set.image, ImageShape { channels: 1, height: 2, width: 3 });
    assert_eq!(set.train.pixels[..6], [0, 2, 4, 1, 3, 5]);
    assert_eq!(set.train.labels, [0, 1, 25, 2, 3]);
    assert_eq!(set.classes.concat(), "ABCDEFGHIJKLMNOPQRSTUVWXYZ");

    names("digits").into_iter().zip(files).for_each(|(name, file)| fs::write(folder.path().join(name), file).unwrap());
    let message = refusal(&folder);
    assert!(message.contains("EMNIST digits, EMNIST letters") && message.contains("folder of its own"), "{message}");
}

#[test]
fn broken_idx_files_are_refused_by_name() {
    let pixels = [0u8; 30];
    for part in 0..4 {
        let whole = &small_idx()[part];
        let header = if part % 2 == 0 { 16 } else { 8 };
        assert!(idx_refusal(part, Vec::new()).contains("within its header"));
        assert!(idx_refusal(part, whole[..3].to_vec()).contains("within its header"));
        assert!(idx_refusal(part, whole[..header - 1].to_vec()).contains("within its header"));
        assert!(idx_refusal(part, whole[..header].to_vec()).contains("truncated"));
        assert!(idx_refusal(part, whole[..whole.len() - 1].to_vec()).contains("truncated"));
        assert!(idx_refusal(part, [&whole[..], &[0]].concat()).contains("goes on after"));
        assert!(idx_refusal(part, gzip(&[&whole[..], &[0]].concat())).contains("goes on after"));
        assert!(idx_refusal(part, gzip(&whole[..whole.len() - 1])).contains("truncated"));
        let mut packed = gzip(whole);
        assert!(idx_refusal(part, packed[..packed.len() - 1].to_vec()).contains("truncated"));
        // The last eight bytes are the checksum and the length.
        let checksum = packed.len() - 8;
        packed[checksum] ^= 1;
        assert!(idx_refusal(part, packed).contains("gzip data is damaged"));
        assert!(idx_refusal(part, small_idx()[(part + 1) % 4].clone()).contains("starts with 0x0000080"));
        assert!(idx_refusal(part, b"<!DOCTYPE html>".to_vec()).contains("starts with 0x3c21444f"));
    }
    let told = idx_refusal(1, idx_labels(4, &[0; 4]));
    assert!(told.contains("4 labels for the 5 images") && told.contains(IDX_FILES[0]), "{told}");
    assert!(idx_refusal(1, idx_labels(u32::MAX, &[0; 5])).contains("4294967295 labels"));
    assert!(idx_refusal(2, idx_images(3, 3, 3, &pixels[..27])).contains("3 x 3 pixels"));
}

#[test]
fn huge_headers_are_refused_without_their_memory() {
    let pixels = [0u8; 30];
    let [_, _, test_images, test_labels] = small_idx();

    // 24 GiB of pixels are promised, and 4 GiB of labels.
    let train = [idx_images(u32::MAX, 3, 2, &pixels), idx_labels(u32::MAX, &[0; 5])];
    let files = train.into_iter().chain([test_images, test_labels]);
    let told = refusal(&folder_of(IDX_FILES.into_iter().zip(files)));
    assert!(told.contains(IDX_FILES[1]) && told.contains("5 of the 4294967295 bytes"), "{told}");

    let huge = || idx_images(5, u32::MAX, u32::MAX, &pixels);
    let files = [huge(), idx_labels(5, &[0; 5]), huge(), idx_labels(5, &[0; 5])];
    let told = refusal(&folder_of(IDX_FILES.into_iter().zip(files)));
    assert!(told.contains(IDX_FILES[0]) && told.contains("more than"), "{told}");
}

#[test]
fn empty_and_incomplete_idx_sets_are_refused() {
    let mut files = small_idx();
    (files[2], files[3]) = (idx_images(0, 3, 2, &[]), idx_labels(0, &[]));
    let told = refusal(&folder_of(IDX_FILES.into_iter().zip(files)));
    assert!(told.contains(IDX_FILES[2]) && told.contains("no images"), "{told}");

    let mut files = small_idx();
    (files[0], files[2]) = (idx_images(5, 0, 2, &[]), idx_images(3, 0, 2, &[]));
    let told = refusal(&folder_of(IDX_FILES.into_iter().zip(files)));
    assert!(told.contains(IDX_FILES[0]) && told.contains("0 x 2 pixels"), "{told}");

    for missing in IDX_FILES {
        let folder = folder_of(IDX_FILES.into_iter().zip(small_idx()));
        fs::remove_file(folder.path().join(missing)).unwrap();
        let told = refusal(&folder);
        assert!(told.contains(&format!("{missing} is missing")), "{told}");
        fs::create_dir(folder.path().join(missing)).unwrap();
        assert!(refusal(&folder).contains(missing), "a folder in the file's place");
    }
}

#[test]
fn folders_without_a_data_set_say_what_is_expected() {
    let folder = folder_of([("README.md", b"nothing here".to_vec())]);
    let told = refusal(&folder);
    assert!(told.contains("train-images-idx3-ubyte") && told.contains("data_batch_1.bin"), "{told}");

    let file = folder.path().join("README.md");
    assert!(open(file.to_str().unwrap(), None).unwrap_err().to_string().contains("it is a file"));
    let told = open("./no/such/folder", None).unwrap_err();
    assert_eq!(told.exit_code(), 2);
    assert!(told.to_string().contains("./no/such/folder") && told.to_string().contains("cifar-10"), "{told}");
}

const BATCHES: [&str; 6] = [
    "data_batch_1.bin",
    "data_batch_2.bin",
    "data_batch_3.bin",
    "data_batch_4.bin",
    "data_batch_5.bin",
    "test_batch.bin",
];

/// Two records a batch: batch `b` has the labels `b` and 9, red `b`, green 100 and blue 200.
fn small_cifar() -> [Vec<u8>; 6] {
    std::array::from_fn(|batch| {
        let record = |label: u8| {
            let planes = [batch as u8, 100, 200].into_iter().flat_map(|value| [value; 1024]);
            std::iter::once(label).chain(planes).collect::<Vec<u8>>()
        };
        [record(batch as u8), record(9)].concat()
    })
}

/// What is told where one batch of the small CIFAR data set is replaced; the file must be named.
fn cifar_refusal(batch: usize, bytes: Vec<u8>) -> String {
    let mut files = small_cifar();
    files[batch] = bytes;
    let message = refusal(&folder_of(BATCHES.into_iter().zip(files)));
    assert!(message.contains(BATCHES[batch]), "{message}");
    message
}

#[test]
fn cifar_folders_are_read_with_and_without_the_archives_own_folder() {
    let folder = folder_of(BATCHES.into_iter().zip(small_cifar()));
    let set = open_folder(folder.path()).unwrap();
    assert_eq!(set.image, ImageShape { channels: 3, height: 32, width: 32 });
    assert_eq!(set.train.labels, [0, 9, 1, 9, 2, 9, 3, 9, 4, 9]);
    assert_eq!(set.test.labels, [5, 9]);
    assert_eq!((set.train.pixels.len(), set.test.pixels.len()), (10 * 3072, 2 * 3072));
    let second_batch = &set.train.pixels[2 * 3072..];
    assert_eq!((second_batch[0], second_batch[1023], second_batch[1024], second_batch[2048]), (1, 1, 100, 200));
    assert_eq!(set.classes[3], "cat");

    let data = tempfile::tempdir().unwrap();
    let inner = data.path().join("cifar-10").join("cifar-10-batches-bin");
    fs::create_dir_all(&inner).unwrap();
    BATCHES.into_iter().zip(small_cifar()).for_each(|(name, bytes)| fs::write(inner.join(name), bytes).unwrap());
    fs::write(inner.join("batches.meta.txt"), "a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n").unwrap();
    let named = open("cifar-10", Some(data.path())).unwrap();
    assert_eq!((named.name.as_str(), named.classes.concat().as_str()), ("cifar-10", "abcdefghij"));
    assert_eq!((named.train, named.test), (set.train, set.test));
}

#[test]
fn broken_cifar_files_are_refused_by_name() {
    for batch in 0..6 {
        let whole = &small_cifar()[batch];
        assert!(cifar_refusal(batch, Vec::new()).contains("empty"));
        for cut in [1, 3072, 3074, 6145] {
            assert!(cifar_refusal(batch, whole[..cut].to_vec()).contains("truncated"));
        }
        assert!(cifar_refusal(batch, [&whole[..], &[0]].concat()).contains("truncated"));
        let mut mislabelled = whole.clone();
        mislabelled[3073] = 10;
        assert!(cifar_refusal(batch, mislabelled).contains("label 10 of record 1"));
    }
    assert!(cifar_refusal(0, vec![0; 10_001 * 3073]).contains("longer than"));

    for missing in BATCHES {
        let folder = folder_of(BATCHES.into_iter().zip(small_cifar()));
        fs::remove_file(folder.path().join(missing)).unwrap();
        let told = refusal(&folder);
        assert!(told.contains(missing), "{told}");
    }
    let folder = folder_of(BATCHES.into_iter().zip(small_cifar()));
    fs::write(folder.path().join("batches.meta.txt"), "one\ntwo\n").unwrap();
    assert!(refusal(&folder).contains("batches.meta.txt"));

    let folder = folder_of(BATCHES.into_iter().zip(small_cifar()).chain(IDX_FILES.into_iter().zip(small_idx())));
    assert!(refusal(&folder).contains("folder of its own"));
    let python = tempfile::tempdir().unwrap();
    fs::create_dir(python.path().join("cifar-10")).unwrap();
    fs::write(python.path().join("cifar-10").join("data_batch_1"), b"pickle").unwrap();
    assert!(open("cifar-10", Some(python.path())).unwrap_err().to_string().contains("Python version"));
}

/// A picture of `width` x `height` RGB pixels in a file of `folder`.
fn picture(folder: &TempDir, name: &str, width: u32, height: u32, colour: impl Fn(u32, u32) -> [u8; 3]) -> PathBuf {
    let path = folder.path().join(name);
    image::RgbImage::from_fn(width, height, |x, y| image::Rgb(colour(x, y))).save(&path).unwrap();
    path
}

#[test]
fn pictures_of_the_right_size_come_out_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let path = picture(&folder, "rgb.png", 3, 2, |x, y| [x as u8, 10 + y as u8, 20 + (x * y) as u8]);
    let planes = read_image(&path, ImageShape { channels: 3, height: 2, width: 3 }, Background::White).unwrap();
    assert_eq!(planes, [0, 1, 2, 0, 1, 2, 10, 10, 10, 11, 11, 11, 20, 20, 20, 20, 21, 22]);

    let path = picture(&folder, "grey.bmp", 3, 2, |x, y| [(x + 3 * y) as u8 * 40; 3]);
    let grey = read_image(&path, ImageShape { channels: 1, height: 2, width: 3 }, Background::White).unwrap();
    assert_eq!(grey, [0, 40, 80, 120, 160, 200]);
}

#[test]
fn pictures_are_told_by_content_and_fitted() {
    let folder = tempfile::tempdir().unwrap();
    // Left half black, right half white, four times too large.
    let path = picture(&folder, "half.png", 112, 112, |x, _| if x < 56 { [0; 3] } else { [255; 3] });
    let misnamed = folder.path().join("half.jpg");
    fs::copy(&path, &misnamed).unwrap();
    let shape = ImageShape { channels: 1, height: 28, width: 28 };
    let fitted = read_image(&misnamed, shape, Background::White).unwrap();
    assert_eq!(fitted, read_image(&path, shape, Background::White).unwrap());
    for row in fitted.chunks_exact(28) {
        // A triangle of one target pixel's radius reaches no further than the two columns at the edge.
        assert!(row[..13].iter().all(|&p| p == 0) && row[15..].iter().all(|&p| p == 255), "{row:?}");
        assert!(row[13] < 128 && row[14] > 127, "{row:?}");
    }
}

#[test]
fn what_is_no_picture_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let shape = ImageShape { channels: 1, height: 28, width: 28 };
    let told = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let error = read_image(&path, shape, Background::White).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains(name), "{error}");
        error.to_string()
    };
    assert!(told("empty", b"").contains("no picture"));
    assert!(told("text.txt", b"not a picture at all").contains("no picture"));
    let whole = fs::read(picture(&folder, "whole.png", 40, 40, |x, y| [x as u8, y as u8, 0])).unwrap();
    assert!(told("cut.png", &whole[..whole.len() / 2]).contains("damaged"));
    // Headers with nothing behind them: sides beyond the limit, then memory beyond it.
    assert!(told("wide.pgm", b"P5\n60000 60000\n255\n").contains("too large"));
    assert!(told("deep.ppm", b"P6\n16000 16000\n65535\n").contains("too large"));

    let missing = read_image(&folder.path().join("missing.png"), shape, Background::White).unwrap_err();
    assert!(missing.exit_code() == 2 && missing.to_string().contains("missing.png"));
    let path = folder.path().join("whole.png");
    assert!(read_image(&path, ImageShape { channels: 2, height: 28, width: 28 }, Background::White).is_err());
    assert!(read_image(&path, ImageShape { channels: 1, height: 0, width: 28 }, Background::White).is_err());
}
