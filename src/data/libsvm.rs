//! LIBSVM's sparse text: a line a sample, `label index:value …`; what is not said is 0.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

use super::Task;
use super::arrays::label_of;
use super::table::{Labelled, Rows};
use super::truth::Truth;
use crate::{Error, Result};

/// Most columns.
const MOST_COLUMNS: usize = 1 << 16;
/// Most values, zeros included: 2 GiB of them.
const MOST_VALUES: usize = 1 << 28;

/// Read the file at `path`, with `width` columns, or as many as its indices ask for; indices count from 1.
pub(super) fn read(path: &Path, width: Option<usize>, task: Task) -> Result<Labelled> {
    let file = File::open(path).map_err(|e| Error::io("read", path, e))?;
    let mut sparse: Vec<(usize, usize, f64)> = Vec::new();
    let mut labels = Vec::new();
    let mut widest = 0;
    for (number, line) in BufReader::new(file).lines().enumerate() {
        let line = line.map_err(|e| match e.kind() {
            std::io::ErrorKind::InvalidData => Error::input(path, format!("line {} is not text", number + 1)),
            _ => Error::io("read", path, e),
        })?;
        let bad = |problem: String| Error::input(path, format!("line {}: {problem}", number + 1));
        let mut items = line.split('#').next().unwrap_or("").split_ascii_whitespace();
        let Some(label) = items.next() else { continue };
        let value: f64 = label.parse().map_err(|_| bad(format!("its label \"{label}\" is no number")))?;
        for item in items.filter(|item| !item.starts_with("qid:")) {
            let parts =
                item.split_once(':').and_then(|(i, v)| Some((i.parse::<usize>().ok()?, v.parse::<f64>().ok()?)));
            let Some((index, value)) = parts else {
                return Err(bad(format!("\"{item}\" is no index:value pair")));
            };
            if !(1..=MOST_COLUMNS).contains(&index) {
                return Err(bad(format!("its index {index} is not in 1 to {MOST_COLUMNS}")));
            }
            widest = widest.max(index);
            if width.is_none_or(|width| index <= width) {
                sparse.push((labels.len(), index - 1, value));
            }
        }
        labels.push(value);
    }
    let width = width.unwrap_or(widest);
    if labels.is_empty() || width == 0 {
        return Err(Error::input(path, "it holds no samples of the form `label index:value …`"));
    }
    let count = labels.len().checked_mul(width).filter(|&n| n <= MOST_VALUES).ok_or_else(|| {
        Error::input(path, format!("its {} samples of {width} columns are too many to hold; split it", labels.len()))
    })?;
    let mut values = vec![0.0; count];
    for (row, column, value) in sparse {
        values[row * width + column] = value;
    }
    let (called, truth) = match task {
        Task::Classes => ("label", Truth::Classes(labels.into_iter().map(label_of).collect())),
        Task::Labels => ("label", Truth::Numbers(labels, 1)),
        Task::Values => ("value", Truth::Numbers(labels, 1)),
    };
    Ok(Labelled::apart(Rows::Numbers { values, width }, vec![called.into()], truth))
}

#[cfg(test)]
mod tests {
    use super::super::table::Cell;
    use super::*;

    fn of(text: &str, width: Option<usize>) -> Result<Labelled> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.libsvm");
        std::fs::write(&path, text).unwrap();
        read(&path, width, Task::Classes)
    }

    #[test]
    fn sparse_lines_become_rows() {
        let made = of("+1 1:0.5 3:-2 # note\n\n-1 qid:7 2:1e3\n", None).unwrap();
        assert!(matches!(&made.truth, Truth::Classes(labels) if labels[..] == ["1", "-1"]));
        assert_eq!(made.rows.width(), 3);
        let row = |r: usize| [0, 1, 2].map(|c| made.rows.cell(r, c));
        assert_eq!(row(0), [0.5, 0.0, -2.0].map(Cell::Number));
        assert_eq!(row(1), [0.0, 1000.0, 0.0].map(Cell::Number));
        assert_eq!(of("1 1:5 9:7\n", Some(2)).unwrap().rows.width(), 2, "what a network does not read is left out");
    }

    #[test]
    fn what_is_not_of_the_form_is_told_by_its_line() {
        let told = |text: &str| of(text, None).map(drop).unwrap_err().to_string();
        assert!(told("").contains("no samples"));
        assert!(told("1 1:2\nx 1:2\n").contains("line 2: its label \"x\""));
        assert!(told("1 1:2\n1 1=2\n").contains("\"1=2\" is no index:value pair"));
        assert!(told("1 0:2\n").contains("index 0"));
        assert!(told("1 4000000000:2\n").contains("index 4000000000"));
        let many = format!("1 65536:1\n{}", "1 1:1\n".repeat(5000));
        assert!(told(&many).contains("too many"));
    }
}
