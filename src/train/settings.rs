//! Every setting of a run, and which of them go together.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::overrides::Overrides;
use crate::data::{self, Coding, Dataset};
use crate::gpu::shader::{CageScope, GradientFormat};
use crate::network::{Parametrization, Start, Wiring};
use crate::{Error, Result};

/// How gates are selected forward and differentiated backward (Align Forward, Adapt Backward). With g the selection noise,
/// drawn once a gate and step, the table weights of the forward pass, and those whose derivative the logits get:
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The selected gate, argmax z, forward; softmax(z/τ) backward.
    HardSt,
    /// A sampled gate, argmax(z + g), forward; softmax((z + g)/τ) backward.
    GumbelSt,
    /// The mixture softmax(z/τ) both ways.
    SoftMix,
    /// The noisy mixture softmax((z + g)/τ) both ways.
    SoftGumbel,
}

impl Method {
    /// Whether the forward pass uses mixtures, and so real activations.
    pub fn is_soft(self) -> bool {
        matches!(self, Method::SoftMix | Method::SoftGumbel)
    }

    /// Whether selections are noisy.
    pub fn is_noisy(self) -> bool {
        matches!(self, Method::GumbelSt | Method::SoftGumbel)
    }
}

/// What the first layer reads in training.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum InputKind {
    /// The encoder's bits.
    Bits,
    /// Pixels as they are, byte / 255; the soft methods only.
    Soft,
}

/// How the learning rate moves over the steps, after the warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// It stays.
    Constant,
    /// Half a cosine from `lr` down to `lr · lr-final`.
    Cosine,
}

/// Which network of a run becomes its model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Select {
    /// That of the last step.
    Last,
    /// That of the evaluation with the best held-out accuracy of the hard network.
    Best,
}

/// CAGE's constants (Align Forward, Adapt Backward).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cage {
    /// Backward temperature of a certain network.
    pub tau_min: f32,
    /// Backward temperature of an undecided network.
    pub tau_max: f32,
    /// Decay a step of confidence's running mean.
    pub decay: f32,
    /// Whose confidence sets a gate's temperature.
    pub scope: CageScope,
}

impl Default for Cage {
    /// The paper's constants; its scope is unknown, so the network's.
    fn default() -> Self {
        Cage { tau_min: 0.5, tau_max: 3.0, decay: 0.99, scope: CageScope::Network }
    }
}

/// Everything that decides a run's result, and nothing else.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// `mnist`, `fashion-mnist`, `cifar-10` or a folder.
    pub data: String,
    /// Folder in which named data sets lie, beside the usual ones.
    pub data_dir: Option<PathBuf>,
    /// How the data set is to be read.
    pub input: data::Options,
    /// Fraction of the training samples held out for validation, 0 to 0.9.
    pub validation: f64,
    /// Augmentation: pixels a training image may move each way, afresh every time; 0 is none.
    pub shift: u32,
    /// Augmentation: whether half of the training images are mirrored left to right.
    pub flip: bool,
    /// Augmentation: degrees by which a training image may be turned either way, 0 to 45.
    pub rotate: f64,
    /// Augmentation: least side of the part of a training image that is shown, as a fraction of the image's, 0.1 to 1.
    pub resized_crop: f64,
    /// Thermometer thresholds a channel, 1 to 255.
    pub thresholds: usize,
    /// Input bits set, or unset, in less than this fraction of the training samples are left out.
    pub rare: f64,
    /// What the first layer reads in training.
    pub input_kind: InputKind,
    /// Gates of each layer.
    pub layers: Vec<usize>,
    /// Inputs a gate, 2 to 6.
    pub arity: usize,
    /// How wires are drawn.
    pub wiring: Wiring,
    /// How logits become tables.
    pub parametrization: Parametrization,
    /// Where logits start.
    pub start: Start,
    /// How gates are selected and differentiated.
    pub method: Method,
    /// Temperature τ of selection: backward, where CAGE does not set it, and of the soft methods also forward.
    pub temperature: f32,
    /// CAGE's constants, if it is on.
    pub cage: Option<Cage>,
    /// Group-sum temperature τ: a class's score is its votes / τ.
    pub tau: f32,
    /// Samples a step.
    pub batch: u32,
    /// Most samples of a micro-batch, whose table gradients are added up before the update; as many as fit if none.
    pub micro_batch: Option<u32>,
    /// Steps.
    pub steps: u32,
    /// Adam's rate after the warm-up.
    pub lr: f32,
    /// How the rate moves.
    pub schedule: Schedule,
    /// Cosine: the last rate as a fraction of the first.
    pub lr_final: f32,
    /// Steps over which the rate rises linearly to `lr`.
    pub warmup: u32,
    /// Decoupled weight decay.
    pub weight_decay: f32,
    /// Adam's decay of the first moment.
    pub beta1: f32,
    /// Adam's decay of the second moment.
    pub beta2: f32,
    /// Adam's ε.
    pub epsilon: f32,
    /// How gradient planes are stored.
    pub gradients: GradientFormat,
    /// Seed of wiring, logits, split and permutations.
    pub seed: u64,
    /// Steps between evaluations.
    pub eval_every: u32,
    /// Evaluations without a better held-out accuracy after which training stops.
    pub patience: Option<u32>,
    /// Which network becomes the model.
    pub select: Select,
}

impl Settings {
    /// CAGE's scope; the network where CAGE is off.
    pub fn cage_scope(&self) -> CageScope {
        self.cage.map_or(CageScope::Network, |cage| cage.scope)
    }

    /// Everything said, as the flags of a run that repeats this one.
    pub fn spelled_out(&self) -> Overrides {
        let layers: Vec<_> = self.layers.iter().map(usize::to_string).collect();
        Overrides {
            preset: None,
            data: Some(self.data.clone()),
            data_dir: self.data_dir.clone(),
            validation: Some(self.validation),
            shift: Some(self.shift),
            flip: Some(self.flip),
            rotate: Some(self.rotate),
            resized_crop: Some(self.resized_crop),
            thresholds: Some(self.thresholds),
            rare: Some(self.rare),
            layers: Some(layers.join(",")),
            input_kind: Some(self.input_kind),
            arity: Some(self.arity),
            wiring: Some(self.wiring),
            parametrization: Some(self.parametrization),
            init: Some(self.start.initialization),
            init_mean: self.start.mean,
            init_deviation: self.start.deviation,
            method: Some(self.method),
            temperature: if self.cage.is_none() { Some(self.temperature) } else { None },
            cage: Some(self.cage.is_some()),
            no_cage: false,
            cage_tau_min: self.cage.map(|c| c.tau_min),
            cage_tau_max: self.cage.map(|c| c.tau_max),
            cage_decay: self.cage.map(|c| c.decay),
            cage_scope: self.cage.map(|c| c.scope),
            tau: Some(self.tau),
            batch: Some(self.batch),
            micro_batch: self.micro_batch,
            steps: Some(self.steps),
            lr: Some(self.lr),
            schedule: Some(self.schedule),
            lr_final: Some(self.lr_final),
            warmup: Some(self.warmup),
            weight_decay: Some(self.weight_decay),
            beta1: Some(self.beta1),
            beta2: Some(self.beta2),
            epsilon: Some(self.epsilon),
            gradients: Some(self.gradients),
            seed: Some(self.seed),
            eval_every: Some(self.eval_every),
            patience: self.patience,
            select: Some(self.select),
            input: self.input.clone(),
        }
    }

    /// Refuse what cannot work, with what can.
    pub fn check(&self) -> Result<()> {
        let positive = |name: &str, x: f32| {
            let fine = x.is_finite() && x > 0.0;
            if fine { Ok(()) } else { Err(Error::usage(format!("--{name} must be a positive number, not {x}"))) }
        };
        let fraction = |name: &str, x: f32| {
            if (0.0..1.0).contains(&x) {
                Ok(())
            } else {
                Err(Error::usage(format!("--{name} must be at least 0 and below 1, not {x}")))
            }
        };
        positive("tau", self.tau)?;
        positive("temperature", self.temperature)?;
        positive("lr", self.lr)?;
        positive("epsilon", self.epsilon)?;
        fraction("beta1", self.beta1)?;
        fraction("beta2", self.beta2)?;
        if let Some(cage) = self.cage {
            positive("cage-tau-min", cage.tau_min)?;
            positive("cage-tau-max", cage.tau_max)?;
            fraction("cage-decay", cage.decay)?;
            if cage.tau_min > cage.tau_max {
                return Err(Error::usage("--cage-tau-min is above --cage-tau-max; exchange them"));
            }
        }
        self.check_method()?;
        if let Some(mean) = self.start.mean.filter(|m| !m.is_finite()) {
            return Err(Error::usage(format!("--init-mean must be a number, not {mean}")));
        }
        if let Some(deviation) = self.start.deviation.filter(|d| !(d.is_finite() && *d >= 0.0)) {
            return Err(Error::usage(format!("--init-deviation must be 0 or more, not {deviation}")));
        }
        if !(self.lr_final.is_finite() && (0.0..=1.0).contains(&self.lr_final)) {
            return Err(Error::usage(format!("--lr-final must be from 0 to 1, not {}", self.lr_final)));
        }
        if !(self.weight_decay.is_finite() && self.weight_decay >= 0.0) {
            return Err(Error::usage(format!("--weight-decay must be 0 or more, not {}", self.weight_decay)));
        }
        if !(1..=65_536).contains(&self.batch) {
            return Err(Error::usage(format!("--batch takes 1 to 65,536 samples, not {}", self.batch)));
        }
        if let Some(most) = self.micro_batch.filter(|most| *most == 0 || !most.is_multiple_of(32)) {
            return Err(Error::usage(format!("--micro-batch takes a multiple of 32 samples, not {most}")));
        }
        if self.steps == 0 || self.eval_every == 0 {
            return Err(Error::usage("--steps and --eval-every must be at least 1"));
        }
        if self.patience == Some(0) {
            return Err(Error::usage("--patience takes 1 evaluation or more; leave it out to train to the last step"));
        }
        if self.validation == 0.0 && (self.patience.is_some() || self.select == Select::Best) {
            return Err(Error::usage("--patience and --select best judge by held-out samples; add --validation 0.1"));
        }
        if !(1..=255).contains(&self.thresholds) {
            return Err(Error::usage(format!("--thresholds takes 1 to 255, not {}", self.thresholds)));
        }
        if !(0.0..=0.9).contains(&self.validation) {
            return Err(Error::usage(format!("--validation must be from 0 to 0.9, not {}", self.validation)));
        }
        if self.shift > 64 {
            return Err(Error::usage(format!("--shift takes 0 to 64 pixels, not {}", self.shift)));
        }
        if !(0.0..=45.0).contains(&self.rotate) {
            return Err(Error::usage(format!("--rotate takes 0 to 45 degrees, not {}", self.rotate)));
        }
        if !(0.1..=1.0).contains(&self.resized_crop) {
            return Err(Error::usage(format!("--resized-crop takes 0.1 to 1, not {}", self.resized_crop)));
        }
        if !(0.0..=0.5).contains(&self.rare) {
            return Err(Error::usage(format!("--rare must be from 0 to 0.5, not {}", self.rare)));
        }
        if self.layers.is_empty() {
            return Err(Error::usage("a network needs at least one layer"));
        }
        Ok(())
    }

    /// Open the data set that these settings name.
    pub fn open_data(&self) -> Result<Dataset> {
        let coding = Coding::Learned { thresholds: self.thresholds };
        data::open_with(&self.data, self.data_dir.as_deref(), &self.input, coding)
    }

    /// Hold out a tenth of a table's training rows where a preset holds out none and there are 2,000 or more.
    pub fn hold_out_of(&mut self, data: &Dataset) {
        if self.validation == 0.0 && data.table.is_some() && data.train.len() >= 2000 {
            self.validation = 0.1;
        }
    }

    /// Widen the last layer until `classes` classes can share it.
    pub fn widen_for(&mut self, classes: usize) {
        if let Some(last) = self.layers.last_mut() {
            *last = last.next_multiple_of(classes.max(1));
        }
    }

    /// Refuse combinations that mean nothing, with the nearest that does.
    fn check_method(&self) -> Result<()> {
        if !(2..=6).contains(&self.arity) {
            return Err(Error::usage(format!("--arity takes 2 to 6 inputs a gate, not {}", self.arity)));
        }
        if !self.parametrization.can_have(self.arity) {
            return Err(Error::usage(format!(
                "OP has 2^(2^k) logits a gate and is made for k = 2; for --arity {} choose --parametrization iwp or \
                 walsh, which have 2^k",
                self.arity
            )));
        }
        if !self.method.is_soft() {
            return match self.input_kind {
                InputKind::Bits => Ok(()),
                InputKind::Soft => Err(Error::usage(
                    "hard methods run on bits, so --input soft goes with --method soft-mix or soft-gumbel",
                )),
            };
        }
        if self.cage.is_some() {
            return Err(Error::usage(
                "CAGE adapts a backward temperature apart from the forward pass, and a soft method has the same both ways; \
                 leave out --cage, or choose --method hard-st or gumbel-st",
            ));
        }
        if self.gradients.is_sliced() {
            return Err(Error::usage(
                "soft methods have real gradients, so --gradients f32, bf16 or f16; integers go with --method hard-st or \
                 gumbel-st",
            ));
        }
        if self.input_kind == InputKind::Soft && self.thresholds != 1 {
            return Err(Error::usage(format!(
                "--input soft gives each pixel to one input, and --thresholds {} makes {} of it; add --thresholds 1",
                self.thresholds, self.thresholds
            )));
        }
        Ok(())
    }

    /// Refuse a last layer that `classes` classes cannot share, naming the nearest that they can.
    pub fn check_classes(&self, classes: usize) -> Result<()> {
        let last = self.layers[self.layers.len() - 1];
        if classes > 0 && last.is_multiple_of(classes) {
            return Ok(());
        }
        let nearest = (last + classes / 2) / classes.max(1) * classes;
        Err(Error::usage(format!(
            "the last layer's {last} gates cannot be shared evenly by {classes} classes; {} can",
            nearest.max(classes)
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::super::presets::Preset;
    use super::*;

    #[test]
    fn impossible_settings_are_refused_with_what_is_possible() {
        let told = |change: &dyn Fn(&mut Settings)| {
            let mut settings = Preset::Quick.settings();
            change(&mut settings);
            settings.check().unwrap_err().to_string()
        };
        assert!(told(&|s| s.lr = f32::NAN).contains("--lr"));
        assert!(told(&|s| s.tau = 0.0).contains("--tau"));
        assert!(told(&|s| s.batch = 0).contains("--batch"));
        assert!(told(&|s| s.beta2 = 1.0).contains("--beta2"));
        assert!(told(&|s| s.validation = f64::NAN).contains("--validation"));
        assert!(told(&|s| s.rotate = 46.0).contains("--rotate"));
        assert!(told(&|s| s.resized_crop = f64::NAN).contains("--resized-crop"));
        let refused = Settings { layers: vec![8004], ..Preset::Quick.settings() }.check_classes(10).unwrap_err();
        assert!(refused.to_string().contains("8000 can"), "{refused}");
        assert!(told(&|s| (s.arity, s.parametrization) = (3, Parametrization::Op)).contains("iwp"));
        assert!(told(&|s| s.arity = 7).contains("2 to 6"));
        assert!(told(&|s| s.input_kind = InputKind::Soft).contains("soft-mix"));
        assert!(told(&|s| s.method = Method::SoftMix).contains("hard-st"), "with CAGE");
        assert!(told(&|s| (s.method, s.cage) = (Method::SoftMix, None)).contains("f32"), "with int8 gradients");
        let both = Overrides { temperature: Some(0.3), ..Default::default() };
        assert!(both.resolve(None).unwrap_err().to_string().contains("--no-cage"));
        assert!(told(&|s| (s.validation, s.select) = (0.0, Select::Best)).contains("--validation"));
        assert!(told(&|s| s.patience = Some(0)).contains("--patience"));
    }
}
