//! Whether the first line names the columns: evidence of all columns, weighed as logarithms of likelihood ratios.

use super::cells::Cells;
use super::column::Cells as Kinds;
use super::number::is_missing;

/// Rows of words that are counted, at even distances.
const MOST_COUNTED: usize = 4096;
/// How likely a name is a number, empty, a value of its column, and a name twice.
const UNLIKELY: f64 = 0.05;
const TWICE: f64 = 0.02;
/// Evidence below this, odds of two to one, is none.
pub const TOO_WEAK: f64 = 0.7;

/// The evidence that the first row of `cells` names the columns, `kinds` being what the other rows hold: positive for,
/// negative against; and why, in words.
pub fn evidence(cells: &Cells, kinds: &[Kinds]) -> (f64, String) {
    let rows = cells.len() - 1;
    if rows == 0 {
        return (0.0, "there is no other line".into());
    }
    let n = rows as f64;
    let (mut sum, mut over_numbers, mut unseen, mut seen, mut as_numbers, mut unlike) = (0.0, 0, 0, 0, 0, 0);
    let mut previous: Option<f64> = None;
    for (column, kind) in kinds.iter().enumerate() {
        let first = cells.at(0, column).trim();
        // A header that comes again among the rows leaves a column of numbers one.
        let is_numeric = kind.is_numeric() || kind.is_mostly_numbers();
        let value = first.parse::<f64>().ok().filter(|value| value.is_finite());
        if let (Some(value), Some(previous)) = (value, previous)
            && value.fract() == 0.0
            && value == previous + 1.0
        {
            // Names that count the columns.
            sum += 10f64.ln();
        }
        previous = value;
        if kind.is_empty() && first.is_empty() {
            continue;
        }
        if first.is_empty() || is_missing(first) && !is_numeric {
            sum += (UNLIKELY / share(kind.missing, n)).ln();
        } else if is_numeric {
            match kind.reads_as_number(first) {
                false if is_missing(first) => sum += (UNLIKELY / share(kind.missing, n)).ln(),
                false => {
                    over_numbers += 1;
                    sum += ((1.0 - UNLIKELY) * (n + 2.0)).ln();
                }
                true => {
                    as_numbers += 1;
                    sum += UNLIKELY.ln();
                    let is_outside = value.is_some_and(|value| value < kind.least || value > kind.greatest);
                    let is_whole_alone = value.is_some_and(|v| v.fract() == 0.0) && kind.pointed == kind.numbers();
                    if is_outside || is_whole_alone && !first.contains(['.', ',']) {
                        unlike += 1;
                        sum += ((n + 2.0) / 2.0).ln();
                    }
                }
            }
        } else {
            let (is_seen, new) = frequency(cells, column, first);
            sum += if is_seen { (UNLIKELY / (1.0 - new)).ln() } else { ((1.0 - UNLIKELY) / new).ln() };
            seen += usize::from(is_seen);
            unseen += usize::from(!is_seen);
        }
    }
    let mut names: Vec<&str> = (0..cells.width()).map(|column| cells.at(0, column).trim()).collect();
    names.sort_unstable();
    let twice = names.windows(2).filter(|pair| pair[0] == pair[1] && !pair[0].is_empty()).count();
    sum += twice as f64 * TWICE.ln();
    let of = |count: usize, what: &str| match count {
        0 => None,
        1 => Some(format!("1 column {what}")),
        n => Some(format!("{n} columns {what}")),
    };
    let reasons = [
        of(over_numbers, "of numbers with a word there"),
        of(unseen, "of words with one there that no other row has"),
        of(unlike, "with a number there that is unlike all others"),
        of(as_numbers - unlike, "of numbers with one more there"),
        of(seen, "of words with one of them there"),
        of(twice, "called as another"),
    ];
    (sum, reasons.into_iter().flatten().collect::<Vec<_>>().join(", "))
}

/// Laplace's share of `count` among `n`.
fn share(count: usize, n: f64) -> f64 {
    (count as f64 + 0.5) / (n + 1.0)
}

/// Whether another row has `first` in `column`, and how likely a row's word is one that no other row has.
fn frequency(cells: &Cells, column: usize, first: &str) -> (bool, f64) {
    let rows = 1..cells.len();
    let is_seen = rows.clone().any(|row| cells.at(row, column).trim() == first);
    let step = rows.len().div_ceil(MOST_COUNTED);
    let mut words: Vec<&str> = rows.step_by(step).map(|row| cells.at(row, column)).collect();
    words.sort_unstable();
    let alone = (0..words.len())
        .filter(|&i| (i == 0 || words[i - 1] != words[i]) && words.get(i + 1).is_none_or(|next| *next != words[i]))
        .count();
    (is_seen, share(alone, words.len() as f64).min(0.999))
}
