//! How and where a run is kept; nothing here changes its result.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::checkpoints::{self, Cadence};
use super::device::Where;
use crate::ranks::Ranks;

/// How a run is kept; nothing here changes its result.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Its folder, or the run to go on with.
    pub place: Place,
    /// When checkpoints are written.
    pub cadence: Cadence,
    /// How often a lost device may be replaced.
    pub retry_lost_device: u32,
    /// Whether to write TensorBoard's event files too.
    pub tensorboard: bool,
    /// Whether to time some of the steps, kernel by kernel, and write what is found into the run folder.
    pub profile: bool,
    /// Who shares its batches.
    pub ranks: Ranks,
    /// Those of them that are to be threads of this process, but for rank 0.
    pub companions: Vec<Companion>,
    /// Set to have the run stop after the steps that are under way, with a checkpoint.
    pub stop: Arc<AtomicBool>,
}

/// A rank that is a thread of this process.
#[derive(Debug, Clone)]
pub struct Companion {
    /// Its place among all.
    pub ranks: Ranks,
    /// What it trains on.
    pub place: Where,
}

/// Where a run begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// At its first step, in this folder, or in the next free one.
    New(Option<PathBuf>),
    /// Where the newest checkpoint of this run folder, or this checkpoint file, left it.
    Resume(PathBuf),
}

impl Default for Place {
    fn default() -> Self {
        Place::New(None)
    }
}

impl Place {
    /// The run folder, if it is known before the run begins.
    pub fn folder(&self) -> Option<PathBuf> {
        match self {
            Place::New(out) => out.clone(),
            Place::Resume(path) => Some(checkpoints::run_of(path).unwrap_or_else(|| path.clone())),
        }
    }
}
