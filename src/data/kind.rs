//! Which flags go with which kind of data.

use super::{Options, Task};
use crate::{Error, Result};

/// Kinds of data, as far as their flags differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A text table.
    Table,
    /// LIBSVM's sparse text.
    Sparse,
    /// Rows of numbers and their labels in one array.
    Array,
    /// Rows of numbers, and their labels in an array of their own.
    Rows,
    /// Images in an array.
    Images,
    /// Folders of pictures.
    Pictures,
    /// IDX files.
    Idx,
    /// CIFAR-10.
    Cifar10,
    /// CIFAR-100.
    Cifar100,
}

use Kind::*;

/// Kinds whose rows have columns.
const ROWS: &[Kind] = &[Table, Sparse, Array, Rows];
/// Kinds that can have labels or values in place of classes.
const TARGETS: &[Kind] = &[Table, Sparse, Array, Rows, Images];
/// Kinds that may come without test samples, which then are drawn.
const DRAWN: &[Kind] = &[Table, Sparse, Array, Rows, Images, Pictures];

/// A flag of [`Options`].
struct Flag {
    name: &'static str,
    /// What takes it, in words.
    what: &'static str,
    kinds: &'static [Kind],
    is_said: fn(&Options) -> bool,
}

/// The one list of which flags go with which kinds. Those that go with all, `--test` and `--encoder`, are not in it.
const FLAGS: [Flag; 12] = [
    Flag {
        name: "--task",
        what: "tables and arrays",
        kinds: TARGETS,
        is_said: |o| o.task.is_some_and(|task| task != Task::Classes),
    },
    Flag { name: "--code-bits", what: "tables and arrays", kinds: TARGETS, is_said: |o| o.code_bits.is_some() },
    Flag {
        name: "--label",
        what: "text tables and single .npy files",
        kinds: &[Table, Array],
        is_said: |o| o.label.is_some(),
    },
    Flag {
        name: "--ignore",
        what: "text tables and single .npy files",
        kinds: &[Table, Array],
        is_said: |o| !o.ignore.is_empty(),
    },
    Flag { name: "--header", what: "text tables", kinds: &[Table], is_said: |o| o.header.is_some() },
    Flag { name: "--separator", what: "text tables", kinds: &[Table], is_said: |o| o.separator.is_some() },
    Flag { name: "--decimal", what: "text tables", kinds: &[Table], is_said: |o| o.decimal.is_some() },
    Flag {
        name: "--test-fraction",
        what: "data without test samples of its own",
        kinds: DRAWN,
        is_said: |o| o.test_fraction.is_some(),
    },
    Flag {
        name: "--split-seed",
        what: "data without test samples of its own",
        kinds: DRAWN,
        is_said: |o| o.split_seed.is_some(),
    },
    Flag { name: "--size", what: "folders of pictures", kinds: &[Pictures], is_said: |o| o.size.is_some() },
    Flag { name: "--channels", what: "folders of pictures", kinds: &[Pictures], is_said: |o| o.channels.is_some() },
    Flag { name: "--background", what: "folders of pictures", kinds: &[Pictures], is_said: |o| o.background.is_some() },
];

impl Kind {
    /// What it is called in sentences.
    fn called(self) -> &'static str {
        match self {
            Table => "a text table",
            Sparse => "LIBSVM text",
            Array => "one array of rows",
            Rows => "arrays of rows and labels",
            Images => "arrays of images and labels",
            Pictures => "a folder of pictures",
            Idx => "a set of IDX files",
            Cifar10 | Cifar100 => "a set of CIFAR files",
        }
    }
}

impl Options {
    /// Refuse what data of this kind, called `name`, cannot take.
    pub(super) fn check(&self, kind: Kind, name: &str) -> Result<()> {
        self.code_bits()?;
        if self.coarse.is_some() && kind != Cifar100 {
            return Err(refused("--coarse", name, kind, "CIFAR-100"));
        }
        if let Some(flag) = FLAGS.iter().find(|flag| (flag.is_said)(self) && !flag.kinds.contains(&kind)) {
            return Err(refused(flag.name, name, kind, flag.what));
        }
        let (general, of_columns) = (self.encoder_kind()?, self.column_kinds()?);
        if let Some((column, _)) = of_columns.first().filter(|_| !ROWS.contains(&kind)) {
            return Err(Error::usage(format!(
                "--encoder {column}=… is for a column, and {name} is {}, which has none; name a kind alone",
                kind.called()
            )));
        }
        if let Some(general) = general.filter(|kind| kind.is_for_words()).filter(|_| !ROWS.contains(&kind)) {
            return Err(Error::usage(format!(
                "--encoder {} is for columns of words, and {name} is {}; choose uniform, distributive, gaussian or binary",
                general.name(),
                kind.called()
            )));
        }
        self.check_drawn(self.test.is_some(), "--test names them")
    }

    /// Refuse flags that say how test samples are drawn where `has_test` samples already, for the reason `why`.
    pub(super) fn check_drawn(&self, has_test: bool, why: &str) -> Result<()> {
        let said = [("--test-fraction", self.test_fraction.is_some()), ("--split-seed", self.split_seed.is_some())];
        match said.iter().find(|(_, said)| has_test && *said) {
            Some((flag, _)) => {
                Err(Error::usage(format!("{flag} is for test samples that are drawn, and {why}; leave it out")))
            }
            None => Ok(()),
        }
    }
}

fn refused(flag: &str, name: &str, kind: Kind, what: &str) -> Error {
    Error::usage(format!("{flag} is for {what}, and {name} is {}; leave it out", kind.called()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_that_does_not_suit_the_kind_is_refused_by_name() {
        let told = |kind, change: &dyn Fn(&mut Options)| {
            let mut options = Options::default();
            change(&mut options);
            options.check(kind, "x").map_err(|e| e.to_string())
        };
        let label = |o: &mut Options| o.label = Some("y".into());
        assert_eq!(told(Table, &label), Ok(()));
        assert_eq!(
            told(Pictures, &label).unwrap_err(),
            "--label is for text tables and single .npy files, and x is a folder of pictures; leave it out"
        );
        let coarse = |o: &mut Options| o.coarse = Some(true);
        assert_eq!(told(Cifar100, &coarse), Ok(()));
        assert!(told(Cifar10, &coarse).unwrap_err().contains("CIFAR-100"));
        let size = |o: &mut Options| o.size = Some("8x8".into());
        assert!([Table, Sparse, Array, Rows, Images, Idx, Cifar10].iter().all(|&kind| told(kind, &size).is_err()));
        let seed = |o: &mut Options| o.split_seed = Some(7);
        assert!(told(Idx, &seed).is_err() && told(Images, &seed).is_ok());
        let both = |o: &mut Options| (o.split_seed, o.test) = (Some(7), Some("t".into()));
        assert!(told(Table, &both).unwrap_err().contains("--test names them"));
        for (kind, encoder) in [(Table, "quantile"), (Images, "quantile"), (Idx, "one-hot"), (Pictures, "a=binary")] {
            assert!(told(kind, &|o| o.encoder = vec![encoder.into()]).is_err(), "{encoder}");
        }
        let values = |o: &mut Options| o.task = Some(Task::Values);
        assert!(told(Idx, &values).unwrap_err().contains("--task is for tables and arrays"));
    }
}
