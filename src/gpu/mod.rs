//! All of wgpu is behind this wall: devices, kernels, buffers, dispatch.

mod adapters;
mod device;
mod kernel;
pub mod shader;
pub mod structs;
mod subgroups;
mod timing;

pub use adapters::{AdapterSummary, adapters, advice, chosen, no_adapter, unused_card};
pub use device::Gpu;
pub use kernel::{Kernel, Pass};
pub use timing::{Clock, Span, time_passes};
