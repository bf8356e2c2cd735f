//! All of wgpu is behind this wall: devices, kernels, buffers, dispatch.

mod device;
mod kernel;
pub mod shader;
pub mod structs;
mod subgroups;
mod timing;

pub use device::{AdapterSummary, Gpu, adapters, no_adapter};
pub use kernel::{Kernel, Pass};
pub use timing::{Clock, Span, time_passes};
