//! Text cut into cells (RFC 4180), and the cells kept in the text's own bytes.

use crate::data::counted;

/// How lines are cut into cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Separator {
    /// By this byte.
    Byte(u8),
    /// By runs of blanks and tabs.
    Blanks,
}

/// Cells row by row: `text` holds them one after the other, without separators and quotes.
#[derive(Debug)]
pub struct Cells {
    text: String,
    /// `[row]`: where it begins in the text.
    starts: Vec<u32>,
    /// `[row]`: its line in the file, from 1.
    lines: Vec<u32>,
    /// `[row][column]`: where each ends, from the beginning of its row.
    ends: Ends,
    width: usize,
}

/// Ends of cells; half as large where no row is longer than 65,535 bytes.
#[derive(Debug)]
enum Ends {
    Short(Vec<u16>),
    Long(Vec<u32>),
}

impl Ends {
    fn push(&mut self, end: usize) {
        match self {
            Ends::Long(ends) => ends.push(end as u32),
            Ends::Short(ends) => match u16::try_from(end) {
                Ok(end) => ends.push(end),
                Err(_) => {
                    *self = Ends::Long(ends.iter().map(|&end| u32::from(end)).collect());
                    self.push(end);
                }
            },
        }
    }

    fn at(&self, i: usize) -> usize {
        match self {
            Ends::Short(ends) => usize::from(ends[i]),
            Ends::Long(ends) => ends[i] as usize,
        }
    }

    fn len(&self) -> usize {
        match self {
            Ends::Short(ends) => ends.len(),
            Ends::Long(ends) => ends.len(),
        }
    }

    fn truncate(&mut self, len: usize) {
        match self {
            Ends::Short(ends) => ends.truncate(len),
            Ends::Long(ends) => ends.truncate(len),
        }
    }
}

/// What was passed over while cutting.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Passed {
    /// Lines that begin with `#` and are no rows: how many, and the first one's number.
    pub comments: (usize, u32),
    /// Rows of several cells, all of them empty: how many, and the first one's line.
    pub empty: (usize, u32),
    /// Whether the first row has one cell less than the others.
    pub is_first_short: bool,
}

/// A line's start, looked at byte by byte.
pub struct Cutter<'a> {
    bytes: &'a mut [u8],
    separator: Separator,
    read: usize,
    written: usize,
    line: u32,
}

/// How a cell ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Cell,
    Row,
}

impl<'a> Cutter<'a> {
    /// Cuts `bytes` in place: what is read of them is overwritten by cells.
    pub fn new(bytes: &'a mut [u8], separator: Separator) -> Self {
        Cutter { bytes, separator, read: 0, written: 0, line: 1 }
    }

    /// Line of the next byte, from 1.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The cells cut so far, one after the other.
    pub fn written(&self) -> &[u8] {
        &self.bytes[..self.written]
    }

    /// How many bytes were read.
    pub fn place(&self) -> usize {
        self.read
    }

    /// Go to the next line that is not blank; whether there is one.
    fn next_row(&mut self) -> bool {
        let mut at = self.read;
        while let Some(&byte) = self.bytes.get(at) {
            match byte {
                b'\n' | b'\r' => {
                    let is_pair = byte == b'\r' && self.bytes.get(at + 1) == Some(&b'\n');
                    at += 1 + usize::from(is_pair);
                    self.line += 1;
                    self.read = at;
                }
                byte if byte == b' ' || byte == b'\t' && self.separator != Separator::Byte(b'\t') => at += 1,
                _ => {
                    if self.separator == Separator::Blanks {
                        self.read = at;
                    }
                    return true;
                }
            }
        }
        false
    }

    /// Whether the byte after the blanks ahead begins a comment.
    fn is_comment(&self) -> bool {
        self.bytes[self.read..].iter().find(|&&b| b != b' ') == Some(&b'#')
    }

    /// Cut the next row and call `cell` with where each of its cells ends in what is written; the line that it begins
    /// on, or `None` at the end.
    ///
    /// # Errors
    /// A sentence with its line for quotes that are not closed, or closed before the cell ends.
    pub fn row(&mut self, mut cell: impl FnMut(usize)) -> Result<Option<u32>, String> {
        if !self.next_row() {
            return Ok(None);
        }
        let line = self.line;
        loop {
            let end = self.cell()?;
            cell(self.written);
            if end == End::Row {
                return Ok(Some(line));
            }
        }
    }

    fn is_blank(&self, byte: u8) -> bool {
        byte == b' ' || byte == b'\t' && self.separator != Separator::Byte(b'\t')
    }

    /// Skip blanks, and tell what the cell ends with; the row, at the end of the text.
    fn cell(&mut self) -> Result<End, String> {
        while self.bytes.get(self.read).is_some_and(|&byte| self.is_blank(byte)) {
            self.read += 1;
        }
        if self.bytes.get(self.read) == Some(&b'"') {
            return self.quoted();
        }
        let from = self.read;
        let is_end = |byte: u8| match self.separator {
            Separator::Byte(separator) => byte == separator || byte == b'\n' || byte == b'\r',
            Separator::Blanks => matches!(byte, b' ' | b'\t' | b'\n' | b'\r'),
        };
        let length = self.bytes[from..].iter().position(|&byte| is_end(byte)).unwrap_or(self.bytes.len() - from);
        self.read += length;
        let mut until = from + length;
        while until > from && self.is_blank(self.bytes[until - 1]) {
            until -= 1;
        }
        // Short cells are copied quicker byte by byte than by a call.
        if until - from < 16 {
            for at in from..until {
                self.bytes[self.written] = self.bytes[at];
                self.written += 1;
            }
        } else {
            self.bytes.copy_within(from..until, self.written);
            self.written += until - from;
        }
        Ok(self.end())
    }

    /// Step over what ends a cell.
    fn end(&mut self) -> End {
        if self.separator == Separator::Blanks {
            while self.bytes.get(self.read).is_some_and(|&byte| self.is_blank(byte)) {
                self.read += 1;
            }
        }
        match self.bytes.get(self.read) {
            None => End::Row,
            Some(b'\r') => {
                self.read += 1 + usize::from(self.bytes.get(self.read + 1) == Some(&b'\n'));
                self.line += 1;
                End::Row
            }
            Some(b'\n') => {
                self.read += 1;
                self.line += 1;
                End::Row
            }
            Some(_) => {
                self.read += usize::from(self.separator != Separator::Blanks);
                End::Cell
            }
        }
    }

    fn quoted(&mut self) -> Result<End, String> {
        let opened = self.line;
        self.read += 1;
        loop {
            let Some(&byte) = self.bytes.get(self.read) else {
                return Err(format!(
                    "line {opened} opens quotes that nothing closes; close them, or write a quote that belongs to the \
                     text twice and its cell in quotes"
                ));
            };
            self.read += 1;
            if byte == b'"' {
                if self.bytes.get(self.read) != Some(&b'"') {
                    break;
                }
                self.read += 1;
            }
            // A line ends with a feed, or with a return before none.
            let is_end = byte == b'\n' || byte == b'\r' && self.bytes.get(self.read) != Some(&b'\n');
            self.line += u32::from(is_end);
            self.bytes[self.written] = byte;
            self.written += 1;
        }
        let closed = self.read;
        while self.bytes.get(self.read).is_some_and(|&byte| self.is_blank(byte)) {
            self.read += 1;
        }
        let is_over = match (self.bytes.get(self.read), self.separator) {
            (None | Some(b'\n' | b'\r'), _) => true,
            (Some(&byte), Separator::Byte(separator)) => byte == separator,
            (Some(_), Separator::Blanks) => self.read > closed,
        };
        if is_over {
            return Ok(self.end());
        }
        let since = if opened == self.line { String::new() } else { format!(" (opened on line {opened})") };
        Err(format!(
            "line {} goes on after quotes{since} are closed; write a quote that belongs to the text twice, and its cell in \
             quotes",
            self.line
        ))
    }
}

impl Cells {
    /// Cut `bytes` into rows of `width` cells; the first may have one less.
    ///
    /// # Errors
    /// A sentence with its line for quotes that do not match, rows of another width, and text that is not UTF-8.
    pub fn cut(mut bytes: Vec<u8>, separator: Separator, width: usize) -> Result<(Self, Passed), String> {
        let mut passed = Passed::default();
        let (mut starts, mut lines, mut ends) = (Vec::new(), Vec::new(), Ends::Short(Vec::new()));
        let mut cutter = Cutter::new(&mut bytes, separator);
        loop {
            let (begin, cells) = (cutter.written, ends.len());
            let is_comment = cutter.next_row() && cutter.is_comment();
            // Where blanks part cells, a sign with a blank behind it is a cell of its own, and no name.
            let is_apart = is_comment
                && separator == Separator::Blanks
                && cutter.bytes[cutter.read..].trim_ascii_start().starts_with(b"# ");
            let Some(line) = cutter.row(|end| ends.push(end - begin))? else { break };
            let found = ends.len() - cells;
            let is_one_short = found + 1 == width && starts.is_empty() && !is_comment;
            let is_rule = separator == Separator::Byte(b'|')
                && cutter.bytes[begin..cutter.written].iter().all(|byte| matches!(byte, b'-' | b':'));
            if is_comment && (found != width || is_apart) || is_rule && cutter.written > begin {
                passed.comments =
                    (passed.comments.0 + 1, if passed.comments.0 == 0 { line } else { passed.comments.1 });
            } else if cutter.written == begin && found > 1 {
                passed.empty = (passed.empty.0 + 1, if passed.empty.0 == 0 { line } else { passed.empty.1 });
            } else if is_one_short {
                // The first cell is the one that lacks its name.
                passed.is_first_short = true;
                let mut shifted = Ends::Short(Vec::new());
                shifted.push(0);
                (0..found).for_each(|i| shifted.push(ends.at(cells + i)));
                ends = shifted;
                starts.push(begin as u32);
                lines.push(line);
                continue;
            } else if found == width {
                starts.push(begin as u32);
                lines.push(line);
                continue;
            } else {
                let until = cutter.line().saturating_sub(1).max(line);
                let goes_on =
                    if until > line { format!(", its quotes reaching to line {until},") } else { String::new() };
                return Err(format!(
                    "line {line}{goes_on} has {} and most lines have {width}; correct it or remove it, or put cells \
                     with separators into quotes",
                    counted(found, "cell")
                ));
            }
            cutter.written = begin;
            ends.truncate(cells);
        }
        let written = cutter.written;
        bytes.truncate(written);
        let mut text = String::from_utf8(bytes).map_err(|e| {
            let at = e.utf8_error().valid_up_to() as u32;
            let row = starts.partition_point(|&start| start <= at).saturating_sub(1);
            let line = lines.get(row).copied().unwrap_or(1);
            format!("line {line} is not UTF-8 text; convert the file (for instance by iconv -f latin1 -t utf-8)")
        })?;
        text.shrink_to_fit();
        match &mut ends {
            Ends::Short(ends) => ends.shrink_to_fit(),
            Ends::Long(ends) => ends.shrink_to_fit(),
        }
        starts.shrink_to_fit();
        lines.shrink_to_fit();
        Ok((Cells { text, starts, lines, ends, width }, passed))
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.starts.len()
    }

    /// Number of columns.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Line of row `row` in the file, from 1.
    pub fn line(&self, row: usize) -> u32 {
        self.lines[row]
    }

    fn range(&self, row: usize, column: usize) -> std::ops::Range<usize> {
        let (start, i) = (self.starts[row] as usize, row * self.width + column);
        let from = if column == 0 { 0 } else { self.ends.at(i - 1) };
        start + from..start + self.ends.at(i)
    }

    /// The cell in row `row` and column `column`, as it was written.
    pub fn at(&self, row: usize, column: usize) -> &str {
        &self.text[self.range(row, column)]
    }

    /// Take the first row off, as the columns' names.
    pub fn take_first(&mut self) -> Vec<String> {
        let names = (0..self.width).map(|column| self.at(0, column).trim().to_owned()).collect();
        self.starts.remove(0);
        self.lines.remove(0);
        match &mut self.ends {
            Ends::Short(ends) => drop(ends.drain(..self.width)),
            Ends::Long(ends) => drop(ends.drain(..self.width)),
        }
        names
    }

    /// Replace cells of the columns that `is_changed` says: `change` gives what to write, which may not be longer.
    pub fn rewrite(&mut self, is_changed: &[bool], change: impl Fn(usize, &str) -> Option<String>) {
        let mut bytes = std::mem::take(&mut self.text).into_bytes();
        for row in 0..self.len() {
            for column in (0..self.width).filter(|&column| is_changed[column]) {
                let range = self.range(row, column);
                let new = std::str::from_utf8(&bytes[range.clone()]).ok().and_then(|cell| change(column, cell));
                let Some(new) = new.filter(|new| new.len() <= range.len()) else { continue };
                // What is not used of the cell's bytes stays blank; whoever reads cells trims them.
                bytes[range.start..range.start + new.len()].copy_from_slice(new.as_bytes());
                bytes[range.start + new.len()..range.end].fill(b' ');
            }
        }
        // Whole cells were replaced by whole text.
        self.text = String::from_utf8(bytes).unwrap_or_default();
    }
}
