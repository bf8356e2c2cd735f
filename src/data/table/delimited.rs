//! Comma-, semicolon- and tab-separated text.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use csv::StringRecord;

use super::{Cell, Rows};
use crate::{Error, Result};

/// Longest file that is read, in bytes.
const MOST_BYTES: u64 = 4 << 30;
/// Most columns of a table.
const MOST_COLUMNS: usize = 1 << 16;

/// Read the file at `path`: its rows, and the names of its columns where the first line holds them.
///
/// `header` says whether it does; else it is told from the cells, or from `names`, of which a header holds every one.
pub fn read(path: &Path, header: Option<bool>, names: Option<&[&str]>) -> Result<(Option<Vec<String>>, Rows)> {
    let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
    let length = file.metadata().map_err(|e| Error::io("read", path, e))?.len();
    if length > MOST_BYTES {
        let problem = format!("it has {length} bytes, more than the {MOST_BYTES} that a table may have; split it");
        return Err(Error::input(path, problem));
    }
    let mut start = Vec::new();
    let mut file = BufReader::new(file);
    (&mut file).take(1 << 16).read_to_end(&mut start).map_err(|e| Error::io("read", path, e))?;
    let delimiter = delimiter(path, &start);
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .from_reader(start.chain(file));
    let mut records: Vec<StringRecord> = Vec::new();
    for record in reader.records() {
        records.push(record.map_err(|e| refusal(path, e))?);
    }
    let Some(first) = records.first_mut() else { return Err(Error::input(path, "it holds no rows")) };
    if first[0].starts_with('\u{feff}') {
        let position = first.position().cloned();
        let mut unmarked: StringRecord = first.iter().map(|cell| cell.trim_start_matches('\u{feff}')).collect();
        unmarked.set_position(position);
        *first = unmarked;
    }
    let width = records[0].len();
    if width > MOST_COLUMNS {
        let problem = format!("it has {width} columns, more than the {MOST_COLUMNS} that a table may have");
        return Err(Error::input(path, problem));
    }
    let named = header.unwrap_or_else(|| match names {
        Some(names) => names.iter().all(|name| records[0].iter().any(|cell| cell == *name)),
        None => is_header(&records),
    });
    let names = named.then(|| records.remove(0).iter().map(String::from).collect::<Vec<_>>());
    if records.is_empty() {
        return Err(Error::input(path, "it holds a header and no rows"));
    }
    Ok((names, Rows::Text { records, width }))
}

/// Tab in .tsv and .tab files; else whichever of comma, semicolon and tab the first line has most of.
fn delimiter(path: &Path, start: &[u8]) -> u8 {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or("").to_ascii_lowercase();
    if matches!(&*extension, "tsv" | "tab") {
        return b'\t';
    }
    let line = start.split(|&b| b == b'\n').next().unwrap_or(start);
    let mut quoted = false;
    let mut counts = [(0, b','), (0, b';'), (0, b'\t')];
    for &byte in line {
        quoted ^= byte == b'"';
        counts.iter_mut().filter(|(_, d)| !quoted && *d == byte).for_each(|(n, _)| *n += 1);
    }
    // The first among equals.
    counts.into_iter().rev().max_by_key(|&(n, _)| n).map_or(b',', |(_, d)| d)
}

/// Whether the first record names the columns: its cells are words, all different, and none is a value of its column.
fn is_header(records: &[StringRecord]) -> bool {
    let (first, rest) = (&records[0], &records[1..]);
    let words = first.iter().all(|cell| matches!(Cell::of(cell), Cell::Text(text) if text.parse::<f64>().is_err()));
    let mut sorted: Vec<&str> = first.iter().collect();
    sorted.sort_unstable();
    words
        && sorted.windows(2).all(|pair| pair[0] != pair[1])
        && !rest.iter().any(|record| record.iter().zip(first).any(|(cell, name)| cell == name))
}

fn refusal(path: &Path, e: csv::Error) -> Error {
    let line = |position: &Option<csv::Position>| position.as_ref().map_or(0, csv::Position::line);
    match e.kind() {
        csv::ErrorKind::UnequalLengths { pos, expected_len, len } => Error::input(
            path,
            format!(
                "line {} has {len} cells and the first has {expected_len}; correct it, or put cells with separators \
                 into quotes",
                line(pos)
            ),
        ),
        csv::ErrorKind::Utf8 { pos, .. } => {
            Error::input(path, format!("line {} is not UTF-8 text; convert the file", line(pos)))
        }
        csv::ErrorKind::Io(_) => match e.into_kind() {
            csv::ErrorKind::Io(e) => Error::io("read", path, e),
            _ => Error::input(path, "it cannot be read"),
        },
        _ => Error::input(path, format!("it is no table ({e})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names, and cells by row.
    type Read = (Option<Vec<String>>, Vec<Vec<String>>);

    fn of(name: &str, text: &str, header: Option<bool>) -> Result<Read> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        let (names, rows) = read(&path, header, None)?;
        let Rows::Text { records, .. } = rows else { panic!("text is text") };
        Ok((names, records.iter().map(|r| r.iter().map(String::from).collect()).collect()))
    }

    #[test]
    fn separators_quotes_and_headers_are_told_from_the_text() {
        let names = Some(vec!["a".to_string(), "b".into()]);
        for (name, text) in [
            ("t.csv", "a,b\n1,x\n2,\"y, z\"\n"),
            ("t.csv", "\u{feff}a;b\r\n1;x\r\n2;\"y, z\"\r\n"),
            ("t.tsv", "a\tb\n1\tx\n2\ty, z"),
            ("t.txt", "\"a\"\t\"b\"\n1\tx\n2\ty, z\n"),
        ] {
            assert_eq!(
                of(name, text, None).unwrap(),
                (names.clone(), vec![vec!["1".into(), "x".into()], vec!["2".into(), "y, z".into()]]),
                "{text:?}"
            );
        }
        let headless = |text| of("t.csv", text, None).unwrap().0.is_none();
        assert!(headless("1,x\n2,y\n"), "a number is no name");
        assert!(headless("x,y\ny,y\n"), "a value of the column is no name");
        assert!(headless("x,x\ny,z\n"), "names differ");
        assert!(headless("x,?\ny,z\n"), "a missing value is no name");
        assert_eq!(of("t.csv", "1,x\n2,y\n", Some(true)).unwrap().0.unwrap(), ["1", "x"]);
        assert_eq!(of("t.csv", "a,b\n2,y\n", Some(false)).unwrap().1.len(), 2);
        assert_eq!(of("t.csv", "\"line\nbreak\",b\n\"say \"\"hi\"\"\",1\n", None).unwrap().1[0][0], "say \"hi\"");
    }

    #[test]
    fn what_is_no_table_is_told_with_its_line() {
        let told = |text: &str| of("t.csv", text, None).unwrap_err().to_string();
        assert!(told("").contains("no rows"));
        assert!(told("a,b\n").contains("no rows") || told("a,b\n").contains("header"));
        assert!(told("1,2\n3,4\n5\n").contains("line 3 has 1 cells and the first has 2"));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.csv");
        std::fs::write(&path, b"1,2\n\xff,3\n").unwrap();
        assert!(read(&path, None, None).unwrap_err().to_string().contains("line 2 is not UTF-8"));
    }
}
