//! Data sets: read, check, describe. Nothing here knows of GPUs or networks.
// Without readers, what only they ask of tables and options is not used.
#![cfg_attr(not(feature = "files"), allow(dead_code, unused_imports))]

#[cfg(feature = "files")]
mod arrays;
#[cfg(feature = "files")]
mod cifar;
#[cfg(feature = "files")]
mod classes;
#[cfg(feature = "files")]
mod contact_sheet;
#[cfg(feature = "files")]
mod embedded;
mod encoder;
#[cfg(feature = "files")]
mod fetch;
mod head;
mod hold_out;
#[cfg(feature = "files")]
mod idx;
#[cfg(feature = "files")]
mod idx_folder;
#[cfg(feature = "files")]
mod image_folder;
#[cfg(feature = "files")]
mod kind;
#[cfg(feature = "files")]
mod labels;
#[cfg(feature = "files")]
mod libsvm;
#[cfg(feature = "files")]
pub mod memory;
mod notes;
#[cfg(feature = "files")]
mod npy;
mod options;
#[cfg(feature = "files")]
mod picture;
mod quality;
#[cfg(feature = "files")]
mod source;
#[cfg(feature = "files")]
mod sources;
#[cfg(feature = "files")]
mod spelling;
mod stratified;
mod table;
#[cfg(feature = "files")]
mod truth;

use std::path::Path;

#[cfg(feature = "files")]
pub use contact_sheet::contact_sheet;
pub use encoder::Encoder;
#[cfg(feature = "files")]
pub use fetch::{Remote, RemoteFile};
pub use head::{Head, Target, Task, Values, is_set};
pub use notes::{Note, counted};
pub use options::{Background, EncoderKind, Fit, Options};
#[cfg(feature = "files")]
pub use picture::read_image;
pub use quality::{Quality, TargetQuality, number_text};
#[cfg(feature = "files")]
pub use source::{from_root, holds_arrays, home, is_named, is_table, open, open_with, read_samples};
#[cfg(feature = "files")]
pub use sources::Unlabelled;
#[cfg(feature = "files")]
pub use table::read_rows;
pub use table::{Bit, Column, ColumnCoding, Decimal, Table, Values as ColumnValues};

use crate::{Error, Result};

/// Extent of one image: `channels` planes of `height` rows of `width` bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ImageShape {
    /// 1 for grey, 3 for red, green and blue.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

impl ImageShape {
    /// Whether it has rows and columns, in which neighbours have something to do with each other.
    pub fn is_picture(&self) -> bool {
        self.height > 1 && self.width > 1
    }

    /// Bytes of one image: `channels · height · width`.
    pub fn pixels(&self) -> usize {
        self.channels * self.height * self.width
    }
}

/// Images and what is right for each: a class, or targets.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Split {
    /// `[sample][channel][row][column]`, `len · shape.pixels()` bytes.
    pub pixels: Vec<u8>,
    /// `[sample]`, each below the number of classes; 0 where samples have targets.
    pub labels: Vec<u8>,
    /// `[sample][target]`: labels, 0 or 1, or values as fractions of their ranges; none where samples have classes.
    pub targets: Vec<f32>,
}

impl Split {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// True if there is no sample.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Targets a sample; 0 where samples have classes.
    pub fn targets_a_sample(&self) -> usize {
        self.targets.len() / self.labels.len().max(1)
    }

    /// `[target]`: the targets' variances over all samples.
    pub fn target_variances(&self) -> Vec<f64> {
        let (width, samples) = (self.targets_a_sample(), self.len() as f64);
        let of = |target: usize| self.targets.iter().skip(target).step_by(width).map(|&y| f64::from(y));
        let variance = |target: usize| {
            let mean = of(target).sum::<f64>() / samples;
            of(target).map(|y| (y - mean).powi(2)).sum::<f64>() / samples
        };
        (0..width).map(variance).collect()
    }
}

/// A checked data set: both splits have the shape `image` and labels below `classes.len()`.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// What it is called in reports: `mnist`, `cifar-10`, or a folder's name.
    pub name: String,
    /// What the last layer's outputs are called: classes in label order, labels, or targets' bits.
    pub classes: Vec<String>,
    /// How votes are read.
    pub head: Head,
    /// Extent of every image; a row of a table is an image of one row.
    pub image: ImageShape,
    /// The columns, where samples are rows of a table.
    pub table: Option<Table>,
    /// `[column]` of the table: least and greatest training value of columns of numbers.
    pub ranges: Vec<Option<[f64; 2]>>,
    /// What reading it decided and passed over.
    pub notes: Vec<Note>,
    /// Samples to train on.
    pub train: Split,
    /// Samples touched only to report.
    pub test: Split,
}

impl Dataset {
    /// The same samples with their classes numbered as in `classes`, by name; `what` is what to call them in errors.
    ///
    /// # Errors
    /// [`Error::Input`] that names the classes of samples that are none of these.
    pub fn with_classes(mut self, classes: &[String], what: &str) -> Result<Dataset> {
        if self.classes == classes || !self.head.is_classes() {
            return Ok(self);
        }
        let places: Vec<Option<usize>> =
            self.classes.iter().map(|class| classes.iter().position(|other| other == class)).collect();
        let mut there = vec![false; self.classes.len()];
        self.train.labels.iter().chain(&self.test.labels).for_each(|&label| there[usize::from(label)] = true);
        let unknown =
            self.classes.iter().zip(&places).zip(there).filter(|((_, place), there)| place.is_none() && *there);
        let unknown: Vec<&str> = unknown.map(|((class, _), _)| class.as_str()).collect();
        if !unknown.is_empty() {
            return Err(unknown_classes(what.as_ref(), &unknown, classes));
        }
        for label in self.train.labels.iter_mut().chain(&mut self.test.labels) {
            *label = places[usize::from(*label)].unwrap_or(0) as u8;
        }
        self.classes = classes.to_vec();
        Ok(self)
    }
}

/// Samples at `path` are of classes that the network, or the training samples, do not have.
fn unknown_classes(path: &Path, unknown: &[&str], classes: &[String]) -> Error {
    let some = |names: &[&str]| {
        let more = if names.len() > 12 { ", …" } else { "" };
        format!("{}{more}", names.iter().take(12).copied().collect::<Vec<_>>().join(", "))
    };
    let known: Vec<&str> = classes.iter().map(String::as_str).collect();
    Error::input(path, format!("it has classes that are not known: {}; known are {}", some(unknown), some(&known)))
}

/// How the cells of a table become bytes.
#[derive(Debug, Clone, Copy)]
pub enum Coding<'a> {
    /// As the training rows suggest, with so many thresholds a column of numbers.
    Learned {
        /// At most 254 are used.
        thresholds: usize,
    },
    /// As a network has learned.
    Known {
        /// Its columns, if it takes rows of a table.
        table: Option<&'a Table>,
        /// Its outputs.
        classes: &'a [String],
        /// How it reads votes.
        head: &'a Head,
    },
}

/// Names of what lies in `folder`, in order; names that are not Unicode are left out.
fn file_names(folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|e| Error::io("read", folder, e))? {
        let entry = entry.map_err(|e| Error::io("read", folder, e))?;
        names.extend(entry.file_name().into_string());
    }
    names.sort();
    Ok(names)
}
