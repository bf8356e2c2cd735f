//! The command line, nothing else.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(gatewright::commands::program::run(std::env::args_os()))
}
