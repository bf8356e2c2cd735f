//! `simplify`: how much of a saved network its circuit needs.

use std::path::PathBuf;

use crate::Result;
use crate::circuit::{Census, simplify};

/// Simplify a saved network's circuit and report what remains
///
/// The model file stays as it is; `export` writes the simplified circuit.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A model.safetensors, or its run folder
    model: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Print gates before and after, by layer and by number of inputs, depth and live inputs.
pub fn run(args: Args) -> Result<()> {
    let (path, _, netlist) = super::load_circuit(&args.model)?;
    let (_, report) = simplify(&netlist);
    let (before, after) = (&report.before, &report.after);
    if args.json {
        println!("{:#}", serde_json::json!({ "model": super::path_for_json(&path)?, "simplification": report }));
        return Ok(());
    }
    println!("{:<22} {:>9} {:>9} {:>8}", "", "before", "after", "remains");
    let row = |name: &str, before: usize, after: usize| {
        let share = if before == 0 { String::new() } else { format!("{:.1} %", after as f64 / before as f64 * 100.0) };
        println!("{name:<22} {before:>9} {after:>9} {share:>8}");
    };
    row("gates", before.gates, after.gates);
    if before.applications > before.gates {
        row("  at every place", before.applications, after.applications);
    }
    let empty = |census: &Census, layer: usize| census.layers.get(layer).map_or(0, |l| l.gates);
    for layer in 0..before.layers.len() {
        row(&format!("  of layer {layer}"), empty(before, layer), empty(after, layer));
    }
    for arity in (0..=6).filter(|&k| before.by_arity[k] + after.by_arity[k] > 0) {
        row(&format!("  of {arity} inputs"), before.by_arity[arity], after.by_arity[arity]);
    }
    row("depth", before.depth as usize, after.depth as usize);
    row("features read", before.live_features, after.live_features);
    row("pixels read", before.live_pixels, after.live_pixels);
    row("votes", before.votes, after.votes);
    row("votes always cast", before.constant_votes as usize, after.constant_votes as usize);
    Ok(())
}
