//! Ready sets of settings.

use serde::{Deserialize, Serialize};

use super::settings::{Cage, InputKind, Method, Schedule, Select, Settings};
use crate::data;
use crate::network::{Initialization, Parametrization, Wiring};
use crate::plan::GradientFormat;

/// Ready sets of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Preset {
    /// MNIST in under three minutes on two CPU cores.
    Quick,
    /// MNIST, 6 × 8,000 gates (difflogic's small model).
    MnistSmall,
    /// MNIST, 6 × 64,000 gates (difflogic's large model).
    MnistLarge,
    /// Fashion-MNIST, 4 × 16,000 gates.
    Fashion,
    /// CIFAR-10, 4 × 12,000 gates.
    Cifar10Small,
    /// CIFAR-10, 4 × 128,000 gates.
    Cifar10Medium,
    /// Tables of numbers and words; what data of this kind gets by default.
    Table,
}

impl Preset {
    /// The preset's settings, complete.
    pub fn settings(self) -> Settings {
        let base = Settings {
            data: "mnist".into(),
            data_dir: None,
            input: data::Options::default(),
            validation: 0.05,
            shift: 0,
            flip: false,
            rotate: 0.0,
            resized_crop: 1.0,
            thresholds: 3,
            rare: 0.1,
            input_kind: InputKind::Bits,
            layers: vec![6000; 6],
            arity: 2,
            wiring: Wiring::Unique,
            parametrization: Parametrization::IwpSin,
            start: Initialization::Residual.into(),
            method: Method::HardSt,
            temperature: 1.0,
            cage: Some(Cage::default()),
            tau: 10.0,
            batch: 128,
            micro_batch: None,
            steps: 6000,
            lr: 0.1,
            schedule: Schedule::Cosine,
            lr_final: 0.0,
            warmup: 0,
            weight_decay: 0.0,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-8,
            gradients: GradientFormat::Int8,
            seed: 0,
            eval_every: 1000,
            patience: None,
            select: Select::Last,
        };
        match self {
            Preset::Quick => base,
            Preset::MnistSmall => {
                Settings { layers: vec![8000; 6], shift: 1, validation: 0.02, steps: 30_000, eval_every: 3000, ..base }
            }
            Preset::MnistLarge => {
                Settings { layers: vec![64_000; 6], tau: 30.0, steps: 100_000, eval_every: 2000, ..base }
            }
            Preset::Fashion => Settings {
                data: "fashion-mnist".into(),
                thresholds: 7,
                rare: 0.05,
                layers: vec![16_000; 4],
                tau: 15.0,
                lr: 0.04,
                steps: 8000,
                eval_every: 500,
                ..base
            },
            Preset::Cifar10Small => Settings {
                data: "cifar-10".into(),
                layers: vec![12_000; 4],
                flip: true,
                tau: 20.0,
                lr: 0.03,
                steps: 200_000,
                eval_every: 5000,
                ..base
            },
            // Light DLGN's augmentation: flips, and parts of half to all of the image's area.
            Preset::Cifar10Medium => Settings {
                data: "cifar-10".into(),
                flip: true,
                resized_crop: 0.71,
                layers: vec![128_000; 4],
                tau: 100.0,
                steps: 200_000,
                eval_every: 5000,
                ..base
            },
            Preset::Table => Settings {
                validation: 0.0,
                thresholds: 16,
                rare: 0.01,
                layers: vec![2000; 4],
                steps: 2000,
                eval_every: 500,
                ..base
            },
        }
    }

    /// The preset for a data set that none is said for.
    pub(super) fn of(data: Option<&str>) -> Preset {
        if data.is_some_and(data::is_table) { Preset::Table } else { Preset::Quick }
    }
}
