//! Ready sets of settings: files of `assets/presets`, read as `--config` files are, over the list's defaults.

use serde::{Deserialize, Serialize};

macro_rules! presets {
    ($($variant:ident $name:literal),+ $(,)?) => {
        /// Ready sets of settings.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
        pub enum Preset {$(
            #[doc = concat!("`assets/presets/", $name, ".toml`.")]
            #[serde(rename = $name)]
            $variant,
        )+}

        impl Preset {
            /// Every one.
            pub const ALL: &[Preset] = &[$(Preset::$variant),+];

            /// Its name in flags and files.
            pub fn name(self) -> &'static str {
                match self {
                    $(Preset::$variant => $name),+
                }
            }

            /// Its file.
            pub(super) fn text(self) -> &'static str {
                match self {
                    $(Preset::$variant => include_str!(concat!("../../assets/presets/", $name, ".toml"))),+
                }
            }
        }
    };
}

presets! {
    Quick "quick",
    Mnist8k "mnist-8k",
    Mnist "mnist",
    MnistConv "mnist-conv",
    MnistConvQuick "mnist-conv-quick",
    Fashion "fashion",
    Cifar10 "cifar10",
    Cifar10Pyramid "cifar10-pyramid",
    Cifar10Wide "cifar10-wide",
    Cifar10Conv "cifar10-conv",
    Table "table",
}

impl Preset {
    /// What it is for, in a line: the first of its file.
    pub fn about(self) -> &'static str {
        self.text().lines().next().unwrap_or_default().trim_start_matches(['#', ' '])
    }

    /// The preset for a data set that none is said for; without the feature `files` none can be a table.
    pub(super) fn of(data: Option<&str>) -> Preset {
        #[cfg(feature = "files")]
        if data.is_some_and(crate::data::is_table) {
            return Preset::Table;
        }
        let _ = data;
        Preset::Quick
    }
}

#[cfg(feature = "cli")]
impl clap::ValueEnum for Preset {
    fn value_variants<'a>() -> &'a [Self] {
        Self::ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(clap::builder::PossibleValue::new(self.name()).help(self.about()))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Overrides, Settings};
    use super::*;

    #[test]
    fn presets_can_be_used_and_tell_what_they_are_for() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/presets");
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), Preset::ALL.len(), "a file is in no list");
        for preset in Preset::ALL {
            preset.settings().check().unwrap();
            assert!(preset.text().starts_with("# ") && preset.about().len() > 10, "{}", preset.name());
            assert_eq!(Overrides::parse(preset.text()).unwrap().preset, None, "a preset rests on no other");
        }
        assert_eq!(Preset::Quick.settings(), Settings::default());
    }
}
