//! Training: a step as a plan, whose passes `step.rs` lists in their order; the loop around it, and what it leaves behind.

mod augmentation;
mod bandwidth;
mod batch;
mod context;
mod conv;
mod dense;
mod evaluation;
mod exchange;
mod fit;
mod form;
mod learning;
mod outline;
mod outputs;
mod profile;
mod samples;
mod sender;
mod state;
mod step;
mod tables;
mod trainer;
mod votes;

pub use augmentation::Augmentation;
pub use bandwidth::Bandwidth;
pub use batch::BatchSize;
pub use context::Way;
pub use evaluation::{Evaluation, EvaluationPlan, Evaluator, Mode};
pub use fit::fitting_plan;
pub use learning::learning;
pub use outline::{LayerOutline, Outline};
pub use profile::{Bound, Pace, Profile};
pub use state::{State, Tensor};
pub use step::StepPlan;
pub use trainer::{Progress, Trainer, draw_for, draw_model, learn_encoder};
pub use votes::HISTORY;

/// The pages of training, as its passes are made of them: what tests of single pages run.
pub mod pages {
    pub use super::batch::augment;
    pub use super::conv::{
        Backward as ConvBackward, edges as conv_edges, forward_hard as conv_forward_hard,
        forward_soft as conv_forward_soft, gather as conv_gather, rows_sender, sender as conv_sender,
    };
    pub use super::dense::{
        Backward, count_readers, edges, forward_hard, forward_soft, list_readers, move_wires, possible_readers,
        score_wires, sender,
    };
    pub use super::sender::{SenderPart, collect_rows};
    pub use super::tables::{advance, selected_tables, tabulate, update, weigh_sums};
    pub use super::votes::{evaluate_page as evaluate, group_sum, group_sum_soft, loss};
    pub use super::votes::{sender as output_sender, slice_gradients};
}
