//! What is printed. A reader who has gone, a full disk and control characters in names are met here, once.
//!
//! The macros stand in for those of the standard library, which panic where a line cannot be written.

use std::borrow::Cow;
use std::fmt::Arguments;
use std::io::{ErrorKind, Write};

/// What a shell says of a program that a closed pipe ended.
const CLOSED_PIPE: i32 = 141;

/// Print to stdout, where results go. A result that cannot be written ends the program: with a sentence and 1, or, where
/// its reader has gone, silently and with a shell's number for that.
macro_rules! print {
    ($($told:tt)*) => { $crate::console::result(format_args!($($told)*)) };
}

/// [`print!`] and a line's end.
macro_rules! println {
    () => { $crate::console::result(format_args!("\n")) };
    ($($told:tt)*) => { $crate::console::result(format_args!("{}\n", format_args!($($told)*))) };
}

/// Print a line to stderr, where everything else goes; nothing depends on its being read.
macro_rules! eprintln {
    ($($told:tt)*) => { $crate::console::note(format_args!($($told)*)) };
}

/// Write a part of the result to stdout.
pub fn result(told: Arguments) {
    let text = told.to_string();
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(escaped(&text).as_bytes()).and_then(|()| stdout.flush());
    if let Err(e) = written {
        if e.kind() == ErrorKind::BrokenPipe {
            std::process::exit(CLOSED_PIPE);
        }
        note(format_args!("error: cannot write the result to stdout: {e}"));
        std::process::exit(1);
    }
}

/// Write a line to stderr, if anybody reads it.
pub fn note(told: Arguments) {
    let line = format!("{}\n", escaped(&told.to_string()));
    let _ = std::io::stderr().lock().write_all(line.as_bytes());
}

/// `text` with control characters, which could move a terminal's cursor or dye its letters, as escapes; lines end as they
/// are.
pub fn escaped(text: &str) -> Cow<'_, str> {
    let moves = |c: char| c.is_control() && c != '\n';
    if !text.contains(moves) {
        return text.into();
    }
    text.chars().map(|c| if moves(c) { c.escape_default().to_string() } else { c.to_string() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_not_obeyed() {
        assert_eq!(escaped("a\u{1b}[31mred\n"), "a\\u{1b}[31mred\n");
        assert_eq!(escaped("b\tc\rd\u{9b}"), "b\\tc\\rd\\u{9b}");
        assert_eq!(escaped("größe ≤ 1\n"), "größe ≤ 1\n");
    }
}
