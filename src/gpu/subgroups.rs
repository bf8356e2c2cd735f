//! Whether lanes may add up within a subgroup.

use std::sync::Arc;

use super::device::Gpu;
use super::session::Session;
use crate::Result;
use crate::plan::{Buffer, Page, Pass, Plan};

/// Lanes of the workgroup that is tried.
const WORKGROUP: u32 = 256;

impl Gpu {
    /// Whether every `lanes` neighbours of a workgroup, a power of two up to 128, lie together in a subgroup, so that they can
    /// exchange what they have summed. WGSL does not promise how lanes are dealt to subgroups, so this is tried out; and a
    /// driver may give a heavier kernel smaller subgroups than that which tries, so the least that it ever gives must do.
    ///
    /// # Errors
    /// [`Error::Gpu`](crate::Error::Gpu) if trying fails.
    pub fn shares_subgroups(self: &Arc<Self>, lanes: u32) -> Result<bool> {
        let has_subgroups = self.device.features().contains(wgpu::Features::SUBGROUP);
        if !has_subgroups || self.adapter.subgroup_lanes[0] < lanes {
            return Ok(false);
        }
        if self.compiles_only {
            return Ok(true);
        }
        let mut plan = Plan::default();
        let found = plan.add(Buffer::scratch("subgroup probe", u64::from(WORKGROUP) * 4));
        let probe = plan.list(vec![Pass::of(probe(lanes)).bind("found", found)]);
        let session = Session::open(self, plan, &[])?;
        session.submit(&probe, 1)?;
        let sums: Vec<i32> = session.read(found, WORKGROUP as usize)?;
        let own = |group: u32| (group * lanes..(group + 1) * lanes).sum::<u32>() as i32;
        Ok((0..WORKGROUP).all(|lane| sums[lane as usize] == own(lane / lanes)))
    }
}

/// The page that tries it.
fn probe(lanes: u32) -> Page {
    Page::of("device/probe_subgroups")
        .number("WORKGROUP", WORKGROUP)
        .number("LANES", lanes)
        .flag("LANES_SHARE", lanes > 1)
        .flag("SUBGROUPS", true)
}
