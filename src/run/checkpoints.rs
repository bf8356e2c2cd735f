//! A run's checkpoints on disk: when one is due, which is the newest, which are kept.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::checkpoint::Checkpoint;
use crate::{Error, Result, files};

/// The folder of a run folder that holds them.
const FOLDER: &str = "checkpoints";

/// When a checkpoint that could not be written is tried again, at the latest.
const RETRY: Duration = Duration::from_secs(60);

/// How often checkpoints are written and how many are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "cli", derive(clap::Args))]
pub struct Cadence {
    /// Write a checkpoint every N steps
    #[cfg_attr(feature = "cli", arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..)))]
    pub checkpoint_steps: Option<u32>,
    /// Write a checkpoint at least every M minutes
    #[cfg_attr(feature = "cli", arg(long, value_name = "M", default_value_t = 5.0, value_parser = minutes))]
    pub checkpoint_minutes: f64,
    /// Keep the last K checkpoints, and those of the best held-out accuracy
    #[cfg_attr(feature = "cli", arg(long, value_name = "K", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..)))]
    pub keep_checkpoints: u32,
}

impl Default for Cadence {
    /// Every 5 minutes, two kept.
    fn default() -> Self {
        Cadence { checkpoint_steps: None, checkpoint_minutes: 5.0, keep_checkpoints: 2 }
    }
}

fn minutes(text: &str) -> std::result::Result<f64, String> {
    let minutes: f64 = text.parse().map_err(|_| "this is no number".to_string())?;
    if minutes.is_finite() && (0.0..1e6).contains(&minutes) { Ok(minutes) } else { Err("0 or more is possible".into()) }
}

/// When the next checkpoint is due.
pub struct Clock {
    cadence: Cadence,
    last_step: u32,
    last: Instant,
    failed: bool,
}

impl Clock {
    /// Begin at `step`.
    pub fn new(cadence: Cadence, step: u32) -> Self {
        Clock { cadence, last_step: step, last: Instant::now(), failed: false }
    }

    /// The step at which steps ask for the next checkpoint.
    pub fn next_step(&self) -> u32 {
        self.cadence.checkpoint_steps.map_or(u32::MAX, |n| (self.last_step / n + 1).saturating_mul(n))
    }

    /// Whether a checkpoint should be written now, after `step` steps.
    pub fn is_due(&self, step: u32) -> bool {
        let wait = Duration::from_secs_f64(self.cadence.checkpoint_minutes * 60.0);
        let wait = if self.failed { wait.min(RETRY) } else { wait };
        step >= self.next_step() || (step > self.last_step && self.last.elapsed() >= wait)
    }

    /// A checkpoint was tried after `step` steps, and `written` or not.
    pub fn tried(&mut self, step: u32, written: bool) {
        (self.last_step, self.last, self.failed) = (step, Instant::now(), !written);
    }
}

/// The file of a checkpoint after `step` steps in the run folder `run`.
pub fn path(run: &Path, step: u32) -> PathBuf {
    run.join(FOLDER).join(format!("step-{step:010}.ckpt"))
}

/// The run folder of a checkpoint file, if its name and place are those of one.
pub fn run_of(file: &Path) -> Option<PathBuf> {
    let folder = file.parent()?;
    step_of(file).filter(|_| folder.file_name().is_some_and(|name| name == FOLDER))?;
    folder.parent().map(Path::to_path_buf)
}

fn step_of(file: &Path) -> Option<u32> {
    file.file_name()?.to_str()?.strip_prefix("step-")?.strip_suffix(".ckpt")?.parse().ok()
}

/// The checkpoints of a run folder with their steps, oldest first.
pub fn list(run: &Path) -> Result<Vec<(u32, PathBuf)>> {
    let folder = run.join(FOLDER);
    let entries = match std::fs::read_dir(&folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|e| Error::io("read", &folder, e))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| Error::io("read", &folder, e))?.path();
        found.extend(step_of(&path).map(|step| (step, path)));
    }
    found.sort();
    Ok(found)
}

/// Remove what killed writers left among the checkpoints.
pub fn remove_unfinished(run: &Path) -> Result<()> {
    let folder = run.join(FOLDER);
    if folder.exists() { files::remove_unfinished(&folder) } else { Ok(()) }
}

/// Write `checkpoint` into the run folder `run`, then remove what is kept no longer: all but the last `keep`, the best by
/// held-out accuracy as each of these knew it, and none from later steps, which another course of the run left.
pub fn write(run: &Path, checkpoint: &Checkpoint, keep: u32, is_best_counted: bool) -> Result<PathBuf> {
    let step = checkpoint.header.step;
    let folder = run.join(FOLDER);
    std::fs::create_dir_all(&folder).map_err(|e| Error::io("create", &folder, e))?;
    let written = path(run, step);
    files::write_whole(&written, &checkpoint.to_bytes()?)?;
    let found = list(run)?;
    let last: Vec<u32> = found.iter().map(|(s, _)| *s).rev().filter(|s| *s <= step).take(keep as usize).collect();
    let best_of = |s: &u32| {
        let known: Vec<_> = checkpoint.header.metrics.iter().filter(|m| m.step <= *s).cloned().collect();
        super::metrics::best(&known).map(|m| m.step)
    };
    let best: Vec<u32> = if is_best_counted { last.iter().filter_map(best_of).collect() } else { Vec::new() };
    for (s, path) in found {
        if !last.contains(&s) && !best.contains(&s) {
            std::fs::remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
        }
    }
    Ok(written)
}

/// Read the newest checkpoint of a run folder; none if there is none.
///
/// # Errors
/// As [`Checkpoint::load`]; the sentence offers the checkpoint before, if that is whole.
pub fn newest(run: &Path) -> Result<Option<Checkpoint>> {
    let mut found = list(run)?;
    let Some((_, path)) = found.pop() else { return Ok(None) };
    Checkpoint::load(&path).map(Some).map_err(|error| match error {
        Error::Input { path, problem } => {
            let whole = found.iter().rev().find(|(_, path)| Checkpoint::load(path).is_ok());
            let offer = match whole {
                Some((step, path)) => format!(
                    "the one before it, of step {step}, is whole: go on from there by --resume {}",
                    path.display()
                ),
                None => "there is no whole one before it, so this run must begin anew".into(),
            };
            Error::Input { path, problem: format!("{problem}; {offer}") }
        }
        other => other,
    })
}
