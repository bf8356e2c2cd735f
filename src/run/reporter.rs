//! What a run tells while it goes, and to whom.

use std::path::PathBuf;

use super::metrics::Metrics;
use crate::data::Task;

/// What a run tells while it goes.
pub trait Reporter {
    /// Before each part of a run of several: what it is.
    fn stage(&mut self, _what: &str) {}
    /// Before the first step on a device: what will be trained, where.
    fn begin(&mut self, run: &Beginning);
    /// After the first of these steps: the estimated seconds of the run, or of this part of it.
    fn estimate(&mut self, seconds: f64);
    /// Often: steps submitted so far.
    fn step(&mut self, step: u32);
    /// After every evaluation.
    fn evaluated(&mut self, metrics: &Metrics);
    /// Something failed that the run survives.
    fn warn(&mut self, message: &str);
}

/// What will be trained, where.
#[derive(Debug)]
pub struct Beginning<'a> {
    /// The adapter's name.
    pub adapter: &'a str,
    /// Its backend.
    pub backend: &'a str,
    /// Ranks that share the batches, in words, if there are several.
    pub ranks: Option<String>,
    /// The data set's name.
    pub data: &'a str,
    /// What it is trained to tell.
    pub task: Task,
    /// Training, validation and test samples.
    pub samples: [usize; 3],
    /// Gates of each layer.
    pub layers: &'a [usize],
    /// Input bits.
    pub features: usize,
    /// How many more there were, and what one of them tells.
    pub left_out: Option<(usize, String)>,
    /// The share of samples below which bits were left out.
    pub rare: f64,
    /// Trained parameters.
    pub parameters: usize,
    /// Steps.
    pub steps: u32,
    /// Steps done already, where the run is resumed.
    pub done: u32,
    /// Seconds that these took.
    pub seconds: f64,
    /// Bytes of GPU buffers.
    pub gpu_bytes: u64,
    /// The run folder.
    pub folder: PathBuf,
}
