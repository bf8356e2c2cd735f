//! From samples of any file to a data set: test samples drawn where there are none, labels numbered.

use std::path::Path;

use super::table::{self, Labelled};
use super::truth::Truth;
use super::{Coding, Dataset, ImageShape, Options};
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
    },
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
        Samples::Images { shape, pixels, called, truth } => {
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
            let whole = truth.split(path, pixels, &head, &classes, &place)?;
            let (train, test) = match test {
                Some((path, Samples::Images { shape: other, pixels, truth, .. })) if other == shape => {
                    (whole, truth.split(path, pixels, &head, &classes, &place)?)
                }
                Some((path, _)) => {
                    return Err(Error::input(path, "its test samples are not of the extent of those to train on"));
                }
                None => {
                    let (train, test) = drawn()?;
                    (whole.select(&train, shape.pixels()), whole.select(&test, shape.pixels()))
                }
            };
            let (name, ranges) = (name.to_owned(), Vec::new());
            Ok(Dataset { name, classes, head, image: shape, table: None, ranges, notes: Vec::new(), train, test })
        }
    }
}
