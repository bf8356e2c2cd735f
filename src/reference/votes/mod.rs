//! Twins of `shaders/votes/`: votes, their loss, its gradient, their judgement.

mod evaluate;
mod group_sum;
mod group_sum_soft;
mod loss;
mod slice_gradients;
mod softmax;

pub use evaluate::{Judged, evaluate};
pub use group_sum::group_sum;
pub use group_sum_soft::group_sum_soft;
pub use loss::{Loss, loss, loss_of, loss_of_labels, loss_of_values};
pub use slice_gradients::{slice_draw, slice_gradients};
pub use softmax::predicted;
