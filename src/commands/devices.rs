//! `devices`: every adapter and the CPU, and which of them trains unless one is named.

use crate::Result;
use crate::gpu::{AdapterSummary, adapters, advice, chosen};
use crate::run::{Cpu, Device, Where};

/// List what gatewright can train on: GPUs, software drivers and the CPU
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Behind what is chosen.
const CHOSEN: &str = "  (trains unless --adapter says otherwise)";

/// Print a table, or JSON.
pub fn run(args: Args) -> Result<()> {
    let adapters = adapters()?;
    let cpu = Cpu::new(&Where::default());
    let names: Vec<_> = adapters.iter().map(|a| a.name.as_str()).collect();
    let is_cpu = Device::is_cpu_by_itself(&adapters);
    let chosen = if is_cpu { None } else { Some(chosen(&names, None)?) };
    if args.json {
        let advice = advice(&adapters);
        let told = chosen.map_or_else(|| "cpu".into(), serde_json::Value::from);
        println!("{}", serde_json::json!({ "chosen": told, "adapters": adapters, "cpu": cpu, "advice": advice }));
        return Ok(());
    }
    for (i, adapter) in adapters.iter().enumerate() {
        print_adapter(i, adapter, chosen == Some(i));
    }
    println!("cpu  {}{}", cpu.name, if is_cpu { CHOSEN } else { "" });
    println!("   {} · every method; hard-st and gumbel-st with integer gradients", cpu.told());
    for advice in advice(&adapters) {
        println!("note: {advice}");
    }
    Ok(())
}

fn print_adapter(i: usize, a: &AdapterSummary, is_chosen: bool) {
    let chosen = if is_chosen { CHOSEN } else { "" };
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
