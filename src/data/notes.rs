//! What reading a data set decided, and what it passed over.

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

    /// Something that was left out, or that may be meant otherwise.
    pub fn warning(text: impl Into<String>) -> Self {
        Note { text: text.into(), is_warning: true }
    }
}
