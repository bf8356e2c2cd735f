//! Rows of cells as they were read, before columns are known.

use std::borrow::Cow;

use super::cells::Cells;
use super::number::is_missing;

/// Rows of cells, all of one width.
#[derive(Debug)]
pub enum Rows {
    /// Of a text file; what is missing is empty, and numbers are as Rust reads them.
    Text(Cells),
    /// Of an array.
    Numbers {
        /// `[row][column]`, NaN where missing.
        values: Vec<f64>,
        /// Columns.
        width: usize,
    },
    /// Of a frame in memory, at least one column.
    Columns(Vec<Values>),
}

/// The values of a column, row by row.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// NaN where missing.
    Numbers(Vec<f64>),
    /// As they are written.
    Words(Vec<Option<String>>),
}

impl Values {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        match self {
            Values::Numbers(numbers) => numbers.len(),
            Values::Words(words) => words.len(),
        }
    }

    fn cell(&self, row: usize) -> Cell<'_> {
        match self {
            Values::Numbers(numbers) => Cell::of_number(numbers[row]),
            Values::Words(words) => words[row].as_deref().map_or(Cell::Missing, Cell::of),
        }
    }
}

/// One value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Cell<'a> {
    /// Not there.
    Missing,
    /// Any number but NaN.
    Number(f64),
    /// A word or a number as it is written.
    Text(&'a str),
}

impl<'a> Cell<'a> {
    /// A number, missing where it is NaN.
    fn of_number(value: f64) -> Self {
        if value.is_nan() { Cell::Missing } else { Cell::Number(value) }
    }

    /// A cell of text, without the blanks around it.
    pub fn of(text: &'a str) -> Self {
        let text = text.trim();
        if is_missing(text) { Cell::Missing } else { Cell::Text(text) }
    }

    /// As it is written; `None` where it is missing.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        match self {
            Cell::Missing => None,
            Cell::Number(value) => Some(Cow::Owned(value.to_string())),
            Cell::Text(text) => Some(Cow::Borrowed(text)),
        }
    }

    /// As a number; `None` where it is missing or a word.
    pub fn number(&self) -> Option<f64> {
        match self {
            Cell::Missing => None,
            Cell::Number(value) => Some(*value),
            Cell::Text(text) => text.parse().ok(),
        }
    }
}

impl Rows {
    /// Number of rows.
    pub fn len(&self) -> usize {
        match self {
            Rows::Text(cells) => cells.len(),
            Rows::Numbers { values, width } => values.len() / width.max(&1),
            Rows::Columns(columns) => columns.first().map_or(0, Values::rows),
        }
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        match self {
            Rows::Text(cells) => cells.width(),
            Rows::Numbers { width, .. } => *width,
            Rows::Columns(columns) => columns.len(),
        }
    }

    /// The value in row `row` and column `column`.
    pub fn cell(&self, row: usize, column: usize) -> Cell<'_> {
        match self {
            Rows::Text(cells) => match cells.at(row, column).trim_ascii() {
                "" => Cell::Missing,
                text => Cell::Text(text),
            },
            Rows::Numbers { values, width } => Cell::of_number(values[row * width + column]),
            Rows::Columns(columns) => columns[column].cell(row),
        }
    }

    /// What to call row `row` in errors.
    pub fn line(&self, row: usize) -> String {
        match self {
            Rows::Text(cells) => format!("line {}", cells.line(row)),
            Rows::Numbers { .. } | Rows::Columns(_) => format!("sample {row}"),
        }
    }
}
