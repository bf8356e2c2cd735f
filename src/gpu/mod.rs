//! All of wgpu is behind this wall: devices, and sessions that carry plans out on them.

mod device;
mod engine;
mod ready;
mod session;
mod subgroups;
mod timing;

pub use device::{AdapterSummary, Gpu, adapters, no_adapter};
pub use engine::{GpuEngine, plan_circuit};
pub use session::Session;
pub use timing::{Clock, Span};
