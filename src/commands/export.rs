//! `export`: a saved network's circuit for other tools.

use std::path::PathBuf;

use crate::circuit::export::{Format, Inputs, Options, Outputs, export};
use crate::circuit::{simplify, simplify_flat};
use crate::{Error, Result, files};

/// Write a saved network's circuit as Verilog, C, Rust, BLIF, AIGER or Graphviz
///
/// Prints the paths of the files it wrote. `verify` checks them against the model.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A model.safetensors, or its run folder
    model: PathBuf,
    /// File format
    #[arg(long, short, value_enum)]
    format: Format,
    /// Folder to write into; it is made if it is not there
    #[arg(long, short, value_name = "DIR", default_value = ".")]
    output: PathBuf,
    /// Name of the files and of the module, model or functions in them [default: the data set's name and "_net"]
    #[arg(long)]
    name: Option<String>,
    /// What comes out: single votes, a count a class, the class, or a bit a label
    #[arg(long, value_enum, default_value_t = Outputs::Counts)]
    outputs: Outputs,
    /// What goes in: feature bits, or pixels with their comparators (Verilog)
    #[arg(long, value_enum, default_value_t = Inputs::Features)]
    inputs: Inputs,
    /// Ranks of registers between inputs and outputs, 0 for none (Verilog)
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1000))]
    pipeline: u32,
    /// Keep the circuit gate for gate as it was trained instead of simplifying it
    #[arg(long)]
    as_trained: bool,
}

/// Write the files and print their paths.
pub fn run(args: Args) -> Result<()> {
    let (path, model, mut netlist) = super::load_circuit(&args.model)?;
    let keeps_places = args.format.keeps_places();
    if !args.as_trained {
        let (simple, report) = if keeps_places { simplify(&netlist) } else { simplify_flat(&netlist) };
        let before = if keeps_places { report.before.gates } else { report.before.applications };
        eprintln!("simplified {before} gates to {}", report.after.gates);
        netlist = simple;
    }
    if !keeps_places && model.layers.iter().any(|layer| !layer.form.is_dense()) {
        netlist = netlist.flat().into_owned();
        eprintln!(
            "warning: {} has no loops, so convolutions are written out at every place: {} gates in all, where the network has {}",
            args.format.name(),
            netlist.gates(),
            model.gates()
        );
    }
    let options = Options {
        name: args.name.unwrap_or_else(|| format!("{}_net", model.dataset)),
        origin: format!("{}, trained on {}", path.display(), model.dataset),
        outputs: args.outputs,
        inputs: args.inputs,
        pipeline: args.pipeline,
        group: model.group(),
        table: model.table,
        head: model.head,
    };
    let exported = export(&netlist, args.format, &options)?;
    std::fs::create_dir_all(&args.output).map_err(|e| Error::io("create", &args.output, e))?;
    for file in exported {
        let path = args.output.join(file.name);
        files::write_whole(&path, &file.bytes)?;
        println!("{}", path.display());
    }
    Ok(())
}
