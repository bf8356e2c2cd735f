//! How long each pass takes on the device, by timestamp queries between dispatches.

use super::{Gpu, Pass};
use crate::{Error, Result};

/// Most passes timed in one command buffer; each needs one query beside the first.
const MOST_PASSES: usize = 4000;

/// Run `passes` once, in order, in one compute pass, and return each one's time in seconds.
///
/// # Errors
/// [`Error::Gpu`] if the adapter has no timestamps inside passes, or there are more than 4,000 passes.
pub fn time_passes(gpu: &Gpu, passes: &[Pass]) -> Result<Vec<f64>> {
    if !gpu.device.features().contains(wgpu::Features::TIMESTAMP_QUERY_INSIDE_PASSES) {
        return Err(Error::Gpu(format!("{} cannot time kernels inside a pass", gpu.adapter.name)));
    }
    if passes.len() > MOST_PASSES {
        return Err(Error::Gpu(format!("{} passes are too many to time at once", passes.len())));
    }
    let count = passes.len() as u32 + 1;
    let queries = gpu.device.create_query_set(&wgpu::QuerySetDescriptor {
        label: Some("pass times"),
        ty: wgpu::QueryType::Timestamp,
        count,
    });
    let resolved = gpu.buffer("resolved times", u64::from(count) * 8, wgpu::BufferUsages::QUERY_RESOLVE);
    let mut encoder = gpu.device.create_command_encoder(&Default::default());
    {
        let mut pass = encoder.begin_compute_pass(&Default::default());
        pass.write_timestamp(&queries, 0);
        for (i, p) in passes.iter().enumerate() {
            p.record(&mut pass);
            pass.write_timestamp(&queries, i as u32 + 1);
        }
    }
    encoder.resolve_query_set(&queries, 0..count, &resolved, 0);
    gpu.queue.submit([encoder.finish()]);
    let ticks: Vec<u64> = gpu.read(&resolved, count as usize)?;
    let tick = f64::from(gpu.queue.get_timestamp_period()) * 1e-9;
    Ok(ticks.windows(2).map(|w| w[1].saturating_sub(w[0]) as f64 * tick).collect())
}
