//! What a run leaves behind: `config.toml`, `metrics.jsonl`, `summary.json`, `curves.png`,
//! `model.safetensors`.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::curves::curves;
use super::settings::Settings;
use crate::network::Model;
use crate::{Error, Result, files};

/// An open run folder.
pub struct RunFolder {
    path: PathBuf,
    metrics: File,
    recorded: Vec<Metrics>,
}

/// A line of `metrics.jsonl`: the state after `step` steps. The keys are described in docs/RUN_FOLDER.md.
#[derive(Debug, Clone, Serialize)]
pub struct Metrics {
    /// Steps done.
    pub step: u32,
    /// Seconds since the first step, evaluations included.
    pub seconds: f64,
    /// Mean training loss since the line before.
    pub train_loss: f64,
    /// Mean training accuracy since the line before.
    pub train_accuracy: f64,
    /// Held-out loss of the hard network.
    pub loss: f64,
    /// Held-out accuracy of the hard network.
    pub accuracy: f64,
    /// Held-out accuracy of the selected gates evaluated softly.
    pub accuracy_soft: f64,
    /// Held-out accuracy of the relaxed network: every gate its whole mixture, at temperature 1.
    pub accuracy_relaxed: f64,
    /// Backward temperature (τ_b under CAGE).
    pub temperature: f32,
    /// Mean confidence of the selections.
    pub confidence: f32,
    /// Its running mean.
    pub confidence_mean: f32,
    /// Learning rate of the last step.
    pub learning_rate: f32,
    /// Training samples a second since the line before, evaluations excluded.
    pub samples_per_second: f64,
}

impl RunFolder {
    /// Make `out`, or the first free `runs/<name>-<n>`, and write `config.toml` into it.
    ///
    /// # Errors
    /// [`Error::Usage`] if `out` holds something already, [`Error::Io`] if it cannot be written.
    pub fn create(out: Option<&Path>, name: &str, settings: &Settings) -> Result<Self> {
        let path = match out {
            Some(out) => {
                std::fs::create_dir_all(out).map_err(|e| Error::io("create", out, e))?;
                let mut entries = std::fs::read_dir(out).map_err(|e| Error::io("read", out, e))?;
                if entries.next().is_some() {
                    return Err(Error::usage(format!(
                        "{} is not empty; name another folder by --out, or remove it",
                        out.display()
                    )));
                }
                out.to_path_buf()
            }
            None => first_free(name)?,
        };
        let config = toml::to_string(&settings.spelled_out())
            .map_err(|e| Error::Run(format!("cannot write the configuration: {e}")))?;
        let version = env!("CARGO_PKG_VERSION");
        let config = format!(
            "# gatewright {version}; repeat this run by: gatewright train --config {}\n{config}",
            path.join("config.toml").display()
        );
        files::write_whole(&path.join("config.toml"), config.as_bytes())?;
        let metrics_path = path.join("metrics.jsonl");
        let metrics = File::create(&metrics_path).map_err(|e| Error::io("create", &metrics_path, e))?;
        Ok(RunFolder { path, metrics, recorded: Vec::new() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Append a line to `metrics.jsonl` and draw `curves.png` anew.
    pub fn record(&mut self, metrics: &Metrics) -> Result<()> {
        self.recorded.push(metrics.clone());
        files::write_whole(&self.path.join("curves.png"), &curves(&self.recorded)?)?;
        let line = serde_json::to_string(metrics).map_err(|e| Error::Run(format!("cannot write metrics: {e}")))?;
        writeln!(self.metrics, "{line}").map_err(|e| Error::io("write", self.path.join("metrics.jsonl"), e))
    }

    /// Write the model and the summary.
    pub fn finish(&self, model: &Model, summary: &serde_json::Value) -> Result<()> {
        model.save(&self.path.join("model.safetensors"))?;
        let summary = format!("{summary:#}\n");
        files::write_whole(&self.path.join("summary.json"), summary.as_bytes())
    }
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
