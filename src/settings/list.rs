//! The one list of settings. A new setting is an entry here, and its uses.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use super::choices::{Cage, InputKind, Method, PoolGradient, Schedule, Select};
use super::convolutions_from::ConvolutionsFrom;
use super::frozen::FrozenLayers;
use super::layers::Layers;
use super::learned::LearnedLayers;
use super::presets::Preset;
use super::range::Range::{self, Above, Any, Below, Finite, Least, Multiple, Within};
use crate::data;
use crate::network::{Convolution, Initialization, Parametrization, Pool, Start, WireRule, Wiring};
use crate::plan::{CageScope, GradientFormat};
use crate::{Error, Result};

/// What a setting has a bearing on, and so whether it may change when a run is resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearing {
    /// What every step does: all sittings of a run have the same.
    Step,
    /// How far the run goes, when it is looked at, which of its networks is kept, and where its samples come from, whose
    /// bytes are compared by themselves: may change.
    Length,
    /// Where things lie, which decides nothing: may change, and is no difference between runs.
    Place,
}

/// What the list says of one setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Entry {
    /// Its field in [`Settings`] or [`Overrides`].
    pub field: &'static str,
    /// Heading under which it is told.
    pub group: &'static str,
    /// One or two sentences.
    pub help: &'static str,
    /// Its Rust type.
    pub kind: &'static str,
    /// The numbers that it takes.
    pub range: Range,
    /// What it decides.
    pub bearing: Bearing,
}

impl Entry {
    /// Its key in a file, and its flag after `--`.
    pub fn name(&self) -> String {
        self.field.replace('_', "-")
    }

    /// The entry of a field that is in the list.
    pub fn of(field: &str) -> Option<&'static Entry> {
        ENTRIES.iter().find(|entry| entry.field == field)
    }

    /// What it is where nothing is said of it, as a file has it, without quotes: the list's default, and that of the preset `quick` where
    /// it is another. None where it is nothing.
    pub fn defaults(&self) -> [Option<String>; 2] {
        static DEFAULTS: LazyLock<[BTreeMap<String, String>; 2]> = LazyLock::new(|| {
            [Settings::default(), Preset::Quick.settings()].map(|settings| lines(&settings.all_said()))
        });
        let [list, quick] = [&DEFAULTS[0], &DEFAULTS[1]].map(|defaults| defaults.get(&self.name()).cloned());
        let other = quick.filter(|quick| list.as_ref() != Some(quick));
        [list, other]
    }
}

/// What stands behind the arrow, which is written where the marker before it is there.
macro_rules! only {
    ($marker:tt => $($written:tt)*) => { $($written)* };
}

/// Makes [`Settings`], [`Overrides`] and [`ENTRIES`] of one list. An entry is
///
/// `"help" name: Type = default, range, bearing [what clap is told beside];`
///
/// where a setting that may be left out for good has `| None` for its default, and one that is a part of another field of
/// [`Settings`] has `as { read, write }`.
macro_rules! settings {
    ($($group:literal {$(
        $help:literal
        $name:ident: $type:ty $(| $none:ident)? $(as { $read:expr, $write:expr })? $(= $default:expr)?,
        $range:expr, $bearing:ident $([$($arg:tt)+])?;
    )+})+) => {
        /// Every setting of a run, each with its value.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Settings {
            $($(
                $(#[doc = $help] pub $name: only!($default => $type),)?
                $(#[doc = $help] pub $name: only!($none => Option<$type>),)?
            )+)+
            /// Layers over maps, before the dense ones.
            pub convolutions: Vec<Convolution>,
            /// Gates of each dense layer.
            pub layers: Vec<usize>,
            /// In what ratio the wires of the first dense layer are drawn from the input bits and from each map; empty where it reads
            /// the layer before it alone.
            pub reads: Vec<u32>,
            /// Where logits start.
            pub start: Start,
            /// CAGE's constants, if it is on.
            pub cage: Option<Cage>,
            /// How the data set is to be read.
            pub input: data::Options,
        }

        impl Default for Settings {
            fn default() -> Self {
                Settings {
                    $($( $($name: $default,)? $($name: $none,)? )+)+
                    convolutions: Vec::new(),
                    layers: vec![24_000],
                    reads: Vec::new(),
                    start: Initialization::UsesAll.into(),
                    cage: Some(Cage::default()),
                    input: data::Options::default(),
                }
            }
        }

        /// What a user may say of a run: each field a flag, and a key of a `--config` file.
        #[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
        #[cfg_attr(feature = "cli", derive(clap::Args))]
        #[serde(rename_all = "kebab-case", deny_unknown_fields)]
        #[cfg_attr(feature = "cli", command(allow_negative_numbers = true))]
        pub struct Overrides {
            /// Ready settings to start from [default: quick, and table for tables]
            #[cfg_attr(feature = "cli", arg(long, help_heading = "Where settings come from"))]
            pub preset: Option<Preset>,
            $($(
                #[doc = $help]
                #[cfg_attr(
                    feature = "cli",
                    arg(long, help = flag_help(stringify!($name)), help_heading = $group, $($($arg)+)?)
                )]
                pub $name: Option<$type>,
            )+)+
            /// Keep the backward temperature at --temperature: short for --cage=false
            #[cfg_attr(feature = "cli", arg(long, conflicts_with = "cage", help_heading = "Method"))]
            #[serde(skip)]
            pub no_cage: bool,
            /// How the data set is to be read
            #[cfg_attr(
                feature = "cli",
                command(flatten, next_help_heading = "Reading the data (keys of [input] in a file)")
            )]
            #[serde(default)]
            pub input: data::Options,
        }

        /// The list, in the order of `config.toml`.
        pub static ENTRIES: &[Entry] = &[$($(Entry {
            field: stringify!($name),
            group: $group,
            help: $help,
            kind: stringify!($type),
            range: $range,
            bearing: Bearing::$bearing,
        }),+),+];

        impl Settings {
            /// Everything, where it applies or not.
            pub(super) fn all_said(&self) -> Overrides {
                Overrides {
                    preset: None,
                    no_cage: false,
                    $($($name: {
                        $(only!($default => Some(self.$name.clone())))?
                        $(only!($none => self.$name.clone()))?
                        $({
                            let read: fn(&Settings) -> Option<$type> = $read;
                            read(self)
                        })?
                    },)+)+
                    input: self.input.clone(),
                }
            }
        }

        impl Overrides {
            /// Put each value that is said into `settings`.
            pub(super) fn put(&self, settings: &mut Settings) {
                $($(if let Some(value) = self.$name.clone() {
                    $(only!($default => settings.$name = value);)?
                    $(settings.$name = only!($none => Some(value));)?
                    $({
                        let write: fn(&mut Settings, $type) = $write;
                        write(settings, value);
                    })?
                })+)+
                settings.input = self.input.over(&settings.input);
            }

            /// Refuse a value that is said and out of its range.
            pub(super) fn check(&self) -> Result<()> {
                $($(if let Some(value) = &self.$name {
                    let range: Range = $range;
                    range.check(&stringify!($name).replace('_', "-"), value)?;
                })+)+
                Ok(())
            }
        }
    };
}

settings! {
    "Data" {
        "Data set: mnist (built in), another known by name, or a file or folder: a table (.csv, .tsv, .libsvm), arrays (.npz, .npy), a folder of pictures a class, of IDX or of CIFAR files"
        data: String = "mnist".into(), Any, Length;

        "Folder in which named data sets lie (or the environment variable GATEWRIGHT_DATA)"
        data_dir: PathBuf | None, Any, Place [value_name = "DIR"];

        "Fraction of the training samples held out for validation"
        validation: f64 = 0.05, Within(0.0, 0.9), Step [value_name = "FRACTION"];

        "Thermometer thresholds a channel"
        thresholds: usize = 3, Within(1.0, 255.0), Step [value_name = "T"];

        "Leave out input bits that are set, or unset, in less than this fraction of the training samples, and tell no class"
        rare: f64 = 0.1, Within(0.0, 0.5), Step [value_name = "FRACTION"];
    }

    "Augmentation" {
        "Move each training image by up to this many pixels each way, afresh every time (a random crop of the image with as much black around it) [default: 1; where data are no pictures 0]"
        shift: u32 = 1, Within(0.0, 64.0), Step [value_name = "PIXELS"];

        "Mirror half of the training images, left to right"
        flip: bool = false, Any, Step
            [num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL"];

        "Turn each training image by up to this many degrees either way"
        rotate: f64 = 0.0, Within(0.0, 45.0), Step [value_name = "DEGREES"];

        "Show a random part of each training image, its width and height between this fraction and all of the image's, in its full size"
        resized_crop: f64 = 1.0, Within(0.1, 1.0), Step [value_name = "FRACTION"];
    }

    "Network" {
        "Gates of each layer, as DEPTHxWIDTH or a list: 3x8000, 2x16000,8000; before them convolutions of images, conv TREES WINDOW [stride S] [pad P] [depth 1-3] [channels 1|2|all] [pool N]: conv 96 3x3 pad 1 depth 2 channels 1 pool 2; 40000. The first dense layer behind them reads the last map, or the input bits and every map, its wires drawn from them in a ratio: 40000 reads 1:2. The last layer is shared evenly by the outputs; where only a preset says layers, it is widened until it can be"
        layers: Layers as {
            |s| Some(Layers { convolutions: s.convolutions.clone(), dense: s.layers.clone(), reads: s.reads.clone() }),
            |s, layers| (s.convolutions, s.layers, s.reads) = (layers.convolutions, layers.dense, layers.reads)
        }, Any, Step;

        "Which places of a pool's window a gradient goes to where places are OR-ed: all whose change would change the result, the first that is 1 (or the first of all), or the first that is 1 and else any of them"
        pool_gradient: PoolGradient = PoolGradient::Any, Any, Step;

        "Inputs a gate of a dense layer (OP: 2); those of convolutions have two, and so have those behind convolutions that are trained"
        arity: usize = 2, Within(2.0, 6.0), Step [value_name = "K"];

        "How wires are drawn: axis has the first layer over images compare neighbours along an axis, and wires all else as unique does"
        wiring: Wiring = Wiring::Axis, Any, Step;

        "Layers that are not trained but stay as they are drawn, convolutions as trees that pass a leaf on (of pooled ones half at AND): none, convolutions, or their numbers from 0 (0,1)"
        freeze: FrozenLayers = FrozenLayers::None, Any, Step [value_name = "LAYERS"];

        "Whose frozen convolutions the network has: drawn, those that another network came to have (a run folder, or the model in it), or those that a preset trains first, in convolutions/ of the run folder. --layers names them alike"
        convolutions_from: ConvolutionsFrom = ConvolutionsFrom::Drawn, Any, Step [value_name = "RUN"];

        "How logits become gate tables"
        parametrization: Parametrization = Parametrization::IwpSin, Any, Step;

        "Where logits start [default: uses-all; with more than two dense layers, or convolutions that are trained, residual]"
        init: Initialization as { |s| Some(s.start.initialization), |s, init| s.start.initialization = init }, Any, Step;

        "How far logits start from undecided [default: the parametrization's own]"
        init_mean: f32 as { |s| s.start.mean, |s, mean| s.start.mean = Some(mean) }, Finite, Step [value_name = "MU"];

        "Standard deviation of the first logits [default: the parametrization's own]"
        init_deviation: f32 as { |s| s.start.deviation, |s, deviation| s.start.deviation = Some(deviation) },
        Least(0.0), Step [value_name = "SIGMA"];

        "Group-sum temperature: a class's score is its votes / tau"
        tau: f32 = 17.0, Above(0.0), Step;
    }

    "Wires that learn" {
        "Layers in which pins choose among candidate inputs while the network learns: none, first, all (of dense layers), or their numbers from 0 (0,1); one wide layer gains most [default: first; with more than two dense layers, or convolutions that are trained, which lose, none]"
        learn_wiring: LearnedLayers = LearnedLayers::First, Any, Step [value_name = "LAYERS"];

        "Inputs that a pin chooses among"
        candidates: usize = 16, Within(2.0, 64.0), Step [value_name = "C"];

        "Where they lie, in the first layer over images: anywhere, in a box around the pin's first input, or beside it along an axis; in a layer that reads every map anywhere, or in a box; elsewhere anywhere"
        candidates_from: Pool = Pool::Box, Any, Step;

        "How a pin comes to its choice: by Adam on what the loss would change by, or by the plain sum of that"
        wiring_rule: WireRule = WireRule::Dwn, Any, Step;

        "Rate of the rule dwn; it moves as the gates' learning rate does"
        wiring_lr: f32 = 0.1, Above(0.0), Step [value_name = "RATE"];

        "Steps from one scoring of the candidates to the next"
        probe_every: u32 = 2, Least(1.0), Step [value_name = "STEPS"];

        "Fraction of the steps after which wires stay"
        freeze_wiring: f64 = 0.95, Within(0.0, 1.0), Step [value_name = "FRACTION"];
    }

    "Method" {
        "How gates are selected forward and differentiated backward; soft methods go without CAGE"
        method: Method = Method::HardSt, Any, Step;

        "What the first layer reads in training: the encoder's bits, or (soft methods, by shaders) pixels as they are"
        input_kind: InputKind = InputKind::Bits, Any, Step [alias = "input"];

        "Temperature of selection: backward, where CAGE does not set it (so it goes with --no-cage or a soft method), and of the soft methods also forward"
        temperature: f32 = 1.0, Above(0.0), Step;

        "Let CAGE set the backward temperature [default: true, for soft methods false]"
        cage: bool as { |s| Some(s.cage.is_some()), |s, on| s.cage = on.then(|| s.cage.unwrap_or_default()) }, Any, Step
            [num_args = 0..=1, default_missing_value = "true", require_equals = true, value_name = "BOOL"];

        "CAGE: backward temperature of a certain network"
        cage_tau_min: f32 as { |s| s.cage.map(|c| c.tau_min), |s, tau| cage(s, |c| c.tau_min = tau) },
        Above(0.0), Step [value_name = "TAU"];

        "CAGE: backward temperature of an undecided network"
        cage_tau_max: f32 as { |s| s.cage.map(|c| c.tau_max), |s, tau| cage(s, |c| c.tau_max = tau) },
        Above(0.0), Step [value_name = "TAU"];

        "CAGE: decay a step of confidence's running mean"
        cage_decay: f32 as { |s| s.cage.map(|c| c.decay), |s, decay| cage(s, |c| c.decay = decay) },
        Below(0.0, 1.0), Step [value_name = "DECAY"];

        "CAGE: whose confidence sets a gate's temperature"
        cage_scope: CageScope as { |s| s.cage.map(|c| c.scope), |s, scope| cage(s, |c| c.scope = scope) }, Any, Step;
    }

    "Optimizer" {
        "Samples a step"
        batch: u32 = 128, Within(1.0, 65_536.0), Step;

        "Most samples whose activations and gradients are kept at once: a batch is cut into micro-batches of so many at most, which saves memory and changes results by no more than rounding [default: as many as fit the adapter's buffers]"
        micro_batch: u32 | None, Multiple(32), Step [value_name = "SAMPLES"];

        "Adam's learning rate, after the warm-up [default: 0.03; with more than two dense layers 0.1, with convolutions that are trained 0.02]"
        lr: f32 = 0.03, Above(0.0), Step;

        "How the learning rate moves"
        schedule: Schedule = Schedule::Cosine, Any, Step;

        "Cosine: the last rate as a fraction of the first"
        lr_final: f32 = 0.0, Within(0.0, 1.0), Step [value_name = "FRACTION"];

        "Steps over which the rate rises linearly"
        warmup: u32 = 0, Any, Step [value_name = "STEPS"];

        "Decoupled weight decay"
        weight_decay: f32 = 0.0, Least(0.0), Step;

        "Adam's decay of the first moment"
        beta1: f32 = 0.9, Below(0.0, 1.0), Step;

        "Adam's decay of the second moment"
        beta2: f32 = 0.999, Below(0.0, 1.0), Step;

        "Adam's epsilon"
        epsilon: f32 = 1e-8, Above(0.0), Step;

        "How gradient planes are stored; soft methods have real ones [default: int8, of quick int4; soft methods bf16]"
        gradients: GradientFormat = GradientFormat::Int8, Any, Step;
    }

    "Run" {
        "Training steps; a resumed run may have more"
        steps: u32 = 4400, Least(1.0), Length;

        "Seed of everything random: wiring, logits, validation samples, the order of samples, noise"
        seed: u64 = 0, Any, Step;

        "Steps between evaluations"
        eval_every: u32 = 1000, Least(1.0), Length [value_name = "STEPS"];

        "Stop after this many evaluations without a better held-out accuracy, and select the best network"
        patience: u32 | None, Least(1.0), Length [value_name = "EVALUATIONS"];

        "Which network becomes the model [default: last, with --patience best]"
        select: Select = Select::Last, Any, Length;
    }
}

/// Change CAGE's constants, where it is on; elsewhere they are refused by the rules.
fn cage(settings: &mut Settings, change: impl FnOnce(&mut Cage)) {
    if let Some(cage) = &mut settings.cage {
        change(cage);
    }
}

impl Settings {
    /// Everything that applies, as the flags of a run that repeats this one.
    pub fn spelled_out(&self) -> Overrides {
        let all = self.all_said();
        let learns = self.learn_wiring != LearnedLayers::None;
        Overrides {
            freeze: all
                .freeze
                .filter(|freeze| !(self.convolutions.is_empty() && *freeze == FrozenLayers::Convolutions)),
            convolutions_from: all
                .convolutions_from
                .filter(|from| *from != ConvolutionsFrom::Drawn || self.has_frozen_convolutions()),
            // CAGE sets it.
            temperature: all.temperature.filter(|_| self.cage.is_none()),
            candidates: all.candidates.filter(|_| learns),
            candidates_from: all.candidates_from.filter(|_| learns),
            wiring_rule: all.wiring_rule.filter(|_| learns),
            wiring_lr: all.wiring_lr.filter(|_| learns && self.wiring_rule == WireRule::Dwn),
            probe_every: all.probe_every.filter(|_| learns),
            freeze_wiring: all.freeze_wiring.filter(|_| learns),
            ..all
        }
    }

    /// The same as a `--config` file.
    pub fn to_toml(&self) -> Result<String> {
        toml::to_string(&self.spelled_out()).map_err(|e| Error::Run(format!("cannot write the configuration: {e}")))
    }

    /// CAGE's scope; the network where CAGE is off.
    pub fn cage_scope(&self) -> CageScope {
        self.cage.map_or(CageScope::Network, |cage| cage.scope)
    }

    /// Refuse what cannot work, with what can.
    pub fn check(&self) -> Result<()> {
        self.all_said().check()?;
        self.check_together()
    }
}

/// What `--help` says of a setting: what the list says, the numbers it takes, and its default.
#[cfg(feature = "cli")]
fn flag_help(field: &str) -> String {
    let Some(entry) = Entry::of(field) else { return String::new() };
    let mut help = entry.help.to_string();
    if entry.range != Range::Any {
        help += &format!(" [{}]", entry.range);
    }
    if help.contains("[default") {
        return help;
    }
    match entry.defaults() {
        [Some(default), Some(quick)] => help + &format!(" [default: {default}, of quick {quick}]"),
        [Some(default), None] | [None, Some(default)] => help + &format!(" [default: {default}]"),
        [None, None] => help,
    }
}

/// What is said, by name, with values as a file has them, without quotes.
pub(super) fn lines(said: &Overrides) -> BTreeMap<String, String> {
    let text = toml::to_string(said).unwrap_or_default();
    let settings = text.lines().filter_map(|line| line.split_once(" = "));
    settings.map(|(name, value)| (name.to_string(), value.trim_matches('"').to_string())).collect()
}

#[cfg(all(test, feature = "cli"))]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_one_name_in_flags_files_and_the_list() {
        let written = Settings::default().to_toml().unwrap();
        let flags = <Overrides as clap::Args>::augment_args(clap::Command::new("train"));
        for entry in ENTRIES {
            let name = entry.name();
            let flag = flags.get_arguments().find(|arg| arg.get_long() == Some(name.as_str()));
            assert_eq!(flag.and_then(|arg| arg.get_help_heading()), Some(entry.group), "--{name}");
            let is_written = written.lines().any(|line| line.starts_with(&format!("{name} = ")));
            let may_lack = [
                "data-dir",
                "convolutions-from",
                "init-mean",
                "init-deviation",
                "temperature",
                "micro-batch",
                "patience",
            ];
            assert!(is_written != may_lack.contains(&name.as_str()), "{name}");
        }
    }

    #[test]
    fn each_number_out_of_its_range_is_refused_by_name() {
        for entry in ENTRIES {
            let bad = match entry.range {
                Any => continue,
                Finite => "inf".to_string(),
                Within(least, _) | Below(least, _) | Least(least) if least == 0.0 => "-0.5".to_string(),
                Within(..) | Below(..) | Least(_) | Multiple(_) => "0".to_string(),
                Above(limit) => format!("{limit:?}"),
            };
            // Whole numbers below 0 are refused by their type already.
            let whole = entry.kind.starts_with('u');
            let bad = if whole && bad.starts_with('-') { "65".to_string() } else { bad };
            let said: Overrides = toml::from_str(&format!("{} = {bad}", entry.name())).unwrap();
            let told = said.check().unwrap_err().to_string();
            assert!(told.starts_with(&format!("--{} takes {}", entry.name(), entry.range)), "{told}");
        }
    }

    #[test]
    fn help_tells_range_and_default() {
        assert!(flag_help("rotate").ends_with("either way [0 to 45] [default: 0.0]"), "{}", flag_help("rotate"));
        assert!(flag_help("tau").ends_with("[more than 0] [default: 17.0, of quick 11.0]"), "{}", flag_help("tau"));
        assert!(flag_help("select").ends_with("[default: last, with --patience best]"));
    }
}
