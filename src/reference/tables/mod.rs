//! Twins of `shaders/tables/`: logits to tables, and table gradients to logits.

mod advance;
mod cage;
pub mod parametrization;
mod selection_noise;
mod tabulate;
mod tabulate_soft;
mod update;
mod weigh_sums;

pub use advance::{Step, advance, learning_rate};
pub use cage::CageState;
pub use selection_noise::selection_noise;
pub use tabulate::{Tabulated, tabulate};
pub use tabulate_soft::{tables_of_bits, tabulate_soft};
pub use update::{Moments, adam, update};
pub use weigh_sums::weigh_sum;
