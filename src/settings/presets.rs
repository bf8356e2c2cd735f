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
    MnistLut "mnist-lut",
    Mnist "mnist",
    MnistWide "mnist-wide",
    MnistConv "mnist-conv",
    MnistConvQuick "mnist-conv-quick",
    Fashion "fashion",
    Cifar10 "cifar10",
    Cifar10Pyramid "cifar10-pyramid",
    Cifar10Wide "cifar10-wide",
    Cifar10Conv "cifar10-conv",
    Cifar10ConvQuick "cifar10-conv-quick",
    LogicTreeNetS "logictreenet-s",
    LogicTreeNetM "logictreenet-m",
    LogicTreeNetMnistS "logictreenet-mnist-s",
    LogicTreeNetMnistM "logictreenet-mnist-m",
    CompactLogicT "compactlogic-t",
    CompactLogicS "compactlogic-s",
    Table "table",
    TableRules "table-rules",
    TableWide "table-wide",
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
    use super::super::{Cage, Overrides, Settings};
    use super::*;
    use crate::plan::GradientFormat;

    #[test]
    fn presets_can_be_used_and_tell_what_they_are_for() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/presets");
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), Preset::ALL.len(), "a file is in no list");
        for preset in Preset::ALL {
            preset.settings().check().unwrap();
            assert!(preset.text().starts_with("# ") && preset.about().len() > 10, "{}", preset.name());
            assert_eq!(Overrides::parse(preset.text()).unwrap().preset, None, "a preset rests on no other");
        }
        let of_quick = Settings {
            layers: vec![6000],
            arity: 4,
            tau: 11.0,
            probe_every: 1,
            freeze_wiring: 0.5,
            cage: Some(Cage { tau_min: 1.5, ..Cage::default() }),
            gradients: GradientFormat::Int4,
            steps: 5000,
            ..Settings::default()
        };
        assert_eq!(Preset::Quick.settings(), of_quick);
    }

    /// The papers count by k: LogicTreeNet has 1280k + 640k + 320k dense gates behind its trees of 7 gates, CompactLogic
    /// 625k + 625k behind single gates.
    #[test]
    fn networks_of_the_papers_have_their_gates() {
        let tree_net = [[1, 32 * 32], [4, 16 * 16], [16, 8 * 8], [32, 4 * 4]];
        let tree_net_mnist = [[1, 24 * 24], [3, 12 * 12], [9, 6 * 6]];
        let compact = [[1, 16 * 16], [1, 16 * 16], [4, 8 * 8], [4, 8 * 8]];
        let (cifar, mnist) = ([9, 32, 32], [3, 28, 28]);
        // Gates evaluated a sample as the papers and their readers give them, in thousands, where they do.
        let networks = [
            (Preset::LogicTreeNetS, 32, cifar, 7, &tree_net[..], 2240, Some(870.0)),
            (Preset::LogicTreeNetM, 256, cifar, 7, &tree_net[..], 2240, Some(7000.0)),
            (Preset::LogicTreeNetMnistS, 16, mnist, 7, &tree_net_mnist[..], 2240, None),
            (Preset::LogicTreeNetMnistM, 64, mnist, 7, &tree_net_mnist[..], 2240, None),
            (Preset::CompactLogicT, 64, cifar, 1, &compact[..], 1250, Some(146.0)),
            (Preset::CompactLogicS, 128, cifar, 1, &compact[..], 1250, None),
        ];
        for (preset, k, mut map, a_tree, blocks, dense, told) in networks {
            let settings = preset.settings();
            assert_eq!(settings.convolutions.len(), blocks.len());
            let (mut gates, mut applications) = (settings.layers.iter().sum::<usize>(), 0);
            assert_eq!(gates, dense * k, "{}", preset.name());
            for (asked, [units, places]) in settings.convolutions.iter().zip(blocks) {
                let conv = asked.over(map).unwrap();
                assert_eq!((asked.units as usize, conv.tree_gates()), (units * k, a_tree), "{}", preset.name());
                assert_eq!(conv.places().iter().product::<usize>(), *places, "{}", preset.name());
                gates += asked.gates();
                applications += asked.gates() * places;
                let [height, width] = conv.outputs().map(|n| n as u32);
                map = [asked.units, height, width];
            }
            let expected: usize = blocks.iter().map(|[units, places]| a_tree * units * k * places).sum();
            assert_eq!(applications, expected);
            applications += dense * k;
            if let Some(thousands) = told {
                assert!((applications as f64 / (1000.0 * thousands) - 1.0).abs() < 0.01, "{applications}");
            }
            let named: String = preset.about().chars().skip_while(|c| *c != ' ').take_while(|c| *c != 'g').collect();
            let named: String = named.chars().filter(char::is_ascii_digit).collect();
            assert_eq!(named, gates.to_string(), "{}", preset.about());
        }
    }
}
