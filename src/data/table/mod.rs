//! Tables: columns of numbers and words, and the bytes that they become.
//!
//! A row of a table becomes bytes such that every input bit of a network is `byte > threshold`, as it is for images. So
//! the shaders, the engines and the exports know nothing of columns; a [`Table`] does, and goes with the model.

mod cells;
mod column;
#[cfg(feature = "files")]
mod delimited;
#[cfg(feature = "files")]
mod header;
mod learn;
mod number;
#[cfg(feature = "files")]
mod open;
mod rows;
mod separator;
#[cfg(feature = "files")]
mod text;

use serde::{Deserialize, Serialize};

pub(super) use learn::in_order;
pub(crate) use learn::normal_quantile;
pub use number::Decimal;
#[cfg(feature = "files")]
pub use open::read_rows;
#[cfg(feature = "files")]
pub(super) use open::{Labelled, drawn, of_rows, open};
pub use rows::Values;
pub(super) use rows::{Cell, Rows};
#[cfg(feature = "files")]
pub(super) use text::{STANDARD_INPUT, bytes};

/// The columns of a table, as a network reads them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Table {
    /// Columns of the files, labels and ignored ones included.
    pub width: usize,
    /// Name of the labels' column.
    pub label: String,
    /// Its place in the files, from 0.
    pub label_at: usize,
    /// Names and places of further columns of labels or values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_labels: Vec<(String, usize)>,
    /// The columns that are read, in the order of their bytes.
    pub columns: Vec<Column>,
}

/// One column and how its values become bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Column {
    /// Its name: from the header, or `c` and its number from 1.
    pub name: String,
    /// Its place in the files, from 0.
    pub at: usize,
    /// Whether a training row lacked the value, so that an input bit tells whether it is there.
    pub missing: bool,
    /// From values to bytes.
    pub coding: ColumnCoding,
}

/// How the values of a column become bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum ColumnCoding {
    /// Numbers. One byte: 1 + the number of thresholds that the value is greater than; 0 where it is missing.
    Thermometer {
        /// At most 254, increasing, finite.
        thresholds: Vec<f64>,
    },
    /// Two words. One byte: 1 or 2; 0 where the value is missing or another.
    Binary {
        /// What 1 and 2 stand for.
        values: [String; 2],
    },
    /// Words. A byte a word, 1 for the value and 0 for the others; all are 0 where it is missing or unknown.
    OneHot {
        /// What each byte stands for.
        values: Vec<String>,
    },
}

/// An input bit of a table: where it comes from and what it tells.
#[derive(Debug, Clone, PartialEq)]
pub struct Bit {
    /// Byte of the row.
    pub byte: u32,
    /// The bit is set where the byte is greater.
    pub threshold: u8,
    /// In words: `age > 37.5`, `colour is red`.
    pub about: String,
}

impl Table {
    /// Most bytes of a row.
    pub const MOST_BYTES: usize = 1 << 20;

    /// Names and places of all columns of labels or values.
    pub fn all_labels(&self) -> Vec<(String, usize)> {
        [&[(self.label.clone(), self.label_at)], &self.more_labels[..]].concat()
    }

    /// Bytes of a row.
    pub fn bytes(&self) -> usize {
        self.columns.iter().map(Column::bytes).sum()
    }

    /// Every bit that the columns can give, column after column, thresholds increasing.
    pub fn bits(&self) -> Vec<Bit> {
        let mut bits = Vec::new();
        let mut first = 0;
        for column in &self.columns {
            column.bits(first, &mut bits);
            first += column.bytes() as u32;
        }
        bits
    }

    /// Check that the parts fit together; the error is a sentence.
    pub fn check(&self) -> std::result::Result<(), String> {
        for column in &self.columns {
            let fine = match &column.coding {
                ColumnCoding::Thermometer { thresholds } => {
                    thresholds.len() <= 254
                        && thresholds.is_sorted_by(|a, b| a < b)
                        && thresholds.iter().all(|t| t.is_finite())
                }
                ColumnCoding::Binary { values } => values[0] != values[1],
                ColumnCoding::OneHot { values } => values.len() <= 255,
            };
            if !fine || column.at >= self.width {
                return Err(format!("its column \"{}\" cannot be encoded as it says", column.name));
            }
        }
        if self.bytes() > Self::MOST_BYTES {
            return Err(format!("its rows have {} bytes, more than {}", self.bytes(), Self::MOST_BYTES));
        }
        Ok(())
    }

    /// The bytes of row `row` of `rows`, whose columns are at `places` in the order of [`Table::columns`].
    ///
    /// # Errors
    /// A sentence, if a column of numbers holds a word.
    fn encode(&self, rows: &Rows, row: usize, places: &[usize], to: &mut Vec<u8>) -> std::result::Result<(), String> {
        for (column, &place) in self.columns.iter().zip(places) {
            let cell = rows.cell(row, place);
            column.encode(&cell, to).map_err(|problem| format!("{}: {problem}", rows.line(row)))?;
        }
        Ok(())
    }

    /// The bytes of all rows, `[row][byte]`.
    ///
    /// # Errors
    /// A sentence, if a column of numbers holds a word.
    pub(super) fn encode_all(&self, rows: &Rows, places: &[usize]) -> std::result::Result<Vec<u8>, String> {
        let mut bytes = Vec::with_capacity(rows.len() * self.bytes());
        (0..rows.len()).try_for_each(|row| self.encode(rows, row, places, &mut bytes))?;
        Ok(bytes)
    }

    /// The bytes of one row given as text, a cell a column of [`Table::columns`].
    ///
    /// # Errors
    /// A sentence, if a column of numbers holds a word or there are not as many cells as columns.
    pub fn encode_text(&self, cells: &[&str]) -> std::result::Result<Vec<u8>, String> {
        if cells.len() != self.columns.len() {
            return Err(format!("there are {} cells for {} columns", cells.len(), self.columns.len()));
        }
        let mut bytes = Vec::new();
        for (column, cell) in self.columns.iter().zip(cells) {
            column.encode(&Cell::of(cell), &mut bytes)?;
        }
        Ok(bytes)
    }
}

impl Column {
    /// Bytes that a value becomes.
    pub fn bytes(&self) -> usize {
        match &self.coding {
            ColumnCoding::Thermometer { .. } | ColumnCoding::Binary { .. } => 1,
            ColumnCoding::OneHot { values } => values.len(),
        }
    }

    /// Whether its bits can differ.
    fn varies(&self) -> bool {
        match &self.coding {
            ColumnCoding::Thermometer { thresholds } => self.missing || !thresholds.is_empty(),
            ColumnCoding::Binary { .. } => true,
            ColumnCoding::OneHot { values } => values.len() > 1 || self.missing && !values.is_empty(),
        }
    }

    /// Append the column's bits, the first of its bytes being `first`.
    fn bits(&self, first: u32, bits: &mut Vec<Bit>) {
        let name = &self.name;
        let mut push = |byte, threshold, about| bits.push(Bit { byte, threshold, about });
        if self.missing && !matches!(self.coding, ColumnCoding::OneHot { .. }) {
            push(first, 0, format!("{name} is there"));
        }
        match &self.coding {
            ColumnCoding::Thermometer { thresholds } => {
                for (i, t) in thresholds.iter().enumerate() {
                    push(first, i as u8 + 1, format!("{name} > {t}"));
                }
            }
            ColumnCoding::Binary { values } => push(first, 1, format!("{name} is {}", values[1])),
            ColumnCoding::OneHot { values } => {
                for (i, value) in values.iter().enumerate() {
                    push(first + i as u32, 0, format!("{name} is {value}"));
                }
            }
        }
    }

    fn encode(&self, cell: &Cell, to: &mut Vec<u8>) -> std::result::Result<(), String> {
        match &self.coding {
            ColumnCoding::Thermometer { thresholds } => {
                let value = match cell {
                    Cell::Missing => f64::NAN,
                    Cell::Number(value) => *value,
                    Cell::Text(text) => match text.parse() {
                        Ok(value) => value,
                        Err(_) if number::is_missing_number(text) => f64::NAN,
                        Err(_) => {
                            let problem = "is no number; correct it or leave it empty";
                            return Err(format!("\"{text}\" in column \"{}\" {problem}", self.name));
                        }
                    },
                };
                let below = thresholds.partition_point(|&t| value > t) as u8;
                to.push(if value.is_nan() { 0 } else { 1 + below });
            }
            ColumnCoding::Binary { values } => {
                let value = cell.text();
                to.push(values.iter().position(|v| Some(&**v) == value.as_deref()).map_or(0, |i| i as u8 + 1));
            }
            ColumnCoding::OneHot { values } => {
                let value = cell.text();
                to.extend(values.iter().map(|v| u8::from(Some(&**v) == value.as_deref())));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, missing: bool, coding: ColumnCoding) -> Column {
        Column { name: name.into(), at: 0, missing, coding }
    }

    fn table() -> Table {
        let words = |words: &[&str]| words.iter().map(|w| w.to_string()).collect::<Vec<_>>();
        Table {
            width: 4,
            label: "y".into(),
            label_at: 3,
            more_labels: Vec::new(),
            columns: vec![
                column("age", true, ColumnCoding::Thermometer { thresholds: vec![-1.5, 0.0, 37.5] }),
                column("sex", false, ColumnCoding::Binary { values: ["f".into(), "m".into()] }),
                column("colour", true, ColumnCoding::OneHot { values: words(&["blue", "red"]) }),
            ],
        }
    }

    #[test]
    fn bits_tell_what_they_say_of_values_at_and_around_thresholds() {
        let table = table();
        let bits = table.bits();
        let about: Vec<&str> = bits.iter().map(|b| &*b.about).collect();
        assert_eq!(
            about,
            ["age is there", "age > -1.5", "age > 0", "age > 37.5", "sex is m", "colour is blue", "colour is red"]
        );
        let set = |cells: &[&str]| {
            let bytes = table.encode_text(cells).unwrap();
            bits.iter().map(|b| if bytes[b.byte as usize] > b.threshold { '1' } else { '0' }).collect::<String>()
        };
        // A threshold hit exactly is not exceeded; the next greater number exceeds it.
        assert_eq!(set(&["37.5", "m", "red"]), "1110101");
        assert_eq!(set(&["37.50000000000001", "f", "blue"]), "1111010");
        assert_eq!(set(&["0", "f", "blue"]), set(&["-0.0", "f", "blue"]));
        assert_eq!(set(&["-1.5", "f", "blue"]), "1000010");
        assert_eq!(set(&["inf", "m", "red"]), "1111101");
        assert_eq!(set(&["-inf", "m", "red"]), "1000101");
        // Missing, in every way it is written, and words never seen.
        for missing in ["", " ", "?", "NA", "N/A", "nan", "NaN", "null"] {
            assert_eq!(set(&[missing, missing, missing]), "0000000", "{missing}");
        }
        assert_eq!(set(&["1", "x", "green"]), "1110000");
        assert!(table.encode_text(&["old", "m", "red"]).unwrap_err().contains("\"old\" in column \"age\""));
        assert!(table.encode_text(&["1", "m"]).is_err());
    }

    #[test]
    fn impossible_columns_are_refused() {
        table().check().unwrap();
        let told = |coding: ColumnCoding| {
            let mut table = table();
            table.columns[0].coding = coding;
            table.check().is_err()
        };
        assert!(told(ColumnCoding::Thermometer { thresholds: vec![1.0, 1.0] }));
        assert!(told(ColumnCoding::Thermometer { thresholds: vec![f64::NAN] }));
        assert!(told(ColumnCoding::Thermometer { thresholds: (0..255).map(f64::from).collect() }));
        assert!(told(ColumnCoding::Binary { values: ["a".into(), "a".into()] }));
        assert!(told(ColumnCoding::OneHot { values: vec![String::new(); 256] }));
    }
}
