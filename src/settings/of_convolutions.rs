//! The run that trains another's convolutions first, as far as settings tell.

use std::path::PathBuf;

use super::convolutions_from::ConvolutionsFrom;
use super::layers::Layers;
use super::list::Settings;
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
        if first.freezes() || first.convolutions.is_empty() {
            return Err(Error::usage(format!(
                "the preset {from} trains no convolutions, so --convolutions-from cannot take any of it; name cifar10-conv, or a run"
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
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::choices::PoolGradient;
    use super::super::presets::Preset;
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
        for (change, told) in [
            (Settings { convolutions: Vec::new(), reads: Vec::new(), ..settings.clone() }, "--convolutions-from drawn"),
            (
                Settings { convolutions: settings.convolutions[..2].to_vec(), reads: Vec::new(), ..settings.clone() },
                "begin it by \"conv 96",
            ),
            (Settings { convolutions_from: "quick".to_string().into(), ..settings.clone() }, "trains no convolutions"),
        ] {
            let refused = change.check().unwrap_err().to_string();
            assert!(refused.contains(told), "{refused}");
        }
    }
}
