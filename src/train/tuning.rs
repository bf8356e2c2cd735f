//! How kernels are shaped for an adapter.

use crate::gpu::AdapterSummary;

/// Shapes of workgroups and lanes; they change speed, never results, except that sums are made in another order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// Lanes a workgroup of the forward and backward passes.
    pub workgroup: u32,
    /// Samples a lane of the backward pass takes at once: 8, 16 or 32.
    pub span: u32,
    /// Most lanes that share a gate in the backward pass.
    pub most_lanes: u32,
    /// Lanes that count a class together.
    pub vote_lanes: u32,
    /// Most workgroups a dispatch; kernels loop over what is left.
    pub most_workgroups: u32,
}

impl Tuning {
    /// For an adapter kind. A software driver takes a lock a workgroup and runs 8 lanes at a time, so it gets few
    /// workgroups and long lanes; a GPU gets neighbouring lanes on neighbouring samples.
    pub fn for_adapter(adapter: &AdapterSummary) -> Self {
        if adapter.is_software() {
            Tuning { workgroup: 64, span: 32, most_lanes: 1, vote_lanes: 8, most_workgroups: 16 }
        } else {
            Tuning { workgroup: 256, span: 8, most_lanes: 16, vote_lanes: 64, most_workgroups: 16_384 }
        }
    }
}
