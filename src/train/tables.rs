//! What is trained, whatever a layer makes of it: logits, their tables, and how gradients move them.

use super::context::{Context, MOST_PARTIALS};
use super::outline::LayerOutline;
use crate::network::{Layer, Parametrization};
use crate::plan::{Buffer, CageScope, Id, Page, Pass, Plan, uniforms};

/// The tables of a layer.
#[derive(Debug, Clone, Copy)]
pub struct Tables {
    /// `[gates][⌈2^arity / 32⌉]` u32: the selected gates.
    pub bits: Id,
    /// `[gates][logits]` f32.
    pub logits: Id,
    /// `[gates][logits]` of (first, second) moment, f32.
    pub moments: Id,
    /// `[gates][2^arity]` f32.
    pub gradients: Id,
}

/// What all layers' tables share.
#[derive(Debug, Clone)]
pub struct Shared {
    /// `uniforms::Training`.
    pub training: Id,
    /// `uniforms::Step`, which `advance` alone writes.
    pub step: Id,
    /// Confidence partial sums, `[layers][MOST_PARTIALS]` f32.
    pub partials: Id,
    /// CAGE's state where its scope is smaller than the network: one buffer of `[layers]`, or one of `[gates]` a layer.
    pub cages: Vec<Id>,
}

/// Real tables, and what makes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SoftTables {
    /// The selected gates, as zeros and ones.
    Selected,
    /// The mixtures at the fixed temperature, with the next step's noise or without.
    Mixed {
        /// Whether there is noise.
        noise: bool,
    },
}

impl Tables {
    /// Have buffers for layer `i`; its logits are given.
    pub fn plan(plan: &mut Plan, i: usize, layer: &LayerOutline) -> Self {
        let (gates, logits) = (u64::from(layer.gates), u64::from(layer.gates) * u64::from(layer.logits()) * 4);
        Tables {
            bits: plan.add(Buffer::scratch("tables", gates * u64::from(layer.table_words()) * 4).of_layer(i)),
            logits: plan.add(Buffer::state("logits", logits).of_layer(i).given()),
            moments: plan.add(Buffer::state("moments", 2 * logits).of_layer(i)),
            gradients: plan.add(Buffer::scratch("table gradients", gates * u64::from(layer.codes()) * 4).of_layer(i)),
        }
    }
}

impl Shared {
    /// Have buffers for a run that begins.
    pub fn plan(plan: &mut Plan, cx: &Context) -> Self {
        let constants = cx.constants();
        let state = uniforms::Step::first(cx.settings.temperature, constants.choices);
        Shared {
            training: plan.add(Buffer::scratch("training", 0).holding(&[constants])),
            step: plan.add(Buffer::state("step", 0).holding(&[state])),
            partials: plan.add(Buffer::scratch("confidence partials", u64::from(constants.partials) * 4)),
            cages: cages(plan, cx, constants.choices),
        }
    }
}

/// CAGE's state of each layer or gate, where that is its scope: running means at 1/K.
fn cages(plan: &mut Plan, cx: &Context, choices: f32) -> Vec<Id> {
    let start = |selections| uniforms::Cage::first(cx.settings.temperature, choices, selections);
    let per_gate = |l: &LayerOutline| l.parametrization.selections(l.arity);
    let layers = cx.outline.layers.iter();
    match cx.settings.cage_scope() {
        CageScope::Network => Vec::new(),
        CageScope::Layer => {
            let all: Vec<_> = layers.map(|l| start(l.gates as usize * per_gate(l))).collect();
            vec![plan.add(Buffer::state("cage", 0).holding(&all))]
        }
        CageScope::Gate => layers
            .enumerate()
            .map(|(i, l)| {
                let own = vec![start(per_gate(l)); l.gates as usize];
                plan.add(Buffer::state("cage", 0).of_layer(i).holding(&own))
            })
            .collect(),
    }
}

/// Logits of layer `i` to hard tables, with confidences. `noise`: the next step's is added; `scope`: each gate's own CAGE takes its
/// confidence in, if that is the scope. `extent` is the layer's.
pub fn tabulate(
    cx: &Context,
    (i, extent, tables): (usize, Id, &Tables),
    shared: &Shared,
    noise: bool,
    scope: CageScope,
) -> Pass {
    let layer = &cx.outline.layers[i];
    let is_gate = scope == CageScope::Gate;
    let pass = Pass::of(tabulate_page(layer.parametrization, layer.arity, noise, scope))
        .of_layer(i)
        .bind("layer", extent)
        .bind("logits", tables.logits)
        .bind("tables", tables.bits)
        .bind("partials", shared.partials)
        .binds((noise || is_gate).then_some(("training", shared.training)))
        .binds(noise.then_some(("step", shared.step)))
        .binds(shared.cages.get(i).filter(|_| is_gate).map(|&cage| ("cage", cage)))
        .groups(&cx.tuning, layer.gates, 64, selection_turns(layer, noise))
        // Logits in, tables out.
        .least_bytes(u64::from(layer.gates) * u64::from(layer.logits() + layer.table_words()) * 4);
    let [groups, _] = pass.grid;
    pass.grid([groups.min(MOST_PARTIALS), 1])
}

/// The page that makes hard tables.
pub fn tabulate_page(parametrization: Parametrization, arity: usize, noise: bool, scope: CageScope) -> Page {
    let is_gate = scope == CageScope::Gate;
    parametrized("tables/tabulate", parametrization, arity, noise)
        .flag("CAGE_GATE", is_gate)
        .flag("TRAINING_CONSTANTS", noise || is_gate)
}

/// Real tables of layer `i`, `to` `[gates][codes]` f32.
pub fn tabulate_soft(
    cx: &Context,
    (i, extent, tables): (usize, Id, &Tables),
    shared: &Shared,
    made: SoftTables,
    to: Id,
) -> Pass {
    let layer = &cx.outline.layers[i];
    let pass = Pass::of(tabulate_soft_page(layer.parametrization, layer.arity, made))
        .of_layer(i)
        .bind("layer", extent)
        .bind("tables", to);
    let (pass, noise) = match made {
        SoftTables::Selected => (pass.bind("bits", tables.bits), false),
        SoftTables::Mixed { noise } => {
            let pass = pass.bind("logits", tables.logits).bind("training", shared.training);
            (pass.binds(noise.then_some(("step", shared.step))), noise)
        }
    };
    pass.groups(&cx.tuning, layer.gates, 64, selection_turns(layer, noise))
        // Logits in, tables out.
        .least_bytes(u64::from(layer.gates) * u64::from(layer.logits() + layer.codes()) * 4)
}

/// The page that makes real tables.
pub fn tabulate_soft_page(parametrization: Parametrization, arity: usize, made: SoftTables) -> Page {
    match made {
        SoftTables::Selected => {
            Page::of("tables/tabulate_soft").number("ARITY", arity as u32).flag("SELECTED", true).flag("NOISE", false)
        }
        SoftTables::Mixed { noise } => {
            parametrized("tables/tabulate_soft", parametrization, arity, noise).flag("SELECTED", false)
        }
    }
}

/// Begin a step: the temperature, the learning rate, Adam's powers, the place in the epoch.
pub fn advance(cx: &Context, shared: &Shared) -> Pass {
    let by_layer = cx.settings.cage_scope() == CageScope::Layer;
    Pass::of(advance_page(cx.settings.cage_scope()))
        .bind("training", shared.training)
        .bind("partials", shared.partials)
        .bind("step", shared.step)
        .binds(by_layer.then(|| ("cage", shared.cages[0])))
        // A structure or two.
        .least_bytes(2 * size_of::<uniforms::Step>() as u64 + size_of::<uniforms::Training>() as u64)
}

/// The page that begins a step.
pub fn advance_page(scope: CageScope) -> Page {
    Page::of("tables/advance").flag("CAGE_LAYER", scope == CageScope::Layer)
}

/// Table gradients of layer `i` to new logits.
pub fn update(cx: &Context, (i, extent, tables): (usize, Id, &Tables), shared: &Shared) -> Pass {
    let layer = &cx.outline.layers[i];
    let (scope, noise) = (cx.settings.cage_scope(), cx.settings.method.is_noisy());
    let cage = match scope {
        CageScope::Network => None,
        CageScope::Layer => Some(shared.cages[0]),
        CageScope::Gate => Some(shared.cages[i]),
    };
    Pass::of(update_page(layer.parametrization, layer.arity, noise, scope))
        .of_layer(i)
        .bind("layer", extent)
        .bind("training", shared.training)
        .bind("step", shared.step)
        .bind("table_gradients", tables.gradients)
        .bind("logits", tables.logits)
        .bind("moments", tables.moments)
        .binds(cage.map(|cage| ("cage", cage)))
        .groups(&cx.tuning, layer.gates, 64, selection_turns(layer, noise))
        // Table gradients in; logits and both moments in and out.
        .least_bytes(u64::from(layer.gates) * u64::from(layer.codes() + 6 * layer.logits()) * 4)
}

/// The page that moves logits.
pub fn update_page(parametrization: Parametrization, arity: usize, noise: bool, scope: CageScope) -> Page {
    parametrized("tables/update", parametrization, arity, noise)
        .flag("CAGE_LAYER", scope == CageScope::Layer)
        .flag("CAGE_GATE", scope == CageScope::Gate)
        .flag("CAGE_OWN", scope != CageScope::Network)
}

/// A page for gates of `arity` inputs whose logits are those of `parametrization`.
fn parametrized(file: &'static str, parametrization: Parametrization, arity: usize, noise: bool) -> Page {
    let part = match parametrization {
        Parametrization::IwpSin => "tables/parametrization/iwp",
        Parametrization::IwpSigmoid => "tables/parametrization/iwp-sigmoid",
        Parametrization::IwpClamp => "tables/parametrization/iwp-clamp",
        Parametrization::Walsh => "tables/parametrization/walsh",
        Parametrization::Op => "tables/parametrization/op",
    };
    Page::of(file).number("ARITY", arity as u32).flag("NOISE", noise).part("parametrization", part)
}

/// Turns of loops that a gate takes in `tabulate`, `tabulate_soft` and `update`.
fn selection_turns(layer: &LayerOutline, noise: bool) -> u32 {
    let noise = if noise { layer.logits().div_ceil(4) * 16 } else { 0 };
    layer.logits() * 16 + noise
}

/// Tables as a device leaves them, `[gates][words]` u32, to those of a layer.
pub fn from_words(layer: &Layer, words: &[u32]) -> Vec<u64> {
    let width = (1usize << layer.arity).div_ceil(32);
    words.chunks_exact(width).map(|w| w.iter().rev().fold(0, |t, &x| (t << 32) | u64::from(x))).collect()
}
