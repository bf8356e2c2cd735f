//! From files of rows to a data set: labels, classes, test rows, columns, bytes.

use std::path::Path;

use super::learn::in_order;
use super::{Cell, Rows, Table, learn, read_text};
use crate::data::options::Options;
use crate::data::{Coding, Dataset, ImageShape, Split, stratified};
use crate::{Error, Result};

/// Classes that a label, a byte, can tell apart.
const MOST_CLASSES: usize = 256;

/// Rows with their labels, from any kind of file.
pub struct Labelled {
    /// `[column]`: what it is called.
    pub names: Vec<String>,
    /// What the labels' column is called, and its place; one past the columns where labels lie elsewhere.
    pub label: (String, usize),
    /// Places of the columns to read, in order.
    pub columns: Vec<usize>,
    /// The cells.
    pub rows: Rows,
    /// `[row]`.
    pub labels: Vec<String>,
}

impl Labelled {
    /// Rows whose labels lie apart from them.
    pub fn apart(rows: Rows, labels: Vec<String>) -> Self {
        let names = (1..=rows.width()).map(|number| format!("c{number}")).collect();
        Labelled { names, label: ("label".into(), rows.width()), columns: (0..rows.width()).collect(), rows, labels }
    }

    /// Rows that hold their labels in the column that `options` name, or else in the last.
    pub fn within(path: &Path, names: Vec<String>, rows: Rows, options: &Options) -> Result<Self> {
        let label_at = options.label.as_deref().map_or(Ok(names.len() - 1), |said| find(said, &names))?;
        let ignored: Result<Vec<usize>> = options.ignore.iter().map(|said| find(said, &names)).collect();
        let ignored = ignored?;
        let columns: Vec<usize> = (0..names.len()).filter(|at| *at != label_at && !ignored.contains(at)).collect();
        if columns.is_empty() {
            return Err(Error::input(
                path,
                "it has no column beside the labels; tables need a separator between cells",
            ));
        }
        let labels = labels(path, &rows, label_at)?;
        Ok(Labelled { label: (names[label_at].clone(), label_at), names, columns, rows, labels })
    }
}

/// Read the text table at `path` as a data set.
pub fn open(path: &Path, name: &str, options: &Options, coding: Coding) -> Result<Dataset> {
    let test = options.test.as_deref();
    match coding {
        Coding::Learned { .. } => {
            let test = test.map(|path| Ok((path, labelled(path, options)?))).transpose()?;
            of_rows(path, name, options, coding, labelled(path, options)?, test)
        }
        Coding::Known { table, classes } => {
            let read = |path: &Path| {
                let (names, rows, columns, label_at) = rows_for(path, options.header, table)?;
                let Some(label_at) = label_at else {
                    let problem = format!("it has no column of labels, \"{}\"; `predict` needs none", table.label);
                    return Err(Error::input(path, problem));
                };
                let labels = labels(path, &rows, label_at)?;
                Ok(Labelled { names, label: (table.label.clone(), label_at), columns, rows, labels })
            };
            let test = test.map(|path| Ok((path, read(path)?))).transpose()?;
            encoded(path, name, options, table.clone(), classes.to_vec(), read(path)?, test)
        }
    }
}

/// Make a data set of rows: their columns and classes are learned, or, of arrays, taken as they are known.
pub fn of_rows(
    path: &Path,
    name: &str,
    options: &Options,
    coding: Coding,
    train: Labelled,
    test: Option<(&Path, Labelled)>,
) -> Result<Dataset> {
    let (table, classes, train) = match coding {
        Coding::Learned { thresholds } => {
            let classes = classes(path, &train.label.0, &train.labels)?;
            let rows = match &test {
                Some(_) => (0..train.rows.len()).collect(),
                None => drawn(&train.labels, options)?.0,
            };
            let table = learn_columns(options, thresholds, &train, &rows)?;
            table.check().map_err(|problem| Error::input(path, problem))?;
            (table, classes, train)
        }
        Coding::Known { table, classes } => {
            if train.rows.width() != table.width {
                let problem = format!("it has {} columns, the network takes {}", train.rows.width(), table.width);
                return Err(Error::input(path, problem));
            }
            let columns = table.columns.iter().map(|column| column.at).collect();
            (table.clone(), classes.to_vec(), Labelled { columns, ..train })
        }
    };
    encoded(path, name, options, table, classes, train, test)
}

/// Encode rows, and draw test rows where there are none.
fn encoded(
    path: &Path,
    name: &str,
    options: &Options,
    table: Table,
    classes: Vec<String>,
    train: Labelled,
    test: Option<(&Path, Labelled)>,
) -> Result<Dataset> {
    let encode = |path: &Path, from: &Labelled| {
        let pixels = table.encode_all(&from.rows, &from.columns).map_err(|problem| Error::input(path, problem))?;
        let labels = numbered(path, &from.labels, &classes, &|row| from.rows.line(row))?;
        Ok(Split { pixels, labels })
    };
    let whole = encode(path, &train)?;
    let (train, test) = match test {
        Some((path, mut test)) => {
            if test.names != train.names {
                return Err(Error::input(
                    path,
                    "its columns are not those of the training rows; give it the same ones",
                ));
            }
            test.columns = train.columns;
            (whole, encode(path, &test)?)
        }
        None => {
            let (train, test) = drawn(&train.labels, options)?;
            (whole.select(&train, table.bytes()), whole.select(&test, table.bytes()))
        }
    };
    let image = ImageShape { channels: 1, height: 1, width: table.bytes() };
    Ok(Dataset { name: name.to_owned(), classes, image, table: Some(table), train, test })
}

/// Read the rows of a text table for `table`, labelled or not, as `[row][byte]`.
pub fn read_rows(path: &Path, header: Option<bool>, table: &Table) -> Result<Vec<u8>> {
    let (_, rows, places, _) = rows_for(path, header, table)?;
    table.encode_all(&rows, &places).map_err(|problem| Error::input(path, problem))
}

/// The numbers of training samples and of those drawn to test.
pub fn drawn(labels: &[String], options: &Options) -> Result<(Vec<usize>, Vec<usize>)> {
    if options.whole {
        return Ok(((0..labels.len()).collect(), Vec::new()));
    }
    let classes = different(labels);
    let of_row: Vec<u32> =
        labels.iter().map(|label| classes.iter().position(|c| c == label).unwrap_or(0) as u32).collect();
    stratified::split(&of_row, options.test_fraction()?, options.split_seed.unwrap_or(0))
}

/// The different labels, in order.
fn different(labels: &[String]) -> Vec<String> {
    let mut labels = labels.to_vec();
    labels.sort_unstable();
    labels.dedup();
    in_order(labels)
}

/// The classes that labels tell apart; `what` is what the labels are called.
///
/// # Errors
/// [`Error::Input`] if there are fewer than two, or more than a byte can number.
pub fn classes(path: &Path, what: &str, labels: &[String]) -> Result<Vec<String>> {
    let classes = different(labels);
    let problem = match classes.len() {
        0 => "it holds no samples".into(),
        1 => format!("every \"{what}\" is {}; there is nothing to learn", classes[0]),
        2..=MOST_CLASSES => return Ok(classes),
        n => format!(
            "\"{what}\" has {n} different values, and {MOST_CLASSES} classes are possible; name another column by --label"
        ),
    };
    Err(Error::input(path, problem))
}

fn learn_columns(options: &Options, thresholds: usize, from: &Labelled, train: &[usize]) -> Result<Table> {
    let general = options.encoder_kind()?;
    let mut kinds = vec![None; from.names.len()];
    for (said, kind) in options.column_kinds()? {
        kinds[find(said, &from.names)?] = Some(kind);
    }
    let columns: Result<Vec<_>> = from
        .columns
        .iter()
        .map(|&at| {
            let learn = |kind| learn(&from.rows, train, at, &from.names[at], kind, thresholds);
            match kinds[at] {
                // The general kind is for the columns that it fits.
                None => learn(general).or_else(|error| if general.is_some() { learn(None) } else { Err(error) }),
                own => learn(own),
            }
        })
        .collect();
    let (label, label_at) = from.label.clone();
    Ok(Table { width: from.names.len(), label, label_at, columns: columns? })
}

/// The place of the column called or numbered `said`.
fn find(said: &str, names: &[String]) -> Result<usize> {
    let by_number = || said.parse::<usize>().ok().and_then(|n| n.checked_sub(1)).filter(|&at| at < names.len());
    names.iter().position(|name| name == said).or_else(by_number).ok_or_else(|| {
        let shown: Vec<&str> = names.iter().take(20).map(String::as_str).collect();
        let more = if names.len() > shown.len() { ", …" } else { "" };
        Error::usage(format!("there is no column \"{said}\"; name one of {}{more}, or its number", shown.join(", ")))
    })
}

fn labelled(path: &Path, options: &Options) -> Result<Labelled> {
    let (names, rows) = read_text(path, options.header, None)?;
    let names = names.unwrap_or_else(|| (1..=rows.width()).map(|number| format!("c{number}")).collect());
    if let Some(twice) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)).map(|(_, name)| name) {
        return Err(Error::input(path, format!("two of its columns are called \"{twice}\"; rename one")));
    }
    Labelled::within(path, names, rows, options)
}

/// Names, rows, places of a table's columns, and the place of its labels, if there are any.
type Found = (Vec<String>, Rows, Vec<usize>, Option<usize>);

/// The rows of a file, and where the columns of `table` and its labels lie in it.
fn rows_for(path: &Path, header: Option<bool>, table: &Table) -> Result<Found> {
    let known: Vec<&str> = table.columns.iter().map(|column| &*column.name).collect();
    let (names, rows) = read_text(path, header, Some(&known))?;
    let (places, label_at) = match &names {
        Some(names) => {
            let places: std::result::Result<Vec<usize>, String> = known
                .iter()
                .map(|&name| {
                    names
                        .iter()
                        .position(|n| n == name)
                        .ok_or_else(|| format!("it has no column \"{name}\", which the network reads"))
                })
                .collect();
            let places = places.map_err(|problem| Error::input(path, problem))?;
            (places, names.iter().position(|name| *name == table.label))
        }
        None if rows.width() == table.width => {
            (table.columns.iter().map(|column| column.at).collect(), Some(table.label_at))
        }
        None if rows.width() == known.len() => ((0..known.len()).collect(), None),
        None => {
            return Err(Error::input(
                path,
                format!(
                    "it has {} columns, and its first line names not all that the network reads ({}); give it a header, \
                     or the {} columns that the network was trained on",
                    rows.width(),
                    known.join(", "),
                    table.width
                ),
            ));
        }
    };
    Ok((names.unwrap_or_default(), rows, places, label_at))
}

fn labels(path: &Path, rows: &Rows, label_at: usize) -> Result<Vec<String>> {
    (0..rows.len())
        .map(|row| match rows.cell(row, label_at) {
            Cell::Missing => Err(Error::input(path, format!("{} has no label; remove it", rows.line(row)))),
            cell => Ok(cell.text().unwrap_or_default().into_owned()),
        })
        .collect()
}

/// Labels as numbers of `classes`; `place` tells where one stands.
pub fn numbered(
    path: &Path,
    labels: &[String],
    classes: &[String],
    place: &dyn Fn(usize) -> String,
) -> Result<Vec<u8>> {
    let of = |(row, label): (usize, &String)| {
        classes.iter().position(|class| class == label).map(|class| class as u8).ok_or_else(|| {
            let problem = format!("the label \"{label}\" of {} is none of the {} classes", place(row), classes.len());
            Error::input(path, problem)
        })
    };
    labels.iter().enumerate().map(of).collect()
}
