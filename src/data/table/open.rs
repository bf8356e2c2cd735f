//! From files of rows to a data set: labels, classes, test rows, columns, bytes.

use std::path::Path;

use super::learn::learn;
use super::{Cell, Rows, Table, delimited};
use crate::data::labels::{Labels, different};
use crate::data::options::Options;
use crate::data::spelling::edits;
use crate::data::truth::Truth;
use crate::data::{Coding, ColumnCoding, Dataset, Head, ImageShape, Note, Split, Task, counted, stratified};
use crate::{Error, Result};

/// Rows with their labels or values, from any kind of file.
pub struct Labelled {
    /// `[column]`: what it is called.
    pub names: Vec<String>,
    /// What each column of labels or values is called, and its place; past the columns where they lie elsewhere.
    pub labels: Vec<(String, usize)>,
    /// Places of the columns to read, in order.
    pub columns: Vec<usize>,
    /// The cells.
    pub rows: Rows,
    /// What the labels or values are.
    pub truth: Truth,
    /// What reading them decided and passed over.
    pub notes: Vec<Note>,
}

impl Labelled {
    /// Rows whose labels or values, called `called`, lie apart from them.
    pub fn apart(rows: Rows, called: Vec<String>, truth: Truth) -> Self {
        let names = (1..=rows.width()).map(|number| format!("c{number}")).collect();
        let labels = called.into_iter().zip(rows.width()..).collect();
        Labelled { names, labels, columns: (0..rows.width()).collect(), rows, truth, notes: Vec::new() }
    }

    /// Rows that hold their labels or values in the columns that `options` name, or else in the last that is not in
    /// `left_out`. Of these, columns that `options` give a kind stay.
    pub fn within(path: &Path, names: Vec<String>, rows: Rows, left_out: &[usize], options: &Options) -> Result<Self> {
        let labels_at = match options.label.as_deref() {
            None => match (0..names.len()).rev().find(|at| !left_out.contains(at)) {
                Some(last) => vec![last],
                None => return Err(Error::input(path, "none of its columns holds a value")),
            },
            Some(said) => find_all(said, &names, options.task())?,
        };
        let ignored: Result<Vec<usize>> = options.ignore.iter().map(|said| find(said, &names)).collect();
        let ignored = ignored?;
        let kept: Vec<usize> = options.column_kinds()?.iter().filter_map(|(said, _)| find(said, &names).ok()).collect();
        let is_left_out = |at: &usize| ignored.contains(at) || left_out.contains(at) && !kept.contains(at);
        let is_read = |at: &usize| !labels_at.contains(at) && !is_left_out(at);
        let columns: Vec<usize> = (0..names.len()).filter(is_read).collect();
        if columns.is_empty() {
            return Err(Error::input(path, "it has no column beside the labels that is not left out"));
        }
        let labels: Vec<(String, usize)> = labels_at.into_iter().map(|at| (names[at].clone(), at)).collect();
        let truth = truth(path, &rows, &labels, options.task())?;
        Ok(Labelled { labels, names, columns, rows, truth, notes: Vec::new() })
    }

    /// Names of the columns of labels or values.
    fn called(&self) -> Vec<String> {
        self.labels.iter().map(|(name, _)| name.clone()).collect()
    }
}

/// Read the text table at `path` as a data set.
pub fn open(path: &Path, name: &str, options: &Options, coding: Coding) -> Result<Dataset> {
    let test = options.test.as_deref();
    match coding {
        Coding::Learned { .. } => {
            let train = labelled(path, options, None)?;
            let known: Vec<&str> = train.names.iter().map(String::as_str).collect();
            let test = test.map(|path| Ok((path, labelled(path, options, Some(&known))?))).transpose()?;
            of_rows(path, name, options, coding, train, test)
        }
        Coding::Known { table: None, .. } => Err(Error::input(path, "it is a table, and the network takes images")),
        Coding::Known { table: Some(table), classes, head } => {
            let read = |path: &Path| {
                let Found { names, rows, columns, labels_at, notes } = rows_for(path, options, table)?;
                let Some(labels_at) = labels_at else {
                    let wanted: Vec<String> = table.all_labels().into_iter().map(|(name, _)| name).collect();
                    let problem =
                        format!("it has no column \"{}\" to judge by; `predict` needs none", wanted.join("\", \""));
                    return Err(Error::input(path, problem));
                };
                let labels = table.all_labels().into_iter().zip(labels_at).map(|((name, _), at)| (name, at));
                let labels: Vec<_> = labels.collect();
                let truth = truth(path, &rows, &labels, head.task())?;
                Ok(Labelled { names, labels, columns, rows, truth, notes })
            };
            let test = test.map(|path| Ok((path, read(path)?))).transpose()?;
            let known = Known { table: table.clone(), outputs: classes.to_vec(), head: head.clone() };
            encoded(path, name, options, known, read(path)?, test)
        }
    }
}

/// Make a data set of rows: their columns and classes are learned, or, of arrays, taken as they are known.
pub fn of_rows(
    path: &Path,
    name: &str,
    options: &Options,
    coding: Coding,
    mut train: Labelled,
    test: Option<(&Path, Labelled)>,
) -> Result<Dataset> {
    let (known, train) = match coding {
        Coding::Learned { thresholds } => {
            let called = train.called();
            let outputs = train.truth.outputs(path, &called, options, &|row| train.rows.line(row))?;
            let rows: Vec<usize> = match &test {
                Some(_) => (0..train.rows.len()).collect(),
                None => train.truth.drawn(train.rows.len(), options)?.0,
            };
            let head = train.truth.head(path, &called, options, &rows)?;
            let (table, notes) = learn_columns(path, options, thresholds, &train, &rows)?;
            table.check().map_err(|problem| Error::input(path, problem))?;
            train.notes.extend(notes);
            train.notes.extend(twins(&format!("\"{}\"", called[0]), &outputs));
            train.columns = table.columns.iter().map(|column| column.at).collect();
            (Known { table, outputs, head }, train)
        }
        Coding::Known { table: None, .. } => {
            return Err(Error::input(path, "it holds rows of numbers, and the network takes images"));
        }
        Coding::Known { table: Some(table), classes, head } => {
            if train.rows.width() != table.width {
                let problem = format!("it has {} columns, the network takes {}", train.rows.width(), table.width);
                return Err(Error::input(path, problem));
            }
            let columns = table.columns.iter().map(|column| column.at).collect();
            let known = Known { table: table.clone(), outputs: classes.to_vec(), head: head.clone() };
            (known, Labelled { columns, ..train })
        }
    };
    encoded(path, name, options, known, train, test)
}

/// What rows are encoded by.
struct Known {
    table: Table,
    outputs: Vec<String>,
    head: Head,
}

/// Encode rows, and draw test rows where there are none.
fn encoded(
    path: &Path,
    name: &str,
    options: &Options,
    known: Known,
    train: Labelled,
    test: Option<(&Path, Labelled)>,
) -> Result<Dataset> {
    let Known { table, outputs, head } = known;
    let encode = |path: &Path, from: &Labelled| {
        let pixels = table.encode_all(&from.rows, &from.columns).map_err(|problem| Error::input(path, problem))?;
        from.truth.split(path, pixels, &head, &outputs, &|row| from.rows.line(row))
    };
    let ranges =
        |from: &Labelled, chosen: &[usize]| from.columns.iter().map(|&at| range(&from.rows, chosen, at)).collect();
    let mut notes = train.notes.clone();
    let (ranges, train, test) = match test {
        Some((path, mut test)) => {
            if test.names != train.names {
                return Err(Error::input(
                    path,
                    "its columns are not those of the training rows; give it the same ones",
                ));
            }
            test.columns = train.columns.clone();
            notes.extend(Note::warnings_of(path, std::mem::take(&mut test.notes)));
            let all: Vec<usize> = (0..train.rows.len()).collect();
            (ranges(&train, &all), encode(path, &train)?, encode(path, &test)?)
        }
        None => {
            let (chosen, test) = train.truth.drawn(train.rows.len(), options)?;
            let ranges = ranges(&train, &chosen);
            let whole = encode(path, &train)?;
            // The cells go before what was made of them is copied.
            drop(train);
            match options.whole {
                true => (ranges, whole, Split::default()),
                false => (ranges, whole.select(&chosen, table.bytes()), whole.select(&test, table.bytes())),
            }
        }
    };
    let image = ImageShape { channels: 1, height: 1, width: table.bytes() };
    let name = name.to_owned();
    Ok(Dataset { name, classes: outputs, head, image, table: Some(table), ranges, notes, train, test })
}

/// Least and greatest number of a column in the rows `chosen`, if it holds numbers and nothing else.
fn range(rows: &Rows, chosen: &[usize], at: usize) -> Option<[f64; 2]> {
    let mut range: Option<[f64; 2]> = None;
    for &row in chosen {
        match (rows.cell(row, at), range) {
            (Cell::Missing, _) => {}
            (cell, None) => range = Some([cell.number()?; 2]),
            (cell, Some([least, greatest])) => {
                let number = cell.number()?;
                range = Some([number.min(least), number.max(greatest)]);
            }
        }
    }
    range
}

/// Read the rows of a text table for `table`, labelled or not, as `[row][byte]`, and what reading them decided.
pub fn read_rows(path: &Path, options: &Options, table: &Table) -> Result<(Vec<u8>, Vec<Note>)> {
    let found = rows_for(path, options, table)?;
    let bytes = table.encode_all(&found.rows, &found.columns);
    bytes.map(|bytes| (bytes, found.notes)).map_err(|problem| Error::input(path, problem))
}

/// The numbers of training samples and of those drawn to test.
pub fn drawn(labels: &Labels, options: &Options) -> Result<(Vec<usize>, Vec<usize>)> {
    if options.whole {
        return Ok(((0..labels.len()).collect(), Vec::new()));
    }
    let classes = different(labels);
    let of_word = |word: &String| classes.iter().position(|class| class == word).unwrap_or(0) as u32;
    let of_words: Vec<u32> = labels.words.iter().map(of_word).collect();
    let of_row: Vec<u32> = labels.of.iter().map(|&word| of_words[word as usize]).collect();
    stratified::split(&of_row, options.test_fraction()?, options.split_seed.unwrap_or(0))
}

/// The columns of `from` that tell its `train` rows apart, and what is to be said of the others.
fn learn_columns(
    path: &Path,
    options: &Options,
    thresholds: usize,
    from: &Labelled,
    train: &[usize],
) -> Result<(Table, Vec<Note>)> {
    let general = options.encoder_kind()?;
    let mut kinds = vec![None; from.names.len()];
    for (said, kind) in options.column_kinds()? {
        kinds[find(said, &from.names)?] = Some(kind);
    }
    let mut notes = Vec::new();
    let (mut columns, mut constant, mut names_rows) = (Vec::new(), Vec::new(), Vec::new());
    for &at in &from.columns {
        let name = &from.names[at];
        let learn = |kind| learn(&from.rows, train, at, name, kind, thresholds);
        let (column, note) = match kinds[at] {
            // The general kind is for the columns that it fits.
            None => learn(general).or_else(|error| if general.is_some() { learn(None) } else { Err(error) })?,
            own => learn(own)?,
        };
        let words = match &column.coding {
            ColumnCoding::OneHot { values } => values.as_slice(),
            _ => &[],
        };
        notes.extend(twins(&format!("column \"{name}\""), words));
        notes.extend(note);
        if !column.varies() {
            constant.push((at, name));
        } else if words.len() == train.len() && words.len() >= 20 && kinds[at].is_none() {
            names_rows.push(column);
        } else {
            columns.push(column);
        }
    }
    if let Some(&(at, name)) = constant.first() {
        let value = match from.rows.cell(train.first().copied().unwrap_or(0), at) {
            Cell::Missing => "missing".into(),
            cell => cell.text().unwrap_or_default().into_owned(),
        };
        let columns = counted(constant.len(), "column");
        let told = format!("left out {columns} that never differ in training rows, such as \"{name}\", always {value}");
        notes.push(Note::warning(told));
    }
    if columns.is_empty() {
        // A word of its own a row is all that there is.
        columns.append(&mut names_rows);
    }
    if let Some(column) = names_rows.first() {
        notes.push(Note::warning(format!(
            "left out {}, with another word in every training row; --encoder {}=one-hot keeps it",
            match names_rows.len() {
                1 => format!("column \"{}\"", column.name),
                n => format!("{n} columns, such as \"{}\"", column.name),
            },
            column.name
        )));
    }
    if columns.is_empty() {
        let problem = "no column beside the labels differs between its training rows; there is nothing to learn from";
        return Err(Error::input(path, problem));
    }
    let mut labels = from.labels.iter().cloned();
    let (label, label_at) = labels.next().unwrap_or_default();
    let more_labels = labels.collect();
    Ok((Table { width: from.names.len(), label, label_at, more_labels, columns }, notes))
}

/// What to say of words of `what` that differ in case alone.
fn twins(what: &str, words: &[String]) -> Option<Note> {
    let mut lower: Vec<(String, &String)> = words.iter().map(|word| (word.to_lowercase(), word)).collect();
    lower.sort_unstable();
    let twin = lower.windows(2).find(|pair| pair[0].0 == pair[1].0)?;
    let (one, other) = (twin[0].1, twin[1].1);
    Some(Note::warning(format!("{what} holds {one} and {other}, which are taken for different words")))
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

/// The places of the columns called or numbered `said`; of several, joined by commas, where `task` can have them.
fn find_all(said: &str, names: &[String], task: Task) -> Result<Vec<usize>> {
    let whole = find(said, names);
    if task == Task::Classes {
        return match whole {
            Err(_) if said.split(',').all(|part| find(part.trim(), names).is_ok()) => Err(Error::usage(format!(
                "--label {said} names several columns; add --task labels or --task values, or name one"
            ))),
            whole => Ok(vec![whole?]),
        };
    }
    if let Ok(at) = whole {
        return Ok(vec![at]);
    }
    let places = said.split(',').map(|part| find(part.trim(), names)).collect::<Result<Vec<usize>>>()?;
    match (1..places.len()).find(|&i| places[..i].contains(&places[i])) {
        Some(i) => Err(Error::usage(format!("--label names column \"{}\" twice", names[places[i]]))),
        None => Ok(places),
    }
}

fn labelled(path: &Path, options: &Options, known: Option<&[&str]>) -> Result<Labelled> {
    let delimited::Read { names, rows, left_out, notes } = delimited::read(path, options, known)?;
    let names = names.unwrap_or_else(|| (1..=rows.width()).map(|number| format!("c{number}")).collect());
    if let Some(twice) = names.iter().enumerate().find(|(i, name)| names[..*i].contains(name)).map(|(_, name)| name) {
        return Err(Error::input(path, format!("two of its columns are called \"{twice}\"; rename one")));
    }
    let labelled = Labelled::within(path, names, rows, &left_out, options)?;
    Ok(Labelled { notes, ..labelled })
}

/// Rows read for a table that is known.
struct Found {
    names: Vec<String>,
    rows: Rows,
    /// Places of the table's columns.
    columns: Vec<usize>,
    /// Places of its labels or values, if they are there.
    labels_at: Option<Vec<usize>>,
    notes: Vec<Note>,
}

/// The rows of a file, and where the columns of `table` and its labels lie in it.
fn rows_for(path: &Path, options: &Options, table: &Table) -> Result<Found> {
    let known: Vec<&str> = table.columns.iter().map(|column| &*column.name).collect();
    let delimited::Read { names, rows, notes, .. } = delimited::read(path, options, Some(&known))?;
    let labels = table.all_labels();
    let (places, labels_at) = match &names {
        Some(names) => {
            let places: std::result::Result<Vec<usize>, String> = known
                .iter()
                .map(|&name| {
                    names.iter().position(|n| n == name).ok_or_else(|| {
                        let meant = match nearest(name, names, &known) {
                            Some(near) => format!("; rename its column \"{near}\" if that is meant"),
                            None => String::new(),
                        };
                        format!("it has no column \"{name}\", which the network reads{meant}")
                    })
                })
                .collect();
            let places = places.map_err(|problem| Error::input(path, problem))?;
            (places, labels.iter().map(|(label, _)| names.iter().position(|name| name == label)).collect())
        }
        None if rows.width() == table.width => {
            (table.columns.iter().map(|column| column.at).collect(), Some(labels.iter().map(|&(_, at)| at).collect()))
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
    Ok(Found { names: names.unwrap_or_default(), rows, columns: places, labels_at, notes })
}

/// The one of `names`, none of them `taken`, that `name` was likely meant to be.
fn nearest<'a>(name: &str, names: &'a [String], taken: &[&str]) -> Option<&'a String> {
    let letters = |s: &str| s.to_lowercase().chars().collect::<Vec<_>>();
    let free = names.iter().filter(|other| !taken.contains(&other.as_str()));
    let near = free.map(|other| (edits(&letters(name), &letters(other)), delimited::alike(name, other), other));
    let most = name.chars().count().div_ceil(3);
    near.filter(|(edits, is_alike, _)| *is_alike || *edits <= most).min_by_key(|(n, _, _)| *n).map(|(_, _, o)| o)
}

/// What the columns `labels` of `rows` tell.
fn truth(path: &Path, rows: &Rows, labels: &[(String, usize)], task: Task) -> Result<Truth> {
    if task == Task::Classes {
        return self::labels(path, rows, labels[0].1).map(Truth::Classes);
    }
    let cells = (0..rows.len()).flat_map(|row| labels.iter().map(move |label| (row, label)));
    let number = |(row, (name, at)): (usize, &(String, usize))| {
        let refused = |problem: String| Err(Error::input(path, format!("{}: {problem}", rows.line(row))));
        match rows.cell(row, *at) {
            Cell::Missing => refused(format!("\"{name}\" is missing; remove the row")),
            cell => match (cell.number(), cell.text()) {
                (Some(number), _) => Ok(number),
                (None, text) => refused(format!(
                    "\"{name}\" is \"{}\", which is no number; --task {} takes numbers",
                    text.unwrap_or_default(),
                    task.name()
                )),
            },
        }
    };
    cells.map(number).collect::<Result<_>>().map(|values| Truth::Numbers(values, labels.len()))
}

fn labels(path: &Path, rows: &Rows, label_at: usize) -> Result<Labels> {
    let of = |row| match rows.cell(row, label_at) {
        Cell::Missing => Err(Error::input(path, format!("{} has no label; remove it", rows.line(row)))),
        cell => Ok(cell.text().unwrap_or_default()),
    };
    (0..rows.len()).map(of).collect()
}
