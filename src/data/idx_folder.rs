//! Folders of IDX files: which file is which, by the names that MNIST, its kin and EMNIST are distributed under.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use super::classes::Labelling;
use super::idx::{self, Convention, Stored, StoredSplit};
use super::{Dataset, file_names};
use crate::{Error, Result};

/// File names without `.gz`, by part: training images and labels, test images and labels.
const MNIST: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];
/// The same after `emnist-<split>-`.
const EMNIST: [&str; 4] =
    ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "test-images-idx3-ubyte", "test-labels-idx1-ubyte"];

/// The four parts found of one data set, in the order of [`MNIST`].
type Parts = [Option<PathBuf>; 4];

/// Whether `folder` holds any file that is named as IDX data sets are.
pub(super) fn is_idx(folder: &Path) -> Result<bool> {
    Ok(!collections(folder)?.is_empty())
}

/// Read the data set in `folder` and call it `name`; where its labels have no names of their own, they number `known`
/// classes.
pub(super) fn read(folder: &Path, name: &str, known: Option<&[String]>) -> Result<Dataset> {
    let mut collections = collections(folder)?;
    // Of EMNIST's splits in one folder, the name may say which.
    if let Some(split) = name.strip_prefix("emnist-").map(String::from)
        && collections.contains_key(&Some(split.clone()))
    {
        collections.retain(|found, _| *found == Some(split.clone()));
    }
    let Some((emnist, parts)) = collections.pop_first() else {
        let problem = format!("it holds no IDX files; expected {}, with or without .gz", MNIST.join(", "));
        return Err(Error::input(folder, problem));
    };
    if !collections.is_empty() {
        let describe = |split: &Option<String>| split.as_ref().map_or("MNIST".into(), |s| format!("EMNIST {s}"));
        let all = std::iter::once(&emnist).chain(collections.keys()).map(describe).collect::<Vec<_>>();
        let problem = format!("it holds several data sets ({}); put each into a folder of its own", all.join(", "));
        return Err(Error::input(folder, problem));
    }
    let emnist = emnist.as_deref();
    let mut convention = Convention { labelling: Labelling::of(name, emnist), transposed: emnist.is_some() };
    if let (None, Some(known)) = (&convention.labelling.names, known) {
        convention.labelling.names = Some(known.to_vec());
    }
    let [train_images, train_labels, test_images, test_labels] = parts;
    let stored = |part: usize, path: Option<PathBuf>| match path {
        Some(path) => {
            let bytes = File::open(&path).map_err(|e| Error::io("read", &path, e))?;
            Ok(Stored { path, bytes: BufReader::with_capacity(1 << 16, bytes) })
        }
        None => {
            let file = emnist.map_or(MNIST[part].into(), |split| format!("emnist-{split}-{}", EMNIST[part]));
            Err(Error::input(folder, format!("{file} is missing, with or without .gz; fetch it too")))
        }
    };
    let train = StoredSplit { images: stored(0, train_images)?, labels: stored(1, train_labels)? };
    let test = StoredSplit { images: stored(2, test_images)?, labels: stored(3, test_labels)? };
    idx::decode(name, &convention, train, test)
}

/// What `folder` holds, by EMNIST split; none stands for names without one. A plain file goes before its .gz.
fn collections(folder: &Path) -> Result<BTreeMap<Option<String>, Parts>> {
    let mut found: BTreeMap<Option<String>, Parts> = BTreeMap::new();
    for file in file_names(folder)? {
        if let Some((emnist, part)) = recognize(&file) {
            let slot = &mut found.entry(emnist).or_default()[part];
            if slot.is_none() || !file.ends_with(".gz") {
                *slot = Some(folder.join(file));
            }
        }
    }
    Ok(found)
}

/// The EMNIST split, if the name has one, and the part that a file of this name is.
fn recognize(file: &str) -> Option<(Option<String>, usize)> {
    let name = file.strip_suffix(".gz").unwrap_or(file).replace(".idx", "-idx");
    match name.strip_prefix("emnist-") {
        Some(rest) => {
            let (split, part) = rest.split_once('-')?;
            Some((Some(split.to_owned()), EMNIST.iter().position(|&p| p == part)?))
        }
        None => Some((None, MNIST.iter().position(|&p| p == name)?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_names_are_recognized_as_they_are_distributed() {
        let letters = || Some("letters".to_owned());
        assert_eq!(recognize("train-images-idx3-ubyte"), Some((None, 0)));
        assert_eq!(recognize("train-labels-idx1-ubyte.gz"), Some((None, 1)));
        assert_eq!(recognize("t10k-images.idx3-ubyte"), Some((None, 2)));
        assert_eq!(recognize("t10k-labels.idx1-ubyte.gz"), Some((None, 3)));
        assert_eq!(recognize("emnist-letters-train-images-idx3-ubyte.gz"), Some((letters(), 0)));
        assert_eq!(recognize("emnist-letters-test-labels-idx1-ubyte"), Some((letters(), 3)));
        assert_eq!(recognize("emnist-letters-t10k-labels-idx1-ubyte"), None);
        assert_eq!(recognize("train-images-idx3-ubyte.zip"), None);
        assert_eq!(recognize("README.md"), None);
    }
}
