//! A run: training from the first step to the last, judged, recorded in its folder, kept over interruptions.

mod checkpoint;
mod checkpoints;
mod convolutions;
mod curves;
mod depth;
mod device;
mod diagnose;
mod folder;
mod learner;
mod metrics;
mod modes;
mod options;
mod reporter;
mod stepping;
mod summary;
mod sweep;
mod tensorboard;
mod together;
mod training;

pub use checkpoint::{Checkpoint, Header, Identity};
pub use checkpoints::Cadence;
pub use convolutions::convolutions_of;
pub use curves::curves;
pub use depth::{Passage, passages};
pub use device::{CPU, Cpu, Device, Where};
pub use folder::{RunFolder, summary_of};
pub use learner::{Judge, Learner};
pub use metrics::{Metrics, best};
pub use modes::Modes;
pub use options::{Companion, Options, Place};
pub use reporter::{Beginning, Reporter};
pub use summary::Summary;
pub use sweep::{Cell, Curve, Plot, Race, Sweep};
pub use together::{Lead, follow};
pub use training::{follow_run, run};
