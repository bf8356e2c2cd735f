//! How kernels are shaped for an adapter.

use crate::gpu::AdapterSummary;

/// Shapes of workgroups and lanes; they change speed, never results, except that sums are made in another order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tuning {
    /// Lanes a workgroup of the forward and backward passes.
    pub workgroup: u32,
    /// Samples a lane of the backward pass takes at once: 8, 16 or 32.
    pub span: u32,
    /// Most 32-sample words that a lane of the bit-sliced backward pass takes at once: 1, 2 or 4.
    pub most_span_words: u32,
    /// Most lanes that share a gate in the backward pass.
    pub most_lanes: u32,
    /// Whether these add up within a subgroup, where the device has subgroups and deals lanes to them in order.
    pub subgroups: bool,
    /// Lanes that count a class together.
    pub vote_lanes: u32,
    /// Most workgroups a dispatch; kernels loop over what is left.
    pub most_workgroups: u32,
    /// Most bytes of training samples that stay on the device; more are streamed, to the same result.
    pub most_resident_bytes: u64,
}

impl Tuning {
    /// For an adapter kind. A software driver takes a lock a workgroup and runs 8 lanes at a time, so it gets few
    /// workgroups and long lanes; a GPU gets neighbouring lanes on neighbouring samples.
    pub fn for_adapter(adapter: &AdapterSummary) -> Self {
        if adapter.is_software() {
            Tuning {
                workgroup: 64,
                span: 32,
                most_span_words: 2,
                most_lanes: 1,
                subgroups: true,
                vote_lanes: 8,
                most_workgroups: 16,
                most_resident_bytes: 4 << 30,
            }
        } else {
            Tuning {
                workgroup: 256,
                span: 8,
                most_span_words: 1,
                most_lanes: 16,
                subgroups: true,
                vote_lanes: 64,
                most_workgroups: 16_384,
                most_resident_bytes: 4 << 30,
            }
        }
    }

    /// Words a lane of the bit-sliced backward pass takes of rows of `words`: as many as divide them.
    pub fn span_words(&self, words: u32) -> u32 {
        [4, 2, 1].into_iter().find(|n| *n <= self.most_span_words && words.is_multiple_of(*n)).unwrap_or(1)
    }
}
