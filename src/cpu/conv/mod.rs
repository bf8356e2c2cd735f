//! Convolutions in training: trees whose inner gates live in registers, row by row.
//!
//! What a unit reads is copied once a micro-batch to maps with their zeros around them, so that no place is an edge. Backward a
//! task takes an input channel and the units that read it, recomputes their trees and adds what their leaves send to rows of
//! that channel alone: nothing is written by two threads, and sums that saturate have one order, by unit, band of rows, leaf, place of the window and output.

mod backward;
mod forward;
mod maps;
mod paths;

pub use backward::{Room, Source, Task, TreeKernels};
pub use forward::pad;
pub use maps::{Maps, Trees};
