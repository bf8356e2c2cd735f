//! Kernel sources: WGSL files put together with their imports, conditions and constants.

use std::fmt::Write;

use crate::data::Task;
use crate::network::Parametrization;

/// A file under `shaders/`, compiled into the program.
macro_rules! files {
    ($($name:literal),+ $(,)?) => {
        &[$(($name, include_str!(concat!("../../shaders/", $name)))),+]
    };
}

const FILES: &[(&str, &str)] = files![
    "advance.wgsl",
    "augment.wgsl",
    "backward_hard.wgsl",
    "backward_sliced.wgsl",
    "backward_soft.wgsl",
    "copy.wgsl",
    "count_votes.wgsl",
    "encode.wgsl",
    "encode_soft.wgsl",
    "evaluate.wgsl",
    "evaluate_level.wgsl",
    "forward_hard.wgsl",
    "forward_soft.wgsl",
    "group_sum.wgsl",
    "group_sum_soft.wgsl",
    "loss.wgsl",
    "probe_subgroups.wgsl",
    "select_batch.wgsl",
    "slice_gradients.wgsl",
    "tabulate.wgsl",
    "tabulate_soft.wgsl",
    "unpack_bits.wgsl",
    "update.wgsl",
    "shared/activation.wgsl",
    "shared/cage.wgsl",
    "shared/gradient.wgsl",
    "shared/gradient_rows.wgsl",
    "shared/head/classes.wgsl",
    "shared/head/labels.wgsl",
    "shared/head/values.wgsl",
    "shared/lane_sums.wgsl",
    "shared/lut.wgsl",
    "shared/multilinear.wgsl",
    "shared/multilinear_adjoint.wgsl",
    "shared/parametrization/iwp-clamp.wgsl",
    "shared/parametrization/iwp-sigmoid.wgsl",
    "shared/parametrization/iwp.wgsl",
    "shared/parametrization/logistic.wgsl",
    "shared/parametrization/op.wgsl",
    "shared/parametrization/walsh.wgsl",
    "shared/permutation.wgsl",
    "shared/pixels.wgsl",
    "shared/random.wgsl",
    "shared/selection_noise.wgsl",
    "shared/sliced.wgsl",
    "shared/structs.wgsl",
    "shared/table_gradients.wgsl",
];

/// How gradient planes are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum GradientFormat {
    /// 4 bytes a gate and sample.
    F32,
    /// 2 bytes a gate and sample: f32's range with 8 bits of precision; sums are still made in f32.
    Bf16,
    /// 2 bytes a gate and sample: 11 bits of precision for gradients from 1.5e-8 to 16 in size; sums are still made in f32.
    /// Needs no optional feature: WGSL packs pairs of f16 everywhere.
    F16,
    /// 1 byte: bit-sliced integers of 8 bits, stochastically rounded; sums are exact.
    Int8,
    /// 1.5 bytes: bit-sliced integers of 12 bits.
    Int12,
    /// 2 bytes: bit-sliced integers of 16 bits.
    Int16,
}

impl GradientFormat {
    /// Bits a gate and sample.
    pub fn bits(self) -> u32 {
        match self {
            GradientFormat::F32 => 32,
            GradientFormat::Bf16 | GradientFormat::F16 | GradientFormat::Int16 => 16,
            GradientFormat::Int12 => 12,
            GradientFormat::Int8 => 8,
        }
    }

    /// Whether planes hold bit-sliced integers.
    pub fn is_sliced(self) -> bool {
        matches!(self, GradientFormat::Int8 | GradientFormat::Int12 | GradientFormat::Int16)
    }
}

/// Whose confidence sets a gate's backward temperature under CAGE.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum CageScope {
    /// The whole network's.
    Network,
    /// Its layer's.
    Layer,
    /// Its own.
    Gate,
}

/// What a kernel is built for: the constants put before its source.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Variant {
    /// Which file under `shaders/`, without `.wgsl`.
    pub kernel: &'static str,
    /// Inputs a gate of the layer.
    pub arity: usize,
    /// Inputs a gate of the layer that consumes this one; for backward.
    pub consumer_arity: usize,
    /// Which file `#import parametrization` means.
    pub parametrization: Parametrization,
    /// Format of gradient planes.
    pub gradients: GradientFormat,
    /// Lanes a workgroup.
    pub workgroup: u32,
    /// Words a lane takes at once on the packed forward pass: 1 or 4.
    pub bits_words: u32,
    /// Lanes that share a gate in the backward pass, or a class in `count_votes`.
    pub lanes: u32,
    /// Lanes that share a gate add up by exchange within a subgroup instead of through workgroup memory.
    pub subgroups: bool,
    /// Samples a lane of the backward pass takes at once: 8, 16 or 32.
    pub span: u32,
    /// Bit-sliced counter planes of the group sum.
    pub planes: u32,
    /// Training batches come from a permutation, evaluation batches in order.
    pub training: bool,
    /// Backward: the gate's consumers send its gradient; otherwise its class does.
    pub consumers: bool,
    /// Backward: the consumers are the last layer, whose gradients are their class's.
    pub consumer_class: bool,
    /// Backward: the layer before needs this layer's gradients.
    pub keep: bool,
    /// Backward: table gradients are added to those of the step's earlier micro-batches.
    pub added: bool,
    /// Soft tables: the selected gates' instead of the parametrization's.
    pub selected: bool,
    /// Selection noise is added to the logits.
    pub noise: bool,
    /// CAGE's scope; `Network` also where CAGE is off.
    pub scope: CageScope,
    /// Augmentation: images are flipped, turned or scaled, not only shifted.
    pub warped: bool,
    /// Encoding: pixels lie in four buffers instead of one.
    pub shards: bool,
    /// Which file `#import head` means: how votes are read.
    pub task: Task,
    /// Outputs a target of `Task::Values`.
    pub code_bits: u32,
}

/// Steps whose loss and accuracy stay on the GPU until they are read back.
pub const HISTORY: u32 = 4096;

impl Variant {
    /// `kernel` as a plain two-input IWP network would use it; change what differs.
    pub fn of(kernel: &'static str) -> Self {
        Variant {
            kernel,
            arity: 2,
            consumer_arity: 2,
            parametrization: Parametrization::IwpSin,
            gradients: GradientFormat::F32,
            workgroup: 64,
            bits_words: 1,
            lanes: 1,
            subgroups: false,
            span: 32,
            planes: 8,
            training: true,
            consumers: true,
            consumer_class: false,
            keep: true,
            added: false,
            selected: false,
            noise: false,
            scope: CageScope::Network,
            warped: false,
            shards: false,
            task: Task::Classes,
            code_bits: 1,
        }
    }

    fn table_words(arity: usize) -> usize {
        (1usize << arity).div_ceil(32)
    }

    /// Whether `#if name` holds.
    fn holds(&self, name: &str) -> bool {
        match name {
            "CONSUMERS" => self.consumers,
            "KEEP" => self.keep,
            "ADDED" => self.added,
            "GRADIENT_HALVES" => matches!(self.gradients, GradientFormat::Bf16 | GradientFormat::F16),
            "GRADIENT_F16" => self.gradients == GradientFormat::F16,
            "SUBGROUPS" => self.subgroups,
            "LANES_SHARE" => self.lanes > 1,
            "SELECTED" => self.selected,
            "SHARDS" => self.shards,
            "NOISE" => self.noise,
            "CAGE_LAYER" => self.scope == CageScope::Layer,
            "CAGE_GATE" => self.scope == CageScope::Gate,
            "CAGE_OWN" => self.scope != CageScope::Network,
            "TRAINING_CONSTANTS" => self.noise || self.scope == CageScope::Gate,
            "WARPED" => self.warped,
            _ => unreachable!("no shader asks for {name}"),
        }
    }

    /// The whole WGSL source.
    pub fn source(&self) -> String {
        // naga 30 does not know `enable subgroups;` yet, and goes by the device's features alone.
        let mut out = String::new();
        let lut_arity = if self.kernel.starts_with("backward") { self.consumer_arity } else { self.arity };
        for (name, value) in [
            ("ARITY", self.arity),
            ("CODES", 1 << self.arity),
            ("TABLE_WORDS", Self::table_words(self.arity)),
            ("LUT_ARITY", lut_arity),
            ("CONSUMER_ARITY", self.consumer_arity),
            ("CONSUMER_TABLE_WORDS", Self::table_words(self.consumer_arity)),
            ("LOGITS", self.parametrization.logits(self.arity)),
            ("WORKGROUP", self.workgroup as usize),
            ("BITS_WORDS", self.bits_words as usize),
            ("LANES", self.lanes as usize),
            ("SPAN", self.span as usize),
            ("PLANES", self.planes as usize),
            ("HISTORY", HISTORY as usize),
            ("SLICES", self.gradients.bits() as usize),
            ("CODE_BITS", self.code_bits as usize),
        ] {
            let _ = writeln!(out, "const {name}: u32 = {value}u;");
        }
        for (name, value) in [("TRAINING", self.training), ("CONSUMER_CLASS", self.consumer_class)] {
            let _ = writeln!(out, "const {name}: bool = {value};");
        }
        let _ = writeln!(out, "alias Bits = {};", if self.bits_words == 4 { "vec4<u32>" } else { "u32" });
        self.append(&format!("{}.wgsl", self.kernel), &mut Vec::new(), &mut out);
        out
    }

    /// Append a file, its imports before the line that asks for them (each once), and only the lines whose conditions
    /// hold.
    fn append(&self, file: &str, seen: &mut Vec<String>, out: &mut String) {
        if seen.iter().any(|s| s == file) {
            return;
        }
        seen.push(file.to_string());
        let Some((_, text)) = FILES.iter().find(|(name, _)| *name == file) else {
            unreachable!("no shader file {file}");
        };
        let mut conditions: Vec<bool> = Vec::new();
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("#if ") {
                conditions.push(self.holds(name.trim()));
            } else if line.trim() == "#else" {
                if let Some(condition) = conditions.last_mut() {
                    *condition = !*condition;
                }
            } else if line.trim() == "#endif" {
                conditions.pop();
            } else if !conditions.iter().all(|&c| c) {
                continue;
            } else if let Some(import) = line.strip_prefix("#import ") {
                let import = match import.trim() {
                    "head" => format!("shared/head/{}.wgsl", self.task.name()),
                    "parametrization" => format!("shared/parametrization/{}.wgsl", self.parametrization.name()),
                    other => other.to_string(),
                };
                self.append(&import, seen, out);
            } else {
                out.push_str(line);
                out.push('\n');
            }
        }
    }

    /// Every kernel in every form that training or the circuit can ask for; what the shader tests translate.
    pub fn all() -> Vec<Variant> {
        use GradientFormat::{Bf16, F16, F32, Int8, Int12, Int16};
        let mut all = Vec::new();
        for kernel in ["augment", "copy", "encode", "encode_soft", "group_sum", "group_sum_soft", "unpack_bits"] {
            all.push(Variant::of(kernel));
        }
        for kernel in ["augment", "encode", "encode_soft"] {
            all.push(Variant { shards: true, ..Variant::of(kernel) });
        }
        for shards in [false, true] {
            all.push(Variant { warped: true, shards, ..Variant::of("augment") });
        }
        all.push(Variant { lanes: 256, workgroup: 256, ..Variant::of("group_sum_soft") });
        for scope in [CageScope::Network, CageScope::Layer] {
            all.push(Variant { scope, ..Variant::of("advance") });
        }
        for training in [true, false] {
            all.push(Variant { training, ..Variant::of("select_batch") });
        }
        for (task, code_bits) in [(Task::Classes, 1), (Task::Labels, 1), (Task::Values, 1), (Task::Values, 16)] {
            all.push(Variant { task, code_bits, ..Variant::of("evaluate") });
            for gradients in [F32, Bf16, F16] {
                all.push(Variant { task, code_bits, gradients, ..Variant::of("loss") });
            }
        }
        all.push(Variant { workgroup: 256, lanes: 16, subgroups: true, ..Variant::of("probe_subgroups") });
        for (workgroup, planes) in [(8, 11), (64, 13)] {
            all.push(Variant { workgroup, planes, ..Variant::of("group_sum") });
        }
        for (workgroup, lanes) in [(64, 1), (256, 16)] {
            all.push(Variant { workgroup, lanes, planes: 11, ..Variant::of("count_votes") });
        }
        for arity in 1..=6 {
            for bits_words in [1, 4] {
                all.push(Variant { arity, bits_words, ..Variant::of("forward_hard") });
            }
            for parametrization in Parametrization::ALL.into_iter().filter(|p| p.can_have(arity)) {
                for noise in [false, true] {
                    let base = Variant { arity, parametrization, noise, ..Variant::of("tabulate_soft") };
                    all.push(base);
                    for scope in [CageScope::Network, CageScope::Gate] {
                        all.push(Variant { kernel: "tabulate", scope, ..base });
                    }
                    for scope in [CageScope::Network, CageScope::Layer, CageScope::Gate] {
                        all.push(Variant { kernel: "update", scope, ..base });
                    }
                }
            }
            all.push(Variant { arity, ..Variant::of("forward_soft") });
            all.push(Variant { arity, selected: true, ..Variant::of("tabulate_soft") });
            for kernel in ["backward_hard", "backward_soft"] {
                for consumer_arity in 1..=6 {
                    all.push(Variant { arity, consumer_arity, ..Variant::of(kernel) });
                }
                all.push(Variant { arity, consumers: false, ..Variant::of(kernel) });
                let workgroup = 256.min(4096 >> arity);
                all.push(Variant { arity, workgroup, lanes: 16, span: 8, ..Variant::of(kernel) });
            }
            // The largest workgroups that a tuning asks for: 256 lanes, shared sums of 16 KiB.
            all.push(Variant { arity, workgroup: 256, bits_words: 4, ..Variant::of("forward_hard") });
            for workgroup in [64, 256] {
                all.push(Variant { arity, workgroup, bits_words: 4, ..Variant::of("evaluate_level") });
            }
        }
        for gradients in [Int8, Int12, Int16] {
            all.push(Variant { gradients, ..Variant::of("slice_gradients") });
            for lanes in [1, 4] {
                for keep in [true, false] {
                    for (consumers, consumer_class) in [(true, false), (true, true), (false, false)] {
                        let base = Variant::of("backward_sliced");
                        all.push(Variant { gradients, lanes, keep, consumers, consumer_class, ..base });
                    }
                }
            }
        }
        for (kernel, gradients) in [("backward_hard", F32), ("backward_soft", F32), ("backward_sliced", Int8)] {
            for lanes in [1, 4] {
                all.push(Variant { gradients, lanes, added: true, ..Variant::of(kernel) });
            }
            all.push(Variant { gradients, lanes: 8, subgroups: true, ..Variant::of(kernel) });
        }
        for arity in 1..=6 {
            let base = Variant { gradients: Int8, ..Variant::of("backward_sliced") };
            all.push(Variant { arity, consumer_arity: 7 - arity, ..base });
        }
        let formats = [F32, Bf16, F16].into_iter();
        for (kernel, gradients) in formats.flat_map(|f| [("backward_hard", f), ("backward_soft", f)]) {
            for (lanes, span) in [(1, 32), (4, 32), (8, 16), (16, 8)] {
                for keep in [true, false] {
                    for (consumers, consumer_class) in [(true, false), (true, true), (false, false)] {
                        let base = Variant::of(kernel);
                        all.push(Variant { gradients, lanes, span, keep, consumers, consumer_class, ..base });
                    }
                }
            }
        }
        all
    }
}
