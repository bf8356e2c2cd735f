//! What an adapter can do at best: copy memory, and begin a dispatch.

use super::step::PassMaker;
use super::tuning::Tuning;
use crate::Result;
use crate::gpu::shader::Variant;
use crate::gpu::{Clock, Gpu, Pass, time_passes};

/// Bytes of the buffer that is copied: more than caches hold, half of what every device binds.
const COPIED: u64 = 64 << 20;

/// Label of the buffers.
const LABEL: &str = "copied";

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
    pub fn measure(gpu: &Gpu, clock: Clock) -> Result<Self> {
        let mut make = PassMaker::new(gpu, Tuning::for_adapter(&gpu.adapter));
        let made = |bytes| [gpu.storage(LABEL, bytes), gpu.storage(LABEL, bytes)];
        let [source, copied] = made(COPIED);
        let variant = Variant { workgroup: 256, ..Variant::of("copy") };
        let groups = make.groups((COPIED / 16) as u32, variant.workgroup, 1);
        let copy = make.pass(variant, "copy".into(), &[(0, &source), (1, &copied)], groups);
        let [little, other] = made(16);
        let idle: Vec<Pass> =
            (0..32).map(|_| make.pass(variant, "idle".into(), &[(0, &little), (1, &other)], [1, 1])).collect();
        let least = |passes: &[Pass]| -> Result<f64> {
            let mut least = f64::INFINITY;
            for _ in 0..ROUNDS {
                let spans = time_passes(gpu, passes, clock)?;
                least = least.min(spans.iter().map(|s| s.seconds).sum());
            }
            Ok(least)
        };
        // A clock that is too coarse for what it timed gives nothing to divide by.
        let seconds = least(&[copy])?.max(1e-9);
        let dispatch = least(&idle)? / idle.len() as f64;
        [source, copied, little, other].iter().for_each(|buffer| gpu.release(LABEL, buffer));
        Ok(Bandwidth { copy: 2.0 * COPIED as f64 / seconds, dispatch })
    }
}
