//! A file a subcommand: what it is asked, and how what it found is told.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::circuit::Netlist;
use crate::data::{self, Note};
use crate::gpu;
use crate::network::{Model, config_of, model_file};
use crate::ranks::{self, Ranks};
use crate::run::{Companion, Device, Where};
use crate::settings::Settings;
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
pub mod import;
pub mod inspect;
mod judged;
pub mod predict;
pub mod profile;
pub mod program;
pub mod report;
pub mod runs;
pub mod shell;
pub mod simplify;
pub mod sweep;
pub mod train;
pub mod verify;

/// Tell on stderr what reading a data set left out, or may have taken for something else.
fn warn_of(notes: &[Note]) {
    notes.iter().filter(|note| note.is_warning).for_each(|note| eprintln!("warning: {}", note.text));
}

/// Open what a user wants to train on, and tell of the choice where it may surprise.
fn open_device(asked: &Where, settings: &Settings) -> Result<Device> {
    let (device, note) = Device::open(asked, settings)?;
    if let Some(note) = note {
        eprintln!("note: {note}");
    }
    Ok(device)
}

/// What `--adapter` calls every GPU of the machine.
const ALL_GPUS: &str = "all";

/// The ranks of this process, the first its own, and what each trains on. `--adapter` names a device for each, parted by commas:
/// several are threads of this process, or shared out among those that a launcher started on this machine. So are the machine's
/// GPUs where several ranks were started and none is named.
fn ranks_of(place: &Where) -> Result<Vec<Companion>> {
    let (is_launched, local_ranks) = (ranks::is_launched(), ranks::local_ranks());
    let gpus = || -> Result<Vec<Option<String>>> {
        let all = gpu::adapters()?.into_iter().enumerate().filter(|(_, adapter)| !adapter.is_software());
        Ok(all.map(|(number, _)| Some(number.to_string())).collect())
    };
    let is_named = std::env::var("WGPU_ADAPTER_NAME").is_ok_and(|name| !name.is_empty());
    let mut adapters = match &place.adapter {
        Some(name) if name == ALL_GPUS => match gpus()? {
            none if none.is_empty() => {
                return Err(Error::usage("--adapter all is for GPUs, and there is none; name cpu"));
            }
            all => all,
        },
        Some(names) => names.split(',').map(|name| Some(name.trim().to_string())).collect(),
        None if is_launched && local_ranks > 1 && !is_named => gpus()?,
        None => Vec::new(),
    };
    if is_launched && adapters.len() > 1 {
        adapters = vec![adapters.swap_remove(ranks::local_rank() % adapters.len())];
    }
    if adapters.is_empty() {
        adapters.push(None);
    }
    let all = match adapters.len() {
        1 => vec![Ranks::of_launcher()?],
        devices => Ranks::threads(devices),
    };
    let sharing = if all.len() > 1 { all.len() } else { local_ranks };
    let companion = |(ranks, adapter)| Companion { ranks, place: Where { adapter, threads: place.threads, sharing } };
    Ok(all.into_iter().zip(adapters).map(companion).collect())
}

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

/// The run folder at `path`, or around the model there.
fn run_folder(path: &Path) -> PathBuf {
    let around = path.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    match around {
        Some(folder) if path.is_file() && config_of(folder).is_file() => folder.to_owned(),
        _ => path.to_owned(),
    }
}

/// The file of a saved network, the network, and its circuit, gate for gate; `path` may be its run folder.
fn load_circuit(path: &Path) -> Result<(PathBuf, Model, Netlist)> {
    let path = model_file(path)?;
    let model = Model::load(&path)?;
    let netlist = model.netlist().map_err(|problem| Error::input(&path, problem))?;
    Ok((path, model, netlist))
}

/// A path for JSON, which is Unicode.
///
/// # Errors
/// [`Error::Run`] if the path is not.
fn path_for_json(path: &Path) -> Result<&str> {
    path.to_str().ok_or_else(|| {
        Error::Run(format!("{} is not Unicode, and JSON is; rename it, or leave out --json", path.display()))
    })
}

/// The same settings, with paths that hold wherever the program is called.
fn from_root(settings: Settings) -> Settings {
    let absolute = |path: PathBuf| std::path::absolute(&path).unwrap_or(path);
    Settings {
        data: data::from_root(&settings.data),
        data_dir: settings.data_dir.map(absolute),
        convolutions_from: settings.convolutions_from.map_path(absolute),
        input: data::Options {
            test: settings.input.test.map(|test| match test.to_str() {
                Some(name) => data::from_root(name).into(),
                None => absolute(test),
            }),
            ..settings.input
        },
        ..settings
    }
}

/// A flag that Ctrl-C, SIGTERM or a closed terminal set; a second of these ends the program at once.
fn stop_on_signal() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = stop.clone();
    on_signal(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
        eprintln!("stopping after this step; once more stops at once");
    })?;
    Ok(stop)
}

/// A flag that nothing sets: signals are for another process to act on.
fn stay_on_signal() -> Result<Arc<AtomicBool>> {
    on_signal(|| {})?;
    Ok(Arc::default())
}

fn on_signal(act: impl FnMut() + 'static + Send) -> Result<()> {
    ctrlc::set_handler(act).map_err(|e| Error::Run(format!("cannot wait for Ctrl-C: {e}")))
}
