//! What the Python package `gatewright` is built of. Everything that a user sees is in `python/gatewright`; here are
//! networks, training and the command line, as Python calls them.

mod errors;
mod given;
mod network;
mod settings;
mod training;

use pyo3::prelude::*;

/// The part of gatewright that is written in Rust.
#[pymodule]
mod _gatewright {
    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
    #[pymodule_export]
    use super::command;
    #[pymodule_export]
    use super::network::Network;
    #[pymodule_export]
    use super::settings::settings;
    #[pymodule_export]
    use super::training::train;
}

/// The command `gatewright` with its arguments, the program's name first; returns the exit code.
#[pyfunction]
fn command(py: Python, arguments: Vec<std::ffi::OsString>) -> u8 {
    py.detach(|| gatewright::commands::program::run(arguments))
}
