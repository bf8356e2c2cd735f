//! Plain f64 twins of the kernels, one file a kernel under the same name: the specification that the shaders are
//! tested against, to be changed first.
//!
//! A twin works on one sample or one gate. Bits are `bool`, numbers f64, nothing is packed, and every formula is
//! written as the papers write it. [`Run`] puts the twins together into a training step, [`SoftNetwork`] into the
//! relaxed network whose gradients central differences can check.
//!
//! In the order of a step: [`select_batch()`], [`augment()`], [`encode()`], [`tabulate()`], [`advance()`], [`forward_hard()`],
//! [`group_sum()`], [`loss()`], [`input_gradients`] and [`add_table_gradients`] (one kernel, `backward_hard`),
//! [`update()`]. Where gradients are whole numbers, [`slice_gradients()`] and [`sliced_input_gradients`] take their part.

mod advance;
mod augment;
mod backward_hard;
mod backward_sliced;
mod backward_soft;
mod cage;
mod constants;
mod encode;
mod encode_soft;
mod evaluate;
mod forward_hard;
mod forward_soft;
mod group_sum;
mod group_sum_soft;
mod loss;
pub mod parametrization;
mod select_batch;
mod selection_noise;
mod slice_gradients;
mod soft_network;
mod tabulate;
mod tabulate_soft;
mod train_step;
mod unpack_bits;
mod update;

pub use advance::{Step, advance, learning_rate};
pub use augment::{Movement, STILL, augment, movement};
pub use backward_hard::{add_table_gradients, input_gradients};
pub use backward_sliced::sliced_input_gradients;
pub use backward_soft::{Adjoints, backward_soft};
pub use cage::CageState;
pub use constants::Constants;
pub use encode::encode;
pub use encode_soft::encode_soft;
pub use evaluate::{Judged, evaluate, predicted};
pub use forward_hard::{forward_hard, input_code};
pub use forward_soft::{code_weight, forward_soft};
pub use group_sum::group_sum;
pub use group_sum_soft::group_sum_soft;
pub use loss::{Loss, loss, loss_of, loss_of_labels, loss_of_values};
pub use select_batch::{evaluation_batch, select_batch};
pub use selection_noise::selection_noise;
pub use slice_gradients::{slice_draw, slice_gradients};
pub use soft_network::{SoftGradients, SoftNetwork};
pub use tabulate::{Tabulated, tabulate};
pub use tabulate_soft::{tables_of_bits, tabulate_soft};
pub use train_step::{Run, StepReport};
pub use unpack_bits::unpack_bits;
pub use update::{Moments, adam, update};
