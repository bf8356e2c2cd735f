//! Where a trained network lies: in a model file, by itself or in the folder of the run that trained it.

use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// What a run folder's configuration is called.
const CONFIG: &str = "config.toml";

/// The configuration of the run folder at `path`.
pub fn config_of(path: &Path) -> PathBuf {
    path.join(CONFIG)
}

/// The model of the run folder at `path`, which it has once it has ended.
pub fn model_of(path: &Path) -> PathBuf {
    path.join("model.safetensors")
}

/// The model file at `path`, or of the run folder there.
///
/// # Errors
/// [`Error::Input`] for a folder that has none, and for a run's configuration.
pub fn model_file(path: &Path) -> Result<PathBuf> {
    if path.file_name() == Some(CONFIG.as_ref()) && path.is_file() {
        return Err(Error::input(
            path,
            "these are a run's settings, and no model; name the run folder that they lie in",
        ));
    }
    if !path.is_dir() {
        return Ok(path.to_owned());
    }
    let model = model_of(path);
    match (model.is_file(), config_of(path).is_file()) {
        (true, _) => Ok(model),
        (_, true) => Err(Error::input(path, "this run has not ended, so it has no model yet; go on by train --resume")),
        _ => {
            Err(Error::input(path, "it is neither a model nor a run folder; name a model.safetensors or a run folder"))
        }
    }
}
