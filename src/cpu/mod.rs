//! Training without a GPU: the step of the shaders in native code, on the bits and integers that they work on, or on real numbers.
//!
//! What a step does, pass by pass, is told in `docs/ARCHITECTURE.md`. Here a batch is taken by micro-batches of up to 128
//! samples, so that a gate's gradients are a cache line or two; a gate's bits are one or two words. Each pass is parted over
//! threads by chunks of gates, and every sum is exact or made in an order that does not depend on threads or on vector
//! instructions: the same model comes out, byte for byte, whatever the machine.
//!
//! Table gradients are the shaders' integers. What differs from a GPU's steps is the last bit of f32 functions, and that
//! a confidence is summed in another order.

mod adam;
mod augment;
mod backward;
mod bits;
mod constants;
mod conv;
mod encode;
mod evaluate;
mod exchange;
mod forward;
mod functions;
mod hard;
mod lanes;
mod locks;
mod loss;
mod lut;
mod network;
mod op;
mod score;
mod selection;
mod simd;
mod soft;
mod step;
mod tables;
mod team;
mod tensors;
mod traffic;
mod trainer;
mod weights;
mod wires;

pub use constants::Constants;
pub use evaluate::Evaluated;
pub use simd::Simd;
pub use step::Span;
pub use traffic::{Pass, measure};
pub use trainer::Trainer;
