//! What the cells of a column are, counted.

use super::number::{Decimal, Reading, is_missing, is_missing_number, plain, reading};

/// Cells of a column by kind.
#[derive(Debug, Clone)]
pub struct Cells {
    /// Empty cells, and words that stand for a missing value in any column.
    pub missing: usize,
    /// Of these, words.
    pub missing_words: usize,
    /// Words that stand for a missing value among numbers alone.
    pub missing_numbers: usize,
    /// The first of those words.
    pub missing_word: Option<String>,
    /// Words that are none of these.
    pub words: usize,
    /// Rows of the first three words.
    pub word_rows: Vec<usize>,
    /// Numbers by how they may be read: whole, with a point, with a comma, with groups or a comma, with a point or
    /// groups.
    pub read: [usize; 5],
    /// Numbers that are not written as plain ones: with commas, groups, signs of money or shares.
    pub odd: usize,
    /// The first of those.
    pub odd_number: Option<String>,
    /// Numbers with a point or comma.
    pub pointed: usize,
    /// Least plain number.
    pub least: f64,
    /// Greatest plain number.
    pub greatest: f64,
    /// Whether every cell is the number after the one above it.
    pub is_counting: bool,
    last: Option<f64>,
}

impl Default for Cells {
    fn default() -> Self {
        Cells {
            missing: 0,
            missing_words: 0,
            missing_numbers: 0,
            missing_word: None,
            words: 0,
            word_rows: Vec::new(),
            read: [0; 5],
            odd: 0,
            odd_number: None,
            pointed: 0,
            least: f64::INFINITY,
            greatest: f64::NEG_INFINITY,
            is_counting: true,
            last: None,
        }
    }
}

impl Cells {
    /// Count the cell of row `row`.
    pub fn add(&mut self, row: usize, cell: &str) {
        let cell = cell.trim();
        if cell.is_empty() {
            self.missing += 1;
            self.is_counting = false;
            return;
        }
        let (read, is_plain) = reading(cell);
        if let (true, Ok(value)) = (is_plain, cell.parse::<f64>()) {
            self.least = self.least.min(value);
            self.greatest = self.greatest.max(value);
            self.is_counting &= read == Reading::Whole && self.last.is_none_or(|last| value == last + 1.0);
            self.last = Some(value);
        } else {
            self.is_counting = false;
        }
        let kind = match read {
            Reading::Word => {
                if is_missing(cell) {
                    self.missing += 1;
                    self.missing_words += 1;
                    self.missing_word.get_or_insert_with(|| cell.into());
                } else if is_missing_number(cell) {
                    self.missing_numbers += 1;
                    self.missing_word.get_or_insert_with(|| cell.into());
                } else {
                    self.words += 1;
                    if self.word_rows.len() < 3 {
                        self.word_rows.push(row);
                    }
                }
                return;
            }
            Reading::Whole => 0,
            Reading::Point => 1,
            Reading::Comma => 2,
            Reading::GroupsOrComma => 3,
            Reading::PointOrGroups => 4,
        };
        self.read[kind] += 1;
        self.pointed += usize::from(kind > 0);
        if !is_plain {
            self.odd += 1;
            self.odd_number.get_or_insert_with(|| cell.into());
        }
    }

    /// How many are numbers.
    pub fn numbers(&self) -> usize {
        self.read.iter().sum()
    }

    /// How many there are.
    pub fn all(&self) -> usize {
        self.numbers() + self.words + self.missing + self.missing_numbers
    }

    /// Whether no cell holds anything.
    pub fn is_empty(&self) -> bool {
        self.all() == self.missing
    }

    /// Whether they are numbers and missing ones, all to be read with one decimal mark.
    pub fn is_numeric(&self) -> bool {
        self.words == 0 && self.numbers() > self.missing_numbers && (self.read[1] == 0 || self.read[2] == 0)
    }

    /// Whether all but a few are numbers.
    pub fn is_mostly_numbers(&self) -> bool {
        self.words > 0 && self.numbers() >= 4 * self.words
    }

    /// Whether `cell` would be one of its numbers.
    pub fn reads_as_number(&self, cell: &str) -> bool {
        reading(cell).0 != Reading::Word
    }

    /// The only decimal mark by which all its numbers can be read, if they need one.
    pub fn mark(&self) -> Option<Decimal> {
        match (self.read[1], self.read[2]) {
            (0, 0) => None,
            (0, _) => Some(Decimal::Comma),
            _ => Some(Decimal::Point),
        }
    }
}

/// What is written for `cell` in a column of numbers with `mark`, or of words where it is `None`: numbers as Rust reads
/// them, nothing for missing ones; `None` where it stays.
pub fn settled(cell: &str, mark: Option<Decimal>) -> Option<String> {
    let bare = cell.trim();
    match mark {
        None if is_missing(bare) => Some(String::new()),
        None => None,
        Some(mark) => {
            let number = plain(bare, mark);
            match number {
                Some(number) => Some(number.into_owned()),
                None if is_missing_number(bare) => Some(String::new()),
                None => None,
            }
        }
    }
}
