//! Data sets: read, check, describe. Nothing here knows of GPUs or networks.

mod arrays;
mod cifar;
mod classes;
mod contact_sheet;
mod embedded;
mod fetch;
mod head;
mod hold_out;
mod idx;
mod idx_folder;
mod image_folder;
mod libsvm;
mod notes;
mod npy;
mod options;
mod picture;
mod quality;
mod source;
mod sources;
mod stratified;
mod table;
mod truth;

use std::path::Path;

pub use contact_sheet::contact_sheet;
pub use fetch::{Remote, RemoteFile};
pub use head::{Head, Target, Task, Values, is_set};
pub use notes::Note;
pub use options::{EncoderKind, Options};
pub use picture::read_image;
pub use quality::{Quality, TargetQuality, number_text};
pub use source::{home, is_named, is_table, open, open_with};
pub(crate) use table::normal_quantile;
pub use table::{Bit, Coding as ColumnCoding, Column, Decimal, Table, read_rows};

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
