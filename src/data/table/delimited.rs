//! Tables as text: what separates cells, whether there is a header, which columns hold numbers and how these are written
//! are told from all cells together, and what was decided is told in a note each.

use std::path::Path;

use super::cells::{Cells, Passed, Separator};
use super::column::{Cells as Kinds, settled};
use super::number::{Decimal, Reading, reading};
use super::separator::Fit;
use super::{Rows, header, text};
use crate::data::{Note, Options, counted};
use crate::{Error, Result};

/// Most columns of a table.
const MOST_COLUMNS: usize = 1 << 16;

/// A table as it was read.
#[derive(Debug)]
pub struct Read {
    /// `[column]`: what each is called, where the first line says so.
    pub names: Option<Vec<String>>,
    /// Its rows.
    pub rows: Rows,
    /// Places of columns that are none: empty ones, row numbers and row names.
    pub left_out: Vec<usize>,
    /// What was decided.
    pub notes: Vec<Note>,
}

/// Read the table at `path` as `options` say, or as its cells suggest; a header holds most of `known` names.
///
/// # Errors
/// [`Error::Input`] for what is no table, and for what may be read in several ways, with the flag that decides.
pub fn read(path: &Path, options: &Options, known: Option<&[&str]>) -> Result<Read> {
    let refused = |problem: String| Error::input(path, problem);
    let mut bytes = text::bytes(path)?;
    let mut notes = Vec::new();
    let said = separator_said(&mut bytes, options, &mut notes)?;
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
    if matches!(bytes.iter().find(|b| !b.is_ascii_whitespace()), Some(b'{')) {
        return Err(refused("it begins as JSON does; convert it to CSV".into()));
    }
    let fit = match said {
        Some(separator) => Fit::of(&bytes, separator),
        None => Fit::best(&bytes, &extension).map_err(refused)?,
    };
    if fit.width > MOST_COLUMNS {
        let problem = format!("it has {} columns, more than the {MOST_COLUMNS} that a table may have", fit.width);
        return Err(refused(problem));
    }
    let (mut cells, passed) = Cells::cut(bytes, fit.separator, fit.width.max(1)).map_err(refused)?;
    if cells.len() == 0 {
        return Err(refused("it holds no rows".into()));
    }
    if fit.width == 1 && known.is_none() {
        let problem =
            "it has no column beside the labels; tables need a separator between cells (--separator says which)";
        return Err(refused(problem.into()));
    }
    notes.push(Note::decision(format!(
        "separator: {}{} ({} cells in {} of the first {} lines)",
        fit.separator.name(),
        if said.is_some() { ", as was said" } else { "" },
        fit.width,
        fit.lines,
        fit.of
    )));
    tell_passed(&passed, &mut notes);
    let is_words = |cells: &Cells| (0..cells.width()).all(|c| cells.at(0, c).trim().parse::<f64>().is_err());
    if cells.len() == 1 && known.is_none() && options.header.is_none() && is_words(&cells) {
        return Err(refused(
            "its only line reads as a header, and it holds no rows; if it is one, add --header false".into(),
        ));
    }

    let mut kinds = vec![Kinds::default(); cells.width()];
    for row in 1..cells.len() {
        for (column, kind) in kinds.iter_mut().enumerate() {
            kind.add(row, cells.at(row, column));
        }
    }
    // A first line of words amid numbers that comes again is a header, whatever its words' frequency says.
    let is_worded =
        |(column, kind): (usize, &Kinds)| kind.is_mostly_numbers() && !kind.reads_as_number(cells.at(0, column));
    if options.header != Some(false) && kinds.iter().enumerate().any(is_worded) {
        let first: Vec<String> = (0..cells.width()).map(|column| cells.at(0, column).trim().to_string()).collect();
        check_parts(&cells, 1, &first, cells.line(0)).map_err(refused)?;
    }
    // A row that ends with a separator has an empty cell more, which a header need not have.
    let is_trailing = passed.is_first_short && kinds.last().is_some_and(Kinds::is_empty);
    let is_first_short = passed.is_first_short;
    let names = match is_header(path, &cells, &kinds, options.header, known, is_first_short, &mut notes)? {
        true => {
            let line = cells.line(0);
            let mut names = cells.take_first();
            if is_first_short {
                names.rotate_left(usize::from(is_trailing));
            }
            if cells.len() == 0 {
                return Err(refused("it holds a header and no rows".into()));
            }
            // Rows were counted from the header.
            kinds.iter_mut().flat_map(|kind| &mut kind.word_rows).for_each(|row| *row -= 1);
            check_parts(&cells, 0, &names, line).map_err(refused)?;
            Some(names)
        }
        false => {
            for (column, kind) in kinds.iter_mut().enumerate() {
                let (is_counting, next) = (kind.is_counting, kind.least);
                let cell = cells.at(0, column);
                kind.add(0, cell);
                let follows = cell.trim().parse::<f64>().is_ok_and(|value| value + 1.0 == next);
                kind.is_counting = is_counting && follows;
            }
            None
        }
    };
    check_lines(&cells, &kinds).map_err(refused)?;
    let name = |column: usize| match &names {
        Some(names) if !names[column].is_empty() => names[column].clone(),
        _ => format!("c{}", column + 1),
    };
    let marks = marks(&kinds, fit.separator, options.decimal, &name, &mut notes).map_err(refused)?;
    tell_missing(&kinds, &marks, &name, &mut notes);
    tell_words(&cells, &kinds, &name, &mut notes);
    let left_out = left_out(&cells, &kinds, names.as_deref(), is_first_short && !is_trailing, &name, &mut notes);
    let names = names.is_some().then(|| (0..cells.width()).map(name).collect());
    settle(&mut cells, &kinds, &marks);
    Ok(Read { names, rows: Rows::Text(cells), left_out, notes })
}

/// The separator that `options` say, or the file's own first line `sep=;`, which is taken off.
fn separator_said(bytes: &mut [u8], options: &Options, notes: &mut Vec<Note>) -> Result<Option<Separator>> {
    let said = match &options.separator {
        None => None,
        Some(said) => match Separator::parse(said) {
            None => {
                let problem = "--separator takes comma, semicolon, tab, pipe, blanks or another sign";
                return Err(Error::usage(format!("{problem}, not \"{said}\"")));
            }
            known => known,
        },
    };
    let end = bytes.iter().take(8).position(|&b| b == b'\n' || b == b'\r');
    let Some(end) = end.filter(|&end| end == 5 && bytes[..4].eq_ignore_ascii_case(b"sep=")) else { return Ok(said) };
    let own = Separator::Byte(bytes[4]);
    // The line stays, so that lines are counted as they are.
    bytes[..end].fill(b' ');
    notes.push(Note::decision("line 1 names the separator and is no row"));
    Ok(said.or(Some(own)))
}

fn tell_passed(passed: &Passed, notes: &mut Vec<Note>) {
    let mut tell = |(count, line): (usize, u32), what: &str| match count {
        0 => {}
        1 => notes.push(Note::warning(format!("passed over line {line}, {what}"))),
        n => notes.push(Note::warning(format!("passed over {n} lines, {what}, the first of them line {line}"))),
    };
    tell(passed.comments, "a comment or rule");
    tell(passed.empty, "without any value");
}

/// Whether the first row names the columns.
fn is_header(
    path: &Path,
    cells: &Cells,
    kinds: &[Kinds],
    said: Option<bool>,
    known: Option<&[&str]>,
    is_first_short: bool,
    notes: &mut Vec<Note>,
) -> Result<bool> {
    let mut decide = |is_header: bool, why: &str| {
        let what = if is_header { "yes, the first line names the columns" } else { "none, the first line is a row" };
        notes.push(Note::decision(format!("header: {what} ({why})")));
        Ok(is_header)
    };
    if let Some(said) = said {
        return decide(said, "as was said");
    }
    if is_first_short {
        return decide(true, "it has one cell less than the others");
    }
    if let Some(known) = known {
        let is_there = |name: &&&str| (0..cells.width()).any(|column| alike(cells.at(0, column), name));
        let found = known.iter().filter(is_there).count();
        if 2 * found > known.len() {
            return decide(true, &format!("it names {found} of {} columns that the network reads", known.len()));
        }
    }
    let (sum, why) = header::evidence(cells, kinds);
    if sum.abs() < header::TOO_WEAK && known.is_none() && cells.len() > 1 {
        return Err(Error::input(
            path,
            format!(
                "whether its first line names the columns cannot be told from the cells ({why}); say --header true or \
                 --header false"
            ),
        ));
    }
    decide(sum > 0.0, &why)
}

/// Whether two names are the same but for case, blanks and punctuation.
pub fn alike(a: &str, b: &str) -> bool {
    let bare = |s: &str| s.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    a.trim() == b.trim() || !bare(a).is_empty() && bare(a) == bare(b)
}

/// Refuse a header that comes again; the error is a sentence.
fn check_parts(cells: &Cells, from: usize, names: &[String], line: u32) -> std::result::Result<(), String> {
    let again = |&row: &usize| names.iter().enumerate().all(|(column, name)| cells.at(row, column).trim() == name);
    match (from..cells.len()).find(again) {
        Some(row) if names.len() > 1 => Err(format!(
            "line {} is the header of line {line} again, as where files were put together; remove it",
            cells.line(row)
        )),
        _ => Ok(()),
    }
}

/// Refuse a line of words amid numbers; the error is a sentence.
fn check_lines(cells: &Cells, kinds: &[Kinds]) -> std::result::Result<(), String> {
    let mostly: Vec<&Kinds> = kinds.iter().filter(|kind| kind.is_mostly_numbers()).collect();
    let rows = mostly.first().map_or(&[][..], |kind| &kind.word_rows);
    let is_in_all = |row: &&usize| mostly.iter().all(|kind| kind.word_rows.contains(row));
    match rows.iter().find(is_in_all) {
        Some(&row) if mostly.len() > 1 => Err(format!(
            "line {} holds words where {} columns hold numbers, as a second header or a footer does; remove it",
            cells.line(row),
            mostly.len()
        )),
        _ => Ok(()),
    }
}

/// `[column]`: the decimal mark of columns of numbers; the error is a sentence.
fn marks(
    kinds: &[Kinds],
    separator: Separator,
    said: Option<Decimal>,
    name: &dyn Fn(usize) -> String,
    notes: &mut Vec<Note>,
) -> std::result::Result<Vec<Option<Decimal>>, String> {
    let sure = |mark| kinds.iter().filter(|kind| kind.is_numeric() && kind.mark() == Some(mark)).count();
    let (points, commas) = (sure(Decimal::Point), sure(Decimal::Comma));
    let mut made = Vec::with_capacity(kinds.len());
    for (column, kind) in kinds.iter().enumerate() {
        let mark = match (kind.is_numeric(), kind.mark(), said) {
            (false, ..) => None,
            (true, Some(mark), Some(said)) if mark != said => {
                return Err(format!(
                    "column \"{}\" holds numbers with a decimal {}, and --decimal {} was said",
                    name(column),
                    mark.name(),
                    said.name()
                ));
            }
            (true, _, Some(said)) => Some(said),
            (true, Some(mark), None) => Some(mark),
            (true, None, None) if kind.read[3] == 0 => {
                // Numbers such as 1.234 are what they look like, unless the file's others have commas.
                Some(if points == 0 && commas > 0 { Decimal::Comma } else { Decimal::Point })
            }
            (true, None, None) => match (points > 0, commas > 0) {
                (true, false) => Some(Decimal::Point),
                (false, true) => Some(Decimal::Comma),
                // Who separates by semicolons needs the comma for decimals.
                (false, false) if separator == Separator::Byte(b';') => Some(Decimal::Comma),
                _ => {
                    return Err(format!(
                        "column \"{}\" holds numbers such as {}, whose comma may group thousands or be a decimal mark; \
                         say --decimal point or --decimal comma",
                        name(column),
                        kind.odd_number.as_deref().unwrap_or_default()
                    ));
                }
            },
        };
        made.push(mark);
    }
    let with = |mark| (0..kinds.len()).filter(|&c| made[c] == Some(mark) && kinds[c].pointed > 0).count();
    let (points, commas) = (with(Decimal::Point), with(Decimal::Comma));
    let why = if said.is_some() { ", as was said" } else { "" };
    match (points, commas) {
        (0, 0) => {}
        (n, 0) => notes.push(Note::decision(format!("decimal mark: point, in {}{why}", counted(n, "column")))),
        (0, n) => notes.push(Note::decision(format!("decimal mark: comma, in {}{why}", counted(n, "column")))),
        (p, c) => {
            let text =
                format!("decimal marks: point in {} and comma in {c}, by each one's cells", counted(p, "column"));
            notes.push(Note::warning(text));
        }
    }
    let odd = |&c: &usize| made[c].is_some() && kinds[c].odd > 0 && (made[c] == Some(Decimal::Point));
    let odd: Vec<usize> = (0..kinds.len()).filter(odd).collect();
    if let Some(&column) = odd.first() {
        let example = kinds[column].odd_number.as_deref().unwrap_or_default();
        notes.push(Note::decision(format!(
            "numbers with signs or groups, such as {example} in \"{}\", are read as numbers in {}",
            name(column),
            counted(odd.len(), "column")
        )));
    }
    Ok(made)
}

fn tell_missing(kinds: &[Kinds], marks: &[Option<Decimal>], name: &dyn Fn(usize) -> String, notes: &mut Vec<Note>) {
    let of = |c: usize| kinds[c].missing + if marks[c].is_some() { kinds[c].missing_numbers } else { 0 };
    let columns: Vec<usize> = (0..kinds.len()).filter(|&c| of(c) > 0 && !kinds[c].is_empty()).collect();
    let Some(&first) = columns.first() else { return };
    let count: usize = columns.iter().map(|&c| of(c)).sum();
    let mut words: Vec<String> = columns
        .iter()
        .filter(|&&c| kinds[c].missing_words > 0 || marks[c].is_some() && kinds[c].missing_numbers > 0)
        .filter_map(|&c| kinds[c].missing_word.clone())
        .collect();
    words.sort_unstable();
    words.dedup();
    let as_words = if words.is_empty() { String::new() } else { format!(", written {}", words.join(", ")) };
    notes.push(Note::decision(format!(
        "missing values: {} in {}, such as \"{}\"{as_words}",
        counted(count, "cell"),
        counted(columns.len(), "column"),
        name(first)
    )));
}

/// Tell columns that hold words and nearly all numbers.
fn tell_words(cells: &Cells, kinds: &[Kinds], name: &dyn Fn(usize) -> String, notes: &mut Vec<Note>) {
    for (column, kind) in kinds.iter().enumerate() {
        let there = kind.all() - kind.missing;
        if let (true, Some(&row)) = (kind.is_mostly_numbers(), kind.word_rows.first()) {
            notes.push(Note::warning(format!(
                "column \"{}\" is read as words: {} of {there} cells are numbers, and line {} has \"{}\"; correct it or \
                 leave it empty",
                name(column),
                kind.numbers(),
                cells.line(row),
                cells.at(row, column).trim()
            )));
        } else if let Some(how) = dressed(cells, kind, column) {
            notes.push(Note::warning(format!(
                "column \"{}\" is read as words: its cells are {how}, such as {}; write numbers alone if these are meant",
                name(column),
                cells.at(kind.word_rows[0], column).trim()
            )));
        } else if kind.words == 0 && kind.read[1] > 0 && kind.read[2] > 0 {
            notes.push(Note::warning(format!(
                "column \"{}\" is read as words: {} of its numbers have a decimal point and {} a comma",
                name(column),
                kind.read[1],
                kind.read[2]
            )));
        }
    }
}

/// How the words of a column are numbers in a dress, if they are, by its first words.
fn dressed(cells: &Cells, kind: &Kinds, column: usize) -> Option<&'static str> {
    let all = |is: &dyn Fn(&str) -> bool| kind.word_rows.iter().all(|&row| is(cells.at(row, column).trim()));
    let is_number = |text: &str| reading(text.trim()).0 != Reading::Word;
    let is_quoted = |text: &str| text.len() > 2 && text.starts_with('\'') && text.ends_with('\'');
    if kind.word_rows.len() < 3 || kind.numbers() > 0 {
        return None;
    }
    if all(&|text| is_quoted(text) && is_number(text.trim_matches('\''))) {
        Some("numbers in single quotes")
    } else if all(&|text| is_number(text.trim_end_matches(|c: char| c.is_alphabetic() || c == '°' || c == ' '))) {
        Some("numbers with a unit")
    } else if all(&is_date) {
        Some("dates or times")
    } else if all(&|text| text.starts_with("0x") && text[2..].bytes().all(|b| b.is_ascii_hexdigit())) {
        Some("hexadecimal numbers")
    } else {
        None
    }
}

/// Whether `text` is a date or a time: three numbers parted by signs of one kind, or two by a colon.
fn is_date(text: &str) -> bool {
    let day = text.split(['T', ' ']).next().unwrap_or_default();
    let parts = |by: char| day.split(by).map(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
    let are_numbers = |by, counts: &[usize]| counts.contains(&parts(by).count()) && parts(by).all(|is| is);
    ['-', '/', '.'].iter().any(|&by| are_numbers(by, &[3])) || are_numbers(':', &[2, 3])
}

/// Columns that tell nothing of a row but its place, and empty ones.
fn left_out(
    cells: &Cells,
    kinds: &[Kinds],
    names: Option<&[String]>,
    is_first_short: bool,
    name: &dyn Fn(usize) -> String,
    notes: &mut Vec<Note>,
) -> Vec<usize> {
    let mut left_out: Vec<usize> = (0..kinds.len()).filter(|&column| kinds[column].is_empty()).collect();
    if let Some(&first) = left_out.first() {
        let columns = counted(left_out.len(), "column");
        notes.push(Note::warning(format!("left out {columns} without any value, such as \"{}\"", name(first))));
    }
    let is_nameless = |column: usize| match names {
        None => column == 0,
        Some(names) => names[column].is_empty() || names[column].starts_with("Unnamed:"),
    };
    if is_first_short && !left_out.contains(&0) {
        left_out.push(0);
        notes.push(Note::warning("left out the first column, which the header does not name: row names"));
    }
    let others = |left_out: &[usize]| kinds.len() - left_out.len();
    for (column, kind) in kinds.iter().enumerate() {
        let is_index = kind.is_counting && kind.all() > 2 && cells.len() > 2;
        if left_out.contains(&column) {
            continue;
        }
        if is_index && is_nameless(column) && others(&left_out) > 2 {
            left_out.push(column);
            let what = if names.is_some() { "which has no name" } else { "the first" };
            notes.push(Note::warning(format!(
                "left out column {}, {what}: its cells count the rows from {}",
                column + 1,
                kind.least
            )));
        } else if is_index {
            notes.push(Note::warning(format!(
                "column \"{}\" counts the rows from {}; if it is no value of theirs, leave it out by --ignore {}",
                name(column),
                kind.least,
                name(column)
            )));
        } else if names.is_some_and(|names| names[column].is_empty()) {
            notes.push(Note::warning(format!("column {} has no name and is called \"{}\"", column + 1, name(column))));
        }
    }
    left_out
}

/// Write numbers as Rust reads them, and nothing for missing ones.
fn settle(cells: &mut Cells, kinds: &[Kinds], marks: &[Option<Decimal>]) {
    let is_changed = |(kind, mark): (&Kinds, &Option<Decimal>)| match mark {
        None => kind.missing_words > 0,
        Some(mark) => {
            kind.odd + kind.missing_words + kind.missing_numbers > 0 || *mark == Decimal::Comma && kind.read[4] > 0
        }
    };
    let changed: Vec<bool> = kinds.iter().zip(marks).map(is_changed).collect();
    if changed.contains(&true) {
        cells.rewrite(&changed, |column, cell| settled(cell, marks[column]));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Names, and cells by row.
    type Made = (Option<Vec<String>>, Vec<Vec<String>>);

    fn of(name: &str, text: &str, options: &Options) -> Result<(Made, Vec<Note>)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let Read { names, rows, notes, .. } = read(&path, options, None)?;
        let Rows::Text(cells) = rows else { panic!("text is text") };
        let row = |row| (0..cells.width()).map(|column| cells.at(row, column).trim().to_string()).collect();
        Ok(((names, (0..cells.len()).map(row).collect()), notes))
    }

    #[test]
    fn separators_quotes_and_headers_are_told_from_the_text() {
        let plain = Options::default();
        let names = Some(vec!["a".to_string(), "b".into()]);
        for (name, text) in [
            ("t.csv", "a,b\n1,x\n2,\"y, z\"\n"),
            ("t.csv", "\u{feff}a;b\r\n1;x\r\n2;\"y, z\"\r\n"),
            ("t.csv", "sep=;\na;b\n1;x\n2;\"y, z\"\n"),
            ("t.tsv", "a\tb\n1\tx\n2\ty, z"),
            ("t.txt", "\"a\"\t\"b\"\n1\tx\n2\ty, z\n"),
            ("t.txt", "# made\n\na b\n1 x\n2 \"y, z\"\n"),
            ("t.txt", "| a | b |\n|---|---|\n| 1 | x |\n| 2 | y, z |\n"),
        ] {
            let ((found, rows), _) = of(name, text, &plain).unwrap();
            let rows: Vec<Vec<String>> =
                rows.into_iter().map(|row| row.into_iter().filter(|c| !c.is_empty()).collect()).collect();
            let found = found.map(|names| names.into_iter().filter(|n| !["c1", "c4"].contains(&n.as_str())).collect());
            assert_eq!(
                (found, rows),
                (names.clone(), vec![vec!["1".into(), "x".into()], vec!["2".into(), "y, z".into()]]),
                "{text:?}"
            );
        }
        let headless = |text| of("t.csv", text, &plain).unwrap().0.0.is_none();
        assert!(headless("1,x\n2,y\n"), "a number is no name of numbers");
        assert!(headless("x,y\ny,y\n"), "a value of the column is no name");
        assert!(headless("x,x\ny,z\n"), "names differ");
        assert!(headless("x,?\ny,z\n"), "a missing value is no name");
        let said = |header| Options { header: Some(header), ..Options::default() };
        assert_eq!(of("t.csv", "1,x\n2,y\n", &said(true)).unwrap().0.0.unwrap(), ["1", "x"]);
        assert_eq!(of("t.csv", "a,b\n2,y\n", &said(false)).unwrap().0.1.len(), 2);
        let told = of("t.csv", "a,b\nx,y\nz,w\n", &plain).map(drop).unwrap_err().to_string();
        assert!(told.contains("--header true"), "{told}");
    }

    #[test]
    fn what_is_no_table_is_told_with_its_line() {
        let told = |text: &str| match of("t.csv", text, &Options::default()) {
            Ok(_) => panic!("{text:?} is taken"),
            Err(error) => error.to_string(),
        };
        assert!(told("").contains("no rows"));
        assert!(told("a,b\n").contains("rows"));
        assert!(told("1,2\n3,4\n5\n").contains("line 3 has 1 cell and most lines have 2"));
        assert!(told("1,2\n3,\"4\n5,6\n").contains("line 2 opens quotes that nothing closes"));
        assert!(told("1,2\n3,\"4\" x\n5,6\n").contains("line 2 goes on after quotes are closed"));
        assert!(
            told(&format!("a,b\n{0}a,b\n{0}", "1,x\n2,y\n".repeat(5)))
                .contains("line 12 is the header of line 1 again")
        );
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, b"1,2\n\xff,3\n").unwrap();
        assert!(read(&path, &Options::default(), None).unwrap_err().to_string().contains("line 2 is not UTF-8"));
    }

    #[test]
    fn a_comma_that_may_group_or_part_is_asked_for() {
        let text = "a,y\n\"1,234\",x\n\"2,345\",z\n";
        let told = of("t.csv", text, &Options::default()).map(drop).unwrap_err().to_string();
        assert!(told.contains("1,234") && told.contains("--decimal comma"), "{told}");
        for (mark, first) in [(Decimal::Point, "1234"), (Decimal::Comma, "1.234")] {
            let options = Options { decimal: Some(mark), ..Options::default() };
            assert_eq!(of("t.csv", text, &options).unwrap().0.1[0][0], first);
        }
        // Another column decides.
        let text = "a,b,y\n\"1,234\",0.5,x\n\"2,345\",1.5,z\n";
        assert_eq!(of("t.csv", text, &Options::default()).unwrap().0.1[0][0], "1234");
    }

    /// `cell` as RFC 4180 writes it; in quotes where it must be, or where `always`.
    fn quoted(cell: &str, always: bool) -> String {
        // Blanks around a cell stay where it is in quotes.
        let must = cell.contains([',', '"', '\n', '\r']) || cell.trim() != cell || cell.is_empty();
        if must || always { format!("\"{}\"", cell.replace('"', "\"\"")) } else { cell.into() }
    }

    #[test]
    fn a_first_cell_of_a_sign_and_a_blank_is_a_cell_where_commas_part_them() {
        let (made, passed) = Cells::cut(b"a,b\n# ',\"\"\n".to_vec(), Separator::Byte(b','), 2).unwrap();
        assert_eq!((passed, made.len(), made.at(1, 0), made.at(1, 1)), (Passed::default(), 2, "# '", ""));
    }

    proptest! {
        /// A table written with a header, quoted as RFC 4180 says, comes back as written.
        #[test]
        fn tables_come_back_as_written(
            width in 2usize..6,
            cells in prop::collection::vec("[a-z0-9,\"\n\r; |\t#'.é-]{0,12}", 12..60),
            always in any::<bool>(),
            ends in prop::sample::select(vec!["\n", "\r\n"]),
        ) {
            let rows: Vec<&[String]> = cells.chunks_exact(width).collect();
            // Rows without any value are passed over, and so are comments, of which a table's rows have too few cells.
            prop_assume!(rows.iter().all(|row| row.iter().any(|cell| !cell.is_empty())));
            let text: String = rows.iter().map(|row| {
                row.iter().map(|cell| quoted(cell, always)).collect::<Vec<_>>().join(",") + ends
            }).collect();
            let (made, passed) = Cells::cut(text.into_bytes(), Separator::Byte(b','), width).unwrap();
            prop_assert_eq!(passed, Passed::default());
            prop_assert_eq!(made.len(), rows.len());
            for (row, cells) in rows.iter().enumerate() {
                for (column, cell) in cells.iter().enumerate() {
                    prop_assert_eq!(made.at(row, column), cell);
                }
            }
        }

        /// The same by the whole reader, which tells separator and header from the cells.
        #[test]
        fn headers_and_words_come_back_as_written(
            words in prop::collection::vec(("[a-z]{1,3}[ ,\"\n]{1,3}[a-z]{1,3}", 0u32..1000, prop::bool::ANY), 8..40),
        ) {
            let mut text = String::from("\"the \"\"word\"\"\",\"size, cm\",y\n");
            for (word, size, is_yes) in &words {
                text += &format!("{},{size},{}\n", quoted(word, false), if *is_yes { "yes" } else { "no" });
            }
            let ((names, rows), _) = of("t.csv", &text, &Options::default()).unwrap();
            prop_assert_eq!(names.unwrap(), ["the \"word\"", "size, cm", "y"]);
            for (row, (word, size, _)) in rows.iter().zip(&words) {
                prop_assert_eq!((&row[0], &row[1]), (word, &size.to_string()));
            }
            prop_assert_eq!(rows.len(), words.len());
        }
    }
}
