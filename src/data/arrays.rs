//! NumPy arrays as data sets: .npz archives, folders of .npy files, one .npy with the labels in a column.

use std::borrow::Cow;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use super::kind::Kind;
use super::npy::{Array, Header, Numbers};
use super::sources::{Samples, open_samples};
use super::table::{Labelled, Rows};
use super::truth::Truth;
use super::{Coding, Dataset, ImageShape, Options, Table, Task, Unlabelled, file_names};
use crate::{Error, Result};

/// What the arrays of training samples, training labels, test samples and test labels may be called.
const NAMES: [(&str, &str, &str, &str); 5] = [
    ("x_train", "y_train", "x_test", "y_test"),
    ("train_images", "train_labels", "test_images", "test_labels"),
    ("features", "labels", "test_features", "test_labels"),
    ("data", "target", "test_data", "test_target"),
    ("x", "y", "test_x", "test_y"),
];
const SUFFIX: &str = ".npy";

/// Whether `folder` holds arrays.
pub(super) fn is_arrays(folder: &Path) -> Result<bool> {
    Ok(file_names(folder)?.iter().any(|name| name.ends_with(SUFFIX)))
}

/// Whether the archive or the folder at `path` holds rows of numbers and no images, by the headers of its arrays.
pub(super) fn is_rows(path: &Path) -> bool {
    let rows = |array: std::result::Result<Header, String>| array.is_ok_and(|header| header.shape.len() == 2);
    let samples = |name: &str| {
        let name = name.strip_suffix(SUFFIX).unwrap_or("");
        NAMES.iter().any(|(x, ..)| name.eq_ignore_ascii_case(x))
    };
    if path.is_dir() {
        let names = file_names(path).unwrap_or_default();
        let file = names.iter().find(|name| samples(name)).and_then(|name| File::open(path.join(name)).ok());
        return file.is_some_and(|file| rows(Header::read(&mut BufReader::new(file))));
    }
    let archive = File::open(path).ok().and_then(|file| zip::ZipArchive::new(BufReader::new(file)).ok());
    let Some(mut archive) = archive else { return false };
    let name = archive.file_names().flatten().find(|name| samples(name)).map(Cow::into_owned);
    name.and_then(|name| archive.by_name(&name).ok().map(|mut entry| rows(Header::read(&mut entry)))).unwrap_or(false)
}

/// A folder of .npy files or an .npz archive: its arrays by name.
enum Store<'a> {
    Folder(&'a Path),
    Archive(&'a Path, zip::ZipArchive<BufReader<File>>),
}

impl<'a> Store<'a> {
    fn open(path: &'a Path) -> Result<Self> {
        if path.is_dir() {
            return Ok(Store::Folder(path));
        }
        let file = BufReader::new(File::open(path).map_err(|e| Error::io("read", path, e))?);
        Ok(Store::Archive(path, zip::ZipArchive::new(file).map_err(|e| damaged(path, &e))?))
    }

    fn path(&self) -> &'a Path {
        match self {
            Store::Folder(path) | Store::Archive(path, _) => path,
        }
    }

    fn names(&self) -> Result<Vec<String>> {
        match self {
            Store::Folder(path) => file_names(path),
            Store::Archive(_, archive) => Ok(archive.file_names().flatten().map(Cow::into_owned).collect()),
        }
    }

    fn read(&mut self, name: &str) -> Result<Array> {
        match self {
            Store::Folder(path) => read_file(&path.join(name)),
            Store::Archive(path, archive) => {
                let entry = archive.by_name(name).map_err(|e| damaged(path, &e))?;
                Array::read(entry).map_err(|problem| Error::input(path.join(name), problem))
            }
        }
    }

    /// The array called `wanted`, in any case, if it is there.
    fn find(&self, wanted: &str) -> Result<Option<String>> {
        let is_it = |name: &String| name.strip_suffix(SUFFIX).is_some_and(|n| n.eq_ignore_ascii_case(wanted));
        Ok(self.names()?.into_iter().find(is_it))
    }

    /// The samples in `x` with the labels in `y`, if both are there.
    fn samples(&mut self, x: &str, y: &str, task: Task) -> Result<Option<Samples>> {
        match (self.find(x)?, self.find(y)?) {
            (Some(x), Some(y)) => {
                let (path, samples) = (self.path(), self.read(&x)?);
                together(path, task, (&x, samples), (&y, self.read(&y)?)).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// Training samples and test samples, as far as they are there, by the first names that are.
    fn both(&mut self, task: Task) -> Result<[Option<Samples>; 2]> {
        for (x, y, x_test, y_test) in NAMES {
            if let Some(train) = self.samples(x, y, task)? {
                return Ok([Some(train), self.samples(x_test, y_test, task)?]);
            }
        }
        for (.., x_test, y_test) in NAMES {
            if let Some(test) = self.samples(x_test, y_test, task)? {
                return Ok([None, Some(test)]);
            }
        }
        let pairs: Vec<String> = NAMES.iter().map(|(x, y, ..)| format!("{x} and {y}")).collect();
        let problem = format!("it holds no arrays called {}; save samples and labels so", pairs.join(", or "));
        Err(Error::input(self.path(), problem))
    }
}

fn damaged(path: &Path, e: &zip::result::ZipError) -> Error {
    Error::input(path, format!("it is no whole .npz archive ({e})"))
}

/// Open a folder of .npy files or an .npz archive; `--test` names another, of which the test samples count, or all where it
/// tells none apart.
pub(super) fn open(path: &Path, name: &str, options: &Options, coding: Coding) -> Result<Dataset> {
    let [train, test] = Store::open(path)?.both(options.task())?;
    let Some(train) = train else {
        let names: Vec<&str> = NAMES.iter().map(|(x, ..)| *x).collect();
        let problem = format!("it holds test samples alone; training samples are called {}", names.join(", or "));
        return Err(Error::input(path, problem));
    };
    let kind = if matches!(train, Samples::Rows(_)) { Kind::Rows } else { Kind::Images };
    options.check(kind, &path.display().to_string())?;
    let test = match &options.test {
        None => test.map(|samples| (path, samples)),
        Some(path) => {
            if !path.is_dir() && path.extension().is_none_or(|e| !e.eq_ignore_ascii_case("npz")) {
                return Err(Error::input(
                    path,
                    "test samples of arrays come in an .npz file or a folder of .npy files",
                ));
            }
            let [all, test] = Store::open(path)?.both(options.task())?;
            test.or(all).map(|samples| (path.as_path(), samples))
        }
    };
    open_samples(path, name, options, coding, train, test)
}

/// The samples of arrays, labelled or not, as the bytes of a network of `image`, of the columns `table` where they are rows.
pub(super) fn read_unlabelled(path: &Path, image: ImageShape, table: Option<&Table>) -> Result<Vec<Unlabelled>> {
    let bytes = |path: &Path, array: Array| match table {
        Some(table) => {
            let width = match array.shape[..] {
                [_, width] => width,
                [width] if width == table.width || width == table.columns.len() => width,
                _ => {
                    let problem = format!("an array of {:?} holds no rows, and the network takes rows", array.shape);
                    return Err(Error::input(path, problem));
                }
            };
            rows_for(path, Rows::Numbers { values: real(array.numbers), width }, table)
        }
        None => {
            let (shape, pixels) = images(array).map_err(|problem| Error::input(path, problem))?;
            if shape != image {
                let of =
                    |i: ImageShape| format!("{} x {} x {} (channels, rows, columns)", i.channels, i.height, i.width);
                let problem = format!("its images are {}, and the network takes {}", of(shape), of(image));
                return Err(Error::input(path, problem));
            }
            Ok(pixels)
        }
    };
    if path.extension().is_some_and(|e| e.eq_ignore_ascii_case("npy")) {
        return Ok(vec![Unlabelled { part: None, bytes: bytes(path, read_file(path)?)?, notes: Vec::new() }]);
    }
    let mut store = Store::open(path)?;
    let mut parts = Vec::new();
    for wanted in NAMES.iter().flat_map(|(x, _, x_test, _)| [x, x_test]) {
        if let Some(name) = store.find(wanted)? {
            let array = store.read(&name)?;
            parts.push(Unlabelled {
                part: Some(name.clone()),
                bytes: bytes(&path.join(&name), array)?,
                notes: Vec::new(),
            });
        }
    }
    if parts.is_empty() {
        let names: Vec<&str> = NAMES.iter().flat_map(|(x, _, x_test, _)| [*x, *x_test]).collect();
        return Err(Error::input(path, format!("it holds no samples; they are called one of {}", names.join(", "))));
    }
    Ok(parts)
}

/// Rows of numbers as the bytes of `table`: whole rows of the files that it was made of, or its columns alone.
pub(super) fn rows_for(path: &Path, rows: Rows, table: &Table) -> Result<Vec<u8>> {
    let columns = table.columns.len();
    let places: Vec<usize> = match rows.width() {
        width if width == table.width => table.columns.iter().map(|column| column.at).collect(),
        width if width == columns => (0..columns).collect(),
        width => {
            let problem = format!(
                "its rows have {width} columns, the network takes {columns}, or all {} of its files",
                table.width
            );
            return Err(Error::input(path, problem));
        }
    };
    table.encode_all(&rows, &places).map_err(|problem| Error::input(path, problem))
}

/// Open one .npy file, a table of numbers with the labels in a column.
pub(super) fn open_file(path: &Path, name: &str, options: &Options, coding: Coding) -> Result<Dataset> {
    let mut options = options.clone();
    if let Coding::Known { table: Some(table), .. } = coding {
        let places: Vec<String> = table.all_labels().iter().map(|(_, at)| (at + 1).to_string()).collect();
        options.label = Some(places.join(","));
    }
    let read = |path: &Path| {
        let array = read_file(path)?;
        let [rows, width] = array.shape[..] else {
            let problem = format!("an array of {:?} is no table; put it beside its labels, into an .npz", array.shape);
            return Err(Error::input(path, problem));
        };
        if rows == 0 || width == 0 {
            return Err(Error::input(path, "it holds no rows"));
        }
        let names = (1..=width).map(|number| format!("c{number}")).collect();
        let rows = Rows::Numbers { values: real(array.numbers), width };
        Labelled::within(path, names, rows, &[], &options).map(Samples::Rows)
    };
    let test = options.test.as_deref().map(|path| read(path).map(|samples| (path, samples))).transpose()?;
    open_samples(path, name, &options, coding, read(path)?, test)
}

fn read_file(path: &Path) -> Result<Array> {
    let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
    Array::read(BufReader::new(file)).map_err(|problem| Error::input(path, problem))
}

/// An array of samples and one of labels or values, by name.
fn together(path: &Path, task: Task, (x_name, x): (&str, Array), (y_name, y): (&str, Array)) -> Result<Samples> {
    let bad = |array: &str, problem: String| Error::input(path.join(array), problem);
    let count = x.shape.first().copied().unwrap_or(0);
    let labelled: usize = y.shape.iter().product();
    let is_one = labelled == count;
    if y.shape.first() != Some(&count) || !(is_one || (task != Task::Classes && y.shape.len() == 2)) {
        let needed = match (task, &y.shape[..]) {
            (Task::Classes, &[n, width]) if n == count && width > 1 => {
                "one label a sample is needed, or --task labels or --task values"
            }
            (Task::Classes, _) => "one label a sample is needed",
            _ => "[n] or [n][targets] are needed",
        };
        return Err(bad(y_name, format!("labels of {:?} do not fit samples of {:?}; {needed}", y.shape, x.shape)));
    }
    if count == 0 || x.shape.contains(&0) {
        return Err(bad(x_name, format!("an array of {:?} holds no samples", x.shape)));
    }
    let (called, truth) = match task {
        Task::Classes => (
            vec![if x.shape.len() == 2 { "label" } else { "labels" }.to_string()],
            Truth::Classes(classes_of(y.numbers).map_err(|e| bad(y_name, e))?.into_iter().collect()),
        ),
        task => {
            let name = if task == Task::Labels { "label" } else { "value" };
            let width = labelled / count;
            let called = match width {
                1 => vec![name.to_string()],
                _ => (1..=width).map(|number| format!("{name} {number}")).collect(),
            };
            (called, Truth::Numbers(real(y.numbers), width))
        }
    };
    if let [_, width] = x.shape[..] {
        let rows = Rows::Numbers { values: real(x.numbers), width };
        return Ok(Samples::Rows(Labelled::apart(rows, called, truth)));
    }
    let (shape, pixels) = images(x).map_err(|problem| bad(x_name, problem))?;
    Ok(Samples::Images { shape, pixels, called, truth, notes: Vec::new() })
}

/// The images of an array, `[sample][channel][row][column]`; the error is a sentence.
fn images(x: Array) -> std::result::Result<(ImageShape, Vec<u8>), String> {
    let (shape, is_interleaved) = image_of(&x.shape)?;
    let Numbers::Bytes(pixels) = x.numbers else {
        return Err("its images are not of type uint8; scale them to 0 to 255 and save them so".into());
    };
    Ok((shape, if is_interleaved { planes(&pixels, shape) } else { pixels }))
}

/// The extent of each image of an array of this shape, and whether its channels come last; the error is a sentence.
pub(super) fn image_of(shape: &[usize]) -> std::result::Result<(ImageShape, bool), String> {
    let image = match shape.get(1..).unwrap_or_default() {
        &[height, width] | &[height, width, 1] | &[1, height, width] => ImageShape { channels: 1, height, width },
        &[height, width, 3] | &[3, height, width] => ImageShape { channels: 3, height, width },
        _ => {
            return Err(format!(
                "an array of {shape:?} holds neither rows nor images; samples are [n][features], [n][rows][columns], or \
                 images of 1 or 3 channels, first or last"
            ));
        }
    };
    Ok((image, image.channels == 3 && shape[1] != 3))
}

/// Classes that are whole numbers; the error is a sentence.
fn classes_of(numbers: Numbers) -> std::result::Result<Vec<String>, String> {
    Ok(match numbers {
        Numbers::Real(labels) if labels.iter().any(|label| label.fract() != 0.0) => {
            return Err("its labels are no whole numbers; save them as integers, or say --task values".into());
        }
        Numbers::Bytes(labels) => labels.iter().map(u8::to_string).collect(),
        Numbers::Whole(labels) | Numbers::Real(labels) => labels.into_iter().map(label_of).collect(),
    })
}

/// `[sample][row][column][channel]` to `[sample][channel][row][column]`.
pub(super) fn planes(pixels: &[u8], shape: ImageShape) -> Vec<u8> {
    let mut planes = Vec::with_capacity(pixels.len());
    for image in pixels.chunks_exact(shape.pixels()) {
        for channel in 0..shape.channels {
            planes.extend(image.iter().skip(channel).step_by(shape.channels));
        }
    }
    planes
}

fn real(numbers: Numbers) -> Vec<f64> {
    match numbers {
        Numbers::Bytes(bytes) => bytes.into_iter().map(f64::from).collect(),
        Numbers::Whole(numbers) | Numbers::Real(numbers) => numbers,
    }
}

/// A label that is a number, as a class is called.
pub(super) fn label_of(value: f64) -> String {
    // -0 is 0.
    (value + 0.0).to_string()
}
