//! CIFAR-10's and CIFAR-100's binary versions: records of one label byte, or a coarse and a fine one, and 32 x 32 pixels
//! in planes of red, green and blue.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::{Dataset, Head, ImageShape, Split, classes, file_names};
use crate::{Error, Result};

/// One of the two data sets.
struct Version {
    /// What it is called in errors.
    name: &'static str,
    train: &'static [&'static str],
    test: &'static str,
    /// Bytes of labels before an image.
    labels: usize,
    /// The folder that the distributed archive unpacks to, and the archive.
    unpacked: &'static str,
    archive: &'static str,
    /// The folder that the archive for Python unpacks to.
    python: &'static str,
    /// Records of a file as distributed, at most.
    most_records: usize,
}

const CIFAR_10: Version = Version {
    name: "CIFAR-10",
    train: &["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"],
    test: "test_batch.bin",
    labels: 1,
    unpacked: "cifar-10-batches-bin",
    archive: "cifar-10-binary.tar.gz",
    python: "cifar-10-batches-py",
    most_records: 10_000,
};

const CIFAR_100: Version = Version {
    name: "CIFAR-100",
    train: &["train.bin"],
    test: "test.bin",
    labels: 2,
    unpacked: "cifar-100-binary",
    archive: "cifar-100-binary.tar.gz",
    python: "cifar-100-python",
    most_records: 50_000,
};

/// Which of an image's labels is learned.
#[derive(Clone, Copy)]
struct Labels {
    /// Its place before the image.
    at: usize,
    /// How many classes it tells apart.
    classes: usize,
    /// Names of the classes, one a line; optional.
    names: &'static str,
}

const TEN: Labels = Labels { at: 0, classes: 10, names: "batches.meta.txt" };
const COARSE: Labels = Labels { at: 0, classes: 20, names: "coarse_label_names.txt" };
const FINE: Labels = Labels { at: 1, classes: 100, names: "fine_label_names.txt" };

const IMAGE: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };
/// Bytes of an image.
const PIXELS: usize = 3 * 32 * 32;

/// Where in `folder` the files of a version are: there or in the archive's folder under it, if either holds one.
fn place(folder: &Path, version: &Version) -> Result<Option<PathBuf>> {
    for place in [folder.to_owned(), folder.join(version.unpacked)] {
        if place.is_dir()
            && file_names(&place)?.iter().any(|file| version.train.contains(&&**file) || file == version.test)
        {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

/// Whether `folder` holds either data set.
pub(super) fn is_cifar(folder: &Path) -> Result<bool> {
    Ok(place(folder, &CIFAR_10)?.is_some() || place(folder, &CIFAR_100)?.is_some())
}

/// Whether the data set in `folder`, called `name`, is CIFAR-100.
pub(super) fn is_hundred(folder: &Path, name: &str) -> Result<bool> {
    Ok(name == "cifar-100" || (name != "cifar-10" && place(folder, &CIFAR_10)?.is_none()))
}

/// Read the data set in `folder` and call it `name`; `coarse` is for CIFAR-100's 20 classes instead of its 100.
pub(super) fn read(folder: &Path, name: &str, coarse: bool) -> Result<Dataset> {
    let hundred = is_hundred(folder, name)?;
    let (version, labels) = match (hundred, coarse) {
        (false, _) => (&CIFAR_10, TEN),
        (true, true) => (&CIFAR_100, COARSE),
        (true, false) => (&CIFAR_100, FINE),
    };
    let Some(place) = place(folder, version)? else {
        let python = folder.join(version.python).exists() || folder.join(version.train[0].replace(".bin", "")).exists();
        let found = if python {
            format!("{} in its Python version", version.name)
        } else {
            format!("no {} files", version.name)
        };
        let problem = format!("it holds {found}; unpack the binary version, {}, here", version.archive);
        return Err(Error::input(folder, problem));
    };
    let mut train = Split::default();
    for file in version.train {
        append(&place.join(file), version, labels, &mut train)?;
    }
    let mut test = Split::default();
    append(&place.join(version.test), version, labels, &mut test)?;
    let classes = class_names(&place.join(labels.names), labels.classes)?;
    Ok(Dataset {
        name: name.to_owned(),
        classes,
        image: IMAGE,
        head: Head::Classes,
        table: None,
        ranges: Vec::new(),
        notes: Vec::new(),
        train,
        test,
    })
}

/// Append the records of the file `path` to `split`. A record's pixels lie in `[channel][row][column]` already.
fn append(path: &Path, version: &Version, labels: Labels, split: &mut Split) -> Result<()> {
    let size = version.labels + PIXELS;
    let batch = read_at_most(path, version.most_records * size)?;
    let records = batch.chunks_exact(size);
    let rest = records.remainder();
    if !rest.is_empty() {
        return Err(Error::input(
            path,
            format!(
                "it is truncated, {} bytes follow its {} whole records of {size}; fetch it again",
                rest.len(),
                records.len()
            ),
        ));
    }
    if records.len() == 0 {
        return Err(Error::input(path, "it is empty; fetch it again"));
    }
    for (index, record) in records.enumerate() {
        let label = record[labels.at];
        if usize::from(label) >= labels.classes {
            let last = labels.classes - 1;
            let problem = format!("label {label} of record {index} is not in 0 to {last}; fetch the file again");
            return Err(Error::input(path, problem));
        }
        split.labels.push(label);
        split.pixels.extend_from_slice(&record[version.labels..]);
    }
    Ok(())
}

/// The names in the file `path`; where there is no such file, the published ones of CIFAR-10, or numbers.
fn class_names(path: &Path, classes: usize) -> Result<Vec<String>> {
    if !path.exists() {
        let published = (classes == classes::CIFAR_10.len()).then(|| classes::CIFAR_10.map(String::from).to_vec());
        return Ok(published.unwrap_or_else(|| (0..classes).map(|class| class.to_string()).collect()));
    }
    let text = String::from_utf8(read_at_most(path, 4096)?).unwrap_or_default();
    let names: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(String::from).collect();
    if names.len() != classes {
        let problem =
            format!("it should name {classes} classes, one a line, not {}; correct or remove it", names.len());
        return Err(Error::input(path, problem));
    }
    Ok(names)
}

/// The content of the file `path`, refused where it is longer than `most` bytes.
fn read_at_most(path: &Path, most: usize) -> Result<Vec<u8>> {
    let mut content = Vec::new();
    File::open(path)
        .and_then(|file| BufReader::new(file).take(most as u64 + 1).read_to_end(&mut content))
        .map_err(|e| Error::io("read", path, e))?;
    if content.len() > most {
        return Err(Error::input(path, format!("it is longer than the {most} bytes that CIFAR has there")));
    }
    Ok(content)
}
