//! The run that trains another's convolutions first, as far as settings tell.

use std::path::PathBuf;

use super::convolutions_from::ConvolutionsFrom;
use super::layers::Layers;
use super::list::Settings;
use super::presets::Preset;
use crate::network::{config_of, model_file};
use crate::{Error, Result};

impl Settings {
    /// Settings of the run that trains this one's convolutions first, if a preset is to: the preset's, with this one's samples, seed,
    /// parametrization and gradient of pools.
    pub fn of_convolutions(&self) -> Option<Settings> {
        let ConvolutionsFrom::Preset { preset, .. } = &self.convolutions_from else { return None };
        Some(Settings {
            data: self.data.clone(),
            data_dir: self.data_dir.clone(),
            input: self.input.clone(),
            validation: self.validation,
            thresholds: self.thresholds,
            rare: self.rare,
            shift: self.shift,
            flip: self.flip,
            rotate: self.rotate,
            resized_crop: self.resized_crop,
            parametrization: self.parametrization,
            pool_gradient: self.pool_gradient,
            micro_batch: self.micro_batch,
            seed: self.seed,
            ..preset.settings()
        })
    }

    /// The same settings, the run that trains their convolutions first having ended in the folder `at`.
    pub fn with_convolutions_of(&self, at: PathBuf) -> Settings {
        let mut settings = self.clone();
        if let ConvolutionsFrom::Preset { trained, .. } = &mut settings.convolutions_from {
            *trained = Some(at);
        }
        settings
    }

    /// Refuse others' convolutions where this network has none that stay, or others than theirs.
    pub(super) fn check_convolutions_from(&self) -> Result<()> {
        if self.convolutions_from == ConvolutionsFrom::Drawn {
            return Ok(());
        }
        let from = &self.convolutions_from;
        if !self.has_frozen_convolutions() {
            return Err(Error::usage(format!(
                "--convolutions-from {from} takes another network's convolutions as they are; name them in --layers and add \
                 --freeze convolutions, or have --convolutions-from drawn"
            )));
        }
        let Some(first) = self.of_convolutions() else { return Ok(()) };
        if !first.trains_convolutions() {
            let why = match &first.convolutions_from {
                ConvolutionsFrom::Drawn => "has none that it trains".to_string(),
                others => format!("has those of {others}"),
            };
            return Err(Error::usage(format!(
                "--convolutions-from cannot take the convolutions of the preset {from}, which {why}; name {}, a run folder, or drawn",
                self.takeable()
            )));
        }
        if first.convolutions != self.convolutions {
            let theirs = Layers { convolutions: first.convolutions, dense: Vec::new(), reads: Vec::new() };
            return Err(Error::usage(format!(
                "--layers has other convolutions than the preset {from} trains; begin it by \"{theirs}\", or have --convolutions-from drawn"
            )));
        }
        Ok(())
    }

    /// Whether there are convolutions, and every layer is trained.
    fn trains_convolutions(&self) -> bool {
        !self.convolutions.is_empty() && !self.freezes()
    }

    /// The presets whose convolutions can be taken: that train such as this network has, or else any.
    fn takeable(&self) -> String {
        let all: Vec<(&str, Settings)> = Preset::ALL.iter().map(|preset| (preset.name(), preset.settings())).collect();
        let of = |fit: &dyn Fn(&Settings) -> bool| -> Vec<&str> {
            all.iter().filter(|(_, first)| first.trains_convolutions() && fit(first)).map(|&(name, _)| name).collect()
        };
        let alike = of(&|first| first.convolutions == self.convolutions);
        let presets = if alike.is_empty() { of(&|_| true) } else { alike };
        presets.join(", ")
    }

    /// The model whose convolutions are taken, if they are not drawn, or trained first and not there yet.
    ///
    /// # Errors
    /// [`Error::Input`] if there is none where one is named.
    pub fn convolutions_model(&self) -> Result<Option<PathBuf>> {
        let Some(from) = self.convolutions_from.run() else { return Ok(None) };
        if !from.exists() {
            let problem = "--convolutions-from names no preset by this, and there is no run or model of this name";
            return Err(Error::input(from, format!("{problem}; name {}, a run folder, or drawn", self.takeable())));
        }
        let is_empty = from.is_dir() && !config_of(from).is_file();
        model_file(from).map(Some).map_err(|error| match error {
            Error::Input { path, problem } if is_empty => {
                Error::input(path, format!("{problem}, or {}", self.takeable()))
            }
            other => other,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::choices::PoolGradient;
    use super::*;

    #[test]
    fn the_first_run_has_the_same_samples_and_is_of_the_presets_network() {
        let preset = Preset::Cifar10Conv;
        let said = Settings { seed: 7, validation: 0.2, shift: 3, ..Preset::Cifar10Pyramid.settings() };
        let settings = Settings { pool_gradient: PoolGradient::Exact, ..said };
        let settings = Settings { convolutions_from: ConvolutionsFrom::Preset { preset, trained: None }, ..settings };
        settings.check().unwrap();
        let first = settings.of_convolutions().unwrap();
        assert_eq!((first.seed, first.validation, first.shift), (7, 0.2, 3));
        assert_eq!(first.pool_gradient, PoolGradient::Exact, "it has meaning there alone");
        assert_eq!((&first.layers, first.steps), (&preset.settings().layers, preset.settings().steps));
        let trained = settings.with_convolutions_of("there".into());
        assert_eq!(trained.convolutions_from.run(), Some(Path::new("there")));
        assert_eq!(trained.to_toml().unwrap(), settings.to_toml().unwrap(), "where it lies is no setting");
        let from = |name: &str| Settings { convolutions_from: name.to_string().into(), ..settings.clone() };
        for (change, told) in [
            (Settings { convolutions: Vec::new(), reads: Vec::new(), ..settings.clone() }, "--convolutions-from drawn"),
            (
                Settings { convolutions: settings.convolutions[..2].to_vec(), reads: Vec::new(), ..settings.clone() },
                "channels 1\", or have",
            ),
            (from("mnist-8k"), "which has none that it trains; name cifar10-conv, cifar10-conv-quick, a run folder"),
            (from("mnist"), "which has those of mnist-conv; name cifar10-conv, cifar10-conv-quick, a run folder"),
        ] {
            let refused = change.check().unwrap_err().to_string();
            assert!(refused.contains(told), "{refused}");
        }
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
        std::fs::create_dir(at("empty")).unwrap();
        std::fs::create_dir(at("begun")).unwrap();
        std::fs::write(at("begun/config.toml"), "").unwrap();
        for (name, told) in [
            ("cifar10-cnov", "names no preset by this, and there is no run or model of this name; name cifar10-conv, "),
            ("empty", "name a model.safetensors or a run folder, or cifar10-conv, cifar10-conv-quick"),
            ("begun", "this run has not ended"),
            ("begun/config.toml", "name the run folder that they lie in"),
        ] {
            let refused = from(&at(name)).convolutions_model().unwrap_err().to_string();
            assert!(refused.contains(told) && refused.contains(&at(name)), "{refused}");
        }
        assert_eq!(settings.convolutions_model().unwrap(), None, "they are not there yet");
    }
}
