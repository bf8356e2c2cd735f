//! `runs`: run folders as a table, or beside each other.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::network::config_of;
use crate::record::{RunRecord, overlay, varying};
use crate::{Error, Result, files};

/// List runs, or compare some of them
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Args {
    /// Folder of run folders
    #[arg(default_value = "runs")]
    folder: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print in what runs differ and draw their curves in one picture
    Compare {
        /// Two or more run folders
        #[arg(required = true, num_args = 2..)]
        runs: Vec<PathBuf>,
        /// Picture to write
        #[arg(long, value_name = "FILE", default_value = "compare.png")]
        out: PathBuf,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// Print what was asked for.
pub fn run(args: Args) -> Result<()> {
    match args.command {
        None => list(&args.folder, args.json),
        Some(Command::Compare { runs, out, json }) => {
            let runs = runs.iter().map(|path| RunRecord::load(&super::run_folder(path))).collect::<Result<Vec<_>>>()?;
            files::write_whole(&out, &overlay(&runs)?)?;
            tell(&runs, json)?;
            eprintln!("wrote {}", out.display());
            Ok(())
        }
    }
}

fn list(folder: &Path, json: bool) -> Result<()> {
    if !folder.exists() {
        let problem = "there is no such folder, so there are no runs yet; `gatewright train` makes one";
        return Err(Error::input(folder, problem));
    }
    let one = super::run_folder(folder);
    let paths = if config_of(&one).is_file() { vec![one] } else { RunRecord::all_in(folder)? };
    let mut runs = Vec::new();
    for path in paths {
        match RunRecord::load(&path) {
            Ok(run) => runs.push(run),
            Err(e) => eprintln!("warning: {e}"),
        }
    }
    if runs.is_empty() {
        return Err(Error::input(folder, "it holds no run folders; `gatewright train` makes one"));
    }
    tell(&runs, json)
}

/// A line a run, then the settings in which they differ, a line a setting.
fn tell(runs: &[RunRecord], json: bool) -> Result<()> {
    let varying = varying(runs);
    let held_out = |run: &RunRecord| run.best().filter(|_| run.is_held_out());
    if json {
        let runs: Vec<serde_json::Value> = runs
            .iter()
            .enumerate()
            .map(|(i, run)| {
                let settings: serde_json::Map<_, _> =
                    varying.iter().map(|(name, values)| (name.clone(), json!(values[i]))).collect();
                Ok(json!({
                    "run": super::path_for_json(&run.path)?,
                    "held_out": run.is_held_out(),
                    "task": run.settings.input.task(),
                    "ended": run.summary.is_some(),
                    "steps": run.steps(),
                    "seconds": run.seconds(),
                    "gates": run.settings.layer_gates().iter().sum::<usize>(),
                    "best_accuracy": held_out(run).map(|b| b.0),
                    "best_step": held_out(run).map(|b| b.1),
                    "best_training_accuracy": run.best().filter(|_| !run.is_held_out()).map(|b| b.0),
                    "test_accuracy": run.summary.as_ref().map(|s| s.test_accuracy),
                    "convolutions": run.before.as_ref().map(|before| json!({
                        "ended": before.summary.is_some(),
                        "steps": before.steps(),
                        "of_steps": before.settings.steps,
                    })),
                    "varying": settings,
                }))
            })
            .collect::<Result<_>>()?;
        println!("{:#}", json!({ "runs": runs }));
        return Ok(());
    }
    let told =
        |run: &RunRecord, x: Option<f64>| x.map_or("–".to_string(), |x| run.settings.input.task().quality_text(x));
    let mut rows = vec![["run", "best held out", "test", "gates", "steps", "time", ""].map(String::from)];
    rows.extend(runs.iter().map(|run| {
        [
            run.name(),
            match run.best() {
                Some((best, _)) if !run.is_held_out() => format!("(training) {}", told(run, Some(best))),
                best => told(run, best.map(|b| b.0)),
            },
            told(run, run.summary.as_ref().map(|s| s.test_accuracy)),
            run.settings.layer_gates().iter().sum::<usize>().to_string(),
            run.steps().to_string(),
            duration(run.seconds()),
            not_ended(run),
        ]
    }));
    print_table(&rows);
    if !varying.is_empty() {
        println!();
        let head = [vec!["differs in".to_string()], runs.iter().map(RunRecord::name).collect()].concat();
        let lines = varying.into_iter().map(|(name, values)| [vec![name], values].concat());
        print_table(&[vec![head], lines.collect()].concat());
    }
    Ok(())
}

/// How far a run is that has not ended, and which of its parts, where it has two; of one that has nothing.
fn not_ended(run: &RunRecord) -> String {
    let told = match &run.before {
        _ if run.summary.is_some() => return String::new(),
        Some(before) if before.summary.is_none() => {
            format!(", in its convolutions: {} of {}", before.steps(), before.settings.steps)
        }
        _ => String::new(),
    };
    format!("of {}, not ended{told}", run.settings.steps)
}

/// Columns as wide as they need, the first to the left, others to the right.
fn print_table<R: AsRef<[String]>>(rows: &[R]) {
    let columns = rows.iter().map(|row| row.as_ref().len()).max().unwrap_or(0);
    let width = |column: usize| rows.iter().map(|row| row.as_ref()[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let cells = row.as_ref().iter().zip(&widths).enumerate();
        let cells = cells.map(|(i, (cell, &w))| if i == 0 { format!("{cell:w$}") } else { format!("{cell:>w$}") });
        println!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
    }
}

fn duration(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.1} s"),
        s if s < 6000.0 => format!("{:.1} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}
