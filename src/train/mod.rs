//! Training: a step as an ordered list of passes over buffers, the loop around it, and what it leaves behind.
//!
//! A batch goes `Samples` (bytes) → `Workspace::chosen` → bits → each layer's outputs → votes → class gradients → each
//! layer's gradients and table gradients → logits; `step.rs` lists these passes in order.

mod augmentation;
mod bandwidth;
mod checkpoint;
mod checkpoints;
mod curves;
mod depth;
mod differences;
mod evaluation;
mod health;
mod memory_plan;
mod overrides;
mod parameters;
mod presets;
mod profile;
mod run;
mod run_folder;
mod samples;
mod settings;
mod step;
mod stepping;
mod sweep;
mod tensorboard;
mod traffic;
mod trainer;
mod tuning;
mod workspace;

pub use augmentation::Augmentation;
pub use bandwidth::Bandwidth;
pub use checkpoint::{Checkpoint, Header, Identity, State, Tensor};
pub use checkpoints::Cadence;
pub use curves::curves;
pub use depth::{Passage, passages};
pub use differences::{Difference, differences, table};
pub use evaluation::{Evaluation, Evaluator, Mode};
pub use memory_plan::{DataShape, Extents, MemoryPlan};
pub use overrides::{Overrides, parse_layers};
pub use presets::Preset;
pub use profile::{Bound, Pace, Profile};
pub use run::{Beginning, Options, Place, Reporter, run};
pub use run_folder::{Metrics, RunFolder, best, config_of};
pub(crate) use samples::padded_rows;
pub use settings::{Cage, InputKind, Method, Schedule, Select, Settings};
pub(crate) use step::PassMaker;
pub use sweep::{Cell, Curve, Plot, Race, Sweep};
pub use traffic::Traffic;
pub use trainer::{Progress, Trainer, draw_model};
pub use tuning::Tuning;
pub(crate) use workspace::EncoderTable;
