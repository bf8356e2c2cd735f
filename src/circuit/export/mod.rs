//! The circuit for other tools, a file a format. Every exporter returns whole files as bytes; the caller writes them.

mod aiger;
mod blif;
mod c;
mod c_places;
mod columns;
mod dot;
mod expression;
mod head;
mod label;
mod logic;
mod names;
mod places;
mod rust;
mod rust_places;
mod slots;
mod verilog;
mod verilog_places;

use super::Netlist;
use crate::data::{Head, Table, Task};
use crate::{Error, Result};

pub use label::{Inputs, Label};
pub use names::identifier;

/// File formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// Verilog-2001, one module, and one for each tree of a convolution.
    Verilog,
    /// C99 and a header: 64 samples a call, or one.
    C,
    /// Rust without std: 64 samples a call, or one.
    Rust,
    /// Berkeley Logic Interchange Format, LUTs as they are.
    Blif,
    /// AIGER in its ASCII form: two-input ANDs and inverters.
    Aag,
    /// AIGER in its binary form.
    Aig,
    /// Graphviz.
    Dot,
}

/// What comes out of an exported circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Outputs {
    /// One bit a vote; class offsets are told in the file's label and are not added.
    Votes,
    /// A binary number a class: its votes added up, offset included.
    Counts,
    /// The number of the class with the greatest count, the first among equals.
    Class,
    /// A bit a label: whether more than half of its gates vote for it.
    Labels,
}

/// How to export.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Name of the module, model or functions; [`identifier`] makes it valid.
    pub name: String,
    /// Where the circuit came from, for a comment.
    pub origin: String,
    /// What comes out.
    pub outputs: Outputs,
    /// What goes in.
    pub inputs: Inputs,
    /// Ranks of registers between inputs and outputs; 0 is combinational.
    pub pipeline: u32,
    /// The columns of the rows that it takes, if it takes rows of a table.
    pub table: Option<Table>,
    /// How votes are read.
    pub head: Head,
    /// Gates that vote for an output, in the network as trained.
    pub group: usize,
}

/// A file to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its name, without a folder.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// The files of `netlist` in `format`; the first is the circuit itself.
///
/// # Errors
/// [`Error::Usage`] for options that the format does not have.
pub fn export(netlist: &Netlist, format: Format, options: &Options) -> Result<Vec<File>> {
    let name = format.name();
    if options.pipeline > 0 && format != Format::Verilog {
        return Err(Error::usage(format!("--pipeline is for verilog, {name} has no registers")));
    }
    if options.inputs == Inputs::Pixels && format != Format::Verilog {
        let other = match format {
            Format::C | Format::Rust => "has functions for pixels and for features anyway",
            _ => "takes feature bits",
        };
        return Err(Error::usage(format!("--inputs pixels is for verilog, {name} {other}")));
    }
    if options.outputs != Outputs::Counts && matches!(format, Format::C | Format::Rust) {
        return Err(Error::usage(format!("{name} gives counts and what they say; choose --outputs counts")));
    }
    let task = options.head.task();
    match options.outputs {
        Outputs::Class if task == Task::Labels => {
            return Err(Error::usage("the network tells labels and no class; choose --outputs labels or counts"));
        }
        Outputs::Class if task == Task::Values => {
            return Err(Error::usage("the network tells values and no class; choose --outputs counts"));
        }
        Outputs::Labels if task != Task::Labels => {
            return Err(Error::usage(format!(
                "--outputs labels is for networks of labels, this one tells {}",
                task.name()
            )));
        }
        _ => {}
    }
    let flat;
    let netlist = if format.keeps_places() {
        netlist
    } else {
        flat = netlist.flat();
        &flat
    };
    let options = &Options { name: identifier(&options.name), ..options.clone() };
    let label = Label::new(netlist, format, options);
    let extension = format.extension();
    let bytes = match format {
        Format::Verilog => verilog::module(netlist, options, &label).into_bytes(),
        Format::C => {
            let source =
                File { name: format!("{}.c", options.name), bytes: c::source(netlist, options, &label).into() };
            let header =
                File { name: format!("{}.h", options.name), bytes: c::header(netlist, options, &label).into() };
            return Ok(vec![source, header]);
        }
        Format::Rust => rust::source(netlist, options, &label).into_bytes(),
        Format::Blif => blif::model(netlist, options, &label).into_bytes(),
        Format::Aag => aiger::ascii(netlist, options, &label).into_bytes(),
        Format::Aig => aiger::binary(netlist, options, &label),
        Format::Dot => dot::graph(netlist, options, &label).into_bytes(),
    };
    Ok(vec![File { name: format!("{}.{extension}", options.name), bytes }])
}

impl Format {
    /// Whether convolutions stay loops over places; the other formats have gates alone, of which every place has its own.
    pub fn keeps_places(self) -> bool {
        matches!(self, Format::C | Format::Rust | Format::Verilog)
    }

    /// Its name in flags and labels.
    pub fn name(self) -> &'static str {
        match self {
            Format::Verilog => "verilog",
            Format::C => "c",
            Format::Rust => "rust",
            Format::Blif => "blif",
            Format::Aag => "aag",
            Format::Aig => "aig",
            Format::Dot => "dot",
        }
    }

    /// Extension of the circuit's file.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Verilog => "v",
            Format::C => "c",
            Format::Rust => "rs",
            Format::Blif => "blif",
            Format::Aag => "aag",
            Format::Aig => "aig",
            Format::Dot => "dot",
        }
    }
}
