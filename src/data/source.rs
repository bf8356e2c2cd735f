//! From what the user calls a data set to where it lies.

use std::path::{Path, PathBuf};

use super::kind::Kind;
use super::picture::looks_like_picture;
use super::sources::Unlabelled;
use super::spelling::edits;
use super::{
    Coding, Dataset, ImageShape, Options, Remote, Table, Task, arrays, cifar, embedded, idx_folder, image_folder,
    libsvm, sources, table,
};
use crate::{Error, Result};

/// Environment variable: a folder of data sets, each in a folder of its name.
const VARIABLE: &str = "GATEWRIGHT_DATA";
/// Data sets that have a name.
const NAMED: [&str; 11] = [
    "mnist",
    "fashion-mnist",
    "kmnist",
    "cifar-10",
    "cifar-100",
    "emnist-balanced",
    "emnist-byclass",
    "emnist-bymerge",
    "emnist-digits",
    "emnist-letters",
    "emnist-mnist",
];

/// File names of tables, by extension.
const TABLES: [&str; 8] = ["csv", "tsv", "tab", "txt", "data", "dat", "psv", "ssv"];
const LIBSVM: [&str; 3] = ["libsvm", "svm", "svmlight"];

/// [`open_with`] all options left alone; tables get 16 thresholds a column of numbers.
pub fn open(name_or_path: &str, data_dir: Option<&Path>) -> Result<Dataset> {
    open_with(name_or_path, data_dir, &Options::default(), Coding::Learned { thresholds: 16 })
}

/// Whether `name` is a data set known by name.
pub fn is_named(name: &str) -> bool {
    NAMED.contains(&name)
}

/// Whether `name_or_path` is a table, whose rows are no images. An archive of arrays may be either; it is opened to see.
pub fn is_table(name_or_path: &str) -> bool {
    let path = Path::new(name_or_path);
    is_text(path, &TABLES) || is_text(path, &LIBSVM) || has_extension(path, &["npy"]) || arrays::is_rows(path)
}

/// Whether `path` is a text of one of these kinds, packed or not, or the standard input, which is a table.
fn is_text(path: &Path, known: &[&str]) -> bool {
    let packed = has_extension(path, &["gz"]) && has_ending(&path.with_extension(""), known);
    packed || has_extension(path, known) || path == Path::new(table::STANDARD_INPUT) && known == TABLES
}

fn has_ending(path: &Path, known: &[&str]) -> bool {
    path.extension().and_then(|e| e.to_str()).is_some_and(|e| known.contains(&&*e.to_ascii_lowercase()))
}

fn has_extension(path: &Path, known: &[&str]) -> bool {
    path.is_file() && has_ending(path, known)
}

/// Open a data set: one that is known by name, or a file or folder whose content decides what it is.
///
/// A named one is looked for as `<data_dir>/<name>`, `$GATEWRIGHT_DATA/<name>` and then
/// `~/.cache/gatewright-data/<name>`. `mnist` is embedded: it is looked for in the first two, and needs neither.
pub fn open_with(name_or_path: &str, data_dir: Option<&Path>, options: &Options, coding: Coding) -> Result<Dataset> {
    if let Some(folder) = data_dir.filter(|folder| !folder.is_dir()) {
        return Err(Error::input(folder, "the data folder does not exist; create it or name another"));
    }
    let chosen: Vec<PathBuf> = data_dir.map(Path::to_owned).into_iter().chain(variable()).collect();
    open_among(name_or_path, &chosen, cache(), options, coding)
}

/// The folder of data sets that the environment names.
fn variable() -> Option<PathBuf> {
    std::env::var_os(VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The folder of data sets that is always looked at.
fn cache() -> Option<PathBuf> {
    std::env::home_dir().map(|home| home.join(".cache").join("gatewright-data"))
}

/// Where downloaded data sets go.
pub fn home() -> Option<PathBuf> {
    variable().or_else(cache)
}

/// [`open`], with the folders of data sets that the user chose, and the one that is always looked at.
fn open_among(
    name_or_path: &str,
    chosen: &[PathBuf],
    cache: Option<PathBuf>,
    options: &Options,
    coding: Coding,
) -> Result<Dataset> {
    let places = |roots: &mut dyn Iterator<Item = &PathBuf>| roots.map(|root| root.join(name_or_path)).collect();
    match name_or_path {
        "cifar-10" => options.check(Kind::Cifar10, name_or_path)?,
        "cifar-100" => options.check(Kind::Cifar100, name_or_path)?,
        name if NAMED.contains(&name) => options.check(Kind::Idx, name)?,
        _ => {}
    }
    let known = known_classes(coding);
    let named = match name_or_path {
        "mnist" => {
            let places: Vec<PathBuf> = places(&mut chosen.iter());
            match places.iter().find(|place| place.is_dir()) {
                Some(place) => idx_folder::read(place, name_or_path, known)?,
                None => embedded::mnist()?,
            }
        }
        name if NAMED.contains(&name) => {
            let mut places: Vec<PathBuf> = places(&mut chosen.iter().chain(&cache));
            if name.starts_with("emnist-") {
                places.extend(chosen.iter().chain(&cache).map(|root| root.join("emnist")));
            }
            match places.iter().find(|place| place.is_dir()) {
                Some(place) if name.starts_with("cifar-") => cifar::read(place, name, options.coarse == Some(true))?,
                Some(place) => idx_folder::read(place, name_or_path, known)?,
                None => return Err(not_found(name_or_path, &places)),
            }
        }
        path => return open_path(Path::new(path), options, coding),
    };
    finished(named, options, coding, &|test| {
        open_among(test, chosen, cache.clone(), &Options { test: None, ..options.clone() }, coding)
    })
}

/// The classes of a network that tells them, of images.
fn known_classes(coding: Coding<'_>) -> Option<&[String]> {
    match coding {
        Coding::Known { table: None, classes, head } if head.is_classes() => Some(classes),
        _ => None,
    }
}

/// A set that is whole by itself, with the test samples that `options` name in place of its own, and labels numbered as
/// the network numbers them.
fn finished(
    mut data: Dataset,
    options: &Options,
    coding: Coding,
    open: &dyn Fn(&str) -> Result<Dataset>,
) -> Result<Dataset> {
    if let Some(path) = &options.test {
        let Some(name) = path.to_str() else {
            return Err(Error::input(path, "the path is not Unicode; rename it"));
        };
        let other = open(name)?;
        if other.image != data.image {
            return Err(Error::input(path, "its test samples are not of the extent of those to train on"));
        }
        data.test = other.with_classes(&data.classes, name)?.test;
    }
    match known_classes(coding) {
        Some(classes) => {
            let name = data.name.clone();
            data.with_classes(classes, &name)
        }
        None => Ok(data),
    }
}

fn not_found(name: &str, places: &[PathBuf]) -> Error {
    let looked = places.iter().map(|place| place.display().to_string()).collect::<Vec<_>>().join(" or ");
    let files = if name.starts_with("cifar-") { "binary version" } else { "four IDX files" };
    let fetch =
        if Remote::named(name).is_some() { format!("fetch it by `data fetch {name}`, ") } else { String::new() };
    Error::usage(format!(
        "{name} was not found, there is no folder {looked}; {fetch}put its {files} into such a folder, set {VARIABLE} to \
         the folder that holds {name}/, or give the path of its own folder"
    ))
}

/// Open a file or a folder whose content decides what it is; its own name becomes the data set's.
fn open_path(path: &Path, options: &Options, coding: Coding) -> Result<Dataset> {
    if !path.exists() && path != Path::new(table::STANDARD_INPUT) {
        let told = path.display().to_string();
        if path.extension().is_some() {
            return Err(Error::usage(format!(
                "there is no file {told}; tell where it is, or name one of {}",
                NAMED.join(", ")
            )));
        }
        let meant = resembling(&told).map(|name| format!(" (did you mean {name}?)")).unwrap_or_default();
        return Err(Error::usage(format!(
            "there is no data set and no folder called \"{told}\"{meant}; name one of {}, or the folder of a data set",
            NAMED.join(", ")
        )));
    }
    let bare = if has_extension(path, &["gz"]) { path.with_extension("") } else { path.to_owned() };
    let stem = match path == Path::new(table::STANDARD_INPUT) {
        true => "stdin".into(),
        false => bare.file_stem().unwrap_or(path.as_os_str()).to_string_lossy(),
    };
    let told = path.display().to_string();
    if is_text(path, &TABLES) {
        options.check(Kind::Table, &told)?;
        return table::open(path, &stem, options, coding);
    }
    if is_text(path, &LIBSVM) {
        options.check(Kind::Sparse, &told)?;
        return open_libsvm(path, &stem, options, coding);
    }
    if has_extension(path, &["npy"]) {
        options.check(Kind::Array, &told)?;
        return arrays::open_file(path, &stem, options, coding);
    }
    if has_extension(path, &["npz"]) {
        return arrays::open(path, &stem, options, coding);
    }
    if !path.is_dir() {
        return Err(Error::input(
            path,
            "it is a file of no known kind; name a table (.csv, .tsv, .libsvm), arrays (.npz, .npy) or the folder that \
             holds all files of the data set",
        ));
    }
    let whole = path.canonicalize().map_err(|e| Error::io("read", path, e))?;
    let name = whole.file_name().unwrap_or(whole.as_os_str()).to_string_lossy();
    let kinds = [
        ("IDX files", idx_folder::is_idx(path)?),
        ("CIFAR files", cifar::is_cifar(path)?),
        ("arrays", arrays::is_arrays(path)?),
        ("folders of pictures", image_folder::is_image_folder(path)?),
    ];
    let found: Vec<&str> = kinds.iter().filter(|(_, there)| *there).map(|(kind, _)| *kind).collect();
    let open_test = |test: &str| open_path(Path::new(test), &Options { test: None, ..options.clone() }, coding);
    match found[..] {
        ["IDX files"] => {
            options.check(Kind::Idx, &told)?;
            finished(idx_folder::read(path, &name, known_classes(coding))?, options, coding, &open_test)
        }
        ["CIFAR files"] => {
            let kind = if cifar::is_hundred(path, &name)? { Kind::Cifar100 } else { Kind::Cifar10 };
            options.check(kind, &told)?;
            finished(cifar::read(path, &name, options.coarse == Some(true))?, options, coding, &open_test)
        }
        ["arrays"] => arrays::open(path, &name, options, coding),
        ["folders of pictures"] => {
            options.check(Kind::Pictures, &told)?;
            image_folder::open(path, &name, options, coding)
        }
        [] if image_folder::has_loose_pictures(path)? => {
            Err(Error::input(path, "it holds pictures and no folder of them; put those of each class into a folder"))
        }
        [] => Err(Error::input(
            path,
            "it holds no data set; expected IDX files (train-images-idx3-ubyte and its three companions, with or \
             without .gz), CIFAR files (data_batch_1.bin and the others, or train.bin and test.bin), arrays \
             (x_train.npy and the others), or a folder of pictures for each class",
        )),
        _ => Err(Error::input(path, format!("it holds {}; put each into a folder of its own", found.join(" and ")))),
    }
}

fn open_libsvm(path: &Path, name: &str, options: &Options, coding: Coding) -> Result<Dataset> {
    let columns = match coding {
        Coding::Known { table: Some(table), .. } => Some(libsvm::Columns::of(table)),
        _ => None,
    };
    let task = options.task();
    let (train, columns) = libsvm::read(path, columns, task)?;
    let test = match &options.test {
        Some(path) => Some((path.as_path(), sources::Samples::Rows(libsvm::read(path, Some(columns), task)?.0))),
        None => None,
    };
    sources::open_samples(path, name, options, coding, sources::Samples::Rows(train), test)
}

/// Read samples for a network of `image` bytes, of the columns `table` where they are rows, whether they are labelled or
/// not: tables, LIBSVM text, arrays.
///
/// # Errors
/// [`Error::Input`] for a file of another kind and for samples that the network does not take.
pub fn read_samples(
    path: &Path,
    options: &Options,
    image: ImageShape,
    table: Option<&Table>,
) -> Result<Vec<Unlabelled>> {
    if holds_arrays(path) {
        return arrays::read_unlabelled(path, image, table);
    }
    let Some(table) = table else {
        return Err(Error::input(path, "it is a table, and the network takes images"));
    };
    let whole = |bytes, notes| vec![Unlabelled { part: None, bytes, notes }];
    if is_text(path, &LIBSVM) {
        let (read, _) = libsvm::read(path, Some(libsvm::Columns::of(table)), Task::Classes)?;
        return arrays::rows_for(path, read.rows, table).map(|bytes| whole(bytes, Vec::new()));
    }
    if !path.exists() || is_text(path, &TABLES) || !looks_like_picture(path) {
        return table::read_rows(path, options, table).map(|(bytes, notes)| whole(bytes, notes));
    }
    Err(Error::input(
        path,
        "it is a picture, and this network takes rows of a table; give a table (.csv, .tsv) or arrays",
    ))
}

/// Whether `path` is a file of arrays, or a folder of them.
pub fn holds_arrays(path: &Path) -> bool {
    has_extension(path, &["npy", "npz"]) || (path.is_dir() && arrays::is_arrays(path).unwrap_or(false))
}

/// The path `said` from the root, so that it is found from anywhere; a name that is known is left as it is.
pub fn from_root(said: &str) -> String {
    let whole = (!is_named(said)).then(|| std::path::absolute(said).ok()).flatten().filter(|path| path.exists());
    whole.and_then(|path| path.to_str().map(String::from)).unwrap_or_else(|| said.to_owned())
}

/// The named data set that `told` was likely meant to be: the same but for punctuation, or at most two letters off.
fn resembling(told: &str) -> Option<&'static str> {
    let bare = |s: &str| s.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<Vec<_>>();
    let told = bare(told);
    NAMED.into_iter().map(|name| (edits(&told, &bare(name)), name)).filter(|&(n, _)| n <= 2).min().map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn among(name: &str, chosen: &[PathBuf], cache: Option<PathBuf>) -> Result<Dataset> {
        open_among(name, chosen, cache, &Options::default(), Coding::Learned { thresholds: 3 })
    }

    #[test]
    fn every_place_looked_in_is_told() {
        let chosen = ["/nowhere/a".into(), "/nowhere/b".into()];
        for name in ["fashion-mnist", "cifar-10"] {
            let message = among(name, &chosen, Some("/nowhere/c".into())).unwrap_err().to_string();
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
        let message = among("mnist", &[root.path().into()], None).unwrap_err().to_string();
        assert!(message.contains("no IDX files"), "{message}");
        assert_eq!(among("mnist", &[], Some(root.path().into())).unwrap().train.len(), 60_000);
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
