//! Training: a step as a plan, whose passes `step.rs` lists in their order; the loop around it, and what it leaves behind.

mod augmentation;
mod bandwidth;
mod batch;
mod checkpoint;
mod checkpoints;
mod curves;
mod dense;
mod depth;
mod differences;
mod evaluation;
mod fit;
mod form;
mod health;
mod outline;
mod overrides;
mod presets;
mod profile;
mod run;
mod run_folder;
mod samples;
mod settings;
mod state;
mod step;
mod stepping;
mod sweep;
mod tables;
mod tensorboard;
mod trainer;
mod votes;

pub use crate::plan::Tuning;
pub use augmentation::Augmentation;
pub use bandwidth::Bandwidth;
pub use batch::BatchSize;
pub use checkpoint::{Checkpoint, Header, Identity};
pub use checkpoints::Cadence;
pub use curves::curves;
pub use depth::{Passage, passages};
pub use differences::{Difference, differences, table};
pub use evaluation::{Evaluation, Evaluator, Mode};
pub use fit::fitting_plan;
pub use outline::{LayerOutline, Outline};
pub use overrides::{Overrides, parse_layers};
pub use presets::Preset;
pub use profile::{Bound, Pace, Profile};
pub use run::{Beginning, Options, Place, Reporter, run};
pub use run_folder::{Metrics, RunFolder, best, config_of};
pub use settings::{Cage, InputKind, Method, Schedule, Select, Settings};
pub use state::{State, Tensor};
pub use step::{StepPlan, Way};
pub use sweep::{Cell, Curve, Plot, Race, Sweep};
pub use trainer::{Progress, Trainer, draw_model};

/// The pages of training, as its passes are made of them: what tests of single pages run.
pub mod pages {
    pub use super::batch::{augment, select_batch};
    pub use super::dense::{Backward, edges, forward_hard, forward_soft, sender};
    pub use super::form::SenderPart;
    pub use super::tables::{SoftTables, advance_page as advance, tabulate_page as tabulate};
    pub use super::tables::{tabulate_soft_page as tabulate_soft, update_page as update};
    pub use super::votes::{HISTORY, evaluate_page as evaluate, group_sum, group_sum_soft, loss};
    pub use super::votes::{sender as output_sender, slice_gradients};
}
