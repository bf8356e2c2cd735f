//! `devices`: every adapter, and which one is chosen.

use crate::Result;
use crate::gpu::{AdapterSummary, adapters, advice, chosen};

/// List the GPUs (and software drivers) that gatewright can use
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Print a table, or JSON.
pub fn run(args: Args) -> Result<()> {
    let adapters = adapters()?;
    let names: Vec<_> = adapters.iter().map(|a| a.name.as_str()).collect();
    let chosen = if names.is_empty() { None } else { Some(chosen(&names, None)?) };
    if args.json {
        let advice = advice(&adapters);
        println!("{}", serde_json::json!({ "chosen": chosen, "adapters": adapters, "advice": advice }));
        return Ok(());
    }
    if adapters.is_empty() {
        return Err(crate::gpu::no_adapter());
    }
    for (i, adapter) in adapters.iter().enumerate() {
        print_adapter(i, adapter, chosen == Some(i));
    }
    for advice in advice(&adapters) {
        println!("note: {advice}");
    }
    Ok(())
}

fn print_adapter(i: usize, a: &AdapterSummary, is_chosen: bool) {
    let chosen = if is_chosen { "  (chosen unless --adapter says otherwise)" } else { "" };
    println!("{i}  {}{chosen}", a.name);
    println!("   {} {} · {}", a.kind, a.backend, a.driver);
    let features = if a.features.is_empty() { "none".into() } else { a.features.join(", ") };
    println!("   optional features: {features}");
    println!(
        "   largest binding {} MiB, buffer {} MiB, workgroup {} lanes with {} KiB, subgroups of {} to {} lanes",
        a.max_binding_bytes >> 20,
        a.max_buffer_bytes >> 20,
        a.max_workgroup_lanes,
        a.workgroup_memory_bytes >> 10,
        a.subgroup_lanes[0],
        a.subgroup_lanes[1]
    );
}
