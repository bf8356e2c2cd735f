//! Wires that learn, as settings say.

use crate::network::{Candidates, Learning, Model, WireRule};
use crate::settings::{LearnedLayers, Settings};

/// The rate of wires as a multiple of the gates', the steps from one that scores them to the next, and how many steps there are before
/// they stay: none where no layer's learn.
pub fn pace(settings: &Settings) -> (f32, u32, u32) {
    // The plain sum's rate is the schedule's alone.
    let rate = if settings.wiring_rule == WireRule::Dwn { settings.wiring_lr } else { 1.0 };
    let learns = settings.learn_wiring != LearnedLayers::None;
    let until = if learns { (f64::from(settings.steps) * settings.freeze_wiring).ceil() as u32 } else { 0 };
    (rate / settings.lr, settings.probe_every, until)
}

/// How the wires of `model`, as it was drawn, learn; none where no layer's do.
pub fn learning(settings: &Settings, model: &Model) -> Option<Learning> {
    if settings.learn_wiring == LearnedLayers::None {
        return None;
    }
    let draw =
        |i| Candidates::draw(settings.candidates_from, settings.candidates, (model, &settings.reads), i, settings.seed);
    let layers = (0..model.layers.len()).map(|i| settings.learns(i).then(|| draw(i)));
    let (rate, every, until) = pace(settings);
    Some(Learning { rule: settings.wiring_rule, rate, every, until, layers: layers.collect() })
}
