//! How large a batch a device takes at once, and what to do where it does not take the network.

use super::batch::BatchSize;
use super::outline::Outline;
use super::step::StepPlan;
use crate::plan::{Limits, Tuning};
use crate::settings::Settings;
use crate::{Error, Result};

/// The plan of steps of `settings`, if every buffer of it can be made and bound: with micro-batches as large as the settings allow
/// and fit.
///
/// # Errors
/// [`Error::Usage`] with the largest micro-batch that fits, or else the widest layers that do.
pub fn fitting_plan(settings: &Settings, outline: &Outline, tuning: Tuning, limits: Limits) -> Result<StepPlan> {
    let plan = |outline: &Outline, most: u32| {
        let size = BatchSize::in_micro_batches(settings.batch, most.next_multiple_of(32));
        StepPlan::make(settings, outline, tuning, limits, size)
    };
    // What cannot be planned at all does not fit either.
    let fits = |outline: &Outline, most: u32| plan(outline, most).is_ok_and(|p| p.plan.too_large(&limits).is_none());
    let most = settings.micro_batch.unwrap_or(settings.batch).min(settings.batch);
    let wanted = plan(outline, most)?;
    let Some(problem) = wanted.plan.too_large(&limits) else { return Ok(wanted) };
    let words = greatest(u64::from(most.div_ceil(32)), |words| fits(outline, words as u32 * 32)) as u32;
    match settings.micro_batch {
        None if words > 0 => return plan(outline, words * 32),
        Some(_) if words > 0 => {
            let largest = plan(outline, words * 32)?.size.words * 32;
            return Err(Error::usage(format!("{problem}; --micro-batch {largest} is the largest that fits")));
        }
        _ => {}
    }
    let narrowed = |width: u64| {
        let mut inputs = outline.features;
        let layers = outline.layers.iter().map(|layer| {
            let gates = layer.gates.min(width as u32);
            super::outline::LayerOutline { gates, inputs: std::mem::replace(&mut inputs, gates), ..*layer }
        });
        Outline { layers: layers.collect(), ..outline.clone() }
    };
    let outputs = u64::from(outline.outputs.max(1));
    let widest = outline.layers.iter().map(|layer| layer.gates).max().unwrap_or(0);
    let width = greatest(u64::from(widest) / outputs, |n| fits(&narrowed(n * outputs), 32)) * outputs;
    let problem = plan(outline, 32)?.plan.too_large(&limits).unwrap_or(problem);
    Err(Error::usage(if width > 0 {
        format!("{problem}; layers of {width} gates are the largest that fit")
    } else {
        format!("{problem}; use fewer samples or thresholds")
    }))
}

/// The greatest number up to `most` for which `holds`, which holds for all smaller ones too; 0 if there is none.
fn greatest(most: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if holds(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}
