//! `sweep`: a grid of runs, one after the other, or shared with other processes that have the same folder.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::network::config_of;
use crate::record::{Finished, RunRecord, csv, curves, markdown, picture};
use crate::run::{Beginning, Cell, Metrics, Options, Place, Reporter, RunFolder, Summary, Sweep, Where, summary_of};
use crate::settings::{Schedule, Settings};
use crate::{Error, Result, files};

/// How often a process looks whether cells that others hold are finished or given up.
const PATIENCE: Duration = Duration::from_millis(500);

/// Train every combination of some settings; finished runs are kept, so that a sweep can be stopped and gone on with
///
/// Several processes may share a sweep by the same file and --out, on one machine or on many that see the folder: each takes the
/// next run that nobody holds or has finished, and goes on with one whose process died.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// TOML file: title, [base] settings, [[grid]]s whose lists are axes, [[plot]]s, [[curve]]s and a [race] (see assets/sweeps)
    file: PathBuf,
    /// Folder of the runs, the tables and the pictures
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Data set of all runs, instead of the one that the file says
    #[arg(long, value_name = "DATA")]
    data: Option<String>,
    #[command(flatten)]
    place: Where,
    /// Print the results as JSON on stdout, all else on stderr
    #[arg(long)]
    json: bool,
}

/// Run what is left of the sweep, then write and print its tables.
pub fn run(args: Args) -> Result<()> {
    let sweep = Sweep::load(&args.file)?;
    let sweep = match &args.data {
        Some(data) => sweep.on(data.clone())?,
        None => sweep,
    };
    let cells = sweep.cells()?;
    if cells.is_empty() {
        return Err(Error::input(&args.file, "it has no cells; add a [[grid]]"));
    }
    for cell in &cells {
        let of_cell = |e: Error| Error::usage(format!("cell {}: {e}", cell.name()));
        let settings = cell.chosen.resolve().map_err(of_cell)?;
        args.place.check(&settings).map_err(of_cell)?;
        check_length(&args.out.join(cell.name()), &settings).map_err(of_cell)?;
    }
    let stop = super::stop_on_signal()?;
    let mut finished: Vec<Option<Finished>> = cells.iter().map(|_| None).collect();
    let mut is_waiting = false;
    // The next cell that nobody holds; once all are held or finished, those that others hold, until they are.
    while finished.iter().any(Option::is_none) {
        let is_held = |i: &usize| RunFolder::is_held(&args.out.join(cells[*i].name()));
        let left: Vec<usize> = (0..cells.len()).filter(|&i| finished[i].is_none()).collect();
        let Some(i) = left.iter().copied().find(|i| !is_held(i)) else {
            if stop.load(Ordering::Relaxed) {
                return Err(Error::Stopped("stopped while other processes train the cells that are left".into()));
            }
            if !is_waiting {
                is_waiting = true;
                eprintln!("other processes train the {} cells that are left; waiting for them", left.len());
            }
            std::thread::sleep(PATIENCE);
            continue;
        };
        let cell = &cells[i];
        let is_begun = || config_of(&args.out.join(cell.name())).exists();
        let was_begun = is_begun();
        eprintln!("{}/{}: {}", i + 1, cells.len(), cell.name());
        let summary = match train(&args, cell, &stop) {
            Ok(summary) => summary,
            Err(Error::Stopped(_)) => {
                return Err(Error::Stopped(format!(
                    "stopped in cell {} of {}, {}, with a checkpoint; go on by: gatewright sweep {} --out {}{}",
                    i + 1,
                    cells.len(),
                    cell.name(),
                    args.file.display(),
                    args.out.display(),
                    args.data.as_ref().map_or(String::new(), |data| format!(" --data {data}"))
                )));
            }
            // Another process was sooner by a moment.
            Err(Error::Input { .. } | Error::Usage(_)) if is_held(&i) || is_begun() != was_begun => continue,
            Err(e) => return Err(e.with_advice(&format!("the cell is {}", cell.name()))),
        };
        let [hard, gap] = [summary.test_accuracy, summary.selection_gap].map(|fraction| fraction * 100.0);
        let held_out =
            summary.held_out_accuracy.map_or(String::new(), |held| format!("held out {:.2} %, ", held * 100.0));
        eprintln!("    {held_out}hard test {hard:.2} %, selection gap {gap:.2} points");
        let metrics = RunRecord::load(&args.out.join(cell.name()))?.metrics;
        finished[i] = Some(Finished { cell: cell.clone(), summary, metrics });
    }
    let finished: Vec<Finished> = finished.into_iter().flatten().collect();
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

/// Refuse to make a finished run of `folder` longer if its rate fell along a cosine: it would not become a run of that length.
fn check_length(folder: &Path, settings: &Settings) -> Result<()> {
    match Summary::load(&summary_of(folder))? {
        Some(Summary { steps, .. }) if settings.schedule == Schedule::Cosine && steps != settings.steps => {
            Err(Error::usage(format!(
                "{} has a run of {steps} steps whose rate fell along a cosine, so that going on makes no run of {} of it; name another --out, \
             or remove that folder",
                folder.display(),
                settings.steps
            )))
        }
        _ => Ok(()),
    }
}

/// Train one cell, or go on with it, or take what it came to.
fn train(args: &Args, cell: &Cell, stop: &Arc<AtomicBool>) -> Result<Summary> {
    let folder = args.out.join(cell.name());
    let place = if config_of(&folder).exists() { Place::Resume(folder) } else { Place::New(Some(folder)) };
    if stop.load(Ordering::Relaxed) {
        return Err(Error::Stopped("stopped between cells".into()));
    }
    let (settings, data) = cell.chosen.open()?;
    data.notes.iter().filter(|note| note.is_warning).for_each(|note| Quiet.warn(&note.text));
    let settings = super::from_root(settings);
    let options = Options { place, stop: stop.clone(), ..Options::default() };
    crate::run::run(&|| super::open_device(&args.place, &settings), &settings, data, &options, &mut Quiet)
}

/// Tells of parts and of warnings only.
struct Quiet;

impl Reporter for Quiet {
    fn stage(&mut self, what: &str) {
        eprintln!("    {what}");
    }
    fn begin(&mut self, _: &Beginning) {}
    fn estimate(&mut self, _: f64) {}
    fn step(&mut self, _: u32) {}
    fn evaluated(&mut self, _: &Metrics) {}
    fn warn(&mut self, message: &str) {
        eprintln!("    warning: {message}");
    }
}
