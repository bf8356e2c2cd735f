//! What is trained, whatever a layer makes of it: logits, their tables, and how gradients move them.

use std::ops::Range;

use super::batch::Batch;
use super::context::Context;
use super::outline::LayerOutline;
use crate::network::{Layer, Parametrization};
use crate::plan::{Buffer, CageScope, Id, Page, Pass, Plan, uniforms};

/// Most workgroups that take one layer's tables, each leaving one partial sum of confidences.
const MOST_PARTIALS: u32 = 1024;

/// Lanes of these; partial sums of a layer are a multiple of them.
const WORKGROUP: u32 = 64;

/// Larger batches are begun by [`WIDE`] lanes.
const LARGE_BATCH: u32 = 4096;
const WIDE: u32 = 256;

/// The tables of a layer, or, side by side, those of several.
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

/// Layers one after another whose gates are alike, all trained or none, and whose tables lie side by side, so that one pass takes all of
/// them.
#[derive(Debug, Clone)]
pub struct Stack {
    /// What lies where.
    span: Span,
    /// One of its layers; all have the same parametrization and arity.
    like: LayerOutline,
    /// Whether they are trained; all are, or none is.
    is_trained: bool,
    /// Workgroups a layer.
    groups: u32,
    /// `[layers]` of `uniforms::LayerTables`.
    extents: Id,
    /// Side by side.
    tables: Tables,
    /// CAGE's state of each gate, if that is its scope.
    cages: Option<Id>,
}

/// Where gates of a stack lie.
#[derive(Debug, Clone)]
struct Span {
    layers: Range<usize>,
    /// Place of each layer's first gate.
    slots: Vec<u32>,
    /// Gates that there is place for.
    places: u32,
}

/// The tables of a network.
#[derive(Debug, Clone)]
pub struct AllTables {
    /// Its layers side by side: in one stack, but where their gates differ, or a buffer would be too large.
    pub stacks: Vec<Stack>,
    /// Each layer's.
    pub layers: Vec<Tables>,
    /// `uniforms::Training`.
    pub training: Id,
    /// `uniforms::Step`, which `advance` alone writes.
    pub step: Id,
    /// Confidence partial sums, `[layers][as many]` f32, of those that are trained first.
    pub partials: Id,
    /// CAGE's state of what is trained, where its scope is smaller than the network: one buffer of `[layers]`, or one of `[gates]` a layer.
    pub cages: Vec<Id>,
    /// `[layers]`: whether each is trained.
    pub trained: Vec<bool>,
}

/// Real tables of a network.
#[derive(Debug, Clone, Default)]
pub struct RealTables {
    /// Each stack's, side by side.
    pub stacks: Vec<Id>,
    /// Each layer's, `[gates][codes]` f32.
    pub layers: Vec<Id>,
}

impl Span {
    /// A part can begin at a multiple of so many gates, whatever is kept of one.
    const GATES: u32 = 64;

    /// Of the layers that lie side by side.
    fn all(cx: &Context) -> Vec<Span> {
        let layers = &cx.outline.layers;
        let mut spans: Vec<Span> = Vec::new();
        for (i, layer) in layers.iter().enumerate() {
            let places = layer.gates.next_multiple_of(Self::GATES);
            // A gate's moments are the largest thing that is kept of it.
            let fits = |sum: u32| u64::from(sum) * u64::from(layer.logits()) * 8 <= cx.limits.buffer_bytes;
            let joined = spans.last_mut().filter(|span| {
                let like = &layers[span.layers.start];
                (like.parametrization, like.arity) == (layer.parametrization, layer.arity)
                    && cx.is_trained(span.layers.start) == cx.is_trained(i)
                    && span.places.checked_add(places).is_some_and(fits)
            });
            match joined {
                Some(span) => {
                    span.layers.end = i + 1;
                    span.slots.push(span.places);
                    span.places += places;
                }
                None => spans.push(Span { layers: i..i + 1, slots: vec![0], places }),
            }
        }
        spans
    }

    /// Have a buffer with `bytes` of each gate, of which each layer's part is like `part`: the whole, and the parts.
    fn buffer(&self, plan: &mut Plan, cx: &Context, bytes: u32, part: impl Fn(usize) -> Buffer) -> (Id, Vec<Id>) {
        let size = |gates: u32| u64::from(gates) * u64::from(bytes);
        let whole = Buffer::scratch(part(self.layers.start).name, size(self.places));
        let whole = plan.add(if self.layers.len() == 1 { whole.of_layer(self.layers.start) } else { whole });
        let parts = self.layers.clone().zip(&self.slots).map(|(i, &slot)| {
            let own = Buffer { bytes: size(cx.outline.layers[i].gates), ..part(i) };
            plan.part(whole, size(slot), own.of_layer(i))
        });
        (whole, parts.collect())
    }
}

impl Stack {
    /// A pass of `page` over all of its gates.
    fn pass(&self, page: Page, bytes_a_gate: u32, cx: &Context) -> Pass {
        let gates: u32 = self.span.layers.clone().map(|i| cx.outline.layers[i].gates).sum();
        let pass = Pass::of(page)
            .bind("layers", self.extents)
            .grid([self.groups, self.span.layers.len() as u32])
            .least_bytes(u64::from(gates) * u64::from(bytes_a_gate));
        let is_only = self.span.layers.len() == cx.outline.layers.len();
        Pass {
            turns: selection_turns(&self.like),
            ..if is_only { pass } else { pass.of_layer(self.span.layers.start) }
        }
    }
}

impl AllTables {
    /// Have buffers for a run that begins; logits are given.
    pub fn plan(plan: &mut Plan, cx: &Context) -> Self {
        let layers = &cx.outline.layers;
        let spans = Span::all(cx);
        let groups = |span: &Span| {
            let layer = |i: usize| cx.tuning.groups(layers[i].gates, WORKGROUP, selection_turns(&layers[i]))[0];
            span.layers.clone().map(layer).max().unwrap_or(1).min(MOST_PARTIALS)
        };
        let partials = spans.iter().map(groups).max().unwrap_or(1).next_multiple_of(WORKGROUP);
        let trained: Vec<bool> = (0..layers.len()).map(|i| cx.is_trained(i)).collect();
        // Those that are trained are counted first, so that what is asked of all of them together is a range.
        let alike = |i: usize| trained[..i].iter().filter(|&&other| other == trained[i]).count();
        let count = trained.iter().filter(|&&trained| trained).count();
        let index = |i: usize| (if trained[i] { alike(i) } else { count + alike(i) }) as u32;
        let constants = cx.constants(partials);
        let state = uniforms::Step::first(cx.settings.temperature, constants.choices);
        let mut all = AllTables {
            stacks: Vec::new(),
            layers: Vec::new(),
            training: plan.add(Buffer::scratch("training", 0).holding(&[constants])),
            step: plan.add(Buffer::state("step", 0).holding(&[state])),
            partials: plan.add(Buffer::scratch("confidence partials", layers.len() as u64 * u64::from(partials) * 4)),
            cages: Vec::new(),
            trained: trained.clone(),
        };
        let cage = |selections| uniforms::Cage::first(cx.settings.temperature, constants.choices, selections);
        let selections = |layer: &LayerOutline| layer.parametrization.selections(layer.arity);
        let scope = cx.settings.cage_scope();
        if scope == CageScope::Layer {
            let of_trained = layers.iter().zip(&trained).filter(|(_, trained)| **trained);
            let own: Vec<_> = of_trained.map(|(layer, _)| cage(layer.selections())).collect();
            all.cages.push(plan.add(Buffer::state("cage", 0).holding(&own)));
        }
        let mut first_gate = 0;
        for span in spans {
            let like = layers[span.layers.start];
            let extents = span.layers.clone().zip(&span.slots).map(|(i, &slot)| {
                let gates = layers[i].gates;
                first_gate += gates;
                let index = index(i);
                uniforms::LayerTables {
                    gates,
                    slot,
                    first_gate: first_gate - gates,
                    first_partial: index * partials,
                    index,
                }
            });
            let extents = extents.collect::<Vec<_>>();
            let extents = plan.add(Buffer::scratch("layers", 0).holding(&extents));
            let mut have = |bytes, part: &dyn Fn(usize) -> Buffer| span.buffer(plan, cx, bytes, part);
            let (bits, own_bits) = have(like.table_words() * 4, &|_| Buffer::scratch("tables", 0));
            let (logits, own_logits) = have(like.logits() * 4, &|_| Buffer::state("logits", 0).given());
            let (moments, own_moments) = have(like.logits() * 8, &|_| Buffer::state("moments", 0));
            let (gradients, own_gradients) = have(like.codes() * 4, &|_| Buffer::scratch("table gradients", 0));
            for n in 0..span.layers.len() {
                let [bits, logits, moments, gradients] =
                    [&own_bits, &own_logits, &own_moments, &own_gradients].map(|own| own[n]);
                all.layers.push(Tables { bits, logits, moments, gradients });
            }
            let is_trained = trained[span.layers.start];
            let cages = (scope == CageScope::Gate && is_trained).then(|| {
                let bytes = size_of::<uniforms::Cage>() as u32;
                let own = |i: usize| vec![cage(selections(&layers[i])); layers[i].gates as usize];
                let (whole, parts) = have(bytes, &|i| Buffer::state("cage", 0).holding(&own(i)));
                all.cages.extend(parts);
                whole
            });
            let tables = Tables { bits, logits, moments, gradients };
            all.stacks.push(Stack { groups: groups(&span), span, like, is_trained, extents, tables, cages });
        }
        all
    }

    /// Have real tables for every layer.
    pub fn plan_real(&self, plan: &mut Plan, cx: &Context) -> RealTables {
        let mut real = RealTables::default();
        for stack in &self.stacks {
            let (whole, parts) =
                stack.span.buffer(plan, cx, stack.like.codes() * 4, |_| Buffer::scratch("soft tables", 0));
            real.stacks.push(whole);
            real.layers.extend(parts);
        }
        real
    }

    /// Begin a step: its samples, the temperature, the learning rate, Adam's powers, the place in the epoch.
    pub fn advance(&self, cx: &Context, batch: &Batch) -> Pass {
        let (scope, samples) = (cx.settings.cage_scope(), batch.extent.words * 32);
        let lanes = if samples > LARGE_BATCH { WIDE } else { cx.tuning.workgroup };
        Pass::of(advance(scope, lanes))
            .bind("batch", batch.uniform)
            .bind("chosen", batch.chosen)
            .bind("training", self.training)
            .bind("partials", self.partials)
            .bind("step", self.step)
            .binds((scope == CageScope::Layer).then(|| ("cage", self.cages[0])))
            // A structure or two; sample numbers.
            .least_bytes(
                2 * size_of::<uniforms::Step>() as u64
                    + size_of::<uniforms::Training>() as u64
                    + u64::from(samples) * 4,
            )
    }

    /// Logits to hard tables, with confidences: with the next step's noise, if `noise`.
    pub fn tabulate(&self, cx: &Context, noise: bool) -> Vec<Pass> {
        self.make(cx, noise, None)
    }

    /// Logits to real tables, with the next step's noise, if `noise`.
    pub fn tabulate_soft(&self, cx: &Context, noise: bool, real: &RealTables) -> Vec<Pass> {
        self.make(cx, noise, Some(real))
    }

    fn make(&self, cx: &Context, noise: bool, real: Option<&RealTables>) -> Vec<Pass> {
        let make = |(n, stack): (usize, &Stack)| {
            let (like, is_soft, noise) = (&stack.like, real.is_some(), noise && stack.is_trained);
            let made = if is_soft { like.codes() } else { like.table_words() };
            stack
                // Logits in, tables out.
                .pass(tabulate(like.parametrization, like.arity, noise, is_soft), (like.logits() + made) * 4, cx)
                .bind("logits", stack.tables.logits)
                .binds((noise || is_soft).then_some(("training", self.training)))
                .binds(noise.then_some(("step", self.step)))
                .binds(self.made(n, real))
        };
        self.stacks.iter().enumerate().map(make).collect()
    }

    /// What the tables that are made of stack `n` are bound to: `real` ones, or hard ones.
    fn made(&self, n: usize, real: Option<&RealTables>) -> Vec<(&'static str, Id)> {
        match real {
            Some(real) => vec![("tables", real.stacks[n])],
            None => vec![("tables", self.stacks[n].tables.bits), ("partials", self.partials)],
        }
    }

    /// Hard tables to real ones.
    pub fn select(&self, cx: &Context, real: &RealTables) -> Vec<Pass> {
        let select = |(stack, &real): (&Stack, &Id)| {
            let like = &stack.like;
            stack
                .pass(selected_tables(like.arity), (like.table_words() + like.codes()) * 4, cx)
                .bind("bits", stack.tables.bits)
                .bind("tables", real)
        };
        self.stacks.iter().zip(&real.stacks).map(select).collect()
    }

    /// Table gradients that ranks or places of maps have added up as whole numbers, to what these are worth.
    pub fn weigh_sums(&self, cx: &Context) -> Vec<Pass> {
        let weigh = |stack: &Stack| {
            let numbers = stack.span.places * stack.like.codes();
            let pass = Pass::of(weigh_sums())
                .bind("training", self.training)
                .bind("table_gradients", stack.tables.gradients)
                .groups(&cx.tuning, numbers, WORKGROUP, 1)
                .least_bytes(u64::from(numbers) * 8);
            let is_only = stack.span.layers.len() == cx.outline.layers.len();
            if is_only { pass } else { pass.of_layer(stack.span.layers.start) }
        };
        let has_sums = |stack: &&Stack| stack.span.layers.end > cx.first_trained();
        self.stacks.iter().filter(has_sums).map(weigh).collect()
    }

    /// End a step: table gradients to new logits, and these to the tables that the next step begins with, `real` ones or hard ones.
    pub fn update(&self, cx: &Context, real: Option<&RealTables>) -> Vec<Pass> {
        let (scope, noise) = (cx.settings.cage_scope(), cx.settings.method.is_noisy());
        let update = |(n, stack): (usize, &Stack)| {
            let (like, tables) = (&stack.like, &stack.tables);
            let made = if real.is_some() { like.codes() } else { like.table_words() };
            let page = update(like.parametrization, like.arity, noise, scope, real.is_some());
            stack
                // Table gradients in; logits and both moments in and out; tables out.
                .pass(page, (like.codes() + 6 * like.logits() + made) * 4, cx)
                .bind("training", self.training)
                .bind("step", self.step)
                .bind("table_gradients", tables.gradients)
                .bind("logits", tables.logits)
                .bind("moments", tables.moments)
                .binds(match scope {
                    CageScope::Network => None,
                    CageScope::Layer => Some(("cage", self.cages[0])),
                    CageScope::Gate => stack.cages.map(|cages| ("cage", cages)),
                })
                .binds(self.made(n, real))
        };
        self.stacks.iter().enumerate().filter(|(_, stack)| stack.is_trained).map(update).collect()
    }
}

/// The page that begins a step.
pub fn advance(scope: CageScope, lanes: u32) -> Page {
    Page::of("tables/advance").number("WORKGROUP", lanes).flag("CAGE_LAYER", scope == CageScope::Layer)
}

/// The page that makes tables of logits, hard ones or real ones.
pub fn tabulate(parametrization: Parametrization, arity: usize, noise: bool, is_soft: bool) -> Page {
    making("tables/tabulate", parametrization, arity, noise, is_soft).flag("TRAINING_CONSTANTS", noise || is_soft)
}

/// The page that makes real tables of hard ones.
pub fn selected_tables(arity: usize) -> Page {
    Page::of("tables/selected_tables").number("ARITY", arity as u32)
}

/// The page that makes gradients of whole numbers.
pub fn weigh_sums() -> Page {
    Page::of("tables/weigh_sums")
}

/// The page that moves logits, and makes their tables.
pub fn update(parametrization: Parametrization, arity: usize, noise: bool, scope: CageScope, is_soft: bool) -> Page {
    making("tables/update", parametrization, arity, noise, is_soft)
        .flag("CAGE_LAYER", scope == CageScope::Layer)
        .flag("CAGE_GATE", scope == CageScope::Gate)
}

/// A page that makes tables of gates of `arity` inputs whose logits are those of `parametrization`.
fn making(file: &'static str, parametrization: Parametrization, arity: usize, noise: bool, is_soft: bool) -> Page {
    let part = match parametrization {
        Parametrization::IwpSin => "tables/parametrization/iwp",
        Parametrization::IwpSigmoid => "tables/parametrization/iwp-sigmoid",
        Parametrization::IwpClamp => "tables/parametrization/iwp-clamp",
        Parametrization::Walsh => "tables/parametrization/walsh",
        Parametrization::Op => "tables/parametrization/op",
    };
    Page::of(file)
        .number("ARITY", arity as u32)
        .number("WORKGROUP", WORKGROUP)
        .flag("NOISE", noise)
        .part("parametrization", part)
        .part("made", if is_soft { "tables/soft_tables" } else { "tables/hard_tables" })
}

/// Turns of loops that a gate takes in `update`, which are the most, where there is noise.
fn selection_turns(layer: &LayerOutline) -> u32 {
    2 * (layer.logits() * 16 + layer.logits().div_ceil(4) * 16)
}

/// Tables as a device leaves them, `[gates][words]` u32, to those of a layer.
pub fn from_words(layer: &Layer, words: &[u32]) -> Vec<u64> {
    let width = (1usize << layer.arity).div_ceil(32);
    words.chunks_exact(width).map(|w| w.iter().rev().fold(0, |t, &x| (t << 32) | u64::from(x))).collect()
}
