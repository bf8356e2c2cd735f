//! Twins of `shaders/dense/`: dense layers forward and backward.

mod backward_hard;
mod backward_sliced;
mod backward_soft;
mod forward_hard;
mod forward_soft;
mod wires;

pub use backward_hard::{add_table_gradients, input_gradients};
pub use backward_sliced::sliced_input_gradients;
pub use backward_soft::{Adjoints, backward_soft};
pub use forward_hard::{forward_hard, input_code};
pub use forward_soft::{code_weight, forward_soft};
pub use wires::{WireStep, add_real_wire_scores, add_wire_scores, chosen_wires, move_weights, readers};
