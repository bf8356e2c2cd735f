//! What a run leaves behind: `config.toml`, `metrics.jsonl`, `summary.json`, `curves.png`,
//! `model.safetensors`, `checkpoints`.

use std::fs::{DirEntry, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use super::checkpoints;
use super::curves::curves;
use super::metrics::Metrics;
use super::summary::Summary;
use super::tensorboard::EventFile;
use crate::data::Task;
use crate::network::{Model, config_of, model_of};
use crate::settings::Settings;
use crate::{Error, Result, files};

/// Locked while a process works in the folder; a lock ends with its process, the file stays.
const LOCK: &str = "run.lock";

/// An open run folder, closed to other processes until it is dropped.
pub struct RunFolder {
    path: PathBuf,
    /// `metrics.jsonl`, if it holds exactly `recorded`.
    lines: Option<File>,
    recorded: Vec<Metrics>,
    /// What the run is trained to tell.
    task: Task,
    /// Whether what it is watched by is held out of training.
    is_held_out: bool,
    /// Whether TensorBoard's record is asked for.
    has_events: bool,
    /// It, if it holds exactly `recorded`.
    events: Option<EventFile>,
    /// The last checkpoint that this process wrote there or read from there.
    pub last_checkpoint: Option<PathBuf>,
    /// Seconds that a run before this one took, which is a part of it.
    pub seconds_before: f64,
    /// What is to be told of the folder before anything is trained.
    pub warning: Option<String>,
    /// Folders that were made for it, the innermost first, where the run is new and may still be refused.
    unused: Option<Vec<PathBuf>>,
    _lock: File,
}

impl RunFolder {
    /// Make `out`, or the first free `runs/<name>-<n>`.
    ///
    /// # Errors
    /// [`Error::Usage`] if `out` holds something already, [`Error::Input`] if another process works there,
    /// [`Error::Io`] if it cannot be written.
    pub fn create(out: Option<&Path>, name: &str) -> Result<Self> {
        let (path, made) = match out {
            Some(out) => {
                let is_missing = |folder: &&Path| !folder.as_os_str().is_empty() && !folder.exists();
                let made = out.ancestors().take_while(is_missing).map(Path::to_path_buf).collect();
                std::fs::create_dir_all(out).map_err(|e| Error::io("create", out, e))?;
                (out.to_path_buf(), made)
            }
            None => {
                let path = first_free(name)?;
                (path.clone(), vec![path])
            }
        };
        // Looked at before the lock, so that nothing is made in a folder that is not ours, and again behind it.
        refuse_used(&path)?;
        let (lock, warning) = lock(&path)?;
        refuse_used(&path)?;
        files::remove_unfinished(&path)?;
        let mut folder = Self::locked(path, (lock, warning));
        folder.unused = Some(made);
        Ok(folder)
    }

    /// Open the folder of a run that was interrupted or is to be extended, and clear away what a killed process left.
    ///
    /// # Errors
    /// [`Error::Input`] if it is no run folder or another process works there, [`Error::Io`] if it cannot be written.
    pub fn reopen(path: &Path) -> Result<Self> {
        let config = config_of(path);
        if !config.is_file() {
            return Err(Error::input(path, "it is no run folder, for it has no config.toml; begin a run by --out"));
        }
        let (lock, warning) = lock(path)?;
        files::remove_unfinished(path)?;
        checkpoints::remove_unfinished(path)?;
        Ok(Self::locked(path.to_path_buf(), (lock, warning)))
    }

    /// Whether another process works in the folder at `path`; where the file system has no locks, nobody is seen there.
    pub fn is_held(path: &Path) -> bool {
        let opened = File::open(path.join(LOCK));
        opened.is_ok_and(|file| matches!(file.try_lock(), Err(TryLockError::WouldBlock)))
    }

    /// Nothing recorded yet.
    fn locked(path: PathBuf, (lock, warning): (File, Option<String>)) -> Self {
        RunFolder {
            path,
            lines: None,
            recorded: Vec::new(),
            task: Task::Classes,
            is_held_out: false,
            has_events: false,
            events: None,
            last_checkpoint: None,
            seconds_before: 0.0,
            warning,
            unused: None,
            _lock: lock,
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Every evaluation so far.
    pub fn recorded(&self) -> &[Metrics] {
        &self.recorded
    }

    /// The summary of a run that has ended.
    pub fn summary(&self) -> Result<Option<Summary>> {
        Summary::load(&summary_of(&self.path))
    }

    /// Begin or go on, having made these evaluations, of samples held out or not: the run has not ended.
    pub fn go_on(
        &mut self,
        settings: &Settings,
        recorded: Vec<Metrics>,
        is_held_out: bool,
        tensorboard: bool,
    ) -> Result<()> {
        self.unused = None;
        let summary = summary_of(&self.path);
        match std::fs::remove_file(&summary) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(Error::io("remove", summary, e)),
            _ => self.recorded = recorded,
        }
        self.task = settings.input.task();
        self.is_held_out = is_held_out;
        self.write_config(settings)?;
        self.write_lines()?;
        self.has_events = tensorboard;
        if tensorboard {
            self.events = Some(EventFile::create(&self.path, &self.recorded)?);
        }
        Ok(())
    }

    /// Append a line to `metrics.jsonl`, an event where these are asked for, and draw `curves.png` anew.
    pub fn record(&mut self, metrics: &Metrics) -> Result<()> {
        self.recorded.push(metrics.clone());
        // Where appending fails, a part may have been written: the next evaluation writes that file whole.
        match self.lines.take() {
            None => self.write_lines()?,
            Some(mut lines) => {
                let written = lines.write_all(line(metrics)?.as_bytes());
                written.map_err(|e| Error::io("write", self.path.join("metrics.jsonl"), e))?;
                self.lines = Some(lines);
            }
        }
        if self.has_events {
            self.events = match self.events.take() {
                None => Some(EventFile::create(&self.path, &self.recorded)?),
                Some(mut events) => {
                    events.append(metrics)?;
                    Some(events)
                }
            };
        }
        files::write_whole(&self.path.join("curves.png"), &curves(&self.recorded, self.task, self.is_held_out)?)
    }

    /// Write `config.toml`.
    pub fn write_config(&self, settings: &Settings) -> Result<()> {
        let config = settings.to_toml()?;
        let (version, path) = (env!("CARGO_PKG_VERSION"), config_of(&self.path));
        let config = format!(
            "# gatewright {version}; repeat this run by: gatewright train --config {}\n{config}",
            path.display()
        );
        files::write_whole(&path, config.as_bytes())
    }

    /// Write `metrics.jsonl` whole.
    fn write_lines(&mut self) -> Result<()> {
        let path = self.path.join("metrics.jsonl");
        self.lines = None;
        let whole = self.recorded.iter().map(line).collect::<Result<String>>()?;
        files::write_whole(&path, whole.as_bytes())?;
        self.lines = Some(OpenOptions::new().append(true).open(&path).map_err(|e| Error::io("open", &path, e))?);
        Ok(())
    }

    /// Write the model and the summary.
    pub fn finish(&self, model: &Model, summary: &Summary) -> Result<()> {
        model.save(&model_of(&self.path))?;
        files::write_whole(&summary_of(&self.path), format!("{}\n", summary.json()?).as_bytes())
    }
}

impl Drop for RunFolder {
    /// A new run that was refused before its first step leaves nothing that was made for it; one whose convolutions were begun stays.
    fn drop(&mut self) {
        let Some(made) = &self.unused else { return };
        let own = [self.path.join(LOCK), config_of(&self.path)];
        let is_own = |entry: std::io::Result<DirEntry>| entry.is_ok_and(|entry| own.contains(&entry.path()));
        if std::fs::read_dir(&self.path).is_ok_and(|mut entries| entries.all(is_own)) {
            // What cannot be removed stays, as after a kill.
            own.iter().for_each(|file| drop(std::fs::remove_file(file)));
            let _ = made.iter().try_for_each(std::fs::remove_dir);
        }
    }
}

/// The summary of the run folder at `path`, which it has once it has ended.
pub fn summary_of(path: &Path) -> PathBuf {
    path.join("summary.json")
}

/// Refuse a folder that holds more than what a process that was killed just as it began leaves.
fn refuse_used(path: &Path) -> Result<()> {
    for entry in std::fs::read_dir(path).map_err(|e| Error::io("read", path, e))? {
        let entry = entry.map_err(|e| Error::io("read", path, e))?.path();
        if entry.file_name() != Some(LOCK.as_ref()) && !files::is_unfinished(&entry) {
            return Err(Error::usage(format!(
                "{} is not empty; name another folder by --out, remove it, or go on with its run by --resume",
                path.display()
            )));
        }
    }
    Ok(())
}

fn line(metrics: &Metrics) -> Result<String> {
    let line = serde_json::to_string(metrics).map_err(|e| Error::Run(format!("cannot write metrics: {e}")))?;
    Ok(line + "\n")
}

/// Lock the folder at `path` for as long as the file lives; where the file system has no locks, a warning says so.
fn lock(path: &Path) -> Result<(File, Option<String>)> {
    let at = path.join(LOCK);
    let file = File::create(&at).map_err(|e| Error::io("create", &at, e))?;
    // Another process may hold it for a moment, only to see whether anybody does.
    let mut taken = file.try_lock();
    for _ in 0..5 {
        if !matches!(taken, Err(TryLockError::WouldBlock)) {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
        taken = file.try_lock();
    }
    let warning = match taken {
        Ok(()) => None,
        Err(TryLockError::WouldBlock) => {
            return Err(Error::input(path, "another process is training in this folder; wait for it or stop it"));
        }
        Err(TryLockError::Error(e)) => Some(format!(
            "{} cannot be locked ({e}); see to it that no other process trains in this folder",
            path.display()
        )),
    };
    Ok((file, warning))
}

fn first_free(name: &str) -> Result<PathBuf> {
    let runs = Path::new("runs");
    std::fs::create_dir_all(runs).map_err(|e| Error::io("create", runs, e))?;
    for n in 1.. {
        let path = runs.join(format!("{name}-{n}"));
        match std::fs::create_dir(&path) {
            Ok(()) => return Ok(path),
            Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => continue,
            Err(e) => return Err(Error::io("create", path, e)),
        }
    }
    unreachable!("there are more numbers than folders")
}
