//! The one error type: every message is a sentence that says what, where and what to do.

use std::path::Path;

/// What went wrong, told to a person. [`Error::exit_code`] tells it to a shell.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The user asked for something impossible: a bad flag, a bad config, an impossible combination.
    #[error("{0}")]
    Usage(String),
    /// A file or folder given as input is not what it should be.
    #[error("{path}: {problem}")]
    Input {
        /// The file or folder.
        path: String,
        /// What is wrong with it and what to do.
        problem: String,
    },
    /// Reading or writing failed in the operating system.
    #[error("cannot {action} {path}: {source}")]
    Io {
        /// "read", "write", "create", …
        action: &'static str,
        /// The file or folder.
        path: String,
        /// The system's own reason.
        source: std::io::Error,
    },
    /// No adapter, a rejected kernel, memory that ran out.
    #[error("{0}")]
    Gpu(String),
    /// The device went away or stopped answering; a new one may do.
    #[error("{0}")]
    DeviceLost(String),
    /// The run itself failed, as by a mismatch between GPU and CPU.
    #[error("{0}")]
    Run(String),
    /// Training left the finite numbers.
    #[error("{0}")]
    Diverged(String),
    /// The user stopped the run.
    #[error("{0}")]
    Stopped(String),
}

impl Error {
    /// Bad usage or a bad setting.
    pub fn usage(message: impl Into<String>) -> Self {
        Error::Usage(message.into())
    }

    /// Bad content of the file or folder at `path`.
    pub fn input(path: impl AsRef<Path>, problem: impl Into<String>) -> Self {
        Error::Input { path: path.as_ref().display().to_string(), problem: problem.into() }
    }

    /// An operating-system failure while doing `action` to `path`.
    pub fn io(action: &'static str, path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Error::Io { action, path: path.as_ref().display().to_string(), source }
    }

    /// The same failure with `advice` after its sentence, where it is one of a run; others are told as they are.
    pub fn with_advice(self, advice: &str) -> Self {
        match self {
            Error::Gpu(message) => Error::Gpu(format!("{message}; {advice}")),
            Error::DeviceLost(message) => Error::DeviceLost(format!("{message}; {advice}")),
            Error::Run(message) => Error::Run(format!("{message}; {advice}")),
            Error::Io { action, path, source } => {
                Error::Io { action, path, source: std::io::Error::new(source.kind(), format!("{source}; {advice}")) }
            }
            other => other,
        }
    }

    /// 2 for bad usage or input, 1 for a failure while running, 130 (a shell's number for Ctrl-C) for a stopped run.
    ///
    /// Reading a file that does not exist or may not be read is bad input; failing to write is a failure.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Usage(_) | Error::Input { .. } => 2,
            Error::Io { action: "read", .. } => 2,
            Error::Io { .. } | Error::Gpu(_) | Error::DeviceLost(_) | Error::Run(_) | Error::Diverged(_) => 1,
            Error::Stopped(_) => 130,
        }
    }
}

/// `Result` with gatewright's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;
