//! All of wgpu is behind this wall: devices, and sessions that carry plans out on them.

mod adapters;
mod device;
mod engine;
mod places;
mod ready;
mod session;
mod subgroups;
mod timing;

pub use adapters::{AdapterSummary, adapters, advice, chosen, no_adapter, unused_card};
pub use device::Gpu;
pub use engine::{GpuEngine, plan_circuit};
pub use session::{ReadBack, Session};
pub use timing::{Clock, Span};
