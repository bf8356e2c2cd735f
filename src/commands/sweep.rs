//! `sweep`: a grid of runs, one after the other.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::record::{Finished, RunRecord, csv, curves, markdown, picture};
use crate::run::{Beginning, Cell, Metrics, Options, Place, Reporter, Summary, Sweep, Where};
use crate::{Error, Result, files};

/// Train every combination of some settings; finished runs are kept, so that a sweep can be stopped and gone on with
#[derive(Debug, clap::Args)]
pub struct Args {
    /// TOML file: title, [base] settings, [[grid]]s whose lists are axes, [[plot]]s, [[curve]]s and a [race] (see assets/sweeps)
    file: PathBuf,
    /// Folder of the runs, the tables and the pictures
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    place: Where,
    /// Print the results as JSON on stdout, all else on stderr
    #[arg(long)]
    json: bool,
}

/// Run what is left of the sweep, then write and print its tables.
pub fn run(args: Args) -> Result<()> {
    let sweep = Sweep::load(&args.file)?;
    let cells = sweep.cells()?;
    if cells.is_empty() {
        return Err(Error::input(&args.file, "it has no cells; add a [[grid]]"));
    }
    let stop = super::stop_on_signal()?;
    let mut finished = Vec::new();
    for (i, cell) in cells.iter().enumerate() {
        eprintln!("{}/{}: {}", i + 1, cells.len(), cell.name());
        let summary = train(&args, cell, &stop).map_err(|e| match e {
            Error::Stopped(_) => Error::Stopped(format!(
                "stopped in cell {} of {}, {}, with a checkpoint; go on by: gatewright sweep {} --out {}",
                i + 1,
                cells.len(),
                cell.name(),
                args.file.display(),
                args.out.display()
            )),
            e => e.with_advice(&format!("the cell is {}", cell.name())),
        })?;
        let [hard, gap] = [summary.test_accuracy, summary.selection_gap].map(|fraction| fraction * 100.0);
        eprintln!("    hard {hard:.2} %, selection gap {gap:.2} points");
        let metrics = RunRecord::load(&args.out.join(cell.name()))?.metrics;
        finished.push(Finished { cell: cell.clone(), summary, metrics });
    }
    files::write_whole(&args.out.join("results.csv"), &csv(&finished)?)?;
    let table = markdown(&sweep, &finished);
    files::write_whole(&args.out.join("results.md"), table.as_bytes())?;
    for plot in &sweep.plot {
        files::write_whole(&args.out.join(&plot.file), &picture(&sweep, plot, &finished)?)?;
    }
    for curve in &sweep.curve {
        files::write_whole(&args.out.join(&curve.file), &curves(&sweep, curve, &finished)?)?;
    }
    if args.json {
        let cell = |f: &Finished| json!({ "cell": f.cell.name(), "summary": f.summary });
        println!("{:#}", json!(finished.iter().map(cell).collect::<Vec<_>>()));
    } else {
        print!("{table}");
    }
    eprintln!("wrote {}", args.out.join("results.csv").display());
    Ok(())
}

/// Train one cell, or go on with it, or take what it came to.
fn train(args: &Args, cell: &Cell, stop: &Arc<AtomicBool>) -> Result<Summary> {
    let folder = args.out.join(cell.name());
    let place = if folder.join("config.toml").exists() { Place::Resume(folder) } else { Place::New(Some(folder)) };
    if stop.load(Ordering::Relaxed) {
        return Err(Error::Stopped("stopped between cells".into()));
    }
    let (settings, data) = cell.chosen.open()?;
    data.notes.iter().filter(|note| note.is_warning).for_each(|note| Quiet.warn(&note.text));
    let settings = super::from_root(settings);
    let options = Options { place, stop: stop.clone(), ..Options::default() };
    crate::run::run(&|| super::open_device(&args.place, &settings), &settings, data, &options, &mut Quiet)
}

/// Tells of warnings only.
struct Quiet;

impl Reporter for Quiet {
    fn begin(&mut self, _: &Beginning) {}
    fn estimate(&mut self, _: f64) {}
    fn step(&mut self, _: u32) {}
    fn evaluated(&mut self, _: &Metrics) {}
    fn warn(&mut self, message: &str) {
        eprintln!("    warning: {message}");
    }
}
