//! A run folder, read back.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::network::config_of;
use crate::run::{Metrics, Summary, convolutions_of, summary_of};
use crate::settings::{Bearing, Overrides, Settings, bearing};
use crate::{Error, Result};

/// What a run folder tells of its run, ended or not.
#[derive(Debug, Clone)]
pub struct RunRecord {
    /// The folder.
    pub path: PathBuf,
    /// How it was trained.
    pub settings: Settings,
    /// Every evaluation, in order.
    pub metrics: Vec<Metrics>,
    /// `summary.json`, if the run has ended.
    pub summary: Option<Summary>,
    /// The run that trains its convolutions first, if there is one and it has begun.
    pub before: Option<Box<RunRecord>>,
}

impl RunRecord {
    /// Read the run folder at `path`.
    ///
    /// # Errors
    /// [`Error::Input`] if it is none or one of its files is broken, [`Error::Io`] if it cannot be read.
    pub fn load(path: &Path) -> Result<Self> {
        let config = config_of(path);
        if !config.is_file() {
            return Err(Error::input(path, "it is no run folder, for it has no config.toml"));
        }
        let settings = Overrides::default().resolve(Some(&config))?;
        let at = path.join("metrics.jsonl");
        let text = text_if_there(&at)?.unwrap_or_default();
        // A line without an end is being written.
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let metrics = whole
            .map(serde_json::from_str)
            .collect::<std::result::Result<_, _>>()
            .map_err(|e| Error::input(&at, format!("it is no record of evaluations: {e}")))?;
        let summary = Summary::load(&summary_of(path))?;
        let first = convolutions_of(path);
        let has_before = settings.of_convolutions().is_some() && config_of(&first).is_file();
        let before = if has_before { Some(Box::new(Self::load(&first)?)) } else { None };
        Ok(RunRecord { path: path.to_path_buf(), settings, metrics, summary, before })
    }

    /// The run folders in `folder`, by name.
    pub fn all_in(folder: &Path) -> Result<Vec<PathBuf>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(|e| Error::io("read", folder, e))? {
            let path = entry.map_err(|e| Error::io("read", folder, e))?.path();
            if config_of(&path).is_file() {
                found.push(path);
            }
        }
        // mnist-10 comes after mnist-9.
        found.sort_by_key(|path| {
            let name = path.to_string_lossy().into_owned();
            let digits = name.len() - name.trim_end_matches(|c: char| c.is_ascii_digit()).len();
            let (stem, number) = name.split_at(name.len() - digits);
            (stem.to_string(), number.parse::<u64>().unwrap_or(0))
        });
        Ok(found)
    }

    /// The folder's own name.
    pub fn name(&self) -> String {
        let name = self.path.file_name().map(|name| name.to_string_lossy().into_owned());
        name.unwrap_or_else(|| self.path.display().to_string())
    }

    /// Best accuracy of the hard network on the samples it was watched by, and its step.
    pub fn best(&self) -> Option<(f64, u32)> {
        crate::run::best(&self.metrics).map(|m| (m.accuracy, m.step))
    }

    /// Whether the samples it was watched by were held out of training.
    pub fn is_held_out(&self) -> bool {
        let counted = self.summary.as_ref().and_then(|summary| summary.validation_samples);
        self.settings.validation > 0.0 && counted != Some(0)
    }

    /// Steps done, as far as evaluations tell.
    pub fn steps(&self) -> u32 {
        self.metrics.last().map_or(0, |m| m.step)
    }

    /// Seconds taken, as far as evaluations tell, also by the run before it.
    pub fn seconds(&self) -> f64 {
        let before = self.before.as_ref().map_or(0.0, |before| before.seconds());
        self.metrics.last().map_or(before, |m| m.seconds)
    }
}

/// Settings in which not all of `runs` agree, by name, but for where things lie: the value of each run, `none` where it does not apply.
pub fn varying(runs: &[RunRecord]) -> BTreeMap<String, Vec<String>> {
    let tables: Vec<_> = runs.iter().map(|run| crate::settings::table(&run.settings)).collect();
    let mut names: Vec<&String> = tables.iter().flat_map(BTreeMap::keys).collect();
    names.sort();
    names.dedup();
    names.retain(|name| bearing(name) != Bearing::Place);
    let values = |name: &String| tables.iter().map(|t| t.get(name).cloned().unwrap_or("none".into())).collect();
    names
        .into_iter()
        .map(|name| -> (String, Vec<String>) { (name.clone(), values(name)) })
        .filter(|(_, values)| values.iter().any(|v| *v != values[0]))
        .collect()
}

fn text_if_there(path: &Path) -> Result<Option<String>> {
    match std::fs::read_to_string(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(None),
        text => text.map(Some).map_err(|e| Error::io("read", path, e)),
    }
}
