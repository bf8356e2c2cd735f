//! From what the user calls a data set to where it lies.

use std::path::{Path, PathBuf};

use super::{Dataset, cifar, embedded, idx_folder};
use crate::{Error, Result};

/// Environment variable: a folder of data sets, each in a folder of its name.
const VARIABLE: &str = "GATEWRIGHT_DATA";
/// Data sets that have a name.
const NAMED: [&str; 3] = ["mnist", "fashion-mnist", "cifar-10"];

/// Open a data set: `mnist`, `fashion-mnist`, `cifar-10`, or the path of a folder of IDX files or CIFAR-10 batches.
///
/// A named one is looked for as `<data_dir>/<name>`, `$GATEWRIGHT_DATA/<name>` and then
/// `~/.cache/gatewright-data/<name>`. `mnist` is embedded: it is looked for in the first two, and needs neither.
pub fn open(name_or_path: &str, data_dir: Option<&Path>) -> Result<Dataset> {
    if let Some(folder) = data_dir.filter(|folder| !folder.is_dir()) {
        return Err(Error::input(folder, "the data folder does not exist; create it or name another"));
    }
    let variable = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
    let chosen: Vec<PathBuf> = data_dir.map(Path::to_owned).into_iter().chain(variable).collect();
    let cache = std::env::home_dir().map(|home| home.join(".cache").join("gatewright-data"));
    open_among(name_or_path, &chosen, cache)
}

/// [`open`], with the folders of data sets that the user chose, and the one that is always looked at.
fn open_among(name_or_path: &str, chosen: &[PathBuf], cache: Option<PathBuf>) -> Result<Dataset> {
    let places = |roots: &mut dyn Iterator<Item = &PathBuf>| roots.map(|root| root.join(name_or_path)).collect();
    match name_or_path {
        "mnist" => {
            let places: Vec<PathBuf> = places(&mut chosen.iter());
            match places.iter().find(|place| place.is_dir()) {
                Some(place) => idx_folder::read(place, name_or_path),
                None => embedded::mnist(),
            }
        }
        "fashion-mnist" | "cifar-10" => {
            let places: Vec<PathBuf> = places(&mut chosen.iter().chain(&cache));
            match places.iter().find(|place| place.is_dir()) {
                Some(place) if name_or_path == "cifar-10" => cifar::read(place, name_or_path),
                Some(place) => idx_folder::read(place, name_or_path),
                None => Err(not_found(name_or_path, &places)),
            }
        }
        path => open_folder(Path::new(path)),
    }
}

fn not_found(name: &str, places: &[PathBuf]) -> Error {
    let looked = places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(" or ");
    let files = if name == "cifar-10" { "batches (data_batch_1.bin and the others)" } else { "four IDX files" };
    Error::usage(format!(
        "{name} was not found, there is no folder {looked}; put its {files} into such a folder, set {VARIABLE} to the \
         folder that holds {name}/, or give the path of its own folder"
    ))
}

/// Open a folder whose content decides what it is; its own name becomes the data set's.
fn open_folder(path: &Path) -> Result<Dataset> {
    if !path.exists() {
        let told = path.display().to_string();
        let meant = resembling(&told).map(|name| format!(" (did you mean {name}?)")).unwrap_or_default();
        return Err(Error::usage(format!(
            "there is no data set and no folder called \"{told}\"{meant}; name one of {}, or the folder of a data set",
            NAMED.join(", ")
        )));
    }
    if !path.is_dir() {
        return Err(Error::input(path, "it is a file; name the folder that holds all files of the data set"));
    }
    let whole = path.canonicalize().map_err(|e| Error::io("read", path, e))?;
    let name = whole.file_name().unwrap_or(whole.as_os_str()).to_string_lossy();
    match (idx_folder::is_idx(path)?, cifar::find(path)?.is_some()) {
        (true, false) => idx_folder::read(path, &name),
        (false, true) => cifar::read(path, &name),
        (true, true) => {
            Err(Error::input(path, "it holds IDX files and CIFAR-10 batches; put each into a folder of its own"))
        }
        (false, false) => Err(Error::input(
            path,
            "it holds no data set; expected IDX files (train-images-idx3-ubyte and its three companions, with or \
             without .gz) or CIFAR-10 batches (data_batch_1.bin and the others)",
        )),
    }
}

/// The named data set that `told` was likely meant to be: the same but for punctuation, or at most two letters off.
fn resembling(told: &str) -> Option<&'static str> {
    let bare = |s: &str| s.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<Vec<_>>();
    let told = bare(told);
    NAMED.into_iter().map(|name| (edits(&told, &bare(name)), name)).filter(|&(n, _)| n <= 2).min().map(|(_, name)| name)
}

/// Levenshtein's distance between two words.
fn edits(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_place_looked_in_is_told() {
        let chosen = ["/nowhere/a".into(), "/nowhere/b".into()];
        for name in ["fashion-mnist", "cifar-10"] {
            let message = open_among(name, &chosen, Some("/nowhere/c".into())).unwrap_err().to_string();
            for root in ["a", "b", "c"] {
                assert!(message.contains(&format!("/nowhere/{root}/{name}")), "{message}");
            }
            assert!(message.contains(VARIABLE), "{message}");
        }
    }

    #[test]
    fn a_chosen_folder_goes_before_the_embedded_mnist_and_the_cache_does_not() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("mnist")).unwrap();
        let message = open_among("mnist", &[root.path().into()], None).unwrap_err().to_string();
        assert!(message.contains("no IDX files"), "{message}");
        assert_eq!(open_among("mnist", &[], Some(root.path().into())).unwrap().train.len(), 60_000);
    }

    #[test]
    fn names_a_little_off_are_recognized() {
        assert_eq!(resembling("cifar10"), Some("cifar-10"));
        assert_eq!(resembling("CIFAR"), Some("cifar-10"));
        assert_eq!(resembling("FashionMNIST"), Some("fashion-mnist"));
        assert_eq!(resembling("mnits"), Some("mnist"));
        assert_eq!(resembling("imagenet"), None);
        let message = open("fashion_mnist", None).unwrap_err().to_string();
        assert!(message.contains("did you mean fashion-mnist?"), "{message}");
    }
}
