//! A file a subcommand, thin.

use std::path::Path;

use crate::circuit::Netlist;
use crate::data::{self, Coding, Dataset, ImageShape, Options};
use crate::network::Model;
use crate::{Error, Result};

pub mod bench_infer;
pub mod bench_scale;
pub mod bench_step;
pub mod data_fetch;
pub mod data_info;
pub mod depth;
pub mod devices;
pub mod eval;
pub mod export;
pub mod inspect;
pub mod predict;
pub mod profile;
pub mod report;
pub mod runs;
pub mod simplify;
pub mod sweep;
pub mod train;
pub mod verify;

/// What runs a circuit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum EngineKind {
    /// Vector instructions of this machine
    Cpu,
    /// Compute shaders
    Gpu,
}

impl EngineKind {
    /// Its name in reports.
    fn name(self) -> &'static str {
        match self {
            EngineKind::Cpu => "cpu",
            EngineKind::Gpu => "gpu",
        }
    }

    /// Refuse an adapter where none is used.
    fn check_adapter(self, adapter: &Option<String>) -> Result<()> {
        if self == EngineKind::Cpu && adapter.is_some() {
            return Err(Error::usage("--adapter is for --engine gpu"));
        }
        Ok(())
    }
}

/// A saved network and its circuit, gate for gate.
fn load_circuit(path: &Path) -> Result<(Model, Netlist)> {
    let model = Model::load(path)?;
    let netlist = model.netlist().map_err(|problem| Error::input(path, problem))?;
    Ok((model, netlist))
}

/// Open the data set `name`, or else the one that `model` was trained on, as the model at `path` takes it.
fn open_for(
    path: &Path,
    model: &Model,
    name: Option<&str>,
    data_dir: Option<&Path>,
    options: &Options,
) -> Result<Dataset> {
    let name = match name {
        Some(name) => name,
        None if data::is_named(&model.dataset) => &model.dataset,
        None => {
            return Err(Error::usage(format!(
                "{} was trained on \"{}\", which is not known by name; say where it lies by --data",
                path.display(),
                model.dataset
            )));
        }
    };
    let coding = match &model.table {
        Some(_) if !data::is_table(name) => {
            return Err(Error::usage(format!("{} takes rows of a table; name one by --data", path.display())));
        }
        Some(table) => Coding::Known { table: Some(table), classes: &model.classes, head: &model.head },
        None if !model.head.is_classes() => Coding::Known { table: None, classes: &model.classes, head: &model.head },
        // Of a table it could not tell the columns; the shape is refused below.
        None => Coding::Learned { thresholds: 1 },
    };
    // Pictures are made as large as the model takes them.
    let options = Options {
        size: Some(format!("{}x{}", model.image.width, model.image.height)),
        channels: Some(model.image.channels),
        task: Some(model.head.task()),
        ..options.clone()
    };
    let data = data::open_with(name, data_dir, &options, coding)?;
    check_shape(path, model, &data)?;
    Ok(data)
}

/// Refuse a data set of another shape than the model at `path` takes.
fn check_shape(path: &Path, model: &Model, data: &Dataset) -> Result<()> {
    if data.image == model.image && data.classes.len() == model.classes.len() {
        return Ok(());
    }
    let of =
        |i: &ImageShape, classes: usize| format!("{}×{}×{} bytes in {classes} classes", i.channels, i.height, i.width);
    Err(Error::usage(format!(
        "{} takes {}, but {} has {}; choose the right set by --data",
        path.display(),
        of(&model.image, model.classes.len()),
        data.name,
        of(&data.image, data.classes.len())
    )))
}
