//! `report`: a run as one HTML page.

use std::path::PathBuf;

use super::judged::{Asked, Part, judged};
use crate::data::Options;
use crate::network::{Model, model_file};
use crate::record::{RunRecord, report};
use crate::{Result, files};

/// Make a self-contained HTML page of a run: curves, confusion, sample predictions, gates, input use
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A run folder whose run has ended, or the model in it
    run: PathBuf,
    /// File to write [default: report.html in the run folder]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Data set, where the run's own was moved [default: as the run names it]
    #[arg(long)]
    data: Option<String>,
    /// Folder in which named data sets lie (or the environment variable GATEWRIGHT_DATA)
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

/// Write the page and say where.
pub fn run(args: Args) -> Result<()> {
    let folder = super::run_folder(&args.run);
    let run = RunRecord::load(&folder)?;
    let path = model_file(&folder)?;
    let model = Model::load(&path)?;
    let asked = Asked {
        data: args.data.as_deref(),
        data_dir: args.data_dir.as_deref(),
        options: Options::default(),
        part: Part::Test,
    };
    let judged = judged(&path, &model, &asked)?;
    let out = args.out.unwrap_or_else(|| folder.join("report.html"));
    files::write_whole(&out, report(&run, &model, &judged.samples, &judged.which.0)?.as_bytes())?;
    println!("{}", out.display());
    Ok(())
}
