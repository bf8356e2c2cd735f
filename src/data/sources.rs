//! From samples of any file to a data set: test samples drawn where there are none, labels numbered.

use std::path::Path;

use super::table::{self, Labelled};
use super::{Coding, Dataset, ImageShape, Options, Split};
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
        /// `[sample]`.
        labels: Vec<String>,
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
        Samples::Images { shape, pixels, labels } => {
            let classes = table::classes(path, "labels", &labels)?;
            let place = |sample: usize| format!("sample {sample}");
            let number = |path: &Path, labels: &[String]| table::numbered(path, labels, &classes, &place);
            let whole = Split { labels: number(path, &labels)?, pixels };
            let (train, test) = match test {
                Some((_, Samples::Images { shape: other, pixels, labels })) if other == shape => {
                    (whole, Split { labels: number(path, &labels)?, pixels })
                }
                Some((path, _)) => {
                    return Err(Error::input(path, "its test samples are not of the extent of those to train on"));
                }
                None => {
                    let (train, test) = table::drawn(&labels, options)?;
                    (whole.select(&train, shape.pixels()), whole.select(&test, shape.pixels()))
                }
            };
            Ok(Dataset { name: name.to_owned(), classes, image: shape, table: None, train, test })
        }
    }
}
