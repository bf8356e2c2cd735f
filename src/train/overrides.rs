//! What a user may say of a run: presets, then a TOML file, then flags, the last one winning.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::presets::Preset;
use super::settings::{InputKind, Method, Schedule, Select, Settings};
use crate::data;
use crate::gpu::shader::{CageScope, GradientFormat};
use crate::network::{Initialization, Parametrization, Wiring};
use crate::{Error, Result};

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

    /// Whether the flags or the file at `config` say what is held out.
    pub fn says_validation(&self, config: Option<&Path>) -> Result<bool> {
        let from_file = config.map(Overrides::load).transpose()?;
        Ok(self.validation.is_some() || from_file.is_some_and(|file| file.validation.is_some()))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Start;
    use crate::train::Cage;

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
}
