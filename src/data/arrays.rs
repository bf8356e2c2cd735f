//! NumPy arrays as data sets: .npz archives, folders of .npy files, one .npy with the labels in a column.

use std::borrow::Cow;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use super::npy::{Array, Header, Numbers};
use super::sources::{Samples, open_samples};
use super::table::{Labelled, Rows};
use super::truth::Truth;
use super::{Coding, Dataset, ImageShape, Options, Task, file_names};
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

/// Open a folder of .npy files.
pub(super) fn open_folder(path: &Path, name: &str, options: &Options, coding: Coding) -> Result<Dataset> {
    let names = file_names(path)?;
    open_named(path, name, options, coding, &names, &mut |file| {
        let file = path.join(file);
        read_file(&file)
    })
}

/// Open an .npz archive.
pub(super) fn open_archive(path: &Path, name: &str, options: &Options, coding: Coding) -> Result<Dataset> {
    let file = BufReader::new(File::open(path).map_err(|e| Error::io("read", path, e))?);
    let damaged = |e: zip::result::ZipError| Error::input(path, format!("it is no whole .npz archive ({e})"));
    let mut archive = zip::ZipArchive::new(file).map_err(damaged)?;
    let names: Vec<String> = archive.file_names().flatten().map(Cow::into_owned).collect();
    open_named(path, name, options, coding, &names, &mut |file| {
        let entry = archive.by_name(file).map_err(damaged)?;
        Array::read(entry).map_err(|problem| Error::input(path.join(file), problem))
    })
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

fn open_named(
    path: &Path,
    name: &str,
    options: &Options,
    coding: Coding,
    names: &[String],
    read: &mut dyn FnMut(&str) -> Result<Array>,
) -> Result<Dataset> {
    let find = |wanted: &str| {
        names.iter().find(|name| name.strip_suffix(SUFFIX).is_some_and(|n| n.eq_ignore_ascii_case(wanted)))
    };
    let known = NAMES.iter().find(|(x, y, ..)| find(x).is_some() && find(y).is_some());
    let Some(&(x, y, x_test, y_test)) = known else {
        let pairs: Vec<String> = NAMES.iter().map(|(x, y, ..)| format!("{x} and {y}")).collect();
        let problem = format!("it holds no arrays called {}; save samples and labels so", pairs.join(", or "));
        return Err(Error::input(path, problem));
    };
    let mut samples = |x: &str, y: &str| -> Result<Option<Samples>> {
        match (find(x), find(y)) {
            (Some(x), Some(y)) => Ok(Some(together(path, options.task(), (x, read(x)?), (y, read(y)?))?)),
            _ => Ok(None),
        }
    };
    let Some(train) = samples(x, y)? else { return Err(Error::input(path, "it holds no arrays")) };
    let test = samples(x_test, y_test)?.map(|samples| (path, samples));
    open_samples(path, name, options, coding, train, test)
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
            Truth::Classes(classes_of(y.numbers).map_err(|e| bad(y_name, e))?),
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
    let shape = match x.shape[1..] {
        [width] => {
            let rows = Rows::Numbers { values: real(x.numbers), width };
            return Ok(Samples::Rows(Labelled::apart(rows, called, truth)));
        }
        [height, width] | [height, width, 1] | [1, height, width] => ImageShape { channels: 1, height, width },
        [height, width, 3] | [3, height, width] => ImageShape { channels: 3, height, width },
        _ => {
            let problem = format!(
                "an array of {:?} holds neither rows nor images; samples are [n][features], [n][rows][columns], or \
                 images of 1 or 3 channels, first or last",
                x.shape
            );
            return Err(bad(x_name, problem));
        }
    };
    let Numbers::Bytes(pixels) = x.numbers else {
        return Err(bad(x_name, "its images are not of type uint8; scale them to 0 to 255 and save them so".into()));
    };
    let interleaved = shape.channels == 3 && x.shape[1] != 3;
    let pixels = if interleaved { planes(&pixels, shape) } else { pixels };
    Ok(Samples::Images { shape, pixels, called, truth })
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
fn planes(pixels: &[u8], shape: ImageShape) -> Vec<u8> {
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
