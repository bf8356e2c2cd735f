//! From samples of any file to a data set: test samples drawn where there are none, labels numbered.

use std::path::Path;

use super::table::{self, Labelled};
use super::truth::Truth;
use super::{Coding, Dataset, ImageShape, Note, Options, Split, unknown_classes};
use crate::{Error, Result};

/// Samples as a file holds them.
pub(super) enum Samples {
    /// Rows of a table.
    Rows(Labelled),
    /// Images.
    Images {
        /// Their extent.
        shape: ImageShape,
        /// `[sample][channel][row][column]`.
        pixels: Vec<u8>,
        /// What the labels or values are called.
        called: Vec<String>,
        /// What they are.
        truth: Truth,
        /// What reading them decided and passed over.
        notes: Vec<Note>,
    },
}

/// The samples of one file, named as people find them again, as the bytes that a network reads.
pub struct Unlabelled {
    /// Its array, where a file holds several.
    pub part: Option<String>,
    /// `[sample][byte]`.
    pub bytes: Vec<u8>,
    /// What reading them decided and passed over.
    pub notes: Vec<Note>,
}

/// Make a data set of training samples and, where there are any, test samples and the file that they come from.
pub(super) fn open_samples(
    path: &Path,
    name: &str,
    options: &Options,
    coding: Coding,
    train: Samples,
    test: Option<(&Path, Samples)>,
) -> Result<Dataset> {
    options.check_drawn(options.test.is_none() && test.is_some(), "this data has some of its own")?;
    match train {
        Samples::Rows(train) => {
            let test = match test {
                Some((path, Samples::Rows(rows))) => Some((path, rows)),
                Some((path, Samples::Images { .. })) => {
                    return Err(Error::input(path, "its samples are images, those to train on are rows"));
                }
                None => None,
            };
            table::of_rows(path, name, options, coding, train, test)
        }
        Samples::Images { shape, pixels, called, truth, mut notes } => {
            let samples = pixels.len() / shape.pixels();
            let place = |sample: usize| format!("sample {sample}");
            let drawn = || truth.drawn(samples, options);
            let (classes, head) = match coding {
                Coding::Known { table: None, classes, head } => (classes.to_vec(), head.clone()),
                _ => {
                    let classes = truth.outputs(path, &called, options, &place)?;
                    let rows = if test.is_some() { (0..samples).collect() } else { drawn()?.0 };
                    let head = truth.head(path, &called, options, &rows)?;
                    (classes, head)
                }
            };
            if let Coding::Known { .. } = coding {
                let told = test.iter().filter_map(|(path, samples)| match samples {
                    Samples::Images { truth, .. } => Some((*path, truth)),
                    Samples::Rows(_) => None,
                });
                for (path, truth) in std::iter::once((path, &truth)).chain(told) {
                    check_known(path, truth, &classes)?;
                }
            } else {
                notes.extend(check_differs(path, &pixels, shape, options)?);
            }
            let whole = truth.split(path, pixels, &head, &classes, &place)?;
            let (train, test) = match test {
                Some((path, Samples::Images { shape: other, pixels, truth, notes: of_test, .. })) if other == shape => {
                    notes.extend(Note::warnings_of(path, of_test));
                    (whole, truth.split(path, pixels, &head, &classes, &place)?)
                }
                Some((path, _)) => {
                    return Err(Error::input(path, "its test samples are not of the extent of those to train on"));
                }
                None if options.whole => (whole, Split::default()),
                None => {
                    let (train, test) = drawn()?;
                    (whole.select(&train, shape.pixels()), whole.select(&test, shape.pixels()))
                }
            };
            let (name, ranges) = (name.to_owned(), Vec::new());
            Ok(Dataset { name, classes, head, image: shape, table: None, ranges, notes, train, test })
        }
    }
}

/// Refuse classes that are none of `classes`, all of them by name.
fn check_known(path: &Path, truth: &Truth, classes: &[String]) -> Result<()> {
    let Truth::Classes(labels) = truth else { return Ok(()) };
    let known = |word: &&str| !classes.iter().any(|class| class == word);
    let mut unknown: Vec<&str> = labels.words.iter().map(String::as_str).filter(known).collect();
    unknown.sort_unstable();
    if unknown.is_empty() { Ok(()) } else { Err(unknown_classes(path, &unknown, classes)) }
}

/// Refuse images in which nothing differs, and tell of those in which little does.
fn check_differs(path: &Path, pixels: &[u8], shape: ImageShape, options: &Options) -> Result<Option<Note>> {
    /// Of 256 values, so many are few: even thresholds may all lie outside of them.
    const FEW: u8 = 32;
    let mut images = pixels.chunks_exact(shape.pixels());
    let first = images.next().unwrap_or_default();
    if images.len() > 0 && images.all(|image| image == first) {
        let problem = "its images are all the same to the last pixel, so there is nothing to learn; transparent pictures are \
                       laid over white, or over black by --background black";
        return Err(Error::input(path, problem));
    }
    let (least, greatest) = pixels.iter().fold((u8::MAX, 0), |(least, most), &p| (p.min(least), p.max(most)));
    let is_told = greatest - least < FEW && options.encoder.is_empty();
    Ok(is_told.then(|| {
        Note::warning(format!(
            "{}: its bytes are only from {least} to {greatest}; --encoder distributive puts thresholds between them",
            path.display()
        ))
    }))
}
