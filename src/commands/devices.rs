//! `devices`: every adapter, and which one is chosen.

use crate::Result;
use crate::gpu::{AdapterSummary, adapters};

/// List the GPUs (and software drivers) that gatewright can use
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Print a table, or JSON.
pub fn run(args: Args) -> Result<()> {
    let adapters = adapters();
    if args.json {
        println!("{}", serde_json::json!({ "chosen": (!adapters.is_empty()).then_some(0), "adapters": adapters }));
        return Ok(());
    }
    if adapters.is_empty() {
        return Err(crate::gpu::no_adapter());
    }
    for (i, adapter) in adapters.iter().enumerate() {
        print_adapter(i, adapter);
    }
    Ok(())
}

fn print_adapter(i: usize, a: &AdapterSummary) {
    let chosen = if i == 0 { "  (chosen unless --adapter says otherwise)" } else { "" };
    println!("{i}  {}{chosen}", a.name);
    println!("   {} {} · {}", a.kind, a.backend, a.driver);
    let features = if a.features.is_empty() { "none".into() } else { a.features.join(", ") };
    println!("   optional features: {features}");
    println!(
        "   largest binding {} MiB, buffer {} MiB, workgroup {} lanes with {} KiB",
        a.max_binding_bytes >> 20,
        a.max_buffer_bytes >> 20,
        a.max_workgroup_lanes,
        a.workgroup_memory_bytes >> 10
    );
}
