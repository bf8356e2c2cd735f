//! Convolutions: trees over the places of a map and the pool, forward and backward, on reals, bits and whole numbers.

mod backward;
mod backward_sliced;
mod forward;
mod pool;

pub use backward::backward_conv;
pub use backward_sliced::sliced_conv_gradients;
pub use forward::forward_conv;
pub use pool::{pool_draw, pool_passes};

use crate::network::Conv;

/// (row, column) of place `q` of the window of output `place`.
fn place_of(conv: &Conv, place: usize, q: usize) -> (usize, usize) {
    let ([_, columns], pool) = (conv.outputs(), conv.pool as usize);
    (place / columns * pool + q / pool, place % columns * pool + q % pool)
}
