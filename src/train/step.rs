//! One training step as an ordered list of passes.

use super::parameters::Parameters;
use super::samples::Samples;
use super::settings::Settings;
use super::tuning::Tuning;
use super::workspace::{Augmented, EncoderTable, Gradients, Workspace};
use crate::gpu::shader::{GradientFormat, Variant};
use crate::gpu::{Gpu, Kernel, Pass};
use crate::network::Model;
use crate::{Error, Result};

/// Most workgroups that tabulate one layer, each leaving one confidence partial sum.
pub const MOST_PARTIALS: u32 = 64;

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
    /// `[HISTORY]` of (mean loss, accuracy) f32.
    pub history: wgpu::Buffer,
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

    /// Pixels of the batch to input bits: `select_batch`, `augment` where asked for, `encode`.
    pub fn encode(
        &mut self,
        w: &Workspace,
        samples: &Samples,
        encoder: &EncoderTable,
        step: &wgpu::Buffer,
        training: bool,
        augmented: Option<&Augmented>,
    ) -> Vec<Pass> {
        let select = Variant { training, ..Variant::of("select_batch") };
        let select_buffers = [(0, &w.batch_uniform), (1, step), (2, &w.chosen)];
        let mut passes = vec![self.pass(select, "select_batch".into(), &select_buffers, [w.words.div_ceil(2), 1])];
        let shards: Vec<_> = samples.pixels.iter().skip(1).enumerate().map(|(i, s)| (6 + i as u32, s)).collect();
        let sharded = !shards.is_empty();
        let mut pixels = vec![(0, &w.batch_uniform), (1, &w.chosen), (2, &samples.pixels[0])];
        pixels.extend(shards);
        if let Some(augmented) = augmented {
            let mut buffers = [pixels, vec![(3, step), (4, &augmented.pixels)]].concat();
            buffers.extend(augmented.turns.iter().map(|turns| (5, turns)));
            let groups = self.groups(samples.row_words * w.words * 32, 64, 32);
            let variant = Variant { shards: sharded, warped: augmented.turns.is_some(), ..Variant::of("augment") };
            passes.push(self.pass(variant, "augment".into(), &buffers, groups));
            pixels = vec![(0, &w.batch_uniform), (1, &augmented.places), (2, &augmented.pixels)];
        }
        let variant = Variant { shards: sharded && augmented.is_none(), ..Variant::of("encode") };
        let buffers = [pixels, vec![(3, &encoder.offsets), (4, &encoder.features), (5, &w.bits)]].concat();
        let turns = 33 + 33 * encoder.most_features;
        let groups = self.groups(samples.row_words * w.words, 64, turns);
        passes.push(self.pass(variant, "encode".into(), &buffers, groups));
        passes
    }

    /// Logits to hard tables, with confidences: a `tabulate` a layer.
    pub fn tabulate(&mut self, model: &Model, p: &Parameters, w: &Workspace, partials: &wgpu::Buffer) -> Vec<Pass> {
        let most = self.tuning.most_workgroups.min(MOST_PARTIALS);
        (0..p.layers.len())
            .map(|i| {
                let (layer, l) = (&model.layers[i], &p.layers[i]);
                let variant =
                    Variant { arity: layer.arity, parametrization: layer.parametrization, ..Variant::of("tabulate") };
                let buffers = [(0, &w.layers[i].0), (1, &l.logits), (2, &l.tables), (3, partials)];
                self.pass(variant, format!("tabulate {i}"), &buffers, [l.gates.div_ceil(64).clamp(1, most), 1])
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

    /// Votes to the loss and its gradient a class.
    pub fn loss(
        &mut self,
        w: &Workspace,
        g: &Gradients,
        samples: &Samples,
        s: &StepBuffers,
        settings: &Settings,
    ) -> Pass {
        let gradients = if settings.gradients.is_sliced() { GradientFormat::F32 } else { settings.gradients };
        let variant = Variant { gradients, ..Variant::of("loss") };
        let buffers = [
            (0, &w.batch_uniform),
            (1, &s.training),
            (2, &s.step),
            (3, &w.votes),
            (4, &w.chosen),
            (5, &samples.labels),
            (6, &g.classes),
            (7, &s.history),
        ];
        self.pass(variant, "loss".into(), &buffers, [1, 1])
    }

    /// Class gradients to bit-sliced integers.
    pub fn slice_gradients(&mut self, w: &Workspace, g: &Gradients, s: &StepBuffers, settings: &Settings) -> Pass {
        let variant = Variant { gradients: settings.gradients, ..Variant::of("slice_gradients") };
        let buffers = [(0, &w.batch_uniform), (1, &s.training), (2, &s.step), (3, &g.classes), (4, &g.sliced_classes)];
        self.pass(variant, "slice_gradients".into(), &buffers, [(w.batch.classes * w.words).div_ceil(64), 1])
    }

    /// Class gradients to table gradients: a `backward_hard` or `backward_sliced` a layer, last to first.
    pub fn backward(
        &mut self,
        p: &Parameters,
        w: &Workspace,
        g: &Gradients,
        s: &StepBuffers,
        settings: &Settings,
    ) -> Result<Vec<Pass>> {
        let last = p.layers.len() - 1;
        let mut passes = Vec::new();
        for (i, l) in p.layers.iter().enumerate().rev() {
            let Tuning { span, most_lanes, .. } = self.tuning;
            let sliced = settings.gradients.is_sliced();
            let span = if sliced { self.tuning.span_words(w.words) * 32 } else { span };
            let lanes = (w.words * 32).div_ceil(span).next_power_of_two().min(most_lanes);
            // Shared sums must fit the 16 KiB of workgroup memory that every device has.
            let workgroup = self.tuning.workgroup.min(4096 >> l.arity).max(lanes);
            let (consumers, keep) = (i < last, i < last && i > 0);
            let variant = Variant {
                arity: l.arity,
                consumer_arity: if consumers { p.layers[i + 1].arity } else { l.arity },
                gradients: settings.gradients,
                workgroup,
                lanes,
                span,
                consumers,
                consumer_class: i + 1 == last,
                keep,
                ..Variant::of(if sliced { "backward_sliced" } else { "backward_hard" })
            };
            let inputs = if i == 0 { &w.bits } else { &w.outputs[i - 1] };
            let classes = if sliced { &g.sliced_classes } else { &g.classes };
            let source = if i + 1 >= last { classes } else { &g.planes[(i + 1) % 2] };
            let mut buffers =
                vec![(0, &w.layers[i].0), (1, &l.wiring), (2, inputs), (3, source), (4, &l.table_gradients)];
            if consumers {
                let next = &p.layers[i + 1];
                buffers.extend([(5, &next.edges), (6, &w.outputs[i]), (7, &next.tables)]);
            }
            if keep {
                buffers.push((8, &g.planes[i % 2]));
            }
            if sliced {
                buffers.push((9, &s.training));
            }
            // An edge's pins, for each of a span's words or chunks, and its planes; then the codes'.
            let (units, quads) = (if sliced { span / 32 } else { span / 8 }, settings.gradients.bits() / 4);
            let edge = 8 + units * (variant.consumer_arity as u32 + 4 + if sliced { 2 * quads } else { 0 });
            let codes = (1 << l.arity) * (3 + l.arity as u32 + units * (2 + if sliced { quads } else { 0 }));
            let consumers = if consumers { p.layers[i + 1].most_consumers } else { 0 };
            let turns = (consumers * edge + codes) * (w.words * 32).div_ceil(span * lanes) + 8 * codes;
            if self.gpu.adapter.is_software() && turns > MOST_TURNS {
                return Err(Error::usage(format!(
                    "one output of layer {i} is read by {consumers} gates, more than this software driver can add up; \
                     widen layer {i}, or use a GPU"
                )));
            }
            let groups = self.groups(l.gates, workgroup / lanes, turns);
            passes.push(self.pass(variant, format!("{} {i}", variant.kernel), &buffers, groups));
        }
        Ok(passes)
    }

    /// Table gradients to new logits: an `update` a layer.
    pub fn update(&mut self, model: &Model, p: &Parameters, w: &Workspace, s: &StepBuffers) -> Vec<Pass> {
        (0..p.layers.len())
            .map(|i| {
                let (layer, l) = (&model.layers[i], &p.layers[i]);
                let variant =
                    Variant { arity: layer.arity, parametrization: layer.parametrization, ..Variant::of("update") };
                let buffers = [
                    (0, &w.layers[i].0),
                    (1, &s.training),
                    (2, &s.step),
                    (3, &l.table_gradients),
                    (4, &l.logits),
                    (5, &l.moments),
                ];
                let logits = layer.parametrization.logits(layer.arity) as u32;
                let groups = self.groups(l.gates, 64, logits * 16);
                self.pass(variant, format!("update {i}"), &buffers, groups)
            })
            .collect()
    }

    /// Begin a step: `advance`.
    pub fn advance(&mut self, s: &StepBuffers) -> Pass {
        let buffers = [(0, &s.training), (1, &s.partials), (2, &s.step)];
        self.pass(Variant::of("advance"), "advance".into(), &buffers, [1, 1])
    }

    /// Votes to each sample's loss and predicted class.
    pub fn evaluate(
        &mut self,
        w: &Workspace,
        training: &wgpu::Buffer,
        samples: &Samples,
        judged: &wgpu::Buffer,
    ) -> Pass {
        let buffers = [(0, &w.batch_uniform), (1, training), (2, &w.votes), (3, &samples.labels), (4, judged)];
        self.pass(Variant::of("evaluate"), "evaluate".into(), &buffers, [w.words.div_ceil(2), 1])
    }

    /// Input bits to votes on real activations: `unpack_bits`, a `forward_soft` a layer, `group_sum_soft`.
    /// `planes` are two buffers for the widest layer, `[features][words · 32]` f32.
    pub fn forward_soft(
        &mut self,
        model: &Model,
        p: &Parameters,
        w: &Workspace,
        planes: &[wgpu::Buffer; 2],
        training: &wgpu::Buffer,
        selected: bool,
    ) -> Vec<Pass> {
        let groups = self.groups(w.batch.features * w.words * 32, 64, 1);
        let unpack = [(0, &w.layers[0].0), (1, &w.bits), (2, &planes[1])];
        let mut passes = vec![self.pass(Variant::of("unpack_bits"), "unpack_bits".into(), &unpack, groups)];
        for (i, l) in p.layers.iter().enumerate() {
            let parametrization = model.layers[i].parametrization;
            let variant = Variant { arity: l.arity, parametrization, selected, ..Variant::of("forward_soft") };
            let mut buffers = vec![(0, &w.layers[i].0), (1, &l.wiring), (2, &planes[(i + 1) % 2]), (3, &planes[i % 2])];
            buffers.extend(if selected { vec![(4, &l.tables)] } else { vec![(4, &l.logits), (5, training)] });
            let groups = self.groups(l.gates * w.words, 64, 32 * (2 + l.arity as u32 + (1 << l.arity)) + 300);
            passes.push(self.pass(variant, format!("forward_soft {i}"), &buffers, groups));
        }
        let last = p.layers.len() - 1;
        let buffers = [(0, &w.layers[last].0), (1, &planes[last % 2]), (2, &w.votes)];
        let groups = self.groups(w.batch.classes * w.words * 32, 64, w.layers[last].1.group + 1);
        passes.push(self.pass(Variant::of("group_sum_soft"), "group_sum_soft".into(), &buffers, groups));
        passes
    }
}
