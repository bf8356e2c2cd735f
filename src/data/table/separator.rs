//! What separates the cells of a text, told from how its lines fall apart.

use super::cells::{Cutter, Separator};
use super::number::{Reading, reading};

/// As many bytes, and as many rows, are looked at.
const SAMPLE: usize = 1 << 20;
const MOST_ROWS: usize = 500;
/// What may separate cells, the likelier first.
const KNOWN: [(&str, &str, Separator); 5] = [
    (",", "comma", Separator::Byte(b',')),
    (";", "semicolon", Separator::Byte(b';')),
    ("\\t", "tab", Separator::Byte(b'\t')),
    ("|", "pipe", Separator::Byte(b'|')),
    (" ", "blanks", Separator::Blanks),
];

impl Separator {
    /// What `--separator` says: a name, the sign itself, or any other sign of ASCII.
    pub fn parse(said: &str) -> Option<Self> {
        let known = KNOWN.iter().find(|(sign, name, _)| said == *sign || said == *name);
        let other = || match said.as_bytes() {
            b"\t" => Some(Separator::Byte(b'\t')),
            &[byte] if byte.is_ascii_graphic() && !byte.is_ascii_alphanumeric() && byte != b'"' => {
                Some(Separator::Byte(byte))
            }
            _ => None,
        };
        known.map(|&(_, _, separator)| separator).or_else(other)
    }

    /// Its name in sentences.
    pub fn name(self) -> String {
        let known = KNOWN.iter().find(|(_, _, separator)| *separator == self);
        match (known, self) {
            (Some((_, name, _)), _) => (*name).into(),
            (None, Separator::Byte(byte)) => char::from(byte).to_string(),
            (None, Separator::Blanks) => String::new(),
        }
    }
}

/// How a text falls apart by one separator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// The separator.
    pub separator: Separator,
    /// Cells of most lines.
    pub width: usize,
    /// How many lines have so many cells, the first perhaps one less.
    pub lines: usize,
    /// Of so many that were looked at.
    pub of: usize,
    /// The share of those lines, times the share of their cells that no other separator would cut.
    score: f64,
}

impl Fit {
    /// How the beginning of `text` falls apart by `separator`.
    pub fn of(text: &[u8], separator: Separator) -> Self {
        let is_cut = text.len() > SAMPLE;
        let mut sample = text[..text.len().min(SAMPLE)].to_vec();
        let mut rows: Vec<(bool, Vec<String>)> = Vec::new();
        {
            let length = sample.len();
            let mut cutter = Cutter::new(&mut sample, separator);
            let mut ends: Vec<usize> = Vec::new();
            let mut from = 0;
            while rows.len() < MOST_ROWS {
                ends.clear();
                match cutter.row(|end| ends.push(end)) {
                    Ok(Some(_)) => {}
                    _ => break,
                }
                let written = cutter.written();
                let cells = ends.iter().map(|&end| {
                    let cell = String::from_utf8_lossy(&written[from..end]).into_owned();
                    from = end;
                    cell
                });
                let cells: Vec<String> = cells.collect();
                // What begins with the sign and a blank is no row, whatever its cells are.
                if !(cells[0] == "#" || cells[0].starts_with("# ")) {
                    rows.push((cells[0].starts_with('#'), cells));
                }
                // A sample that is cut may end within a row.
                if is_cut && cutter.place() >= length {
                    rows.pop();
                }
            }
        }
        let mut counts: Vec<(usize, usize)> = Vec::new();
        for (_, cells) in rows.iter().filter(|(is_comment, _)| !is_comment) {
            match counts.iter_mut().find(|(width, _)| *width == cells.len()) {
                Some((_, count)) => *count += 1,
                None => counts.push((cells.len(), 1)),
            }
        }
        // The first among equals, which the first line has.
        let most = counts.iter().rev().max_by_key(|(_, count)| *count);
        let width = most.map_or(0, |&(width, _)| width);
        let is_fit = |(i, (_, cells)): &(usize, &(bool, Vec<String>))| {
            cells.len() == width || *i == 0 && cells.len() + 1 == width && width > 2
        };
        let lines = rows.iter().enumerate().filter(is_fit).count();
        let of = rows.iter().filter(|(is_comment, cells)| !is_comment || cells.len() == width).count();
        let cells = || rows.iter().enumerate().filter(is_fit).flat_map(|(_, (_, cells))| cells);
        let clean = cells().filter(|cell| is_clean(cell, separator)).count();
        let score = match width {
            0 | 1 => 0.0,
            _ => lines as f64 / of as f64 * clean as f64 / cells().count().max(1) as f64,
        };
        Fit { separator, width, lines, of, score }
    }

    /// The separator by which `text` falls apart best; the error is a sentence.
    pub fn best(text: &[u8], extension: &str) -> Result<Self, String> {
        let fits: Vec<Fit> = KNOWN.iter().map(|&(_, _, separator)| Fit::of(text, separator)).collect();
        let is_tabs = matches!(extension, "tsv" | "tab");
        let score = |fit: &Fit| match fit.separator {
            // Blanks stand within cells, too.
            Separator::Blanks => fit.score * 0.9,
            Separator::Byte(b'\t') if is_tabs => fit.score * 1.5,
            _ => fit.score,
        };
        let best = fits.iter().rev().max_by(|a, b| score(a).total_cmp(&score(b)));
        let Some(best) = best.filter(|best| best.score > 0.0) else {
            return Ok(Fit { separator: Separator::Byte(b','), ..fits[0] });
        };
        let rival = fits.iter().find(|fit| fit.separator != best.separator && score(fit) > score(best) - 0.02);
        match rival {
            Some(rival) => Err(format!(
                "its lines fall apart as well by {} ({} cells) as by {} ({}); say which by --separator",
                best.separator.name(),
                best.width,
                rival.separator.name(),
                rival.width
            )),
            None => Ok(*best),
        }
    }
}

/// Whether no other separator would cut `cell`. A comma within a number is a decimal mark.
fn is_clean(cell: &str, separator: Separator) -> bool {
    let is_other = |byte: u8| matches!(byte, b',' | b';' | b'\t' | b'|') && separator != Separator::Byte(byte);
    let bytes = cell.as_bytes();
    // Two numbers side by side are no cell.
    let is_pair = bytes.windows(3).any(|w| w[0].is_ascii_digit() && w[1] == b' ' && w[2].is_ascii_digit());
    !(bytes.iter().any(|&byte| is_other(byte)) || is_pair) || reading(cell.trim()).0 != Reading::Word
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn separators_are_told_from_all_lines() {
        for (text, name, width) in [
            ("a,b\n1,x\n", "comma", 2),
            ("laenge;breite;baum\n1,9;5,2;ash\n2,1;5,0;elm\n", "semicolon", 3),
            ("1,9;5,2;0,9;ash\n1,9;4,7;0,9;elm\n", "semicolon", 4),
            ("1,9 5,2 0,9 ash\n1,9 4,7 0,9 elm\n", "blanks", 4),
            ("a b\tc d\n1\t2\n", "tab", 2),
            ("a|b\n1|2\n", "pipe", 2),
            (" 1 3  3 id_0\n 0 2  1 id_1\n", "blanks", 4),
            ("\"len\" \"wid\" \"tree\"\n\"1\" 1.5 2.5 \"ash\"\n\"2\" 1.5 2.5 \"elm\"\n", "blanks", 4),
            ("town,note\nYork,\"wet; cold\"\nBath,\"dry; warm\"\n", "comma", 2),
            ("# a; b; c\nx,y\n1,2\n", "comma", 2),
        ] {
            let fit = Fit::best(text.as_bytes(), "csv").unwrap();
            assert_eq!((&*fit.separator.name(), fit.width), (name, width), "{text}");
        }
        let told = Fit::best(b"x,y;z\na,b;c\n", "csv").unwrap_err();
        assert!(told.contains("comma") && told.contains("semicolon") && told.contains("--separator"), "{told}");
        assert_eq!(Separator::parse("tab"), Some(Separator::Byte(b'\t')));
        assert_eq!(Separator::parse(":"), Some(Separator::Byte(b':')));
        assert_eq!(Separator::parse("xy"), None);
    }
}
