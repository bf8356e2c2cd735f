//! The rules between settings: what follows from what is said, and what does not go together.

use super::choices::{InputKind, Method, Select};
use super::frozen::FrozenLayers;
use super::layers::Layers;
use super::learned::LearnedLayers;
use super::list::{Overrides, Settings};
use crate::network::{Convolution, Initialization, Parametrization, Pool};
use crate::plan::GradientFormat;
use crate::{Error, Result};

impl Overrides {
    /// Whether what is `said`, the last winning, is of a network that the preset `quick` does not speak of, which is of one dense layer of
    /// gates that may have more than two inputs.
    pub(super) fn ask_for_another_network(said: &[&Overrides]) -> bool {
        let layers = said.iter().rev().find_map(|said| said.layers.as_ref());
        let parametrization = said.iter().rev().find_map(|said| said.parametrization);
        let is_wide = |layers: &Layers| layers.convolutions.is_empty() && layers.dense.len() == 1;
        layers.is_some_and(|layers| !is_wide(layers)) || parametrization == Some(Parametrization::Op)
    }

    /// Change in `settings` what follows from what is said here; what is said beside is put over it.
    pub(super) fn imply(&self, settings: &mut Settings) {
        let freeze = self.freeze.as_ref().unwrap_or(&settings.freeze);
        let trains = |layers: &Layers| (0..layers.convolutions.len()).any(|layer| !freeze.has(layer, true));
        let convolves = self.layers.as_ref().is_some_and(trains);
        if convolves || self.layers.as_ref().is_some_and(|layers| layers.dense.len() > 2) {
            // Deep networks cannot decide on tables while wires move, and learn best through gates that pass their inputs on. What
            // beneath has other than the defaults, somebody has said.
            let (deep, wide) = (Settings::deep(), Settings::default());
            if settings.learn_wiring == wide.learn_wiring {
                settings.learn_wiring = deep.learn_wiring;
            }
            if settings.start == wide.start {
                settings.start = deep.start;
            }
            if settings.lr == wide.lr {
                // Tables that many places share learn best at a lower rate.
                settings.lr = if convolves { 0.02 } else { deep.lr };
            }
        }
        if self.method.is_some_and(Method::is_soft) {
            // Presets speak of hard methods.
            settings.cage = None;
            settings.learn_wiring = LearnedLayers::None;
            if settings.gradients.is_sliced() {
                settings.gradients = GradientFormat::Bf16;
            }
        }
        if self.patience.is_some() {
            settings.select = Select::Best;
        }
    }

    /// Refuse what is said here and has no effect in the `settings` that came of it.
    pub(super) fn check_beside(&self, settings: &Settings) -> Result<()> {
        let constants = [self.cage_tau_min, self.cage_tau_max, self.cage_decay];
        let said = constants.iter().any(Option::is_some) || self.cage_scope.is_some();
        if settings.cage.is_none() && said {
            let remedy =
                if settings.method.is_soft() { "choose --method hard-st or gumbel-st" } else { "leave out --no-cage" };
            return Err(Error::usage(format!("CAGE is off, so its constants cannot be set; {remedy}")));
        }
        let said = self.candidates.is_some()
            || self.candidates_from.is_some()
            || self.wiring_rule.is_some()
            || self.wiring_lr.is_some()
            || self.probe_every.is_some()
            || self.freeze_wiring.is_some();
        if settings.learn_wiring == LearnedLayers::None && said {
            return Err(Error::usage(match settings.method.is_soft() {
                true => {
                    "no wires learn by soft methods, so nothing can be set of how they do; choose --method hard-st or gumbel-st"
                }
                false => "no wires learn, so nothing can be set of how they do; add --learn-wiring all",
            }));
        }
        if settings.convolutions.is_empty() && self.freeze == Some(FrozenLayers::Convolutions) {
            return Err(Error::usage(
                "there are no convolutions that could be frozen; leave out --freeze, or name layers by number",
            ));
        }
        if settings.cage.is_some() && self.temperature.is_some() {
            return Err(Error::usage("CAGE sets the backward temperature; add --no-cage to fix it with --temperature"));
        }
        Ok(())
    }
}

impl Settings {
    /// What deep networks do well by, six layers here: wires as they are drawn, gates that at first pass an input on; images
    /// as they are.
    pub fn deep() -> Self {
        Settings {
            layers: vec![6000; 6],
            learn_wiring: LearnedLayers::None,
            start: Initialization::Residual.into(),
            lr: 0.1,
            tau: 10.0,
            steps: 6000,
            shift: 0,
            ..Settings::default()
        }
    }

    /// Refuse combinations that mean nothing, with the nearest that does.
    pub(super) fn check_together(&self) -> Result<()> {
        if self.layers.is_empty() {
            return Err(Error::usage("a network needs at least one layer"));
        }
        if self.arity != 2 && self.trained_convolution().is_some() {
            return Err(Error::usage(
                "dense layers have gates of two inputs behind convolutions that are trained; leave out --arity, or add --freeze \
                 convolutions",
            ));
        }
        if !self.parametrization.can_have(self.arity) {
            return Err(Error::usage(format!(
                "OP has 2^(2^k) logits a gate and is made for k = 2; for --arity {} choose --parametrization iwp or \
                 walsh, which have 2^k",
                self.arity
            )));
        }
        self.check_frozen()?;
        self.check_learned_wiring()?;
        self.check_narrow()?;
        if self.cage.is_some_and(|cage| cage.tau_min > cage.tau_max) {
            return Err(Error::usage("--cage-tau-min is above --cage-tau-max; exchange them"));
        }
        if self.validation == 0.0 && (self.patience.is_some() || self.select == Select::Best) {
            return Err(Error::usage("--patience and --select best judge by held-out samples; add --validation 0.1"));
        }
        if !self.method.is_soft() {
            return match self.input_kind {
                InputKind::Bits => Ok(()),
                InputKind::Soft => Err(Error::usage(
                    "hard methods run on bits, so --input-kind soft goes with --method soft-mix or soft-gumbel",
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
                "--input-kind soft gives each pixel to one input, and --thresholds {} makes {} of it; add --thresholds 1",
                self.thresholds, self.thresholds
            )));
        }
        Ok(())
    }

    /// Gates of each layer, convolutions' trees whole.
    pub fn layer_gates(&self) -> Vec<usize> {
        self.convolutions.iter().map(Convolution::gates).chain(self.layers.iter().copied()).collect()
    }

    /// Whether layer number `layer` is a convolution.
    pub fn is_convolution(&self, layer: usize) -> bool {
        layer < self.convolutions.len()
    }

    /// Whether layer number `layer` stays as it is drawn.
    pub fn is_frozen(&self, layer: usize) -> bool {
        self.freeze.has(layer, self.is_convolution(layer))
    }

    /// The first convolution that is trained.
    pub fn trained_convolution(&self) -> Option<usize> {
        (0..self.convolutions.len()).find(|&layer| !self.is_frozen(layer))
    }

    /// Whether there are convolutions, all of which stay.
    pub fn has_frozen_convolutions(&self) -> bool {
        !self.convolutions.is_empty() && self.trained_convolution().is_none()
    }

    /// Whether any layer does.
    pub fn freezes(&self) -> bool {
        (0..self.convolutions.len() + self.layers.len()).any(|layer| self.is_frozen(layer))
    }

    /// Whether the wires of layer number `layer` learn.
    pub fn learns(&self, layer: usize) -> bool {
        let is_free = self.learn_wiring != LearnedLayers::All || !self.is_frozen(layer);
        is_free && self.learn_wiring.has(layer, self.convolutions.len())
    }

    fn check_frozen(&self) -> Result<()> {
        if (self.freezes() || !self.reads.is_empty()) && self.method.is_soft() {
            return Err(Error::usage(
                "frozen layers, and layers that read every map, are trained by hard methods only; choose --method hard-st or gumbel-st",
            ));
        }
        let layers = self.convolutions.len() + self.layers.len();
        if let FrozenLayers::Of(named) = &self.freeze
            && let Some(none) = named.iter().find(|&&layer| layer >= layers)
        {
            return Err(Error::usage(format!(
                "--freeze names layer {none}, and the last of {layers} layers is number {}",
                layers - 1
            )));
        }
        if (0..layers).all(|layer| self.is_frozen(layer)) {
            return Err(Error::usage("--freeze leaves no layer to be trained; leave one out"));
        }
        self.check_convolutions_from()?;
        if let Some(trained) = self.trained_convolution()
            && !self.reads.is_empty()
        {
            return Err(Error::usage(format!(
                "a layer that reads every map sends them no gradients, and layer {trained} is a convolution that is trained; add \
                 --freeze convolutions, or leave out reads in --layers"
            )));
        }
        Ok(())
    }

    /// Put back to its default what a preset or a file says and has no bearing: settings are the same then if they mean the same.
    pub(super) fn forget_idle(&mut self) {
        let said = self.spelled_out();
        *self = Settings::default();
        said.put(self);
    }

    /// Refuse gradients too narrow to be added up where layers add them up.
    fn check_narrow(&self) -> Result<()> {
        let last = self.convolutions.len() + self.layers.len() - 1;
        match (0..last).find(|&layer| !self.is_frozen(layer)) {
            Some(trained) if self.gradients == GradientFormat::Int4 => Err(Error::usage(format!(
                "--gradients int4 has no room for sums of gradients, which layer {trained} needs, so it goes with networks of one layer, \
                 or with all before the last frozen; use --gradients int8"
            ))),
            _ => Ok(()),
        }
    }

    fn check_learned_wiring(&self) -> Result<()> {
        if self.learn_wiring == LearnedLayers::None {
            return Ok(());
        }
        if let Some(trained) = self.trained_convolution() {
            return Err(Error::usage(format!(
                "wires learn above convolutions that stay as they are drawn, and layer {trained} is one that is trained; add \
                 --freeze convolutions, or --learn-wiring none",
            )));
        }
        let layers = self.convolutions.len() + self.layers.len();
        if let LearnedLayers::Of(named) = &self.learn_wiring {
            if let Some(none) = named.iter().find(|&&layer| layer >= layers) {
                return Err(Error::usage(format!(
                    "--learn-wiring names layer {none}, and the last of {layers} layers is number {}",
                    layers - 1
                )));
            }
            if let Some(conv) = named.iter().find(|&&layer| self.is_convolution(layer)) {
                return Err(Error::usage(format!(
                    "--learn-wiring names layer {conv}, a convolution, whose wires stay; the first dense layer is number {}",
                    self.convolutions.len()
                )));
            }
        }
        if let Some(both) = (0..layers).find(|&layer| self.is_frozen(layer) && self.learns(layer)) {
            return Err(Error::usage(format!(
                "the wires of layer {both} cannot learn while --freeze keeps it as it is drawn; name it by one of --freeze and \
                 --learn-wiring"
            )));
        }
        if !self.reads.is_empty() && self.learns(self.convolutions.len()) && self.candidates_from == Pool::Axis {
            return Err(Error::usage(
                "--candidates-from axis is of input bits alone, and the layer reads maps too; choose any or box",
            ));
        }
        if self.method.is_soft() {
            return Err(Error::usage(
                "wires are scored on bits, which soft methods have none of; leave out --learn-wiring, or choose --method \
                 hard-st or gumbel-st",
            ));
        }
        if self.candidates < self.arity {
            return Err(Error::usage(format!(
                "--candidates {} leaves gates of {} inputs no choice; use {} or more",
                self.candidates,
                self.arity,
                self.arity + 1
            )));
        }
        Ok(())
    }

    /// Make the last layer one that `outputs` outputs share evenly: widened, where nobody but a preset has said layers.
    ///
    /// # Errors
    /// [`Error::Usage`] where layers are said and they cannot be shared.
    pub fn fit(&mut self, outputs: usize, layers_are_said: bool) -> Result<()> {
        if let Some(last) = self.layers.last_mut().filter(|_| !layers_are_said) {
            *last = last.next_multiple_of(outputs.max(1));
        }
        self.check_classes(outputs)
    }

    /// Refuse a last layer that `classes` classes cannot share, naming the nearest that they can.
    pub fn check_classes(&self, classes: usize) -> Result<()> {
        let last = self.layers.last().copied().unwrap_or(0);
        if classes > 0 && last > 0 && last.is_multiple_of(classes) {
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
    use crate::plan::CageScope;

    #[test]
    fn impossible_settings_are_refused_with_what_is_possible() {
        let told = |change: &dyn Fn(&mut Settings)| {
            let mut settings = Settings::deep();
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
        assert!(told(&|s| (s.arity, s.parametrization) = (3, Parametrization::Op)).contains("iwp"));
        assert!(told(&|s| s.arity = 7).contains("2 to 6"));
        assert!(told(&|s| s.input_kind = InputKind::Soft).contains("soft-mix"));
        assert!(told(&|s| s.method = Method::SoftMix).contains("hard-st"), "with CAGE");
        assert!(told(&|s| (s.method, s.cage) = (Method::SoftMix, None)).contains("f32"), "with int8 gradients");
        assert!(told(&|s| s.gradients = GradientFormat::Int4).contains("layer 0 needs"));
        let both = Overrides { temperature: Some(0.3), ..Default::default() };
        assert!(both.resolve(None).unwrap_err().to_string().contains("--no-cage"));
        assert!(told(&|s| (s.validation, s.select) = (0.0, Select::Best)).contains("--validation"));
        assert!(told(&|s| s.patience = Some(0)).contains("--patience"));
        assert!(told(&|s| s.layers.clear()).contains("at least one layer"));
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
        assert!(with(&|f| f.gradients = Some(GradientFormat::Int4)).contains("f32"));
        assert!(with(&|f| f.cage_scope = Some(CageScope::Gate)).contains("hard-st"));
        assert!(with(&|f| f.input_kind = Some(InputKind::Soft)).contains("--thresholds 1"));
        // Real gradients that a file asks for are a soft method's, too.
        let file = Overrides { gradients: Some(GradientFormat::F32), ..Default::default() };
        let settings = soft.over(&[&file]).unwrap();
        assert_eq!(settings.gradients, GradientFormat::F32);
    }

    /// `quick` speaks of one layer; what is said of others is put over the list's defaults, whichever source says it.
    #[test]
    fn networks_unlike_the_default_one_begin_with_the_lists_defaults() {
        let of = |text: &str| Overrides::parse(text).unwrap();
        let resolved = |file: &str, flags: &str| of(flags).over(&[&of(file)]).unwrap();
        let (quick, list) = (Preset::Quick.settings(), Settings::default());
        assert_ne!((quick.arity, quick.tau, &quick.layers), (list.arity, list.tau, &list.layers));
        let told = |s: &Settings| (s.arity, s.tau, s.steps, s.gradients);
        for unlike in [
            "layers = \"6x8000\"",
            "layers = \"2x100\"",
            "layers = \"conv 9 3x3; 100\"",
            "layers = \"conv 9 3x3; 100 reads 1:2\"\nfreeze = \"convolutions\"",
            "parametrization = \"op\"",
            "preset = \"quick\"\nparametrization = \"op\"",
        ] {
            assert_eq!(told(&resolved("", unlike)), told(&list), "{unlike}");
            assert_eq!(told(&resolved(unlike, "")), told(&list), "{unlike}");
        }
        for like in
            ["", "layers = \"500\"", "parametrization = \"walsh\"", "data = \"cifar-10\"", "learn-wiring = \"none\""]
        {
            assert_eq!(told(&resolved("", like)), told(&quick), "{like}");
        }
        // What is said of arity stays, and the last word on layers decides.
        assert_eq!(resolved("arity = 4", "layers = \"2x100\"").arity, 4);
        assert_eq!(resolved("layers = \"2x100\"", "arity = 3").arity, 3);
        assert_eq!(told(&resolved("layers = \"2x100\"", "layers = \"100\"")), told(&quick));
        assert_eq!(resolved("preset = \"mnist-lut\"", "layers = \"2x100\"").arity, 4);
        let narrow = of("layers = \"2x100\"").over(&[&of("gradients = \"int4\"")]).unwrap_err().to_string();
        assert!(narrow.contains("use --gradients int8"), "{narrow}");
        // A soft method keeps the network, in real numbers.
        let soft = resolved("", "method = \"soft-mix\"");
        assert_eq!((soft.arity, &soft.layers, soft.gradients), (quick.arity, &quick.layers, GradientFormat::Bf16));
    }

    #[test]
    fn the_last_layer_is_widened_unless_layers_are_said() {
        let of = |last: usize| Settings { layers: vec![50, last], ..Settings::default() };
        let mut presets = of(8004);
        presets.fit(10, false).unwrap();
        assert_eq!(presets.layers, [50, 8010]);
        let refused = of(8004).fit(10, true).unwrap_err().to_string();
        assert!(refused.contains("8000 can"), "{refused}");
        of(8010).fit(10, true).unwrap();
        assert!(of(8010).fit(0, false).is_err());
    }
}
