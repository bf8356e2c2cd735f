//! Every setting of a run: presets, then a TOML file, then flags, the last one winning.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::data::{self, Coding, Dataset};
use crate::gpu::shader::{CageScope, GradientFormat};
use crate::network::{Initialization, Parametrization, Start, Wiring};
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
                steps: 8000,
                eval_every: 500,
                ..base
            },
            Preset::Cifar10Small => Settings {
                data: "cifar-10".into(),
                layers: vec![12_000; 4],
                tau: 20.0,
                steps: 200_000,
                eval_every: 5000,
                ..base
            },
            Preset::Cifar10Medium => Settings {
                data: "cifar-10".into(),
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
    fn of(data: Option<&str>) -> Preset {
        if data.is_some_and(data::is_table) { Preset::Table } else { Preset::Quick }
    }
}

/// What a user may say: each field as a flag and as a key of a `--config` file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, clap::Args)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[command(allow_negative_numbers = true)]
pub struct Overrides {
    /// Ready settings to start from [default: quick, and table for tables]
    #[arg(long, value_enum)]
    pub preset: Option<Preset>,
    /// Data set: mnist (built in), another known by name, or a file or folder: a table (.csv, .tsv, .libsvm), arrays (.npz,
    /// .npy), a folder of pictures a class, of IDX or of CIFAR files
    #[arg(long)]
    pub data: Option<String>,
    /// Folder in which named data sets lie (or the environment variable GATEWRIGHT_DATA)
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Fraction of the training samples held out for validation
    #[arg(long, value_name = "FRACTION")]
    pub validation: Option<f64>,
    /// Augmentation: move each training image by up to this many pixels each way, afresh every time (a random crop of the
    /// image with as much black around it)
    #[arg(long, value_name = "PIXELS")]
    pub shift: Option<u32>,
    /// Augmentation: mirror half of the training images, left to right
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    pub flip: Option<bool>,
    /// Augmentation: turn each training image by up to this many degrees either way, up to 45
    #[arg(long, value_name = "DEGREES")]
    pub rotate: Option<f64>,
    /// Augmentation: show a random part of each training image, its width and height between this fraction and all of the
    /// image's, in its full size
    #[arg(long, value_name = "FRACTION")]
    pub resized_crop: Option<f64>,
    /// Thermometer thresholds a channel
    #[arg(long, value_name = "T")]
    pub thresholds: Option<usize>,
    /// Leave out input bits that are set, or unset, in less than this fraction of the training samples
    #[arg(long, value_name = "FRACTION")]
    pub rare: Option<f64>,
    /// Gates of each layer, as DEPTHxWIDTH or a list: 3x8000, 2x16000,8000
    #[arg(long)]
    pub layers: Option<String>,
    /// Inputs a gate, 2 to 6 (OP: 2)
    #[arg(long, value_name = "K")]
    pub arity: Option<usize>,
    /// How wires are drawn
    #[arg(long, value_enum)]
    pub wiring: Option<Wiring>,
    /// How logits become gate tables
    #[arg(long, value_enum)]
    pub parametrization: Option<Parametrization>,
    /// Where logits start
    #[arg(long, value_enum)]
    pub init: Option<Initialization>,
    /// How far logits start from undecided [default: the parametrization's own]
    #[arg(long, value_name = "MU")]
    pub init_mean: Option<f32>,
    /// Standard deviation of the first logits [default: the parametrization's own]
    #[arg(long, value_name = "SIGMA")]
    pub init_deviation: Option<f32>,
    /// How gates are selected forward and differentiated backward; soft methods go without CAGE
    #[arg(long, value_enum)]
    pub method: Option<Method>,
    /// What the first layer reads in training: the encoder's bits, or (soft methods) pixels as they are
    #[arg(long = "input", value_enum)]
    pub input_kind: Option<InputKind>,
    /// Temperature of selection, where CAGE does not set it (so it goes with --no-cage or a soft method)
    #[arg(long)]
    pub temperature: Option<f32>,
    /// Let CAGE set the backward temperature
    #[arg(long, num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL")]
    pub cage: Option<bool>,
    /// Keep the backward temperature at --temperature
    #[arg(long, conflicts_with = "cage")]
    #[serde(skip)]
    pub no_cage: bool,
    /// CAGE: backward temperature of a certain network
    #[arg(long, value_name = "TAU")]
    pub cage_tau_min: Option<f32>,
    /// CAGE: backward temperature of an undecided network
    #[arg(long, value_name = "TAU")]
    pub cage_tau_max: Option<f32>,
    /// CAGE: decay a step of confidence's running mean
    #[arg(long, value_name = "DECAY")]
    pub cage_decay: Option<f32>,
    /// CAGE: whose confidence sets a gate's temperature
    #[arg(long, value_enum)]
    pub cage_scope: Option<CageScope>,
    /// Group-sum temperature: a class's score is its votes / tau
    #[arg(long)]
    pub tau: Option<f32>,
    /// Samples a step
    #[arg(long)]
    pub batch: Option<u32>,
    /// Most samples whose activations and gradients are kept at once: a batch is cut into micro-batches of so many at most,
    /// which saves memory and changes results by no more than rounding [default: as many as fit the adapter's buffers]
    #[arg(long, value_name = "SAMPLES")]
    pub micro_batch: Option<u32>,
    /// Training steps
    #[arg(long)]
    pub steps: Option<u32>,
    /// Adam's learning rate
    #[arg(long)]
    pub lr: Option<f32>,
    /// How the learning rate moves
    #[arg(long, value_enum)]
    pub schedule: Option<Schedule>,
    /// Cosine: the last rate as a fraction of the first
    #[arg(long, value_name = "FRACTION")]
    pub lr_final: Option<f32>,
    /// Steps over which the rate rises linearly
    #[arg(long, value_name = "STEPS")]
    pub warmup: Option<u32>,
    /// Decoupled weight decay
    #[arg(long)]
    pub weight_decay: Option<f32>,
    /// Adam's decay of the first moment
    #[arg(long)]
    pub beta1: Option<f32>,
    /// Adam's decay of the second moment
    #[arg(long)]
    pub beta2: Option<f32>,
    /// Adam's epsilon
    #[arg(long)]
    pub epsilon: Option<f32>,
    /// How gradient planes are stored [default: int8, soft methods bf16]
    #[arg(long, value_enum)]
    pub gradients: Option<GradientFormat>,
    /// Seed of everything random
    #[arg(long)]
    pub seed: Option<u64>,
    /// Steps between evaluations
    #[arg(long, value_name = "STEPS")]
    pub eval_every: Option<u32>,
    /// Stop after this many evaluations without a better held-out accuracy, and select the best network
    #[arg(long, value_name = "EVALUATIONS")]
    pub patience: Option<u32>,
    /// Which network becomes the model [default: last, with --patience best]
    #[arg(long, value_enum)]
    pub select: Option<Select>,
    /// How the data set is to be read
    #[command(flatten)]
    #[serde(default)]
    pub input: data::Options,
}

impl Overrides {
    /// Read a `--config` file, such as the `config.toml` of a run folder.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read", path, e))?;
        toml::from_str(&text).map_err(|e| Error::input(path, format!("this configuration cannot be used: {e}")))
    }

    /// Whether the layers are said here or in the `config` file, not only by a preset.
    pub fn says_layers(&self, config: Option<&Path>) -> Result<bool> {
        let from_file = config.map(Overrides::load).transpose()?;
        Ok(self.layers.is_some() || from_file.is_some_and(|file| file.layers.is_some()))
    }

    /// Put what is said here over `settings`.
    pub fn apply(&self, settings: &mut Settings) -> Result<()> {
        /// Overwrite each setting that is said.
        macro_rules! over {
            ($($field:ident),+ $(,)?) => { $(if let Some(value) = self.$field.clone() { settings.$field = value; })+ };
        }
        over!(
            data,
            validation,
            shift,
            flip,
            rotate,
            resized_crop,
            thresholds,
            rare,
            input_kind,
            arity,
            wiring,
            parametrization,
            method,
            temperature,
            tau,
            batch,
            steps,
            lr,
            schedule,
            lr_final,
            warmup,
            weight_decay,
            beta1,
            beta2,
            epsilon,
            gradients,
            seed,
            eval_every,
        );
        settings.micro_batch = self.micro_batch.or(settings.micro_batch);
        if self.patience.is_some() {
            settings.patience = self.patience;
            settings.select = Select::Best;
        }
        settings.select = self.select.unwrap_or(settings.select);
        if let Some(layers) = &self.layers {
            settings.layers = parse_layers(layers)?;
        }
        settings.data_dir = self.data_dir.clone().or(settings.data_dir.take());
        settings.input = self.input.over(&settings.input);
        settings.start.initialization = self.init.unwrap_or(settings.start.initialization);
        settings.start.mean = self.init_mean.or(settings.start.mean);
        settings.start.deviation = self.init_deviation.or(settings.start.deviation);
        if settings.method.is_soft() {
            // What a preset says for hard methods; what the user says is kept, and refused by `check` if it cannot be.
            settings.cage = settings.cage.filter(|_| self.method.is_none());
            if self.gradients.is_none() && self.method.is_some() {
                settings.gradients = GradientFormat::Bf16;
            }
        }
        self.apply_cage(settings)
    }

    fn apply_cage(&self, settings: &mut Settings) -> Result<()> {
        let mut cage = settings.cage.unwrap_or_default();
        cage.tau_min = self.cage_tau_min.unwrap_or(cage.tau_min);
        cage.tau_max = self.cage_tau_max.unwrap_or(cage.tau_max);
        cage.decay = self.cage_decay.unwrap_or(cage.decay);
        cage.scope = self.cage_scope.unwrap_or(cage.scope);
        let constants = [self.cage_tau_min, self.cage_tau_max, self.cage_decay];
        let said = constants.iter().any(Option::is_some) || self.cage_scope.is_some();
        let on = if self.no_cage { false } else { self.cage.unwrap_or(settings.cage.is_some()) };
        if !on && said {
            let remedy = if settings.method.is_soft() { "choose hard-st or gumbel-st" } else { "leave out --no-cage" };
            return Err(Error::usage(format!("CAGE is off, so its constants cannot be set; {remedy}")));
        }
        if on && self.temperature.is_some() {
            return Err(Error::usage("CAGE sets the backward temperature; add --no-cage to fix it with --temperature"));
        }
        settings.cage = on.then_some(cage);
        Ok(())
    }

    /// Preset, then `config` file, then these flags.
    pub fn resolve(&self, config: Option<&Path>) -> Result<Settings> {
        let from_file = config.map(Overrides::load).transpose()?.unwrap_or_default();
        let data = self.data.as_deref().or(from_file.data.as_deref());
        let preset = self.preset.or(from_file.preset).unwrap_or_else(|| Preset::of(data));
        let mut settings = preset.settings();
        from_file.apply(&mut settings)?;
        self.apply(&mut settings)?;
        settings.check()?;
        Ok(settings)
    }
}

/// `3x8000` is three layers of 8,000 gates; items may be joined by commas.
pub fn parse_layers(text: &str) -> Result<Vec<usize>> {
    let bad = || {
        Error::usage(format!("--layers `{text}` is neither DEPTHxWIDTH (3x8000) nor a list of widths (8000,8000,4000)"))
    };
    let mut layers = Vec::new();
    for item in text.split(',') {
        let (depth, width) = item.trim().split_once(['x', '×']).unwrap_or(("1", item.trim()));
        let depth: usize = depth.trim().parse().map_err(|_| bad())?;
        let width: usize = width.trim().parse().map_err(|_| bad())?;
        if depth == 0 || width == 0 || depth + layers.len() > 1000 || width > 1 << 26 {
            return Err(Error::usage(format!("--layers `{text}`: 1 to 1000 layers of 1 to 2^26 gates are possible")));
        }
        layers.extend(std::iter::repeat_n(width, depth));
    }
    Ok(layers)
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
    use super::*;

    #[test]
    fn layers_are_read_in_both_forms() {
        assert_eq!(parse_layers("3x8000").unwrap(), [8000; 3]);
        assert_eq!(parse_layers("2x100, 50").unwrap(), [100, 100, 50]);
        for bad in ["", "x", "3x", "0x5", "5x0", "3x-1", "a,b", "2000x5"] {
            assert!(parse_layers(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn flags_win_over_the_file_and_the_file_over_the_preset() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        std::fs::write(&path, "preset = \"mnist-small\"\nlr = 0.5\nbatch = 7\ncage = false\n").unwrap();
        let flags = Overrides { batch: Some(9), ..Default::default() };
        let settings = flags.resolve(Some(&path)).unwrap();
        let patient = Overrides { patience: Some(3), ..Default::default() }.resolve(None).unwrap();
        assert_eq!((patient.patience, patient.select), (Some(3), Select::Best));
        assert_eq!((settings.layers.len(), settings.lr, settings.batch, settings.cage), (6, 0.5, 9, None));
    }

    #[test]
    fn a_soft_method_goes_without_what_presets_say_for_hard_ones() {
        let soft = Overrides { method: Some(Method::SoftMix), temperature: Some(0.5), ..Default::default() };
        let settings = soft.resolve(None).unwrap();
        assert_eq!((settings.cage, settings.gradients, settings.temperature), (None, GradientFormat::Bf16, 0.5));
        let with = |change: &dyn Fn(&mut Overrides)| {
            let mut flags = Overrides { method: Some(Method::SoftMix), ..Default::default() };
            change(&mut flags);
            flags.resolve(None).unwrap_err().to_string()
        };
        assert!(with(&|f| f.cage = Some(true)).contains("leave out --cage"));
        assert!(with(&|f| f.gradients = Some(GradientFormat::Int8)).contains("f32"));
        assert!(with(&|f| f.cage_scope = Some(CageScope::Gate)).contains("hard-st"));
        assert!(with(&|f| f.input_kind = Some(InputKind::Soft)).contains("--thresholds 1"));
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
            ..Preset::Quick.settings()
        };
        let soft = Settings {
            method: Method::SoftGumbel,
            input_kind: InputKind::Soft,
            cage: None,
            gradients: GradientFormat::F32,
            arity: 3,
            start: Start { initialization: Initialization::AndOr, mean: Some(0.5), deviation: None },
            ..Preset::Quick.settings()
        };
        let soft = Settings { thresholds: 1, ..soft };
        let scoped = Cage { scope: CageScope::Gate, ..Cage::default() };
        let scoped = Settings { method: Method::GumbelSt, cage: Some(scoped), ..Preset::Quick.settings() };
        for settings in [Preset::Quick.settings(), Preset::Cifar10Medium.settings(), odd, soft, scoped] {
            std::fs::write(&path, toml::to_string(&settings.spelled_out()).unwrap()).unwrap();
            assert_eq!(Overrides::default().resolve(Some(&path)).unwrap(), settings);
        }
    }

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
