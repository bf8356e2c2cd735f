//! CIFAR-10's binary version: records of one label byte and 32 x 32 pixels in planes of red, green and blue.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use super::{Dataset, ImageShape, Split, classes, file_names};
use crate::{Error, Result};

const TRAIN: [&str; 5] =
    ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];
const TEST: &str = "test_batch.bin";
/// Names of the classes, one a line; optional.
const NAMES: &str = "batches.meta.txt";
/// The folder that the distributed archive unpacks to.
const UNPACKED: &str = "cifar-10-batches-bin";

const IMAGE: ImageShape = ImageShape { channels: 3, height: 32, width: 32 };
/// Bytes of a label and its image.
const RECORD: usize = 1 + 3 * 32 * 32;
/// Records of a batch as distributed.
const MOST_RECORDS: usize = 10_000;

/// Where in `folder` CIFAR-10's files are: there or in `cifar-10-batches-bin` under it, if either holds one.
pub(super) fn find(folder: &Path) -> Result<Option<PathBuf>> {
    for place in [folder.to_owned(), folder.join(UNPACKED)] {
        if place.is_dir() && file_names(&place)?.iter().any(|file| TRAIN.contains(&&**file) || file == TEST) {
            return Ok(Some(place));
        }
    }
    Ok(None)
}

/// Read the data set in `folder` and call it `name`.
pub(super) fn read(folder: &Path, name: &str) -> Result<Dataset> {
    let Some(place) = find(folder)? else {
        let python = folder.join("data_batch_1").exists() || folder.join("cifar-10-batches-py").exists();
        let found = if python { "CIFAR-10 in its Python version" } else { "no CIFAR-10 batches" };
        let problem = format!("it holds {found}; unpack the binary version, cifar-10-binary.tar.gz, here");
        return Err(Error::input(folder, problem));
    };
    let mut train = Split { pixels: Vec::new(), labels: Vec::new() };
    for file in TRAIN {
        append(&place.join(file), &mut train)?;
    }
    let mut test = Split { pixels: Vec::new(), labels: Vec::new() };
    append(&place.join(TEST), &mut test)?;
    Ok(Dataset { name: name.to_owned(), classes: class_names(&place.join(NAMES))?, image: IMAGE, train, test })
}

/// Append the records of the file `path` to `split`. A record's pixels lie in `[channel][row][column]` already.
fn append(path: &Path, split: &mut Split) -> Result<()> {
    let batch = read_at_most(path, MOST_RECORDS * RECORD)?;
    let (records, rest) = batch.as_chunks::<RECORD>();
    if !rest.is_empty() {
        return Err(Error::input(
            path,
            format!(
                "it is truncated, {} bytes follow its {} whole records of {RECORD}; fetch it again",
                rest.len(),
                records.len()
            ),
        ));
    }
    if records.is_empty() {
        return Err(Error::input(path, "it is empty; fetch it again"));
    }
    for (index, [label, pixels @ ..]) in records.iter().enumerate() {
        if usize::from(*label) >= classes::CIFAR_10.len() {
            let problem = format!("label {label} of record {index} is not in 0 to 9; fetch the file again");
            return Err(Error::input(path, problem));
        }
        split.labels.push(*label);
        split.pixels.extend_from_slice(pixels);
    }
    Ok(())
}

/// The ten names in the file `path`, or the published ones where there is no such file.
fn class_names(path: &Path) -> Result<Vec<String>> {
    if !path.exists() {
        return Ok(classes::CIFAR_10.map(String::from).to_vec());
    }
    let text = String::from_utf8(read_at_most(path, 4096)?).unwrap_or_default();
    let names: Vec<String> = text.lines().map(str::trim).filter(|line| !line.is_empty()).map(String::from).collect();
    if names.len() != classes::CIFAR_10.len() {
        let problem = format!("it should name 10 classes, one a line, not {}; correct or remove it", names.len());
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
        return Err(Error::input(path, format!("it is longer than the {most} bytes that CIFAR-10 has there")));
    }
    Ok(content)
}
