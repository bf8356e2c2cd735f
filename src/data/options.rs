//! How a data set is to be read, where its files leave a choice.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::ImageShape;
use super::head::{Task, Values};
use super::table::Decimal;
use crate::{Error, Result};

/// What a user may say about a data set beside its name; each is a flag, and a key of `[input]` in a `--config` file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
pub struct Options {
    /// Tables, arrays: what is to be told of a sample [default: classes]
    #[cfg_attr(feature = "cli", arg(long, value_enum))]
    pub task: Option<Task>,
    /// Tables: column of the labels, by name or by number from 1; for --task labels and values several, joined by
    /// commas [default: the last]
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN"))]
    pub label: Option<String>,
    /// Values: bits of the binary code that votes give each of them; 1 is a plain count of votes [default: 1]
    #[cfg_attr(feature = "cli", arg(long, value_name = "BITS"))]
    pub code_bits: Option<u32>,
    /// Tables: leave these columns out, by name or by number from 1
    #[cfg_attr(feature = "cli", arg(long, value_name = "COLUMN", value_delimiter = ','))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ignore: Vec<String>,
    /// Tables: whether the first line names the columns [default: told from the cells]
    #[cfg_attr(feature = "cli", arg(long, value_name = "BOOL"))]
    pub header: Option<bool>,
    /// Tables: what separates cells: comma, semicolon, tab, pipe, blanks or another sign [default: told from the lines]
    #[cfg_attr(feature = "cli", arg(long, value_name = "SIGN", allow_hyphen_values = true))]
    pub separator: Option<String>,
    /// Tables: what separates whole numbers from fractions [default: told from the cells]
    #[cfg_attr(feature = "cli", arg(long, value_enum, value_name = "MARK"))]
    pub decimal: Option<Decimal>,
    /// Test samples, in a file or folder of the same form as --data
    #[cfg_attr(feature = "cli", arg(long, value_name = "PATH"))]
    pub test: Option<PathBuf>,
    /// Where there are no test samples: the fraction of each class to take for them [default: 0.2]
    #[cfg_attr(feature = "cli", arg(long, value_name = "FRACTION"))]
    pub test_fraction: Option<f64>,
    /// Seed that draws those test samples [default: 0]
    #[cfg_attr(feature = "cli", arg(long, value_name = "SEED"))]
    pub split_seed: Option<u64>,
    /// How values become input bits: uniform, distributive or gaussian thermometers, one-hot or binary; COLUMN=KIND for
    /// one column of a table [default: what fits the column; uniform for images]
    #[cfg_attr(feature = "cli", arg(long, value_name = "KIND", value_delimiter = ','))]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub encoder: Vec<String>,
    /// Image folders: width and height of the images that pictures are made into [default: of the first picture]
    #[cfg_attr(feature = "cli", arg(long, value_name = "WxH"))]
    pub size: Option<String>,
    /// Image folders: 1 for grey, 3 for red, green and blue [default: as the first picture is]
    #[cfg_attr(feature = "cli", arg(long, value_name = "N"))]
    pub channels: Option<usize>,
    /// Image folders: what shows through where pictures are transparent [default: white]
    #[cfg_attr(feature = "cli", arg(long, value_enum))]
    pub background: Option<Background>,
    /// CIFAR-100: train for its 20 coarse classes instead of the 100 fine ones
    #[cfg_attr(feature = "cli", arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL"))]
    pub coarse: Option<bool>,
    /// Draw no test samples where there are none: all are training samples.
    #[cfg_attr(feature = "cli", arg(skip))]
    #[serde(skip)]
    pub whole: bool,
    /// Make pictures such as a network takes.
    #[cfg_attr(feature = "cli", arg(skip))]
    #[serde(skip)]
    pub fit: Option<Fit>,
}

/// What pictures are made into for a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fit {
    /// Their extent.
    pub image: ImageShape,
    /// What they are laid over.
    pub background: Background,
}

/// What shows through where a picture is transparent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Background {
    /// As most programs show pictures
    #[default]
    White,
    /// For bright strokes on nothing
    Black,
}

/// Ways to make input bits of values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EncoderKind {
    /// Thresholds at even distances between the least and the greatest value.
    Uniform,
    /// Thresholds at quantiles.
    Distributive,
    /// Thresholds at the quantiles of a normal distribution of the same mean and variance.
    Gaussian,
    /// A bit a value.
    OneHot,
    /// One bit for two values.
    Binary,
}

impl EncoderKind {
    const ALL: [(&'static str, EncoderKind); 5] = [
        ("uniform", EncoderKind::Uniform),
        ("distributive", EncoderKind::Distributive),
        ("gaussian", EncoderKind::Gaussian),
        ("one-hot", EncoderKind::OneHot),
        ("binary", EncoderKind::Binary),
    ];

    fn parse(name: &str) -> Result<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|&(_, kind)| kind).ok_or_else(|| {
            let known = Self::ALL.map(|(known, _)| known).join(", ");
            Error::usage(format!("--encoder knows no `{name}`; say one of {known}, or COLUMN=KIND"))
        })
    }

    /// Whether it is for words and for nothing else.
    pub(super) fn is_for_words(self) -> bool {
        self == EncoderKind::OneHot
    }

    /// Its name in flags.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

impl Options {
    /// What is said here, and what `base` says of the rest.
    pub fn over(&self, base: &Options) -> Options {
        let list = |own: &Vec<String>, base: &Vec<String>| if own.is_empty() { base.clone() } else { own.clone() };
        Options {
            task: self.task.or(base.task),
            code_bits: self.code_bits.or(base.code_bits),
            label: self.label.clone().or_else(|| base.label.clone()),
            ignore: list(&self.ignore, &base.ignore),
            header: self.header.or(base.header),
            separator: self.separator.clone().or_else(|| base.separator.clone()),
            decimal: self.decimal.or(base.decimal),
            test: self.test.clone().or_else(|| base.test.clone()),
            test_fraction: self.test_fraction.or(base.test_fraction),
            split_seed: self.split_seed.or(base.split_seed),
            encoder: list(&self.encoder, &base.encoder),
            size: self.size.clone().or_else(|| base.size.clone()),
            channels: self.channels.or(base.channels),
            coarse: self.coarse.or(base.coarse),
            background: self.background.or(base.background),
            whole: self.whole || base.whole,
            fit: self.fit.or(base.fit),
        }
    }

    /// What is to be told of a sample.
    pub fn task(&self) -> Task {
        self.task.unwrap_or_default()
    }

    /// Bits of the code of a value: 1 to 16.
    pub(super) fn code_bits(&self) -> Result<u32> {
        match self.code_bits.unwrap_or(1) {
            _ if self.code_bits.is_some() && self.task() != Task::Values => {
                Err(Error::usage("--code-bits is how values are told; add --task values"))
            }
            bits @ 1..=Values::MOST_BITS => Ok(bits),
            bits => Err(Error::usage(format!("--code-bits takes 1 to {}, not {bits}", Values::MOST_BITS))),
        }
    }

    /// Fraction of each class that becomes the test set where the data has none: 0.01 to 0.9.
    pub fn test_fraction(&self) -> Result<f64> {
        match self.test_fraction.unwrap_or(0.2) {
            fraction if (0.01..=0.9).contains(&fraction) => Ok(fraction),
            fraction => Err(Error::usage(format!("--test-fraction takes 0.01 to 0.9, not {fraction}"))),
        }
    }

    /// Width and height of images, 1 to 16,384 each.
    pub(super) fn size(&self) -> Result<Option<(usize, usize)>> {
        let Some(said) = &self.size else { return Ok(None) };
        let sides =
            said.split_once(['x', '×']).and_then(|(w, h)| Some((w.trim().parse().ok()?, h.trim().parse().ok()?)));
        match sides {
            Some((width @ 1..=16_384, height @ 1..=16_384)) => Ok(Some((width, height))),
            _ => Err(Error::usage(format!("--size takes WxH of 1 to 16,384 pixels, such as 28x28, not {said}"))),
        }
    }

    /// Channels of images, 1 or 3.
    pub(super) fn channels(&self) -> Result<Option<usize>> {
        match self.channels {
            Some(channels) if !matches!(channels, 1 | 3) => {
                Err(Error::usage(format!("--channels takes 1 or 3, not {channels}")))
            }
            channels => Ok(channels),
        }
    }

    /// The kind said for everything that no column's own kind is said for.
    pub fn encoder_kind(&self) -> Result<Option<EncoderKind>> {
        let general = self.encoder.iter().filter(|said| !said.contains('='));
        general.map(|said| EncoderKind::parse(said.trim())).next_back().transpose()
    }

    /// The kinds said for columns: name or number, and kind.
    pub(super) fn column_kinds(&self) -> Result<Vec<(&str, EncoderKind)>> {
        let of_columns = self.encoder.iter().filter_map(|said| said.rsplit_once('='));
        of_columns.map(|(column, kind)| Ok((column.trim(), EncoderKind::parse(kind.trim())?))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(encoder: &[&str]) -> Options {
        Options { encoder: encoder.iter().map(|s| s.to_string()).collect(), ..Default::default() }
    }

    #[test]
    fn encoders_are_said_for_all_columns_or_for_one() {
        let options = said(&["gaussian", "a=b=one-hot", "uniform"]);
        assert_eq!(options.encoder_kind().unwrap(), Some(EncoderKind::Uniform), "the last word counts");
        assert_eq!(options.column_kinds().unwrap(), [("a=b", EncoderKind::OneHot)]);
        assert_eq!(said(&[]).encoder_kind().unwrap(), None);
        assert!(said(&["quantile"]).encoder_kind().unwrap_err().to_string().contains("distributive"));
        assert!(said(&["x=quantile"]).column_kinds().is_err());
    }

    #[test]
    fn test_fractions_that_leave_nothing_are_refused() {
        for fraction in [0.0, -0.1, 0.95, f64::NAN] {
            let options = Options { test_fraction: Some(fraction), ..Default::default() };
            assert!(options.test_fraction().is_err(), "{fraction}");
        }
        assert_eq!(Options::default().test_fraction().unwrap(), 0.2);
    }
}
