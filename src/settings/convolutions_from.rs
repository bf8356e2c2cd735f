//! Whose convolutions a network has where it does not train its own.

use std::convert::Infallible;
use std::fmt::{Display, Formatter};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::presets::Preset;

/// Whose convolutions a network has where it does not train its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum ConvolutionsFrom {
    /// Nobody's: as they are drawn.
    Drawn,
    /// Those of a run folder, or of the model in it.
    Run(PathBuf),
    /// Those that a run by this preset comes to, on the same samples, before all else.
    Preset {
        /// How they are trained.
        preset: Preset,
        /// The folder of that run, once it has ended.
        trained: Option<PathBuf>,
    },
}

impl ConvolutionsFrom {
    /// The run folder or model that holds them; none where they are as drawn, or not trained yet.
    pub fn run(&self) -> Option<&Path> {
        match self {
            ConvolutionsFrom::Drawn => None,
            ConvolutionsFrom::Run(path) => Some(path),
            ConvolutionsFrom::Preset { trained, .. } => trained.as_deref(),
        }
    }

    /// The same with a run's path changed by `to`.
    #[must_use]
    pub fn map_path(self, to: impl FnOnce(PathBuf) -> PathBuf) -> Self {
        match self {
            ConvolutionsFrom::Run(path) => ConvolutionsFrom::Run(to(path)),
            other => other,
        }
    }
}

impl From<String> for ConvolutionsFrom {
    fn from(text: String) -> Self {
        if text == "drawn" {
            return ConvolutionsFrom::Drawn;
        }
        match Preset::ALL.iter().find(|preset| preset.name() == text) {
            Some(&preset) => ConvolutionsFrom::Preset { preset, trained: None },
            None => ConvolutionsFrom::Run(text.into()),
        }
    }
}

impl FromStr for ConvolutionsFrom {
    type Err = Infallible;

    fn from_str(text: &str) -> std::result::Result<Self, Infallible> {
        Ok(text.to_string().into())
    }
}

impl From<ConvolutionsFrom> for String {
    fn from(from: ConvolutionsFrom) -> Self {
        from.to_string()
    }
}

impl Display for ConvolutionsFrom {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            ConvolutionsFrom::Drawn => f.write_str("drawn"),
            ConvolutionsFrom::Run(path) => path.display().fmt(f),
            ConvolutionsFrom::Preset { preset, .. } => f.write_str(preset.name()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preset_is_meant_by_its_name_and_a_run_by_its_path() {
        for (text, run) in [("drawn", None), ("cifar10-conv", None), ("./cifar10-conv", Some("./cifar10-conv"))] {
            let from: ConvolutionsFrom = text.to_string().into();
            assert_eq!((from.to_string().as_str(), from.run()), (text, run.map(Path::new)));
        }
    }
}
