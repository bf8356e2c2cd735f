//! Training: a step as an ordered list of passes over buffers, the loop around it, and what it leaves behind.
//!
//! A batch goes `Samples` (bytes) → `Workspace::chosen` → bits → each layer's outputs → votes → class gradients → each
//! layer's gradients and table gradients → logits; `step.rs` lists these passes in order.

mod augmentation;
mod bandwidth;
mod depth;
mod evaluation;
mod health;
mod memory_plan;
mod parameters;
mod profile;
mod samples;
mod state;
mod step;
mod traffic;
mod trainer;
mod tuning;
mod workspace;

pub use augmentation::Augmentation;
pub use bandwidth::Bandwidth;
pub use depth::{Passage, passages};
pub use evaluation::{Evaluation, Evaluator, Mode};
pub use memory_plan::{DataShape, Extents, MemoryPlan};
pub use profile::{Bound, Pace, Profile};
pub(crate) use samples::padded_rows;
pub use state::{State, Tensor};
pub(crate) use step::PassMaker;
pub use traffic::Traffic;
pub use trainer::{Progress, Trainer, draw_model};
pub use tuning::Tuning;
pub(crate) use workspace::EncoderTable;

pub use crate::settings::{Cage, InputKind, Method, Overrides, Preset, Schedule, Select, Settings};
