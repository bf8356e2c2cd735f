//! What a run came to: `summary.json`. The keys are described in docs/RUN_FOLDER.md.

use std::io::ErrorKind;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::settings::Method;
use crate::{Error, Result};

/// What a run that has ended came to. A field that an older program did not write is that of [`Summary::default`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Summary {
    /// The device's name.
    pub adapter: String,
    /// Its backend.
    pub backend: String,
    /// Its driver.
    pub driver: String,
    /// The data set's name.
    pub data: String,
    /// Samples trained on.
    pub train_samples: usize,
    /// Samples held out, by which the run was watched.
    pub validation_samples: Option<usize>,
    /// SHA-256 of the samples trained on, in hexadecimal, by which a run's data are known wherever they lie.
    pub train_sha256: Option<String>,
    /// Samples judged by at the end.
    pub test_samples: usize,
    /// Gates of each layer.
    pub layers: Vec<usize>,
    /// Gates.
    pub gates: usize,
    /// Trained parameters.
    pub parameters: usize,
    /// How gates were selected.
    pub method: Method,
    /// How logits became tables.
    pub parametrization: crate::network::Parametrization,
    /// Whether CAGE set the backward temperature.
    pub cage: bool,
    /// The run's seed.
    pub seed: u64,
    /// Steps done.
    pub steps: u32,
    /// Samples a step.
    pub batch: u32,
    /// Seconds from the first step to the last evaluation.
    pub seconds: f64,
    /// Milliseconds a step, evaluations excluded.
    pub step_ms: f64,
    /// Training samples a second, evaluations excluded.
    pub samples_per_second: f64,
    /// Bytes of the device's buffers.
    pub gpu_bytes: u64,
    /// Test loss of the hard network.
    pub test_loss: f64,
    /// Test accuracy of the hard network: the [`crate::data::Quality::score`] of any task.
    pub test_accuracy: f64,
    /// Of the selected gates evaluated softly.
    pub test_accuracy_soft: f64,
    /// Of the network as training runs it.
    pub test_accuracy_training_mode: f64,
    /// `test_accuracy_training_mode − test_accuracy_soft`.
    pub selection_gap: f64,
    /// `test_accuracy_soft − test_accuracy`.
    pub computation_gap: f64,
    /// Their sum.
    pub total_gap: f64,
    /// What was trained to be told, where it is no classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<crate::data::Task>,
    /// Labels: the fraction of test samples with every label right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_exact_match: Option<f64>,
    /// Values: a line a target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_targets: Option<Vec<crate::data::TargetQuality>>,
    /// Accuracy of the hard network that was saved on held-out samples, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub held_out_accuracy: Option<f64>,
    /// Step of the best evaluation, where samples are held out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_step: Option<u32>,
    /// Its accuracy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_accuracy: Option<f64>,
    /// Step whose network became the model.
    pub model_step: u32,
    /// Of the pins that learn, the fraction that read another input in the end than they were drawn to; `None` where none learn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved_wires: Option<f64>,
    /// How many ranks shared its batches, if there were several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ranks: Option<usize>,
    /// Steps that were timed kernel by kernel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profiled_steps: Option<u32>,
    /// Fraction of the run's time that this took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile_overhead: Option<f64>,
}

impl Default for Summary {
    /// Of no steps on no device: numbers that are measured are not known.
    fn default() -> Self {
        Summary {
            adapter: String::new(),
            backend: String::new(),
            driver: String::new(),
            data: String::new(),
            train_samples: 0,
            validation_samples: None,
            train_sha256: None,
            test_samples: 0,
            layers: Vec::new(),
            gates: 0,
            parameters: 0,
            method: Method::HardSt,
            parametrization: crate::network::Parametrization::IwpSin,
            cage: false,
            seed: 0,
            steps: 0,
            batch: 0,
            seconds: f64::NAN,
            step_ms: f64::NAN,
            samples_per_second: f64::NAN,
            gpu_bytes: 0,
            test_loss: f64::NAN,
            test_accuracy: f64::NAN,
            test_accuracy_soft: f64::NAN,
            test_accuracy_training_mode: f64::NAN,
            selection_gap: f64::NAN,
            computation_gap: f64::NAN,
            total_gap: f64::NAN,
            task: None,
            test_exact_match: None,
            test_targets: None,
            held_out_accuracy: None,
            best_step: None,
            best_accuracy: None,
            model_step: 0,
            moved_wires: None,
            ranks: None,
            profiled_steps: None,
            profile_overhead: None,
        }
    }
}

impl Summary {
    /// Read `summary.json`, if the run has one already.
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Input`] if it is no summary.
    pub fn load(path: &Path) -> Result<Option<Self>> {
        match std::fs::read_to_string(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(Error::io("read", path, e)),
            Ok(text) => serde_json::from_str(&text)
                .map(Some)
                .map_err(|e| Error::input(path, format!("it is no summary of a run ({e}); remove it"))),
        }
    }

    /// As `summary.json` has it.
    pub fn json(&self) -> Result<String> {
        serde_json::to_string_pretty(self).map_err(|e| Error::Run(format!("cannot write the summary: {e}")))
    }

    /// Every key with its value, for tables and pictures of what a user names.
    pub fn keys(&self) -> Map<String, Value> {
        match serde_json::to_value(self) {
            Ok(Value::Object(keys)) => keys,
            _ => Map::new(),
        }
    }

    /// The number under `key`; NaN where it has none.
    pub fn number(&self, key: &str) -> f64 {
        self.keys().get(key).and_then(Value::as_f64).unwrap_or(f64::NAN)
    }
}
