//! Whether lanes may add up within a subgroup.

use super::shader::Variant;
use super::{Gpu, Kernel};
use crate::Result;

/// Lanes of the workgroup that is tried.
const WORKGROUP: u32 = 256;

impl Gpu {
    /// Whether every `lanes` neighbours of a workgroup, a power of two up to 128, lie together in a subgroup, so that they can
    /// exchange what they have summed. WGSL does not promise how lanes are dealt to subgroups, so this is tried out; and a
    /// driver may give a heavier kernel smaller subgroups than that which tries, so the least that it ever gives must do.
    pub fn shares_subgroups(&self, lanes: u32) -> Result<bool> {
        let has_subgroups = self.device.features().contains(wgpu::Features::SUBGROUP);
        if !has_subgroups || self.adapter.subgroup_lanes[0] < lanes {
            return Ok(false);
        }
        if self.compiles_only {
            return Ok(true);
        }
        let variant = Variant { workgroup: WORKGROUP, lanes, subgroups: true, ..Variant::of("probe_subgroups") };
        let found = self.storage("subgroup probe", u64::from(WORKGROUP) * 4);
        let pass = Kernel::new(self, variant).bind(self, "probe_subgroups".into(), &[(0, &found)], [1, 1]);
        self.submit([&pass]);
        let sums: Vec<i32> = self.read(&found, WORKGROUP as usize)?;
        self.release("subgroup probe", &found);
        let own = |group: u32| (group * lanes..(group + 1) * lanes).sum::<u32>() as i32;
        Ok((0..WORKGROUP).all(|lane| sums[lane as usize] == own(lane / lanes)))
    }
}
