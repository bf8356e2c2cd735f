//! Twins of `shaders/batch/`: which samples, moved, as bits or real activations.

mod augment;
mod encode;
mod encode_soft;
mod select_batch;
mod unpack_bits;

pub use augment::{Movement, STILL, augment, movement};
pub use encode::encode;
pub use encode_soft::encode_soft;
pub use select_batch::{evaluation_batch, select_batch};
pub use unpack_bits::unpack_bits;
