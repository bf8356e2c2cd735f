//! LIBSVM's sparse text: a line a sample, `label index:value …`; what is not said is 0.

use std::path::Path;

use super::arrays::label_of;
use super::table::{Labelled, Rows, Table, bytes};
use super::truth::Truth;
use super::{Note, Task};
use crate::{Error, Result};

/// Most columns.
const MOST_COLUMNS: usize = 1 << 16;
/// Most values, zeros included: 2 GiB of them.
const MOST_VALUES: usize = 1 << 28;

/// How columns are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Columns {
    /// The first one's index, 0 or 1.
    pub first: usize,
    /// How many there are.
    pub width: usize,
}

impl Columns {
    /// Those of `table`, whose columns are called by their indices.
    pub fn of(table: &Table) -> Self {
        let is_from_0 = table.columns.iter().any(|column| column.name == name(0, column.at));
        Columns { first: usize::from(!is_from_0), width: table.width }
    }
}

/// What the column at `at` is called where the first has the index `first`.
fn name(first: usize, at: usize) -> String {
    format!("c{}", first + at)
}

/// Read the file at `path`, with `columns`, or as many as its indices ask for, which count from 0 where one is 0.
pub(super) fn read(path: &Path, columns: Option<Columns>, task: Task) -> Result<(Labelled, Columns)> {
    let text = bytes(path)?;
    let mut sparse: Vec<(usize, usize, f64)> = Vec::new();
    let mut labels = Vec::new();
    let mut indices = Vec::new();
    let (mut least, mut greatest, mut first_0) = (usize::MAX, 0, 0);
    for (number, line) in text.split(|&byte| byte == b'\n').enumerate() {
        let bad = |problem: String| Error::input(path, format!("line {}: {problem}", number + 1));
        let line = str::from_utf8(line).map_err(|_| Error::input(path, format!("line {} is not text", number + 1)))?;
        let mut items = line.split('#').next().unwrap_or("").split_ascii_whitespace();
        let Some(label) = items.next() else { continue };
        let value: f64 = label.parse().map_err(|_| bad(format!("its label \"{label}\" is no number")))?;
        if !value.is_finite() {
            return Err(bad(format!("its label is {label}; remove the line or correct it")));
        }
        indices.clear();
        for item in items.filter(|item| !item.starts_with("qid:")) {
            let parts =
                item.split_once(':').and_then(|(i, v)| Some((i.parse::<usize>().ok()?, v.parse::<f64>().ok()?)));
            let Some((index, value)) = parts else {
                return Err(bad(format!("\"{item}\" is no index:value pair")));
            };
            if index > MOST_COLUMNS {
                return Err(bad(format!("its index {index} is not in 0 to {MOST_COLUMNS}")));
            }
            if index == 0 && least > 0 {
                first_0 = number + 1;
            }
            (least, greatest) = (least.min(index), greatest.max(index));
            indices.push(index);
            sparse.push((labels.len(), index, value));
        }
        indices.sort_unstable();
        if let Some(twice) = indices.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(bad(format!("its index {} comes twice; leave one value", twice[0])));
        }
        labels.push(value);
    }
    let first = columns.map_or(least.min(1), |columns| columns.first);
    if least < first {
        let problem = "has the index 0, and the columns' indices count from 1; add 1 to every index of this file";
        return Err(Error::input(path, format!("line {first_0} {problem}")));
    }
    let width = columns.map(|columns| columns.width);
    let widest = if sparse.is_empty() { 0 } else { greatest + 1 - first };
    let width = width.unwrap_or(widest);
    if labels.is_empty() || width == 0 {
        return Err(Error::input(path, "it holds no samples of the form `label index:value …`"));
    }
    let count = labels.len().checked_mul(width).filter(|&n| n <= MOST_VALUES).ok_or_else(|| {
        Error::input(path, format!("its {} samples of {width} columns are too many to hold; split it", labels.len()))
    })?;
    let mut values = vec![0.0; count];
    for (row, index, value) in sparse {
        // What a network does not read is left out.
        if index - first < width {
            values[row * width + index - first] = value;
        }
    }
    let (called, truth) = match task {
        Task::Classes => ("label", Truth::Classes(labels.into_iter().map(label_of).collect())),
        Task::Labels => ("label", Truth::Numbers(labels, 1)),
        Task::Values => ("value", Truth::Numbers(labels, 1)),
    };
    let mut made = Labelled::apart(Rows::Numbers { values, width }, vec![called.into()], truth);
    made.names = (0..width).map(|at| name(first, at)).collect();
    made.notes.push(Note::decision(format!("indices count from {first}, to {}", first + width - 1)));
    Ok((made, Columns { first, width }))
}

#[cfg(test)]
mod tests {
    use super::super::table::Cell;
    use super::*;

    fn of(text: &str, width: Option<usize>) -> Result<Labelled> {
        let columns = width.map(|width| Columns { first: 1, width });
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.libsvm");
        std::fs::write(&path, text).unwrap();
        read(&path, columns, Task::Classes).map(|(labelled, _)| labelled)
    }

    #[test]
    fn sparse_lines_become_rows() {
        let made = of("+1 1:0.5 3:-2 # note\n\n-1 qid:7 2:1e3\n", None).unwrap();
        assert!(matches!(&made.truth, Truth::Classes(labels) if labels.words == ["1", "-1"]));
        assert_eq!(made.rows.width(), 3);
        let row = |r: usize| [0, 1, 2].map(|c| made.rows.cell(r, c));
        assert_eq!(row(0), [0.5, 0.0, -2.0].map(Cell::Number));
        assert_eq!(row(1), [0.0, 1000.0, 0.0].map(Cell::Number));
        assert_eq!(of("1 1:5 9:7\n", Some(2)).unwrap().rows.width(), 2, "what a network does not read is left out");
    }

    #[test]
    fn indices_count_from_0_where_one_is_0_and_marks_of_byte_order_are_none() {
        let made = of("\u{feff}1 0:5 2:7\n0 1:3\n", None).unwrap();
        assert_eq!((made.rows.width(), made.names.join(",")), (3, "c0,c1,c2".into()));
        assert_eq!([0, 1, 2].map(|c| made.rows.cell(0, c)), [5.0, 0.0, 7.0].map(Cell::Number));
        assert_eq!(of("1 1:5\n0 2:3\n", None).unwrap().names.join(","), "c1,c2");
    }

    #[test]
    fn what_is_not_of_the_form_is_told_by_its_line() {
        let told = |text: &str| of(text, None).map(drop).unwrap_err().to_string();
        assert!(told("").contains("no samples"));
        assert!(told("1 1:2\nx 1:2\n").contains("line 2: its label \"x\""));
        assert!(told("1 1:2\n1 1=2\n").contains("\"1=2\" is no index:value pair"));
        let known = of("1 2:3\n0 0:2\n", Some(2)).map(drop).unwrap_err().to_string();
        assert!(known.contains("line 2 has the index 0") && known.contains("add 1"), "{known}");
        assert!(told("1 1:2\nnan 1:2\n").contains("line 2: its label is nan"));
        assert!(told("1 1:2 3:1 1:5\n").contains("line 1: its index 1 comes twice"));
        assert!(told("1 4000000000:2\n").contains("index 4000000000"));
        let many = format!("1 65536:1\n{}", "1 1:1\n".repeat(5000));
        assert!(told(&many).contains("too many"));
    }
}
