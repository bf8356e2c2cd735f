//! Samples that another program holds in memory: arrays and frames, as data sets and as what a network reads.

use std::path::Path;

use super::arrays::{image_of, planes, rows_for};
use super::labels::Labels;
use super::sources::{Samples, open_samples};
use super::table::{Labelled, Rows, Values};
use super::truth::Truth;
use super::{Coding, Dataset, ImageShape, Options, Table, Task};
use crate::{Error, Result};

/// What errors call the samples, and what is to be told of them.
const CALLED: (&str, &str) = ("X", "y");

/// Samples.
#[derive(Debug)]
pub enum Given {
    /// Bytes of images.
    Images {
        /// Extent of each.
        image: ImageShape,
        /// `[sample][channel][row][column]`.
        pixels: Vec<u8>,
    },
    /// Rows of numbers.
    Rows {
        /// `[row][column]`, NaN where missing.
        values: Vec<f64>,
        /// Columns, at least one.
        width: usize,
    },
    /// Columns by name, all equally long, at least one.
    Frame(Vec<(String, Values)>),
}

/// What is right for each sample.
#[derive(Debug)]
pub enum Told {
    /// Classes.
    Classes {
        /// Their names.
        names: Vec<String>,
        /// `[sample]`: which of them.
        of: Vec<u32>,
    },
    /// Labels, each 0 or 1, or values.
    Numbers {
        /// `[sample][target]`.
        values: Vec<f64>,
        /// What each target is called.
        names: Vec<String>,
    },
}

impl Given {
    /// Images of an array of this shape: `[n][bytes]`, `[n][rows][columns]`, or with 1 or 3 channels, first or last.
    ///
    /// # Errors
    /// [`Error::Input`] for another shape.
    pub fn images(shape: &[usize], bytes: &[u8]) -> Result<Given> {
        let (image, is_interleaved) = extent(shape)?;
        Ok(Given::Images { image, pixels: if is_interleaved { planes(bytes, image) } else { bytes.to_vec() } })
    }

    fn len(&self) -> usize {
        match self {
            Given::Images { image, pixels } => pixels.len() / image.pixels().max(1),
            Given::Rows { values, width } => values.len() / width.max(&1),
            Given::Frame(columns) => columns.first().map_or(0, |(_, values)| values.rows()),
        }
    }

    /// The bytes, `[sample][byte]`, that a network of `image`, of the columns `table` where it takes rows, reads.
    ///
    /// # Errors
    /// [`Error::Input`] for samples that it does not take.
    pub fn encode(self, image: ImageShape, table: Option<&Table>) -> Result<Vec<u8>> {
        let refused = |problem: String| Err(Error::input(CALLED.0, problem));
        match (self, table) {
            (Given::Images { image: own, pixels }, None) if is_taken(own, image) => Ok(pixels),
            (Given::Images { image: own, .. }, None) => {
                let of = |i: ImageShape| format!("{} x {} x {}", i.channels, i.height, i.width);
                refused(format!(
                    "its images are {} (channels, rows, columns), and the network takes {}",
                    of(own),
                    of(image)
                ))
            }
            (Given::Images { image, pixels }, Some(table)) => {
                let values = pixels.into_iter().map(f64::from).collect();
                rows_for(CALLED.0.as_ref(), Rows::Numbers { values, width: image.pixels() }, table)
            }
            (_, None) => refused("the network takes images; give them as an array of uint8".into()),
            (Given::Rows { values, width }, Some(table)) => {
                rows_for(CALLED.0.as_ref(), Rows::Numbers { values, width }, table)
            }
            (Given::Frame(columns), Some(table)) => {
                let place = |name: &String| columns.iter().position(|(own, _)| own == name);
                let places = table.columns.iter().map(|column| place(&column.name).ok_or(&column.name));
                let places = match places.collect::<std::result::Result<Vec<usize>, _>>() {
                    Ok(places) => places,
                    Err(name) => return refused(format!("it has no column \"{name}\", which the network reads")),
                };
                let rows = Rows::Columns(columns.into_iter().map(|(_, values)| values).collect());
                table.encode_all(&rows, &places).map_err(|problem| Error::input(CALLED.0, problem))
            }
        }
    }

    fn samples(self, told: Told) -> Result<Samples> {
        let samples = self.len();
        let (called, truth, count) = match told {
            Told::Classes { names, of } => {
                let count = of.len();
                (vec![CALLED.1.to_string()], Truth::Classes(Labels { words: names, of }), count)
            }
            Told::Numbers { values, names } => {
                let (width, count) = (names.len(), values.len() / names.len().max(1));
                (names, Truth::Numbers(values, width), count)
            }
        };
        if samples == 0 || samples != count {
            let problem = format!("it has {samples} samples, and {} tells of {count}", CALLED.1);
            return Err(Error::input(CALLED.0, problem));
        }
        Ok(match self {
            Given::Images { image, pixels } => {
                Samples::Images { shape: image, pixels, called, truth, notes: Vec::new() }
            }
            Given::Rows { values, width } => {
                Samples::Rows(Labelled::apart(Rows::Numbers { values, width }, called, truth))
            }
            Given::Frame(columns) => {
                let (names, values): (Vec<_>, Vec<_>) = columns.into_iter().unzip();
                if let Some(twice) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)) {
                    let problem = format!("two of its columns are called \"{}\"; rename one", twice.1);
                    return Err(Error::input(CALLED.0, problem));
                }
                Samples::Rows(Labelled { names, ..Labelled::apart(Rows::Columns(values), called, truth) })
            }
        })
    }
}

/// The extent of each image of an array of this shape, and whether its channels come last.
///
/// # Errors
/// [`Error::Input`] for another shape.
pub fn extent(shape: &[usize]) -> Result<(ImageShape, bool)> {
    match *shape {
        [_, 0, ..] | [_, _, 0, ..] | [_, _, _, 0] => {
            Err(Error::input(CALLED.0, format!("an array of {shape:?} has no bytes")))
        }
        [_, width] => Ok((ImageShape { channels: 1, height: 1, width }, false)),
        _ => image_of(shape).map_err(|problem| Error::input(CALLED.0, problem)),
    }
}

/// Whether a network of `image` takes images of extent `own`, or plain rows of as many bytes.
pub fn is_taken(own: ImageShape, image: ImageShape) -> bool {
    let is_plain = own.channels == 1 && own.height == 1;
    own == image || is_plain && own.pixels() == image.pixels()
}

/// A data set of samples to train on, all of them, and of test samples if there are any.
///
/// # Errors
/// [`Error::Input`] for samples that nothing can be learned from or that do not fit one another, [`Error::Usage`] for
/// options that do not go with them.
pub fn dataset(
    name: &str,
    train: (Given, Told),
    test: Option<(Given, Told)>,
    options: &Options,
    thresholds: usize,
) -> Result<Dataset> {
    let path = Path::new(CALLED.0);
    let options = Options { whole: test.is_none(), ..options.clone() };
    if options.task() == Task::Classes && matches!(train.1, Told::Numbers { .. }) {
        return Err(Error::usage("classes are told by names; say task labels or values for numbers"));
    }
    let test = test.map(|(given, told)| Ok((path, given.samples(told)?))).transpose()?;
    open_samples(path, name, &options, Coding::Learned { thresholds }, train.0.samples(train.1)?, test)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes(of: &[u32]) -> Told {
        Told::Classes { names: vec!["no".into(), "yes".into()], of: of.to_vec() }
    }

    fn made(train: Given, of: &[u32]) -> Result<Dataset> {
        dataset("made", (train, classes(of)), None, &Options::default(), 3)
    }

    #[test]
    fn frames_and_rows_of_the_same_numbers_are_one_data_set() {
        let rows = Given::Rows { values: vec![1.0, 9.0, 2.0, f64::NAN, 3.0, 7.0], width: 2 };
        let column = |name: &str, values: [f64; 3]| (name.to_string(), Values::Numbers(values.to_vec()));
        let frame = Given::Frame(vec![column("c1", [1.0, 2.0, 3.0]), column("c2", [9.0, f64::NAN, 7.0])]);
        let (rows, frame) = (made(rows, &[0, 1, 1]).unwrap(), made(frame, &[0, 1, 1]).unwrap());
        assert_eq!(rows, frame);
        assert_eq!((rows.train.len(), rows.test.len()), (3, 0));
        // Thresholds 1.5 and 2.5; 8, and 0 for what is missing.
        assert_eq!(rows.train.pixels, [1, 2, 2, 0, 3, 1]);
    }

    #[test]
    fn columns_of_words_are_found_by_name_in_any_order() {
        let words = |name: &str, words: &[&str]| {
            (name.to_string(), Values::Words(words.iter().map(|w| Some(w.to_string())).collect()))
        };
        let x = || words("x", &["1.5", "2", "?"]);
        let colour = |third| words("colour", &["red", "blue", third]);
        let data = made(Given::Frame(vec![x(), colour("green")]), &[0, 1, 1]).unwrap();
        let table = data.table.as_ref().unwrap();
        let other = Given::Frame(vec![colour("pink"), words("more", &["a", "b", "c"]), x()]);
        let bytes = other.encode(data.image, Some(table)).unwrap();
        // Blue, green, red in order; a word never seen is none of them.
        assert_eq!(bytes, [1, 0, 0, 1, 2, 1, 0, 0, 0, 0, 0, 0]);
        let told = Given::Frame(vec![x()]).encode(data.image, Some(table)).unwrap_err().to_string();
        assert!(told.contains("\"colour\""), "{told}");
    }

    #[test]
    fn images_are_taken_as_their_shape_says() {
        let made = |shape: &[usize]| Given::images(shape, &(0..12).collect::<Vec<u8>>());
        let of = |shape: &[usize]| match made(shape).unwrap() {
            Given::Images { image, pixels } => ([image.channels, image.height, image.width], pixels),
            other => panic!("{other:?}"),
        };
        assert_eq!(of(&[2, 6]).0, [1, 1, 6]);
        assert_eq!(of(&[2, 2, 3]).0, [1, 2, 3]);
        assert_eq!(of(&[2, 1, 2, 3]).0, [1, 2, 3], "one first is a channel");
        assert_eq!(of(&[1, 2, 2, 3]), ([3, 2, 2], vec![0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]));
        assert!(made(&[12]).is_err() && made(&[2, 0]).is_err() && made(&[1, 2, 3, 2]).is_err());
        let image = ImageShape { channels: 1, height: 2, width: 3 };
        assert_eq!(made(&[2, 6]).unwrap().encode(image, None).unwrap().len(), 12);
        assert!(made(&[3, 4]).unwrap().encode(image, None).is_err());
    }

    #[test]
    fn samples_that_do_not_fit_what_is_told_of_them_are_refused() {
        let rows = || Given::Rows { values: vec![1.0, 2.0], width: 1 };
        assert!(made(rows(), &[0]).unwrap_err().to_string().contains("2 samples, and y tells of 1"));
        let one = Told::Classes { names: vec!["no".into()], of: vec![0, 0] };
        let told = dataset("made", (rows(), one), None, &Options::default(), 3).unwrap_err().to_string();
        assert!(told.contains("nothing to learn"), "{told}");
    }
}
