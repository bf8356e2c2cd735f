//! Numbers and missing values as tools write them.

use std::borrow::Cow;

/// What stands for a missing value in any column, in lower case: R, pandas, SQL, MySQL, UCI and spreadsheets' errors.
const MISSING: [&str; 17] = [
    "", "?", "na", "n/a", "nan", "null", "-nan", "\\n", "#n/a", "<na>", "#num!", "#div/0!", "#value!", "#ref!",
    "#name?", "(null)", "n.a.",
];
/// What stands for a missing value among numbers, and may be a word among words.
const MISSING_NUMBER: [&str; 13] =
    ["none", ".", "..", "-", "--", "---", "nil", "missing", "unknown", "<none>", "1.#qnan", "1.#ind", "-1.#ind"];
/// Longest of all these.
const LONGEST: usize = 8;
/// Signs of money and shares that numbers may carry.
const SIGNS: [char; 6] = ['%', '$', '€', '£', '¥', '₹'];

fn is_among(text: &str, words: &[&str]) -> bool {
    text.len() <= LONGEST && words.iter().any(|word| text.eq_ignore_ascii_case(word))
}

/// Whether `text`, without blanks around it, stands for a missing value in any column.
pub fn is_missing(text: &str) -> bool {
    is_among(text, &MISSING)
}

/// Whether `text`, without blanks around it, stands for a missing value in a column of numbers.
pub fn is_missing_number(text: &str) -> bool {
    is_missing(text) || is_among(text, &MISSING_NUMBER)
}

/// What separates whole numbers from their fractions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
pub enum Decimal {
    /// 1234.5
    #[serde(rename = "point")]
    #[cfg_attr(feature = "cli", value(name = "point", alias = "."))]
    Point,
    /// 1234,5
    #[serde(rename = "comma")]
    #[cfg_attr(feature = "cli", value(name = "comma", alias = ","))]
    Comma,
}

impl Decimal {
    /// Its name in flags.
    pub fn name(self) -> &'static str {
        match self {
            Decimal::Point => "point",
            Decimal::Comma => "comma",
        }
    }

    fn sign(self) -> char {
        match self {
            Decimal::Point => '.',
            Decimal::Comma => ',',
        }
    }

    fn other(self) -> Self {
        match self {
            Decimal::Point => Decimal::Comma,
            Decimal::Comma => Decimal::Point,
        }
    }
}

/// How a cell may be read as a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reading {
    /// Not at all.
    Word,
    /// As the same number whatever the decimal mark.
    Whole,
    /// With a decimal point only.
    Point,
    /// With a decimal comma only.
    Comma,
    /// 1,234: with a point, its comma grouping thousands, or with a comma.
    GroupsOrComma,
    /// 1.234: with a point, or with a comma, its point grouping thousands.
    PointOrGroups,
}

/// How `text`, without blanks around it, may be read, and whether it is a number as Rust writes them with either mark.
pub fn reading(text: &str) -> (Reading, bool) {
    let bytes = text.as_bytes();
    let first = bytes.iter().position(|b| !matches!(b, b'+' | b'-')).map_or(0, |at| bytes[at]);
    if (first.is_ascii_digit() || matches!(first, b'.' | b'i' | b'I')) && text.parse::<f64>().is_ok() {
        return match bytes.iter().position(|&b| b == b'.') {
            None => (Reading::Whole, true),
            // A point before exactly three digits may group thousands, unless it stands behind a zero.
            Some(at) if bytes.len() - at == 4 && first != b'0' && first != b'.' && at <= 4 => {
                let is_groups = bytes[at + 1..].iter().all(u8::is_ascii_digit) && plain(text, Decimal::Comma).is_some();
                (if is_groups { Reading::PointOrGroups } else { Reading::Point }, true)
            }
            Some(_) => (Reading::Point, true),
        };
    }
    if !bytes.iter().any(u8::is_ascii_digit) {
        return (Reading::Word, false);
    }
    let read = match (plain(text, Decimal::Point), plain(text, Decimal::Comma)) {
        (None, None) => Reading::Word,
        (Some(_), None) => Reading::Point,
        (None, Some(_)) => Reading::Comma,
        (Some(point), Some(comma)) if point == comma => Reading::Whole,
        _ if text.contains(',') => Reading::GroupsOrComma,
        _ => Reading::PointOrGroups,
    };
    (read, false)
}

/// `text` as Rust reads it, where it is a number with this decimal mark: without groups of thousands, signs of money or
/// shares. A share stays a hundredfold: 12 % is 12.
pub fn plain(text: &str, decimal: Decimal) -> Option<Cow<'_, str>> {
    let minus = |c: char| matches!(c, '-' | '\u{2212}');
    let is_blank = |c: char| matches!(c, ' ' | '\u{a0}' | '\u{202f}' | '\u{2009}');
    let bare = text.trim_start_matches(SIGNS).trim_start_matches(is_blank);
    let (is_negative, rest) = match bare.strip_prefix(minus) {
        Some(rest) => (true, rest),
        None => (false, bare.strip_prefix('+').unwrap_or(bare)),
    };
    let rest = rest.trim_start_matches(SIGNS).trim_end_matches(SIGNS).trim_end_matches(is_blank);
    let (rest, exponent) = match rest.find(['e', 'E']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    let (whole, fraction) = match rest.split_once(decimal.sign()) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (rest, None),
    };
    let group = decimal.other().sign();
    let is_group = |c: char| c == group || is_blank(c) || c == '\'';
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let mut groups = whole.split(is_group);
    let first = groups.next().unwrap_or("");
    let mut separators = whole.chars().filter(|&c| is_group(c));
    let one_kind = separators.next().is_none_or(|kind| separators.all(|other| other == kind));
    let is_grouped = whole.len() > first.len();
    let fine = one_kind
        && digits(first)
        && (!is_grouped
            || (1..=3).contains(&first.len())
                && !first.starts_with('0')
                && groups.all(|group| group.len() == 3 && digits(group)))
        && fraction.is_none_or(digits)
        && (!first.is_empty() || fraction.is_some_and(|fraction| !fraction.is_empty()));
    if !fine {
        return None;
    }
    let mut made = String::with_capacity(text.len());
    if is_negative {
        made.push('-');
    }
    made.extend(whole.chars().filter(|&c| !is_group(c)));
    if let Some(fraction) = fraction {
        made.push('.');
        made.push_str(fraction);
    }
    made.push_str(exponent);
    made.parse::<f64>().ok()?;
    Some(if made == text { Cow::Borrowed(text) } else { Cow::Owned(made) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_with_either_mark() {
        let both = |text: &str| {
            [Decimal::Point, Decimal::Comma].map(|mark| plain(text, mark).map(|t| t.parse::<f64>().unwrap()))
        };
        for (text, expected, read) in [
            ("12", [Some(12.0), Some(12.0)], Reading::Whole),
            ("1.5", [Some(1.5), None], Reading::Point),
            ("1,5", [None, Some(1.5)], Reading::Comma),
            ("0.123", [Some(0.123), None], Reading::Point),
            ("-1.234,5", [None, Some(-1234.5)], Reading::Comma),
            ("1,234,567.5", [Some(1234567.5), None], Reading::Point),
            ("1,234", [Some(1234.0), Some(1.234)], Reading::GroupsOrComma),
            ("1.234", [Some(1.234), Some(1234.0)], Reading::PointOrGroups),
            ("1 234,5", [None, Some(1234.5)], Reading::Comma),
            ("1'234", [Some(1234.0), Some(1234.0)], Reading::Whole),
            ("12 %", [Some(12.0), Some(12.0)], Reading::Whole),
            ("-$3.25", [Some(-3.25), None], Reading::Point),
            ("3,25 €", [None, Some(3.25)], Reading::Comma),
            ("\u{2212}2", [Some(-2.0), Some(-2.0)], Reading::Whole),
            ("+1e3", [Some(1000.0), Some(1000.0)], Reading::Whole),
            (".5", [Some(0.5), None], Reading::Point),
            ("1,2,3", [None, None], Reading::Word),
            ("2024-01-02", [None, None], Reading::Word),
            ("id_7", [None, None], Reading::Word),
            ("1 2", [None, None], Reading::Word),
            ("", [None, None], Reading::Word),
            ("-", [None, None], Reading::Word),
        ] {
            assert_eq!((both(text), reading(text).0), (expected, read), "{text}");
        }
        assert_eq!(reading("inf"), (Reading::Whole, true));
    }

    #[test]
    fn missing_words_are_known_in_any_case() {
        for word in ["", "NA", "\\N", "#N/A", "<NA>", "NaN", "NULL", "?", "(null)", "#DIV/0!"] {
            assert!(is_missing(word), "{word}");
        }
        for word in ["None", ".", "-", "nil"] {
            assert!(!is_missing(word) && is_missing_number(word), "{word}");
        }
        assert!(!is_missing_number("0"));
    }
}
