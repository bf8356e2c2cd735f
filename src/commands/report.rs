//! `report`: a run as one HTML page.

use std::path::PathBuf;

use crate::network::Model;
use crate::record::{RunRecord, report};
use crate::{Result, files};

/// Make a self-contained HTML page of a run: curves, confusion, sample predictions, gates, input use
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A run folder whose run has ended
    run: PathBuf,
    /// File to write [default: report.html in the run folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Folder in which named data sets lie (or the environment variable GATEWRIGHT_DATA)
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Write the page and say where.
pub fn run(args: Args) -> Result<()> {
    let run = RunRecord::load(&args.run)?;
    let path = args.run.join("model.safetensors");
    let model = Model::load(&path)?;
    let settings = &run.settings;
    let data_dir = args.data_dir.as_deref().or(settings.data_dir.as_deref());
    let data = super::open_for(&path, &model, Some(&settings.data), data_dir, &settings.input)?;
    let out = args.out.unwrap_or_else(|| args.run.join("report.html"));
    files::write_whole(&out, report(&run, &model, &data.test)?.as_bytes())?;
    println!("{}", out.display());
    Ok(())
}
