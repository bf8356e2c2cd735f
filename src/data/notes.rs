//! What reading a data set decided, and what it passed over.

use std::path::Path;

/// A sentence about how a data set was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The sentence, without a stop.
    pub text: String,
    /// Whether to tell it before training too, as something that was left out or may be meant otherwise.
    pub is_warning: bool,
}

impl Note {
    /// Something that was decided.
    pub fn decision(text: impl Into<String>) -> Self {
        Note { text: text.into(), is_warning: false }
    }

    /// The warnings among the notes on the file at `path`, with its name.
    pub(super) fn warnings_of(path: &Path, notes: Vec<Note>) -> impl Iterator<Item = Note> {
        let file = path.display().to_string();
        let warnings = notes.into_iter().filter(|note| note.is_warning);
        warnings.map(move |note| Note::warning(format!("{file}: {}", note.text)))
    }

    /// Something that was left out, or that may be meant otherwise.
    pub fn warning(text: impl Into<String>) -> Self {
        Note { text: text.into(), is_warning: true }
    }
}

/// `1 layer`, `2 layers`.
pub fn counted(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}
