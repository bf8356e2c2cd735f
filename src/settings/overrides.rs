//! Preset, then file, then flags, the last one winning.

use std::path::Path;

use super::list::{Overrides, Settings};
use super::presets::Preset;
use crate::{Error, Result};

impl Overrides {
    /// Read a `--config` file, such as the `config.toml` of a run folder.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
        Self::parse(&text).map_err(|e| Error::input(path, format!("this configuration cannot be used: {e}")))
    }

    /// What a `--config` file of this `text` says.
    pub(super) fn parse(text: &str) -> std::result::Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// Put what is said here over `settings`, with what follows from it.
    pub(super) fn apply(&self, settings: &mut Settings) -> Result<()> {
        let said = Overrides { cage: if self.no_cage { Some(false) } else { self.cage }, ..self.clone() };
        said.check()?;
        said.imply(settings);
        said.put(settings);
        said.check_beside(settings)
    }

    /// Preset, then `config` file, then these flags.
    pub fn resolve(&self, config: Option<&Path>) -> Result<Settings> {
        let file = config.map(Overrides::load).transpose()?.unwrap_or_default();
        self.over(&[&Overrides::default(), &file])
    }

    /// Preset, then each of `beneath`, then these.
    pub(super) fn over(&self, beneath: &[&Overrides]) -> Result<Settings> {
        let all: Vec<&Overrides> = beneath.iter().copied().chain([self]).collect();
        let data = all.iter().rev().find_map(|said| said.data.as_deref());
        let preset = all.iter().rev().find_map(|said| said.preset).unwrap_or_else(|| Preset::of(data));
        let mut settings = match preset {
            Preset::Quick if Overrides::ask_for_another_network(&all) => Settings::default(),
            _ => preset.settings(),
        };
        for said in all {
            said.apply(&mut settings)?;
        }
        settings.forget_idle();
        settings.check()?;
        Ok(settings)
    }
}

impl Preset {
    /// The preset's settings, complete.
    pub fn settings(self) -> Settings {
        let mut settings = Settings::default();
        let said = Overrides::parse(self.text()).expect("presets are compiled in and tested");
        said.apply(&mut settings).expect("presets are compiled in and tested");
        settings
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cage, InputKind, Method, Select};
    use super::*;
    use crate::data;
    use crate::network::{Initialization, Start};
    use crate::plan::{CageScope, GradientFormat};

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_preset() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        std::fs::write(&path, "preset = \"mnist-8k\"\nlayers = \"6x80\"\nlr = 0.5\nbatch = 7\ncage = false\n").unwrap();
        let flags = Overrides { batch: Some(9), ..Default::default() };
        let settings = flags.resolve(Some(&path)).unwrap();
        let patient = Overrides { patience: Some(3), ..Default::default() }.resolve(None).unwrap();
        assert_eq!((patient.patience, patient.select), (Some(3), Select::Best));
        assert_eq!((settings.layers.len(), settings.lr, settings.batch, settings.cage), (6, 0.5, 9, None));
    }

    #[test]
    fn what_a_run_writes_can_be_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        let odd = Settings {
            input: data::Options { label: Some("y".into()), encoder: vec!["x=one-hot".into()], ..Default::default() },
            data_dir: Some("sets".into()),
            flip: true,
            cage: None,
            temperature: 0.3,
            layers: vec![30, 20],
            seed: 9,
            patience: Some(4),
            micro_batch: Some(64),
            ..Settings::deep()
        };
        let soft = Settings {
            method: Method::SoftGumbel,
            input_kind: InputKind::Soft,
            cage: None,
            gradients: GradientFormat::F32,
            arity: 3,
            start: Start { initialization: Initialization::AndOr, mean: Some(0.5), deviation: None },
            ..Settings::deep()
        };
        let soft = Settings { thresholds: 1, ..soft };
        let scoped = Cage { scope: CageScope::Gate, ..Cage::default() };
        let scoped = Settings { method: Method::GumbelSt, cage: Some(scoped), ..Settings::deep() };
        let presets = Preset::ALL.iter().map(|preset| preset.settings());
        for settings in [odd, soft, scoped].into_iter().chain(presets) {
            std::fs::write(&path, settings.to_toml().unwrap()).unwrap();
            assert_eq!(Overrides::default().resolve(Some(&path)).unwrap(), settings);
        }
    }
}
