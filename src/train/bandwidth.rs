//! What an adapter can do at best: copy memory, and begin a dispatch.

use std::sync::Arc;

use crate::Result;
use crate::gpu::{Clock, Gpu, Session};
use crate::plan::{Buffer, Page, Pass, Plan, Tuning};

/// Bytes of the buffer that is copied: more than caches hold, half of what every device binds.
const COPIED: u64 = 64 << 20;

/// Times that each thing is measured; the least counts.
const ROUNDS: usize = 8;

/// An adapter's own limits, measured.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bandwidth {
    /// Bytes a second that a copy kernel reads and writes together.
    pub copy: f64,
    /// Seconds that a dispatch of one idle workgroup takes between others.
    pub dispatch: f64,
}

impl Bandwidth {
    /// Measure a device; takes 128 MiB of its memory meanwhile.
    ///
    /// # Errors
    /// [`Error::Gpu`](crate::Error::Gpu) if there is not so much memory, or the device fails.
    pub fn measure(gpu: &Arc<Gpu>, clock: Clock) -> Result<Self> {
        let mut plan = Plan::default();
        let mut copy = |bytes| {
            let [source, copied] = [(); 2].map(|()| plan.add(Buffer::scratch("copied", bytes)));
            Pass::of(Page::of("device/copy").number("WORKGROUP", 256)).bind("source", source).bind("copied", copied)
        };
        let tuning = Tuning::for_adapter(&gpu.adapter);
        let (large, idle) = (copy(COPIED).groups(&tuning, (COPIED / 16) as u32, 256, 1), copy(16));
        let (large, idle) = (plan.list(vec![large]), plan.list(vec![idle; 32]));
        let dispatches = plan.passes_of(&idle).len() as f64;
        let session = Session::open(gpu, plan, &[])?;
        let least = |list| -> Result<f64> {
            let mut least = f64::INFINITY;
            for _ in 0..ROUNDS {
                least = least.min(session.time(list, clock)?.iter().map(|span| span.seconds).sum());
            }
            Ok(least)
        };
        // A clock that is too coarse for what it timed gives nothing to divide by.
        let seconds = least(&large)?.max(1e-9);
        Ok(Bandwidth { copy: 2.0 * COPIED as f64 / seconds, dispatch: least(&idle)? / dispatches })
    }
}
