//! What an exported file says about itself: comment lines for people and one line of JSON for `verify`.

use serde::{Deserialize, Serialize};

use super::{Format, Options, Outputs, columns, head, names};
use crate::circuit::Netlist;
use crate::data::Task;
use crate::{Error, Result};

/// What goes into an exported circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Inputs {
    /// One bit a feature of the encoder.
    Features,
    /// A byte a pixel: the thermometer's comparators are part of the circuit.
    Pixels,
}

/// Precedes the JSON.
const MARK: &str = "gatewright export: ";

/// The interface of an exported file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    /// Format of the file.
    pub format: Format,
    /// Name of the module, model or functions.
    pub name: String,
    /// What goes in.
    pub inputs: Inputs,
    /// What comes out.
    pub outputs: Outputs,
    /// Ranks of registers.
    pub pipeline: u32,
    /// Bytes of an image.
    pub pixels: usize,
    /// Feature bits.
    pub features: usize,
    /// `[class]`: number of votes.
    pub votes: Vec<usize>,
    /// `[class]`: votes that are always cast.
    pub offsets: Vec<u32>,
    /// What the counts tell.
    #[serde(default, skip_serializing_if = "is_classes")]
    pub task: Task,
    /// Gates that vote for an output, in the network as trained.
    #[serde(default)]
    pub group: usize,
    /// What people are told.
    #[serde(skip)]
    about: Vec<String>,
}

fn is_classes(task: &Task) -> bool {
    *task == Task::Classes
}

impl Label {
    /// Describe the export of `netlist`.
    pub fn new(netlist: &Netlist, format: Format, options: &Options) -> Self {
        let image = netlist.image;
        let mut about = vec![
            "A logic gate network, trained and written by gatewright.".to_string(),
            format!("It came from {}.", names::comment(&options.origin)),
            format!(
                "{}, depth {}, {} feature bits of {}.",
                match netlist.stages.is_empty() {
                    true => format!("{} gates", netlist.gates()),
                    false => format!("{} gates, evaluated {} times a sample", netlist.gates(), netlist.applications()),
                },
                netlist.depth(),
                netlist.features(),
                match &options.table {
                    Some(table) => format!("rows of {} columns in {} bytes", table.columns.len(), image.pixels()),
                    None => format!(
                        "images of {} x {} x {} bytes (channels, rows, columns)",
                        image.channels, image.height, image.width
                    ),
                }
            ),
        ];
        about.extend(head::about(netlist, options));
        if let Some(table) = &options.table {
            let encoder = &netlist.encoder;
            let features = encoder.pixel.iter().copied().zip(encoder.threshold.iter().copied());
            about.extend(columns::about(table, features));
        }
        Label {
            format,
            name: options.name.clone(),
            inputs: options.inputs,
            outputs: options.outputs,
            pipeline: options.pipeline,
            pixels: image.pixels(),
            features: netlist.features(),
            votes: netlist.votes.iter().map(Vec::len).collect(),
            offsets: netlist.offsets.clone(),
            task: options.head.task(),
            group: options.group,
            about,
        }
    }

    /// Comment lines, each behind `prefix`.
    pub fn comment(&self, prefix: &str) -> String {
        let json = serde_json::to_string(self).unwrap_or_default();
        let lines = self.about.iter().cloned().chain([format!("{MARK}{json}")]);
        lines.map(|line| format!("{prefix}{line}\n")).collect()
    }

    /// Read the label of a file.
    pub fn read(path: &std::path::Path, bytes: &[u8]) -> Result<Self> {
        let mark = MARK.as_bytes();
        let at = bytes.windows(mark.len()).position(|w| w == mark);
        let line = at.map(|at| &bytes[at + mark.len()..]).and_then(|rest| rest.split(|&b| b == b'\n').next());
        let line = line.ok_or_else(|| {
            Error::input(path, "it has no \"gatewright export\" line, so it was not exported by gatewright")
        })?;
        serde_json::from_slice(line).map_err(|e| Error::input(path, format!("its label cannot be read: {e}")))
    }
}
