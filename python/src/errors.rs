//! The library's errors as Python's.

use gatewright::Error;
use pyo3::PyErr;
use pyo3::exceptions::{PyKeyboardInterrupt, PyOSError, PyRuntimeError, PyValueError};

/// What Python is told: `ValueError` for what a caller can mend, `OSError` for files, `RuntimeError` for what failed under
/// way.
pub fn told(error: Error) -> PyErr {
    let sentence = keywords(&error.to_string());
    match error {
        Error::Usage(_) | Error::Input { .. } => PyValueError::new_err(sentence),
        Error::Io { .. } => PyOSError::new_err(sentence),
        Error::Stopped(_) => PyKeyboardInterrupt::new_err(sentence),
        Error::Gpu(_) | Error::DeviceLost(_) | Error::Run(_) | Error::Diverged(_) => PyRuntimeError::new_err(sentence),
    }
}

/// The same for a sentence.
pub fn refused(sentence: impl AsRef<str>) -> PyErr {
    PyValueError::new_err(keywords(sentence.as_ref()))
}

/// A sentence that speaks of flags, `--like-this`, as one that speaks of keywords, `like_this`.
pub fn keywords(sentence: &str) -> String {
    let mut made = String::with_capacity(sentence.len());
    let mut rest = sentence;
    while let Some(at) = rest.find("--") {
        let name: &str = &rest[at + 2..];
        let end =
            name.find(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')).unwrap_or(name.len());
        let (flag, after) = name.split_at(end);
        made.push_str(&rest[..at]);
        match flag.is_empty() {
            true => made.push_str("--"),
            false => made.push_str(&flag.replace('-', "_")),
        }
        rest = after;
    }
    made + rest
}
