//! How passes are shaped for an adapter.

/// Turns of loops that a lane may take. Mesa's software driver leaves every loop of a lane, silently, once they have
/// turned 65,535 times together (LP_MAX_TGSI_LOOP_ITERATIONS); unrolled loops do not count, so estimates are high.
pub const MOST_TURNS: u32 = 60_000;

/// Workgroups a dimension that every device allows.
pub const MOST_GROUPS: u32 = 65_535;

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
    /// Whether these add up within a subgroup; of a device that does not deal lanes to subgroups in order, this is cleared when it
    /// is opened for a plan.
    pub subgroups: bool,
    /// Lanes that count an output together.
    pub vote_lanes: u32,
    /// Most workgroups a dispatch; pages loop over what is left.
    pub most_workgroups: u32,
    /// Most bytes of training samples that stay on the device; more are streamed, to the same result.
    pub most_resident_bytes: u64,
}

impl Tuning {
    /// A software driver takes a lock a workgroup and runs 8 lanes at a time, so it gets few workgroups and long lanes.
    pub const SOFTWARE: Tuning = Tuning {
        workgroup: 64,
        span: 32,
        most_span_words: 2,
        most_lanes: 1,
        subgroups: true,
        vote_lanes: 1,
        most_workgroups: 16,
        most_resident_bytes: 4 << 30,
    };

    /// A GPU gets neighbouring lanes on neighbouring samples.
    pub const HARDWARE: Tuning = Tuning {
        workgroup: 256,
        span: 8,
        most_span_words: 1,
        most_lanes: 16,
        subgroups: true,
        vote_lanes: 64,
        most_workgroups: 16_384,
        most_resident_bytes: 4 << 30,
    };

    /// Words a lane of the bit-sliced backward pass takes of rows of `words`: as many as divide them.
    pub fn span_words(&self, words: u32) -> u32 {
        [4, 2, 1].into_iter().find(|n| *n <= self.most_span_words && words.is_multiple_of(*n)).unwrap_or(1)
    }

    /// Workgroups for `items` at `per_workgroup` items a round, an item taking at most about `turns` turns of loops: as
    /// few as the tuning says, but enough for [`MOST_TURNS`].
    pub fn groups(&self, items: u32, per_workgroup: u32, turns: u32) -> [u32; 2] {
        let rounds = (MOST_TURNS / turns.max(1)).max(1);
        let fewest = items.div_ceil(per_workgroup.saturating_mul(rounds));
        [items.div_ceil(per_workgroup).clamp(1, self.most_workgroups.max(fewest).min(MOST_GROUPS)), 1]
    }
}
