//! Does an exported file compute what the engine computes? Images go through both, every count is compared.
//!
//! AIGER and BLIF are read back here; Verilog, C and Rust go through `iverilog`, `cc` and `rustc`.

mod gates;
mod tools;

use std::path::Path;

use super::export::{Format, Label, Outputs};
use super::import::Circuit;
use super::{Engine, Netlist, reference};
use crate::data::Task;
use crate::{Error, Result};

/// What an exported circuit said.
enum Answers {
    /// `[sample][class]`
    Counts(Vec<u32>),
    /// `[sample]`
    Classes(Vec<u32>),
    /// `[sample][label]`: 1 where it is set.
    Labels(Vec<u32>),
}

impl Answers {
    /// Of an exported circuit's `outputs`.
    fn of(outputs: Outputs, answers: Vec<u32>) -> Self {
        match outputs {
            Outputs::Votes | Outputs::Counts => Answers::Counts(answers),
            Outputs::Class => Answers::Classes(answers),
            Outputs::Labels => Answers::Labels(answers),
        }
    }
}

/// Run `pixels` (`[sample][pixel]`) through `netlist` and through the file at `path`; the number of samples compared.
///
/// # Errors
/// [`Error::Run`] if an answer differs or a tool is missing or complains; [`Error::Input`] if the file is no export, or
/// not of a circuit with the same pixels, features and classes; [`Error::Usage`] for a format that cannot be run.
pub fn verify(netlist: &Netlist, path: &Path, pixels: &[u8]) -> Result<usize> {
    let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
    let label = Label::read(path, &bytes)?;
    let (theirs, ours) = (
        (label.pixels, label.features, label.votes.len(), label.offsets.len()),
        (netlist.image.pixels(), netlist.features(), netlist.classes.len(), netlist.classes.len()),
    );
    if theirs != ours {
        return Err(Error::input(
            path,
            format!(
                "it has {} pixels, {} features and {} classes, the model has {}, {} and {}",
                theirs.0, theirs.1, theirs.2, ours.0, ours.1, ours.2
            ),
        ));
    }
    let gates = netlist.votes.first().map_or(0, Vec::len) + netlist.offsets.first().map_or(0, |&o| o as usize);
    if label.task == Task::Labels && label.group != gates {
        let problem = format!("it sets labels by {} gates each, the model by {gates}", label.group);
        return Err(Error::input(path, problem));
    }
    let answers = match label.format {
        Format::Verilog => tools::verilog(netlist, path, &label, pixels)?,
        Format::C => tools::c(netlist, path, &label, pixels)?,
        Format::Rust => tools::rust(netlist, path, &label, pixels)?,
        Format::Blif | Format::Aag | Format::Aig => {
            let circuit = Circuit::read(&bytes).map_err(|problem| Error::input(path, problem))?;
            gates::run(&circuit, netlist, &label, pixels).map_err(|problem| Error::input(path, problem))?
        }
        Format::Dot => return Err(Error::usage("a dot file is a drawing, it cannot be run")),
    };
    let expected = Engine::new(netlist).counts(pixels, true);
    let classes = netlist.classes.len();
    let samples = pixels.len() / netlist.image.pixels();
    match answers {
        Answers::Counts(counts) => {
            if counts.len() != expected.len() {
                return Err(Error::Run(format!("{} counts came back for {}", counts.len(), expected.len())));
            }
            if let Some(at) = (0..expected.len()).find(|&i| counts[i] != expected[i]) {
                return Err(Error::Run(format!(
                    "sample {}: the file counts {} votes for class {}, the engine {}",
                    at / classes,
                    counts[at],
                    at % classes,
                    expected[at]
                )));
            }
        }
        Answers::Labels(found) => {
            let is_set = |&count: &u32| u32::from(count as usize > label.group / 2);
            let expected: Vec<u32> = expected.iter().map(is_set).collect();
            if found.len() != expected.len() {
                return Err(Error::Run(format!("{} labels came back for {}", found.len(), expected.len())));
            }
            if let Some(at) = (0..expected.len()).find(|&i| found[i] != expected[i]) {
                let (sample, label) = (at / classes, at % classes);
                return Err(Error::Run(format!(
                    "sample {sample}: the file says {} of label {label}, the engine {}",
                    found[at], expected[at]
                )));
            }
        }
        Answers::Classes(found) => {
            if found.len() != samples {
                return Err(Error::Run(format!("{} classes came back for {samples} samples", found.len())));
            }
            for (sample, (counts, found)) in expected.chunks_exact(classes).zip(found).enumerate() {
                let class = reference::argmax(counts);
                if class != found {
                    return Err(Error::Run(format!(
                        "sample {sample}: the file says class {found}, the engine class {class}"
                    )));
                }
            }
        }
    }
    Ok(samples)
}

/// Turn the output bits of one sample, by name, into counts or the class; `None` if one is missing.
fn gather(label: &Label, bit: impl Fn(&str) -> Option<bool>) -> Option<Vec<u32>> {
    let number = |name: &dyn Fn(usize) -> String| {
        let bits: Vec<bool> = (0..32).map_while(|b| bit(&name(b))).collect();
        (!bits.is_empty()).then(|| bits.iter().rev().fold(0, |n, &b| (n << 1) | u32::from(b)))
    };
    match label.outputs {
        Outputs::Votes => (0..label.votes.len())
            .map(|class| {
                let votes: Option<Vec<bool>> =
                    (0..label.votes[class]).map(|i| bit(&format!("vote_{class}_{i}"))).collect();
                Some(label.offsets[class].saturating_add(votes?.iter().filter(|&&v| v).count() as u32))
            })
            .collect(),
        Outputs::Counts => (0..label.votes.len()).map(|class| number(&|b| format!("count_{class}_bit_{b}"))).collect(),
        Outputs::Class => number(&|b| format!("class_bit_{b}")).map(|class| vec![class]),
        Outputs::Labels => (0..label.votes.len()).map(|l| bit(&format!("label_{l}")).map(u32::from)).collect(),
    }
}
