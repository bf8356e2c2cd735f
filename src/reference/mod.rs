//! Plain f64 twins of the pages, in the rooms of `shaders/`: the specification that they are tested against, to be changed
//! first. Only tests import it.
//!
//! A twin works on one sample or one gate. Bits are `bool`, numbers f64, nothing is packed, and every formula is
//! written as the papers write it. [`Run`] puts the twins together into a training step, [`SoftNetwork`] into the
//! relaxed network whose gradients central differences can check.
//!
//! In the order of a step: [`select_batch()`], [`augment()`], [`encode()`], [`tabulate()`], [`advance()`], [`forward_hard()`],
//! [`group_sum()`], [`loss()`], [`input_gradients`] and [`add_table_gradients`] (one page, `backward_hard`),
//! [`update()`]. Where gradients are whole numbers, [`slice_gradients()`] and [`sliced_input_gradients`] take their part; where wires
//! learn, [`add_wire_scores`] or [`add_real_wire_scores`], [`move_weights`], [`chosen_wires`] and [`readers`] follow.
//! Those of convolutions are [`forward_conv()`], [`backward_conv()`] and [`sliced_conv_gradients()`].
//! Pages of circuits have their twin in `circuit::reference`; `copy` and `probe_subgroups` compute nothing.

mod batch;
mod constants;
mod conv;
mod dense;
mod soft_network;
mod tables;
mod train_step;
mod votes;

pub use batch::{Movement, STILL, augment, encode, encode_soft, evaluation_batch, movement, select_batch, unpack_bits};
pub use constants::Constants;
pub use conv::{backward_conv, forward_conv, pool_draw, pool_passes, sliced_conv_gradients};
pub use dense::{
    Adjoints, WireStep, add_real_wire_scores, add_table_gradients, add_wire_scores, backward_soft, chosen_wires,
    code_weight, forward_hard, forward_soft, input_code, input_gradients, move_weights, readers,
    sliced_input_gradients,
};
pub use soft_network::{SoftGradients, SoftNetwork};
pub use tables::{
    CageState, Moments, Step, Tabulated, adam, advance, learning_rate, parametrization, selection_noise,
    tables_of_bits, tabulate, tabulate_soft, update, weigh_sum,
};
pub use train_step::{Run, StepReport};
pub use votes::{
    Judged, Loss, evaluate, group_sum, group_sum_soft, loss, loss_of, loss_of_labels, loss_of_values, predicted,
    slice_draw, slice_gradients,
};
