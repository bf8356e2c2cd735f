//! `completions` and `man`: what a shell can be given of the command line.

use std::io::Write;
use std::path::PathBuf;

use super::program::command;
use crate::{Error, Result};

/// Print completions for a shell
#[derive(Debug, clap::Args)]
pub struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: clap_complete::Shell,
}

/// Write manual pages, one a command, and print the path of the first
#[derive(Debug, clap::Args)]
pub struct Man {
    /// Folder to write into; it is made if it is not there
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    output: PathBuf,
}

/// Print completions.
pub fn completions(args: Completions) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut command(), "gatewright", &mut script);
    // A closed pipe is no failure.
    let _ = std::io::stdout().write_all(&script);
    Ok(())
}

/// Write manual pages.
pub fn man(args: Man) -> Result<()> {
    let folder = &args.output;
    std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
    clap_mangen::generate_to(command(), folder).map_err(|e| Error::io("write", folder, e))?;
    println!("{}", folder.join("gatewright.1").display());
    Ok(())
}
