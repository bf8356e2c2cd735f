//! One training step as an ordered list of passes.

use super::parameters::Parameters;
use super::samples::Samples;
use super::tuning::Tuning;
use super::workspace::{Augmented, EncoderTable, Gradients, SoftBuffers, Workspace};
use crate::data::Head;
use crate::gpu::shader::{CageScope, GradientFormat, Variant};
use crate::gpu::{Gpu, Kernel, Pass};
use crate::network::Model;
use crate::settings::{InputKind, Settings};
use crate::{Error, Result};

/// Most workgroups that tabulate one layer, each leaving one confidence partial sum.
pub const MOST_PARTIALS: u32 = 256;

/// Turns of loops that a lane may take. Mesa's software driver leaves every loop of a lane, silently, once they have
/// turned 65,535 times together (LP_MAX_TGSI_LOOP_ITERATIONS); unrolled loops do not count, so estimates are high.
const MOST_TURNS: u32 = 60_000;

/// Workgroups a dimension that every device allows.
const MOST_GROUPS: u32 = 65_535;

/// Compiles each variant once and knows how to bind it.
pub struct PassMaker<'a> {
    gpu: &'a Gpu,
    tuning: Tuning,
    kernels: Vec<Kernel>,
}

/// Buffers and constants that every step shares.
pub struct StepBuffers {
    /// `structs::Training`, uniform.
    pub training: wgpu::Buffer,
    /// `structs::Step`, storage and uniform.
    pub step: wgpu::Buffer,
    /// Confidence partial sums, `[layers][MOST_PARTIALS]` f32.
    pub partials: wgpu::Buffer,
    /// `[HISTORY]` of (mean loss, quality) f32.
    pub history: wgpu::Buffer,
    /// CAGE's state where its scope is smaller than the network: one buffer of `[layers]`, or one of `[gates]` a layer.
    pub cages: Vec<wgpu::Buffer>,
    /// How votes are read.
    pub head: Head,
    /// `[targets]` f32, 1 / variance over the training samples, where values are told.
    pub spread: Option<wgpu::Buffer>,
}

/// What real tables hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SoftTables {
    /// The hard tables, as zeros and ones.
    Selected,
    /// The mixtures at the fixed temperature, with the next step's noise or without.
    Mixed {
        /// Whether there is noise.
        noise: bool,
    },
}

/// Where a batch comes from.
pub struct Source<'a> {
    /// Pixels and labels.
    pub samples: &'a Samples,
    /// From bytes to features.
    pub encoder: &'a EncoderTable,
    /// The batch's images, moved, where augmentation is asked for.
    pub augmented: Option<&'a Augmented>,
}

impl Source<'_> {
    /// The pixels that encoding `batch` reads, as bindings 0 to 2 and 6 to 8; and whether they lie in shards.
    fn pixels<'b>(&'b self, w: &'b Workspace, batch: &'b wgpu::Buffer) -> (Vec<(u32, &'b wgpu::Buffer)>, bool) {
        match self.augmented {
            Some(augmented) => (vec![(0, batch), (1, &augmented.places), (2, &augmented.pixels)], false),
            None => self.samples_as_they_are(w, batch),
        }
    }

    fn samples_as_they_are<'b>(
        &'b self,
        w: &'b Workspace,
        batch: &'b wgpu::Buffer,
    ) -> (Vec<(u32, &'b wgpu::Buffer)>, bool) {
        let [first, shards @ ..] = self.samples.pixels.as_slice() else { return (Vec::new(), false) };
        let mut pixels = vec![(0, batch), (1, &w.chosen), (2, first)];
        pixels.extend((6..).zip(shards));
        (pixels, !shards.is_empty())
    }
}

impl<'a> PassMaker<'a> {
    /// Kernels for one device.
    pub fn new(gpu: &'a Gpu, tuning: Tuning) -> Self {
        PassMaker { gpu, tuning, kernels: Vec::new() }
    }

    /// `variant`, bound to `buffers` by binding number, to be run on `grid` workgroups.
    pub fn pass(&mut self, variant: Variant, label: String, buffers: &[(u32, &wgpu::Buffer)], grid: [u32; 2]) -> Pass {
        let at = self.kernels.iter().position(|k| *k.variant() == variant).unwrap_or_else(|| {
            self.kernels.push(Kernel::new(self.gpu, variant));
            self.kernels.len() - 1
        });
        self.kernels[at].bind(self.gpu, label, buffers, grid)
    }

    /// Workgroups for `items` at `per_workgroup` items a round, an item taking at most about `turns` turns of loops: as
    /// few as the tuning says, but enough for [`MOST_TURNS`].
    pub fn groups(&self, items: u32, per_workgroup: u32, turns: u32) -> [u32; 2] {
        let rounds = (MOST_TURNS / turns.max(1)).max(1);
        let fewest = items.div_ceil(per_workgroup.saturating_mul(rounds));
        [items.div_ceil(per_workgroup).clamp(1, self.tuning.most_workgroups.max(fewest).min(MOST_GROUPS)), 1]
    }

    /// Choose the batch: `select_batch`, `augment` where asked for.
    pub fn pick(&mut self, w: &Workspace, source: &Source, step: &wgpu::Buffer, training: bool) -> Vec<Pass> {
        let select = Variant { training, ..Variant::of("select_batch") };
        let select_buffers = [(0, &w.batch_uniform), (1, step), (2, &w.chosen)];
        let mut passes =
            vec![self.pass(select, "select_batch".into(), &select_buffers, [w.batch.words.div_ceil(2), 1])];
        if let Some(augmented) = source.augmented {
            let (pixels, shards) = source.samples_as_they_are(w, &w.batch_uniform);
            let mut buffers = [pixels, vec![(3, step), (4, &augmented.pixels)]].concat();
            buffers.extend(augmented.turns.iter().map(|turns| (5, turns)));
            let groups = self.groups(source.samples.row_words * w.batch.words * 32, 64, 32);
            let variant = Variant { shards, warped: augmented.turns.is_some(), ..Variant::of("augment") };
            passes.push(self.pass(variant, "augment".into(), &buffers, groups));
        }
        passes
    }

    /// Pixels of a micro-batch to input bits: `encode`.
    pub fn encode(&mut self, w: &Workspace, batch: &wgpu::Buffer, source: &Source) -> Pass {
        self.encode_into(w, batch, source, "encode", &w.bits)
    }

    /// Pixels of a micro-batch to input activations: the bits as zeros and ones, `encode` and `unpack_bits`, or pixels as
    /// they are, `encode_soft`.
    pub fn activate(
        &mut self,
        w: &Workspace,
        batch: &wgpu::Buffer,
        source: &Source,
        soft: &SoftBuffers,
        input: InputKind,
    ) -> Vec<Pass> {
        match input {
            InputKind::Soft => vec![self.encode_into(w, batch, source, "encode_soft", &soft.inputs)],
            InputKind::Bits => {
                let groups = self.groups(w.batch.features * w.words, 64, 5);
                let buffers = [(0, &w.layers[0].0), (1, &w.bits), (2, &soft.inputs)];
                let unpack = self.pass(Variant::of("unpack_bits"), "unpack_bits".into(), &buffers, groups);
                vec![self.encode(w, batch, source), unpack]
            }
        }
    }

    fn encode_into(
        &mut self,
        w: &Workspace,
        batch: &wgpu::Buffer,
        source: &Source,
        kernel: &'static str,
        to: &wgpu::Buffer,
    ) -> Pass {
        let (pixels, shards) = source.pixels(w, batch);
        let buffers = [pixels, vec![(3, &source.encoder.offsets), (4, &source.encoder.features), (5, to)]].concat();
        let turns = 33 + 33 * source.encoder.most_features;
        let groups = self.groups(source.samples.row_words * w.words, 64, turns);
        self.pass(Variant { shards, ..Variant::of(kernel) }, kernel.into(), &buffers, groups)
    }

    /// Logits to hard tables, with confidences: a `tabulate` a layer. `noise`: the next step's is added; `scope`: each
    /// gate's own CAGE takes its confidence in, if that is the scope.
    pub fn tabulate(
        &mut self,
        model: &Model,
        p: &Parameters,
        w: &Workspace,
        s: &StepBuffers,
        noise: bool,
        scope: CageScope,
    ) -> Vec<Pass> {
        let scope = if scope == CageScope::Gate { scope } else { CageScope::Network };
        (0..p.layers.len())
            .map(|i| {
                let (layer, l) = (&model.layers[i], &p.layers[i]);
                let (arity, parametrization) = (layer.arity, layer.parametrization);
                let variant = Variant { arity, parametrization, noise, scope, ..Variant::of("tabulate") };
                let mut buffers = vec![(0, &w.layers[i].0), (1, &l.logits), (2, &l.tables), (3, &s.partials)];
                if noise || scope == CageScope::Gate {
                    buffers.push((4, &s.training));
                }
                if noise {
                    buffers.push((5, &s.step));
                }
                if scope == CageScope::Gate {
                    buffers.push((6, &s.cages[i]));
                }
                let [groups, _] = self.groups(l.gates, 64, selection_turns(&variant));
                self.pass(variant, format!("tabulate {i}"), &buffers, [groups.min(MOST_PARTIALS), 1])
            })
            .collect()
    }

    /// Real tables: a `tabulate_soft` a layer.
    pub fn tabulate_soft(
        &mut self,
        model: &Model,
        p: &Parameters,
        w: &Workspace,
        s: &StepBuffers,
        soft: &SoftBuffers,
        tables: SoftTables,
    ) -> Vec<Pass> {
        (0..p.layers.len())
            .map(|i| {
                let (layer, l) = (&model.layers[i], &p.layers[i]);
                let (arity, parametrization) = (layer.arity, layer.parametrization);
                let base = Variant { arity, ..Variant::of("tabulate_soft") };
                let variant = match tables {
                    SoftTables::Selected => Variant { selected: true, ..base },
                    SoftTables::Mixed { noise } => Variant { parametrization, noise, ..base },
                };
                let mut buffers = vec![(0, &w.layers[i].0), (1, &soft.tables[i])];
                buffers.extend(if variant.selected {
                    vec![(2, &l.tables)]
                } else {
                    vec![(2, &l.logits), (3, &s.training)]
                });
                if variant.noise {
                    buffers.push((4, &s.step));
                }
                let groups = self.groups(l.gates, 64, selection_turns(&variant));
                self.pass(variant, format!("tabulate_soft {i}"), &buffers, groups)
            })
            .collect()
    }

    /// Input bits to votes: a `forward_hard` a layer, `group_sum`.
    pub fn forward_hard(&mut self, p: &Parameters, w: &Workspace) -> Vec<Pass> {
        let bits_words = if w.words.is_multiple_of(4) { 4 } else { 1 };
        let mut passes = Vec::new();
        for (i, l) in p.layers.iter().enumerate() {
            let workgroup = self.tuning.workgroup;
            let variant = Variant { arity: l.arity, bits_words, workgroup, ..Variant::of("forward_hard") };
            let inputs = if i == 0 { &w.bits } else { &w.outputs[i - 1] };
            let buffers = [(0, &w.layers[i].0), (1, &l.wiring), (2, &l.tables), (3, inputs), (4, &w.outputs[i])];
            let groups = self.groups(l.gates * (w.words / bits_words), workgroup, 1 + l.arity as u32);
            passes.push(self.pass(variant, format!("forward_hard {i}"), &buffers, groups));
        }
        let last = p.layers.len() - 1;
        let group = w.layers[last].1.group;
        // Planes to count to the most gates that one lane is given; lanes enough for its loops.
        let planes = |lanes: u32| 32 - group.div_ceil(lanes).leading_zeros();
        let fits = |lanes: u32| lanes >= 256 || group.div_ceil(lanes) * (planes(lanes) + 1) < MOST_TURNS / 2;
        let workgroup = (0..9).map(|i| 1 << i).find(|&l| l >= self.tuning.vote_lanes && fits(l)).unwrap_or(256);
        let planes = planes(workgroup);
        let variant = Variant { workgroup, planes, ..Variant::of("group_sum") };
        let buffers = [(0, &w.layers[last].0), (1, &w.outputs[last]), (2, &w.votes)];
        passes.push(self.pass(variant, "group_sum".into(), &buffers, [w.batch.classes, w.words]));
        passes
    }

    /// Votes of a micro-batch to the loss and its gradient a class.
    pub fn loss(
        &mut self,
        w: &Workspace,
        batch: &wgpu::Buffer,
        g: &Gradients,
        samples: &Samples,
        s: &StepBuffers,
        settings: &Settings,
    ) -> Pass {
        let gradients = if settings.gradients.is_sliced() { GradientFormat::F32 } else { settings.gradients };
        let variant = Variant { gradients, task: s.head.task(), code_bits: s.head.bits(), ..Variant::of("loss") };
        let mut buffers = vec![
            (0, batch),
            (1, &s.training),
            (2, &s.step),
            (3, &w.votes),
            (4, &w.chosen),
            (5, &samples.labels),
            (6, &g.classes),
            (7, &s.history),
        ];
        buffers.extend(s.spread.iter().map(|spread| (8, spread)));
        self.pass(variant, "loss".into(), &buffers, [1, 1])
    }

    /// Class gradients of a micro-batch to bit-sliced integers.
    pub fn slice_gradients(
        &mut self,
        w: &Workspace,
        batch: &wgpu::Buffer,
        g: &Gradients,
        s: &StepBuffers,
        settings: &Settings,
    ) -> Pass {
        let variant = Variant { gradients: settings.gradients, ..Variant::of("slice_gradients") };
        let buffers = [(0, batch), (1, &s.training), (2, &s.step), (3, &g.classes), (4, &g.sliced_classes)];
        self.pass(variant, "slice_gradients".into(), &buffers, [(w.batch.classes * w.words).div_ceil(64), 1])
    }

    /// Class gradients to table gradients: a `backward_hard` or `backward_sliced` a layer, last to first. Those of a step's
    /// earlier micro-batches are kept where `added`.
    pub fn backward(
        &mut self,
        p: &Parameters,
        w: &Workspace,
        g: &Gradients,
        s: &StepBuffers,
        settings: &Settings,
        added: bool,
    ) -> Result<Vec<Pass>> {
        let last = p.layers.len() - 1;
        let sliced = settings.gradients.is_sliced();
        let kernel = if sliced { "backward_sliced" } else { "backward_hard" };
        let mut passes = Vec::new();
        for (i, l) in p.layers.iter().enumerate().rev() {
            let keep = i < last && i > 0;
            let variant = Variant { keep, added, ..self.backward_variant(kernel, p, w, i, settings) };
            let inputs = if i == 0 { &w.bits } else { &w.outputs[i - 1] };
            let classes = if sliced { &g.sliced_classes } else { &g.classes };
            let source = if i + 1 >= last { classes } else { &g.planes[(i + 1) % 2] };
            let mut buffers =
                vec![(0, &w.layers[i].0), (1, &l.wiring), (2, inputs), (3, source), (4, &l.table_gradients)];
            if i < last {
                let next = &p.layers[i + 1];
                buffers.extend([(5, &next.edges), (6, &w.outputs[i]), (7, &next.tables)]);
            }
            if keep {
                buffers.push((8, &g.planes[i % 2]));
            }
            if sliced {
                buffers.push((9, &s.training));
            }
            passes.push(self.backward_pass(variant, p, w, i, &buffers)?);
        }
        Ok(passes)
    }

    /// The same on real activations: a `backward_soft` a layer, last to first.
    pub fn backward_soft(
        &mut self,
        p: &Parameters,
        w: &Workspace,
        g: &Gradients,
        soft: &SoftBuffers,
        settings: &Settings,
        added: bool,
    ) -> Result<Vec<Pass>> {
        let mut passes = Vec::new();
        for (i, l) in p.layers.iter().enumerate().rev() {
            let variant = Variant { keep: i > 0, added, ..self.backward_variant("backward_soft", p, w, i, settings) };
            let inputs = if i == 0 { &soft.inputs } else { &soft.outputs[i - 1] };
            let source = if variant.consumers { &g.planes[(i + 1) % 2] } else { &g.classes };
            let mut buffers =
                vec![(0, &w.layers[i].0), (1, &l.wiring), (2, inputs), (3, source), (4, &l.table_gradients)];
            if variant.consumers {
                buffers.push((5, &p.layers[i + 1].edges));
            }
            if variant.keep {
                buffers.extend([(6, &soft.tables[i]), (7, &g.planes[i % 2])]);
            }
            passes.push(self.backward_pass(variant, p, w, i, &buffers)?);
        }
        Ok(passes)
    }

    fn backward_variant(
        &self,
        kernel: &'static str,
        p: &Parameters,
        w: &Workspace,
        i: usize,
        settings: &Settings,
    ) -> Variant {
        let Tuning { span, most_lanes, .. } = self.tuning;
        let span = if settings.gradients.is_sliced() { self.tuning.span_words(w.words) * 32 } else { span };
        let lanes = (w.words * 32).div_ceil(span).next_power_of_two().min(most_lanes);
        let (arity, last) = (p.layers[i].arity, p.layers.len() - 1);
        Variant {
            arity,
            consumer_arity: if i < last { p.layers[i + 1].arity } else { arity },
            gradients: settings.gradients,
            // Shared sums must fit the 16 KiB of workgroup memory that every device has.
            workgroup: self.tuning.workgroup.min(4096 >> arity).max(lanes),
            lanes,
            subgroups: self.tuning.subgroups && lanes > 1,
            span,
            consumers: i < last,
            consumer_class: kernel != "backward_soft" && i + 1 == last,
            ..Variant::of(kernel)
        }
    }

    /// # Errors
    /// [`Error::Usage`] if a gate has more consumers than the driver lets a lane add up.
    fn backward_pass(
        &mut self,
        variant: Variant,
        p: &Parameters,
        w: &Workspace,
        i: usize,
        buffers: &[(u32, &wgpu::Buffer)],
    ) -> Result<Pass> {
        let consumers = if variant.consumers { p.layers[i + 1].most_consumers } else { 0 };
        let turns = backward_turns(&variant, consumers, w.words);
        if self.gpu.adapter.is_software() && turns > MOST_TURNS {
            return Err(Error::usage(format!(
                "one output of layer {i} is read by {consumers} gates, more than this software driver can add up; \
                 widen layer {i}, or use a GPU"
            )));
        }
        let groups = self.groups(p.layers[i].gates, variant.workgroup / variant.lanes, turns);
        Ok(self.pass(variant, format!("{} {i}", variant.kernel), buffers, groups))
    }

    /// Table gradients to new logits: an `update` a layer.
    pub fn update(
        &mut self,
        model: &Model,
        p: &Parameters,
        w: &Workspace,
        s: &StepBuffers,
        settings: &Settings,
    ) -> Vec<Pass> {
        let scope = settings.cage_scope();
        (0..p.layers.len())
            .map(|i| {
                let (layer, l) = (&model.layers[i], &p.layers[i]);
                let (arity, parametrization, noise) = (layer.arity, layer.parametrization, settings.method.is_noisy());
                let variant = Variant { arity, parametrization, noise, scope, ..Variant::of("update") };
                let mut buffers = vec![
                    (0, &w.layers[i].0),
                    (1, &s.training),
                    (2, &s.step),
                    (3, &l.table_gradients),
                    (4, &l.logits),
                    (5, &l.moments),
                ];
                match scope {
                    CageScope::Network => {}
                    CageScope::Layer => buffers.push((6, &s.cages[0])),
                    CageScope::Gate => buffers.push((6, &s.cages[i])),
                }
                let groups = self.groups(l.gates, 64, selection_turns(&variant));
                self.pass(variant, format!("update {i}"), &buffers, groups)
            })
            .collect()
    }

    /// Begin a step: `advance`.
    pub fn advance(&mut self, s: &StepBuffers, settings: &Settings) -> Pass {
        let scope = if settings.cage_scope() == CageScope::Layer { CageScope::Layer } else { CageScope::Network };
        let mut buffers = vec![(0, &s.training), (1, &s.partials), (2, &s.step)];
        if scope == CageScope::Layer {
            buffers.push((3, &s.cages[0]));
        }
        self.pass(Variant { scope, ..Variant::of("advance") }, "advance".into(), &buffers, [1, 1])
    }

    /// Votes to each sample's loss and predicted class.
    pub fn evaluate(&mut self, w: &Workspace, s: &StepBuffers, samples: &Samples, judged: &wgpu::Buffer) -> Pass {
        let variant = Variant { task: s.head.task(), code_bits: s.head.bits(), ..Variant::of("evaluate") };
        let mut buffers =
            vec![(0, &w.batch_uniform), (1, &s.training), (2, &w.votes), (3, &samples.labels), (4, judged)];
        buffers.extend(s.spread.iter().map(|spread| (8, spread)));
        self.pass(variant, "evaluate".into(), &buffers, [w.words.div_ceil(2), 1])
    }

    /// Input activations to votes: a `forward_soft` a layer, `group_sum_soft`.
    pub fn forward_soft(&mut self, p: &Parameters, w: &Workspace, soft: &SoftBuffers) -> Vec<Pass> {
        let mut passes = Vec::new();
        for (i, l) in p.layers.iter().enumerate() {
            let variant = Variant { arity: l.arity, ..Variant::of("forward_soft") };
            let inputs = if i == 0 { &soft.inputs } else { &soft.outputs[i - 1] };
            let buffers =
                [(0, &w.layers[i].0), (1, &l.wiring), (2, inputs), (3, &soft.outputs[i]), (4, &soft.tables[i])];
            let codes = 1u32 << l.arity;
            let groups = self.groups(l.gates * w.words, 64, codes + 4 * (2 + l.arity as u32 * (1 + codes)));
            passes.push(self.pass(variant, format!("forward_soft {i}"), &buffers, groups));
        }
        let last = p.layers.len() - 1;
        let buffers = [(0, &w.layers[last].0), (1, &soft.outputs[last]), (2, &w.votes)];
        // Lanes share a class where it has too many gates for one.
        let (rows, group) = (w.batch.classes * w.words * 4, w.layers[last].1.group);
        let lanes = (0..9).map(|i| 1 << i).find(|lanes| group / lanes < MOST_TURNS / 4).unwrap_or(256);
        let (workgroup, rows_a_group) = if lanes > 1 { (lanes, 1) } else { (64, 64) };
        let groups = self.groups(rows, rows_a_group, group / lanes + 16);
        let variant = Variant { lanes, workgroup, ..Variant::of("group_sum_soft") };
        passes.push(self.pass(variant, "group_sum_soft".into(), &buffers, groups));
        passes
    }
}

/// Turns of loops that a gate takes in `tabulate`, `tabulate_soft` and `update`.
fn selection_turns(variant: &Variant) -> u32 {
    let logits = variant.parametrization.logits(variant.arity) as u32;
    let noise = if variant.noise { logits.div_ceil(4) * 16 } else { 0 };
    logits * 16 + noise
}

/// Turns of loops that a gate takes in the backward pass, one output being read by `consumers` pins at most.
fn backward_turns(variant: &Variant, consumers: u32, words: u32) -> u32 {
    let Variant { arity, consumer_arity, span, lanes, gradients, .. } = *variant;
    let (codes, others) = (1u32 << arity, consumer_arity as u32);
    if variant.kernel == "backward_soft" {
        // A chunk's edges and pins; then the codes'.
        return (consumers + 8 * arity as u32 + 1) * (words * 4).div_ceil(lanes) + 4 * codes;
    }
    // An edge's pins, for each of a span's words or chunks, and its planes; then the codes'.
    let sliced = gradients.is_sliced();
    let (units, quads) = (if sliced { span / 32 } else { span / 8 }, gradients.bits() / 4);
    let edge = 8 + units * (others + 4 + if sliced { 2 * quads } else { 0 });
    let own = codes * (3 + arity as u32 + units * (2 + if sliced { quads } else { 0 }));
    (consumers * edge + own) * (words * 32).div_ceil(span * lanes) + 8 * codes
}
