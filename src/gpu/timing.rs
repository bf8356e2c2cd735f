//! How long each pass takes on the device.

use std::time::Instant;

use super::device::Gpu;
use super::ready::Ready;
use crate::{Error, Result};

/// Most queries that every device has in one set.
const MOST_QUERIES: usize = 4096;

/// Label of the buffer that times are resolved into.
const RESOLVED: &str = "resolved times";

/// How passes are timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// By a timestamp between every two dispatches of one compute pass.
    InsidePasses,
    /// By timestamps where compute passes begin and end, one for every dispatch.
    PassBoundaries,
    /// By the host, which waits for every dispatch.
    Host,
}

impl Clock {
    /// The closest that a device has.
    pub fn best(gpu: &Gpu) -> Self {
        let has = |features| gpu.device.features().contains(features);
        if has(wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES) {
            Clock::InsidePasses
        } else if has(wgpu::Features::TIMESTAMP_QUERY) {
            Clock::PassBoundaries
        } else {
            Clock::Host
        }
    }

    /// What times by it mean, in a few words.
    pub fn note(self) -> &'static str {
        match self {
            Clock::InsidePasses => "timestamps between dispatches",
            Clock::PassBoundaries => "timestamps around a compute pass for every dispatch",
            Clock::Host => "wall time with a wait for every dispatch, for this adapter has no timestamps",
        }
    }
}

/// When a pass ran.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// Seconds since the first pass began.
    pub start: f64,
    /// Seconds that it took.
    pub seconds: f64,
}

/// Run `passes` once, in order, and return when each one ran.
///
/// # Errors
/// [`Error::Gpu`] if there are more passes than a query set can hold.
pub(super) fn time_passes(gpu: &Gpu, passes: &[Ready], clock: Clock) -> Result<Vec<Span>> {
    let queries = match clock {
        Clock::Host => return time_on_host(gpu, passes),
        Clock::InsidePasses => passes.len() + 1,
        Clock::PassBoundaries => 2 * passes.len(),
    };
    if passes.is_empty() {
        return Ok(Vec::new());
    }
    if queries > MOST_QUERIES {
        return Err(Error::Gpu(format!("{} passes are too many to time at once", passes.len())));
    }
    let set = gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
        label: Some("pass times"),
        ty: wgpu::QueryType::Timestamp,
        count: queries as u32,
    });
    let resolved = gpu.buffer(RESOLVED, queries as u64 * 8, wgpu::BufferUsages::QUERY_RESOLVE);
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    if clock == Clock::InsidePasses {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.write_timestamp(&set, 0);
        for (i, p) in passes.iter().enumerate() {
            p.record(&mut pass);
            pass.write_timestamp(&set, i as u32 + 1);
        }
    } else {
        for (i, p) in passes.iter().enumerate() {
            let timestamp_writes = Some(wgpu::ComputePassTimestampWrites {
                query_set: &set,
                beginning_of_pass_write_index: Some(2 * i as u32),
                end_of_pass_write_index: Some(2 * i as u32 + 1),
            });
            p.record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes }));
        }
    }
    encoder.resolve_query_set(&set, 0..queries as u32, &resolved, 0);
    gpu.queue.submit([encoder.finish()]);
    let ticks: Vec<u64> = gpu.read(&resolved, 0, queries)?;
    gpu.forget(RESOLVED, resolved.size());
    let tick = f64::from(gpu.queue.get_timestamp_period()) * 1e-9;
    let since = |from: u64, to: u64| to.saturating_sub(from) as f64 * tick;
    let span = |ends: &[u64]| Span { start: since(ticks[0], ends[0]), seconds: since(ends[0], ends[1]) };
    Ok(match clock {
        Clock::InsidePasses => ticks.windows(2).map(span).collect(),
        _ => ticks.chunks_exact(2).map(span).collect(),
    })
}

fn time_on_host(gpu: &Gpu, passes: &[Ready]) -> Result<Vec<Span>> {
    gpu.wait(None)?;
    let began = Instant::now();
    let time = |pass: &Ready| {
        let start = began.elapsed().as_secs_f64();
        let mut encoder = gpu.device.create_command_encoder(&Default::default());
        pass.record(&mut encoder.begin_compute_pass(&Default::default()));
        gpu.queue.submit([encoder.finish()]);
        gpu.wait(None)?;
        Ok(Span { start, seconds: began.elapsed().as_secs_f64() - start })
    };
    passes.iter().map(time).collect()
}
