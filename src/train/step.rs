//! The page of a training step: its passes in the order in which they run, and the buffers that they share.
//!
//! A batch goes samples → features → each layer's rows → votes → gradients of outputs → each layer's gradients → logits.

use std::borrow::Cow;

use super::augmentation::Augmentation;
use super::batch::{Batch, BatchSize};
use super::context::{Context, MOST_PARTIALS, Way};
use super::form::Wires;
use super::outline::Outline;
use super::samples::{Residence, Samples};
use super::sender::{Activations, Of, row_bytes};
use super::tables::{self, Shared, SoftTables, Tables};
use super::votes::{self, Gradients, Truth};
use crate::data::Split;
use crate::network::{Learning, Model};
use crate::plan::{Buffer, CageScope, EncoderIds, EncoderTable, Id, Limits, List, Pass, Plan, Tuning, uniforms};
use crate::settings::{InputKind, Settings};
use crate::{Error, Result};

/// The buffers of a network in training, whatever batch it works on.
#[derive(Debug, Clone)]
pub struct Network {
    /// The encoder's table.
    pub encoder: EncoderIds,
    /// Each layer's wires and tables.
    pub layers: Vec<(Wires, Tables)>,
    /// What all layers' tables share.
    pub shared: Shared,
    /// `[targets]` f32, 1 / variance over the training samples, where values are told.
    pub spread: Option<Id>,
}

impl Network {
    fn plan(plan: &mut Plan, cx: &Context) -> Self {
        let (outline, scratch) = (cx.outline, |name, bytes: u32| Buffer::scratch(name, u64::from(bytes)).given());
        let is_values = outline.task == crate::data::Task::Values;
        Network {
            encoder: EncoderIds {
                offsets: plan.add(scratch("encoder offsets", (outline.row_words() + 1) * 4)),
                features: plan.add(scratch("encoder features", outline.features * 8)),
            },
            layers: outline
                .layers
                .iter()
                .enumerate()
                .map(|(i, layer)| (Wires::plan(plan, cx, i), Tables::plan(plan, i, layer)))
                .collect(),
            shared: Shared::plan(plan, cx),
            spread: is_values.then(|| plan.add(scratch("spread", outline.label_words * 4))),
        }
    }

    /// What its buffers hold of `model` before the first step on `train`.
    fn contents<'m>(
        &self,
        model: &'m Model,
        learning: Option<&'m Learning>,
        train: &Split,
        row_words: u32,
    ) -> Vec<(Id, Cow<'m, [u8]>)> {
        let table = EncoderTable::of(&model.encoder.pixel, &model.encoder.threshold, row_words);
        let owned = |bytes: &[u8]| Cow::Owned(bytes.to_vec());
        let mut contents = vec![
            (self.encoder.offsets, owned(bytemuck::cast_slice(&table.offsets))),
            (self.encoder.features, owned(bytemuck::cast_slice(&table.features))),
        ];
        for (i, (layer, (wires, tables))) in model.layers.iter().zip(&self.layers).enumerate() {
            let candidates = learning.and_then(|learning| learning.layers[i].as_ref());
            contents.extend(wires.contents(layer, candidates));
            contents.push((tables.logits, Cow::Borrowed(bytemuck::cast_slice(&layer.logits))));
        }
        if let Some(spread) = self.spread {
            // A target that never differs counts as of variance 1.
            let inverse = |variance: f64| if variance > 0.0 { (1.0 / variance) as f32 } else { 1.0 };
            let inverses: Vec<f32> = train.target_variances().into_iter().map(inverse).collect();
            contents.push((spread, owned(bytemuck::cast_slice(&inverses))));
        }
        contents
    }

    /// Have each layer's `uniforms::Layer`, for rows of `words` words.
    pub fn extents(&self, plan: &mut Plan, cx: &Context, words: u32) -> Vec<Id> {
        let mut first_gate = 0;
        let layers = cx.outline.layers.iter().enumerate().map(|(i, layer)| {
            let extent = uniforms::Layer {
                gates: layer.gates,
                inputs: layer.inputs,
                words,
                group: cx.outline.group(),
                first_partial: i as u32 * MOST_PARTIALS,
                first_gate,
                index: i as u32,
                pad: 0,
            };
            first_gate += layer.gates;
            plan.add(Buffer::scratch("layer", 0).of_layer(i).holding(&[extent]))
        });
        layers.collect()
    }

    /// Have real tables for every layer.
    pub fn soft_tables(plan: &mut Plan, cx: &Context) -> Vec<Id> {
        let layers = cx.outline.layers.iter().enumerate();
        let bytes = |l: &super::outline::LayerOutline| u64::from(l.gates) * u64::from(l.codes()) * 4;
        layers.map(|(i, l)| plan.add(Buffer::scratch("soft tables", bytes(l)).of_layer(i))).collect()
    }

    /// Input rows to the last layer's, a pass a layer.
    pub fn forward(&self, cx: &Context, extents: &[Id], x: &Activations) -> Vec<Pass> {
        let layers = self.layers.iter().enumerate();
        layers
            .map(|(i, (wires, tables))| wires.forward(cx, Of { i, extent: extents[i], tables, activations: x }))
            .collect()
    }

    /// Logits to hard tables, a pass a layer.
    pub fn tabulate(&self, cx: &Context, extents: &[Id], noise: bool, scope: CageScope) -> Vec<Pass> {
        let layers = self.layers.iter().enumerate();
        let tabulate = |(i, (_, tables)): (usize, &(Wires, Tables))| {
            tables::tabulate(cx, (i, extents[i], tables), &self.shared, noise, scope)
        };
        layers.map(tabulate).collect()
    }

    /// Real tables of every layer.
    pub fn tabulate_soft(&self, cx: &Context, extents: &[Id], made: SoftTables, to: &[Id]) -> Vec<Pass> {
        let layers = self.layers.iter().enumerate();
        let tabulate = |(i, (_, tables)): (usize, &(Wires, Tables))| {
            tables::tabulate_soft(cx, (i, extents[i], tables), &self.shared, made, to[i])
        };
        layers.map(tabulate).collect()
    }
}

/// A step's buffers and passes.
pub struct StepPlan {
    /// All of them.
    pub plan: Plan,
    /// One step.
    pub step: List,
    /// Logits as they are to tables, and, where the method has noise, with the next step's.
    pub tabulate: [List; 2],
    /// The network's buffers.
    pub network: Network,
    /// How a batch is taken.
    pub size: BatchSize,
    /// Where the training samples lie.
    pub samples: Samples,
    /// Where a step leaves its activations.
    pub activations: Activations,
    /// Where it leaves its loss and quality.
    pub history: Id,
}

impl StepPlan {
    /// Plan steps whose batches are taken as `size` says.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) if samples do not fit, or a gate has more readers than a software driver can add up.
    pub fn make(
        settings: &Settings,
        outline: &Outline,
        tuning: Tuning,
        limits: Limits,
        size: BatchSize,
    ) -> Result<Self> {
        if let Some(i) = (1..outline.layers.len()).find(|&i| settings.learn_wiring.has(i)) {
            return Err(Error::usage(format!(
                "the wires of layer {i} learn on the CPU alone, by shaders only the first layer's; add --learn-wiring first, or \
                 --adapter cpu"
            )));
        }
        let mut plan = Plan::default();
        let cx = Context::new(settings, outline, tuning, limits);
        let network = Network::plan(&mut plan, &cx);
        let cx = cx.with_training(network.shared.training);
        let residence = Residence::of_training(outline, &limits, settings.batch, tuning.most_resident_bytes)?;
        let samples = Samples::plan(&mut plan, outline, residence);
        let augmentation = Augmentation::of(settings);
        let batch = Batch::plan(&mut plan, &cx, samples.clone(), network.encoder, size, augmentation.as_ref());
        let buffers = StepBuffers::plan(&mut plan, &cx, &network, batch);
        let passes = buffers.step(&cx, &network)?;
        let step = plan.list(passes);
        let mut tabulate = |noise| plan.list(network.tabulate(&cx, &buffers.extents, noise, CageScope::Network));
        let tabulate = [tabulate(false), if settings.method.is_noisy() { tabulate(true) } else { List::default() }];
        let StepBuffers { activations, gradients, .. } = buffers;
        let history = gradients.history;
        Ok(StepPlan { plan, step, tabulate, network, size, samples, activations, history })
    }

    /// What its open buffers hold of `model`, whose wires learn as `learning` says, before the first step on `train`.
    pub fn contents<'m>(
        &self,
        model: &'m Model,
        learning: Option<&'m Learning>,
        train: &'m Split,
    ) -> Vec<(Id, Cow<'m, [u8]>)> {
        let bytes = model.image.pixels();
        let mut contents = self.network.contents(model, learning, train, bytes.div_ceil(4) as u32);
        contents.extend(self.samples.contents(train, bytes));
        contents
    }
}

/// What a step works on beside the network.
struct StepBuffers {
    batch: Batch,
    extents: Vec<Id>,
    /// Input bits, where there are.
    bits: Option<Id>,
    activations: Activations,
    votes: Id,
    gradients: Gradients,
    /// Two planes of gradient rows, of the widest layer that keeps them; layer l writes plane l % 2.
    planes: [Option<Id>; 2],
}

impl StepBuffers {
    fn plan(plan: &mut Plan, cx: &Context, network: &Network, batch: Batch) -> Self {
        let (outline, words, are_real) = (cx.outline, batch.words, cx.way() == Way::Soft);
        let row = row_bytes(words, are_real);
        let bits = !are_real || cx.settings.input_kind == InputKind::Bits;
        let bits = bits
            .then(|| plan.add(Buffer::scratch("input bits", u64::from(outline.features) * row_bytes(words, false))));
        let [inputs, outputs] = if are_real { ["soft inputs", "soft outputs"] } else { ["input bits", "outputs"] };
        let mut rows = |i: usize, gates: u32| plan.add(Buffer::scratch(outputs, u64::from(gates) * row).of_layer(i));
        let outputs = outline.layers.iter().enumerate().map(|(i, layer)| rows(i, layer.gates)).collect();
        let activations = Activations {
            are_real,
            words,
            inputs: match bits {
                Some(bits) if !are_real => bits,
                _ => plan.add(Buffer::scratch(inputs, u64::from(outline.features) * row)),
            },
            outputs,
            tables: match are_real {
                true => Network::soft_tables(plan, cx),
                false => network.layers.iter().map(|(_, tables)| tables.bits).collect(),
            },
        };
        let mut plane = |parity: usize| {
            let widest =
                (0..outline.layers.len()).filter(|i| i % 2 == parity).max_by_key(|&i| Wires::kept_rows(cx, i))?;
            let bytes = u64::from(Wires::kept_rows(cx, widest)) * cx.gradient_row_bytes(words);
            (bytes > 0).then(|| plan.add(Buffer::scratch("gradient plane", bytes).of_layer(widest)))
        };
        let planes = [plane(0), plane(1)];
        StepBuffers {
            batch,
            extents: network.extents(plan, cx, words),
            bits,
            activations,
            votes: votes::plan(plan, cx, words),
            gradients: Gradients::plan(plan, cx, words),
            planes,
        }
    }

    /// A step, in the order in which it runs.
    fn step(&self, cx: &Context, network: &Network) -> Result<Vec<Pass>> {
        let (settings, batch, x) = (cx.settings, &self.batch, &self.activations);
        let (shared, words, last) = (&network.shared, batch.words, network.layers.len() - 1);
        let truth = Truth { training: shared.training, labels: batch.labels(), spread: network.spread };

        // Begin: which samples, which gates, and what is the step's own.
        let mut step = batch.pick(cx, Some(shared.step));
        step.extend(if x.are_real {
            let made = SoftTables::Mixed { noise: settings.method.is_noisy() };
            network.tabulate_soft(cx, &self.extents, made, &x.tables)
        } else {
            network.tabulate(cx, &self.extents, settings.method.is_noisy(), settings.cage_scope())
        });
        step.push(tables::advance(cx, shared));

        for &share in &batch.shares {
            // Forward.
            step.extend(if x.are_real {
                batch.activate(cx, share, self.bits, self.extents[0], x.inputs)
            } else {
                vec![batch.encode(cx, share, x.inputs)]
            });
            step.extend(network.forward(cx, &self.extents, x));
            step.push(votes::count(cx, self.extents[last], x, self.votes));
            step.extend(self.gradients.loss(cx, share, &truth, [batch.chosen, self.votes, shared.step], words));

            // Backward.
            let mut sender = self.gradients.sender(cx, words);
            for (i, (wires, tables)) in network.layers.iter().enumerate().rev() {
                let keep = self.planes[i % 2].filter(|_| Wires::kept_rows(cx, i) > 0);
                let of = Of { i, extent: self.extents[i], tables, activations: x };
                // Rows of outputs are the last layer's own.
                let rows = keep.map_or((sender.rows, true), |rows| (rows, false));
                let pass;
                (pass, sender) = wires.backward(cx, of, share, &sender, keep)?;
                step.push(pass);
                step.extend(wires.score(cx, of, share, rows, shared.step));
            }
        }

        // Here ranks that share a batch would exchange their table gradients and their history.

        // End: new logits.
        for (i, (_, tables)) in network.layers.iter().enumerate() {
            step.push(tables::update(cx, (i, self.extents[i], tables), shared));
        }

        // Every so many steps, wires that learn move; in others these passes return at once.
        for (i, (wires, _)) in network.layers.iter().enumerate() {
            step.extend(wires.rewire(cx, (i, self.extents[i]), shared.step));
        }
        Ok(step)
    }
}
