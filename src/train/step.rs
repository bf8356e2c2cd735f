//! The page of a training step: its passes in the order in which they run, and the buffers that they share.
//!
//! A batch goes samples → features → each layer's rows → votes → gradients of outputs → each layer's gradients → logits.

use std::borrow::Cow;

use super::augmentation::Augmentation;
use super::batch::{Batch, BatchSize, Share};
use super::context::{Context, Way};
use super::form::{Room, Wires};
use super::outline::Outline;
use super::samples::{Residence, Samples};
use super::sender::{Activations, Of, row_bytes};
use super::tables::{AllTables, RealTables};
use super::votes::{self, Gradients, Truth};
use crate::Result;
use crate::data::Split;
use crate::network::{Learning, Model};
use crate::plan::{Buffer, EncoderIds, EncoderTable, Id, Limits, List, Pass, Plan, Tuning, uniforms};
use crate::settings::{InputKind, Settings};

/// The buffers of a network in training, whatever batch it works on.
#[derive(Debug, Clone)]
pub struct Network {
    /// The encoder's table.
    pub encoder: EncoderIds,
    /// Each layer's wires.
    pub wires: Vec<Wires>,
    /// Their tables.
    pub tables: AllTables,
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
            wires: (0..outline.layers.len()).map(|i| Wires::plan(plan, cx, i)).collect(),
            tables: AllTables::plan(plan, cx),
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
        let layers = model.layers.iter().zip(self.wires.iter().zip(&self.tables.layers));
        for (i, (layer, (wires, tables))) in layers.enumerate() {
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
        let layers = cx.outline.layers.iter().enumerate().map(|(i, layer)| {
            let (gates, inputs, group) = (layer.rows(), layer.inputs, cx.outline.group());
            let extent = uniforms::Layer { gates, inputs, words, group };
            plan.add(Buffer::scratch("layer", 0).of_layer(i).holding(&[extent]))
        });
        layers.collect()
    }

    /// Input rows to the last layer's, a pass a layer, and one for all rows that a layer further on reads too; in a step, its share and
    /// each layer's room are given.
    pub fn forward(
        &self,
        cx: &Context,
        extents: &[Id],
        x: &Activations,
        step: Option<(Share, &[Option<Room>])>,
    ) -> Vec<Pass> {
        let forward = |(i, wires): (usize, &Wires)| {
            let of = Of { i, extent: extents[i], tables: &self.tables.layers[i], activations: x };
            let pass = wires.forward(cx, of, step.map(|(share, rooms)| (share, self.tables.step, rooms[i].as_ref())));
            x.collect(cx, i).into_iter().chain([pass])
        };
        self.wires.iter().enumerate().flat_map(forward).collect()
    }
}

/// A step's buffers and passes.
pub struct StepPlan {
    /// All of them.
    pub plan: Plan,
    /// One step.
    pub step: List,
    /// Where ranks share the batch: the same, cut where each trained layer's gradients by tables are summed and can be exchanged, the last
    /// layer's first. What follows the last cut begins with the sums over all ranks.
    pub cuts: Vec<List>,
    /// Logits to the tables that the next step begins with: what a step leaves at its end, and only what comes before it has to run.
    pub begin: List,
    /// Logits as they are to hard tables, and, where the method has noise, with the next step's.
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
        Wires::check(settings, outline)?;
        let mut plan = Plan::default();
        let cx = Context::new(settings, outline, tuning, limits);
        let network = Network::plan(&mut plan, &cx);
        let cx = cx.with_training(network.tables.training);
        let residence = Residence::of_training(outline, &limits, settings.batch, tuning.most_resident_bytes)?;
        let samples = Samples::plan(&mut plan, outline, residence);
        let augmentation = Augmentation::of(settings);
        let batch = Batch::plan(&mut plan, &cx, samples.clone(), network.encoder, size, augmentation.as_ref());
        let buffers = StepBuffers::plan(&mut plan, &cx, &network, batch);
        let (passes, summed) = buffers.step(&cx, &network)?;
        let step = plan.list(passes);
        let cuts = if size.is_shared() { step.cut(&summed) } else { Vec::new() };
        let noisy = settings.method.is_noisy();
        let mut tabulate = |noise| plan.list(network.tables.tabulate(&cx, noise));
        let tabulate = [tabulate(false), if noisy { tabulate(true) } else { List::default() }];
        let begin = match &buffers.real {
            Some(real) => plan.list(network.tables.tabulate_soft(&cx, noisy, real)),
            None => tabulate[usize::from(noisy)].clone(),
        };
        let StepBuffers { activations, gradients, .. } = buffers;
        let history = gradients.history;
        Ok(StepPlan { plan, step, cuts, begin, tabulate, network, size, samples, activations, history })
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
    /// Real tables, where these are trained.
    real: Option<RealTables>,
    activations: Activations,
    votes: Id,
    gradients: Gradients,
    /// What each layer's passes work in.
    rooms: Vec<Option<Room>>,
    /// Two planes of what is kept of gradients, of the layer that keeps most; layer l writes plane l % 2.
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
        let outputs = outline.layers.iter().enumerate().map(|(i, layer)| rows(i, layer.rows())).collect();
        let real = are_real.then(|| network.tables.plan_real(plan, cx));
        let inputs = match bits {
            Some(bits) if !are_real => bits,
            _ => plan.add(Buffer::scratch(inputs, u64::from(outline.features) * row)),
        };
        let tables = match &real {
            Some(real) => real.layers.clone(),
            None => network.tables.layers.iter().map(|tables| tables.bits).collect(),
        };
        let activations = Activations::plan(plan, cx, (are_real, words), (inputs, outputs), tables);
        let mut plane = |parity: usize| {
            let kept = |&i: &usize| Wires::kept_bytes(cx, i, words);
            let widest = (0..outline.layers.len()).filter(|i| i % 2 == parity).max_by_key(kept)?;
            let bytes = kept(&widest);
            (bytes > 0).then(|| plan.add(Buffer::scratch("gradient plane", bytes).of_layer(widest)))
        };
        let planes = [plane(0), plane(1)];
        let rooms = network.wires.iter().enumerate().map(|(i, wires)| wires.room(plan, cx, i, words)).collect();
        StepBuffers {
            batch,
            extents: network.extents(plan, cx, words),
            bits,
            real,
            activations,
            votes: votes::plan(plan, cx, words),
            gradients: Gradients::plan(plan, cx, words),
            rooms,
            planes,
        }
    }

    /// A step, in the order in which it runs, and after how many passes each trained layer's table gradients are whole, the last layer's
    /// first.
    /// It begins with the tables that the one before has left.
    fn step(&self, cx: &Context, network: &Network) -> Result<(Vec<Pass>, Vec<usize>)> {
        let (batch, x, tables) = (&self.batch, &self.activations, &network.tables);
        let (words, last) = (batch.words, network.wires.len() - 1);
        let truth = Truth { training: tables.training, labels: batch.labels(), spread: network.spread };

        // Begin: which samples, and what is the step's own.
        let mut step = vec![tables.advance(cx, batch)];
        step.extend(batch.moved(cx, tables.step));

        let mut summed = Vec::new();
        for &share in &batch.shares {
            // Forward.
            step.extend(if x.are_real {
                batch.activate(cx, share, self.bits, self.extents[0], x.inputs)
            } else {
                vec![batch.encode(cx, share, x.inputs)]
            });
            step.extend(network.forward(cx, &self.extents, x, Some((share, &self.rooms))));
            step.push(votes::count(cx, self.extents[last], x, self.votes));
            step.extend(self.gradients.loss(cx, share, &truth, [batch.chosen, self.votes, tables.step], words));

            // Backward.
            summed.clear();
            let mut sender = self.gradients.sender(cx, words);
            for (i, wires) in network.wires.iter().enumerate().skip(cx.first_trained()).rev() {
                let keep = self.planes[i % 2].filter(|_| Wires::kept_bytes(cx, i, words) > 0);
                let of = Of { i, extent: self.extents[i], tables: &tables.layers[i], activations: x };
                // Rows of outputs are the last layer's own.
                let rows = keep.map_or((sender.rows, true), |rows| (rows, false));
                let passes;
                (passes, sender) = wires.backward(cx, of, (share, self.rooms[i].as_ref()), &sender, keep)?;
                step.extend(passes);
                step.extend(wires.score(cx, of, share, rows, tables.step));
                if tables.trained[i] {
                    summed.push(step.len());
                }
            }
        }

        // Here ranks that share a batch have exchanged their table gradients, and scores of wires.
        if batch.shares.iter().any(|share| share.whole) {
            step.extend(tables.weigh_sums(cx));
        }

        // End: new logits, and the tables that the next step begins with.
        step.extend(tables.update(cx, self.real.as_ref()));

        // Every so many steps, wires that learn move; in others these passes return at once.
        for (i, wires) in network.wires.iter().enumerate() {
            step.extend(wires.rewire(cx, (i, self.extents[i]), tables.step));
        }
        Ok((step, summed))
    }
}
