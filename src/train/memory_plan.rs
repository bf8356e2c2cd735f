//! What a configuration will need on the GPU, by buffer, before any of it is made.

use std::collections::BTreeMap;

use super::augmentation::Augmentation;
use super::evaluation::evaluated_at_once;
use super::samples::{MOST_SHARDS, RING_BYTES, RING_STEPS};
use super::step::MOST_PARTIALS;
use super::tuning::Tuning;
use super::workspace::BatchSize;
use crate::data::Encoder;
use crate::data::{Dataset, ImageShape};
use crate::gpu::shader::{CageScope, HISTORY};
use crate::gpu::{Gpu, structs};
use crate::settings::Settings;
use crate::{Error, Result};

/// Bytes of a f32 or u32.
const WORD: u64 = 4;

/// What a plan has to know of the data and the encoder.
#[derive(Debug, Clone, Copy)]
pub struct Extents {
    /// Input bits.
    pub features: u64,
    /// Classes.
    pub classes: u64,
    /// Words that say what is right for a sample.
    pub label_words: u64,
    /// Training samples.
    pub samples: u64,
    /// Bytes of a sample.
    pub pixels: u64,
    /// Most bytes that one buffer may have: what the device binds and makes.
    pub limit: u64,
    /// Most bytes of samples that stay on the device.
    pub resident: u64,
}

/// What is trained on, and for how many outputs.
#[derive(Debug, Clone, Copy)]
pub struct DataShape {
    /// A sample's.
    pub image: ImageShape,
    /// Groups of the last layer.
    pub outputs: usize,
    /// Words that say what is right for a sample.
    pub label_words: usize,
    /// Training samples.
    pub samples: usize,
}

impl DataShape {
    /// Of a data set whose classes are told apart.
    pub fn of(data: &Dataset) -> Self {
        DataShape {
            image: data.image,
            outputs: data.classes.len(),
            label_words: data.train.targets_a_sample().max(1),
            samples: data.train.len(),
        }
    }
}

/// One buffer to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item {
    /// The label that it is made under.
    pub label: &'static str,
    /// Its layer, where it belongs to one.
    pub layer: Option<usize>,
    /// Its size.
    pub bytes: u64,
}

/// Every buffer of a training step, or of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemoryPlan {
    /// In the order of their making.
    pub items: Vec<Item>,
    /// How a batch is taken.
    pub batch: BatchSize,
    /// Most bytes that one buffer may have.
    limit: u64,
}

impl Extents {
    /// Of training samples of this shape, encoded by `encoder`, on a device.
    pub fn of(gpu: &Gpu, encoder: &Encoder, shape: DataShape) -> Self {
        let limits = gpu.device.limits();
        Extents {
            features: encoder.features() as u64,
            classes: shape.outputs as u64,
            label_words: shape.label_words as u64,
            samples: shape.samples as u64,
            pixels: shape.image.pixels() as u64,
            limit: limits.max_storage_buffer_binding_size.min(limits.max_buffer_size),
            resident: Tuning::for_adapter(&gpu.adapter).most_resident_bytes,
        }
    }
}

impl Extents {
    /// The buffers of samples that stay on the device: labels, and pixels in one buffer or in shards.
    fn resident_samples(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let (row, rows) = (self.pixels.div_ceil(4) * WORD, self.samples);
        let shards = if rows <= self.limit / row { 1 } else { MOST_SHARDS as u64 };
        let shard = rows.div_ceil(shards);
        let pixels = (0..shards).map(move |i| ("pixels", (((i + 1) * shard).min(rows) - (i * shard).min(rows)) * row));
        pixels.chain([("labels", rows * self.label_words * WORD)])
    }
}

impl MemoryPlan {
    /// Of training as `settings` say, a batch being taken as `batch` says.
    pub fn of(settings: &Settings, data: &Extents, batch: BatchSize) -> Self {
        let (whole, words) = (u64::from(batch.samples.div_ceil(32)), u64::from(batch.words));
        let (bits, reals) = (words * WORD, words * 32 * WORD);
        let gradients = words * u64::from(settings.gradients.bits()) * WORD;
        let (soft, arity) = (settings.method.is_soft(), settings.arity as u64);
        let row_words = data.pixels.div_ceil(4);
        let mut items = Vec::new();
        let mut add = |label, layer, bytes: u64| {
            items.push(Item { label, layer, bytes: bytes.next_multiple_of(16).max(16) });
        };
        let row = row_words * WORD;
        let (rows, shards) = (data.samples, MOST_SHARDS as u64);
        if rows <= shards * (data.limit / row) && rows * row <= data.resident {
            data.resident_samples().for_each(|(label, bytes)| add(label, None, bytes));
        } else {
            let batch = u64::from(settings.batch);
            let steps = ((RING_BYTES as u64).min(data.limit) / (batch * row)).clamp(1, RING_STEPS as u64);
            add("streamed pixels", None, steps * batch * row);
            add("streamed labels", None, steps * batch * data.label_words * WORD);
        }
        let mut inputs = data.features;
        for (i, &gates) in settings.layers.iter().enumerate() {
            let gates = gates as u64;
            let (pins, codes) = (gates * arity, 1u64 << arity);
            let logits = gates * settings.parametrization.logits(settings.arity) as u64;
            add("wiring", Some(i), pins * WORD);
            add("edges", Some(i), (inputs + 1 + pins * arity) * WORD);
            add("tables", Some(i), gates * codes.div_ceil(32) * WORD);
            add("logits", Some(i), logits * WORD);
            add("moments", Some(i), logits * 2 * WORD);
            add("table gradients", Some(i), gates * codes * WORD);
            add("layer", Some(i), size_of::<structs::Layer>() as u64);
            add("outputs", Some(i), gates * bits);
            if soft {
                add("soft activations", Some(i), gates * reals / 2);
                add("soft tables", Some(i), gates * codes * WORD);
            }
            if settings.cage_scope() == CageScope::Gate {
                add("cage", Some(i), gates * size_of::<structs::Cage>() as u64);
            }
            inputs = gates;
        }
        add("encoder offsets", None, (row_words + 1) * WORD);
        add("encoder features", None, data.features * 2 * WORD);
        add("batch", None, size_of::<structs::Batch>() as u64);
        if words < whole {
            for _ in 0..whole.div_ceil(words) {
                add("micro-batch", None, size_of::<structs::Batch>() as u64);
            }
        }
        add("chosen", None, whole * 32 * WORD);
        add("input bits", None, data.features * bits);
        add("votes", None, data.classes * reals);
        if let Some(how) = Augmentation::of(settings) {
            add("augmented pixels", None, whole * 32 * row);
            add("places", None, whole * 32 * WORD);
            if how.is_warped() {
                add("turns", None, how.turns_table().len() as u64 * 2 * WORD);
            }
        }
        add("class gradients", None, data.classes * reals);
        add("sliced class gradients", None, data.classes * gradients);
        if soft {
            add("soft activations", None, data.features * reals / 2);
        }
        if settings.cage_scope() == CageScope::Layer {
            add("cage", None, (settings.layers.len() * size_of::<structs::Cage>()) as u64);
        }
        // The first layer sends no gradients on. On bits, the last layer's are its classes', and a gate has a row; on real
        // activations, each of its pins has one.
        let (kept, rows) = if soft { (settings.layers.len(), arity) } else { (settings.layers.len() - 1, 1) };
        for parity in 0..2 {
            let kept = (1..kept).filter(|i| i % 2 == parity).max_by_key(|&i| settings.layers[i]);
            add("gradient plane", kept, kept.map_or(0, |i| settings.layers[i] as u64 * rows * gradients));
        }
        add("training", None, size_of::<structs::Training>() as u64);
        add("step", None, size_of::<structs::Step>() as u64);
        add("confidence partials", None, settings.layers.len() as u64 * u64::from(MOST_PARTIALS) * WORD);
        add("history", None, u64::from(HISTORY) * 2 * WORD);
        MemoryPlan { items, batch, limit: data.limit }
    }

    /// Of evaluating a split of `data.samples` samples beside a training of `settings`.
    pub fn for_evaluation(settings: &Settings, data: &Extents) -> Self {
        let mut items = Vec::new();
        let mut add = |label, layer, bytes: u64| {
            items.push(Item { label, layer, bytes: bytes.next_multiple_of(16).max(16) });
        };
        data.resident_samples().for_each(|(label, bytes)| add(label, None, bytes));
        let widest = settings.layers.iter().map(|&gates| gates as u64).fold(data.features, u64::max);
        let chunk = evaluated_at_once(widest as usize, data.samples as usize);
        let (words, codes) = (u64::from(chunk) / 32, 1u64 << settings.arity);
        for (i, &gates) in settings.layers.iter().enumerate() {
            add("layer", Some(i), size_of::<structs::Layer>() as u64);
            add("outputs", Some(i), gates as u64 * words * WORD);
            add("soft tables", Some(i), gates as u64 * codes * WORD);
        }
        add("batch", None, size_of::<structs::Batch>() as u64);
        add("chosen", None, words * 32 * WORD);
        add("input bits", None, data.features * words * WORD);
        add("votes", None, data.classes * words * 32 * WORD);
        add("judged", None, data.samples * 2 * WORD);
        add("all votes", None, data.samples.div_ceil(chunk.into()) * data.classes * words * 32 * WORD);
        for _ in 0..2 {
            add("soft activations", None, widest * words * 16 * WORD);
        }
        MemoryPlan { items, batch: BatchSize::whole(chunk), limit: data.limit }
    }

    /// Refuse a plan with a buffer that the device does not take.
    ///
    /// # Errors
    /// [`Error::Usage`] with what is too large.
    pub fn fits(&self) -> Result<()> {
        if self.largest_item() <= self.limit {
            return Ok(());
        }
        Err(Error::usage(format!("{}; evaluate fewer samples, or use narrower layers", self.problem())))
    }

    /// Bytes of all buffers.
    pub fn total(&self) -> u64 {
        self.items.iter().map(|item| item.bytes).sum()
    }

    /// By label: buffers, and their bytes together.
    pub fn by_label(&self) -> BTreeMap<String, (u64, u64)> {
        let mut all = BTreeMap::new();
        for item in &self.items {
            let (count, bytes) = all.entry(item.label.to_string()).or_insert((0, 0));
            *count += 1;
            *bytes += item.bytes;
        }
        all
    }

    /// The plan, if every buffer of it can be made and bound: with micro-batches as large as the settings allow and fit.
    ///
    /// # Errors
    /// [`Error::Usage`] with the largest micro-batch that fits, or else the widest layers that do.
    pub fn check(settings: &Settings, data: &Extents) -> Result<Self> {
        let most = settings.micro_batch.unwrap_or(settings.batch).min(settings.batch);
        let plan = |settings: &Settings, most: u32| {
            Self::of(settings, data, BatchSize::in_micro_batches(settings.batch, most.next_multiple_of(32)))
        };
        let fits = |settings: &Settings, most: u32| plan(settings, most).largest_item() <= data.limit;
        let wanted = plan(settings, most);
        if wanted.largest_item() <= data.limit {
            return Ok(wanted);
        }
        let words = greatest(u64::from(most.div_ceil(32)), |words| fits(settings, words as u32 * 32)) as u32;
        match settings.micro_batch {
            None if words > 0 => return Ok(plan(settings, words * 32)),
            Some(_) if words > 0 => {
                let (problem, largest) = (wanted.problem(), plan(settings, words * 32).batch.words * 32);
                return Err(Error::usage(format!("{problem}; --micro-batch {largest} is the largest that fits")));
            }
            _ => {}
        }
        let narrowed = |width: u64| Settings {
            layers: settings.layers.iter().map(|&gates| gates.min(width as usize)).collect(),
            ..settings.clone()
        };
        let classes = data.classes.max(1);
        let widest = settings.layers.iter().copied().max().unwrap_or(0) as u64 / classes;
        let width = greatest(widest, |n| fits(&narrowed(n * classes), 32)) * classes;
        let problem = plan(settings, 32).problem();
        Err(Error::usage(if width > 0 {
            format!("{problem}; layers of {width} gates are the largest that fit")
        } else {
            format!("{problem}; use fewer samples or thresholds")
        }))
    }

    fn largest_item(&self) -> u64 {
        self.items.iter().map(|item| item.bytes).max().unwrap_or(0)
    }

    /// What is too large.
    fn problem(&self) -> String {
        let Some(largest) = self.items.iter().max_by_key(|item| item.bytes) else { return String::new() };
        let of = largest.layer.map_or(String::new(), |i| format!(" of layer {i}"));
        let mib = |bytes: u64| bytes as f64 / 1048576.0;
        format!(
            "{}{of} would need {:.1} MiB in one buffer, and this adapter takes {:.1} MiB at most",
            largest.label,
            mib(largest.bytes),
            mib(self.limit)
        )
    }
}

/// The greatest number up to `most` for which `holds`, which holds for all smaller ones too; 0 if there is none.
fn greatest(most: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, most);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if holds(middle) {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Preset;

    /// MNIST's bits under wgpu's default limits.
    const DATA: Extents = Extents {
        features: 784,
        classes: 10,
        label_words: 1,
        samples: 60_000,
        pixels: 784,
        limit: 128 << 20,
        resident: 4 << 30,
    };

    fn settings(layers: &[usize], batch: u32) -> Settings {
        Settings { layers: layers.to_vec(), batch, ..Preset::Quick.settings() }
    }

    #[test]
    fn five_million_gates_fit_a_gibibyte_and_every_default_limit() {
        let plan = MemoryPlan::check(&settings(&[1_024_000; 5], 128), &DATA).unwrap();
        assert!(plan.total() < 1 << 30, "{} bytes", plan.total());
        // Per gate 8 wiring, 20 edges, 4 table, 16 logits, 32 moments, 16 table gradients, 16 outputs, as edges of the first
        // layer lack 1,024,000 - 784 offsets; two planes of 128 bytes a gate; a sample's 784 bytes and label.
        let gates = 112 * 5_120_000 - 4 * (1_024_000 - 784);
        let rest = plan.total() - (gates + 2 * 128 * 1_024_000 + 60_000 * 788);
        assert!(rest < 100_000, "{rest} bytes unaccounted for");
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_does() {
        // 1,024,000 gates · 512 bytes in a plane; 128 MiB / 1,024,000 = 131 samples.
        let wide = Settings { micro_batch: Some(512), ..settings(&[1_024_000; 5], 512) };
        let told = MemoryPlan::check(&wide, &DATA).unwrap_err().to_string();
        assert!(told.contains("gradient plane of layer") && told.contains("--micro-batch 128 is"), "{told}");
        assert!(told.contains("500.0 MiB") && told.contains("128.0 MiB"), "{told}");
        // Moments are 32 bytes a gate, and so is a plane of a micro-batch of 32: 4,194,304 gates, in tens.
        let told = MemoryPlan::check(&settings(&[1 << 26; 3], 64), &DATA).unwrap_err().to_string();
        assert!(told.contains("layers of 4194300 gates are"), "{told}");
        MemoryPlan::check(&settings(&[4_194_300; 3], 32), &DATA).unwrap();
        MemoryPlan::check(&settings(&[4_194_310; 3], 32), &DATA).unwrap_err();
    }

    #[test]
    fn an_evaluation_that_does_not_fit_is_refused() {
        let data = Extents { samples: 100_000_000, pixels: 4, ..DATA };
        // Two words are kept of each sample.
        let told = MemoryPlan::for_evaluation(&settings(&[100], 128), &data).fits().unwrap_err().to_string();
        assert!(told.contains("would need") && told.contains("fewer samples"), "{told}");
        MemoryPlan::for_evaluation(&settings(&[1_024_000; 5], 128), &DATA).fits().unwrap();
    }

    #[test]
    fn a_batch_that_does_not_fit_is_cut_evenly() {
        let batch = |layers: &[usize], batch| MemoryPlan::check(&settings(layers, batch), &DATA).unwrap().batch;
        assert_eq!(batch(&[1_024_000; 5], 128), BatchSize { samples: 128, words: 4 });
        assert_eq!(batch(&[1_024_000; 5], 512), BatchSize { samples: 512, words: 4 });
        // 5 words in two parts, of 3 and 2.
        assert_eq!(batch(&[1_024_000; 5], 130), BatchSize { samples: 130, words: 3 });
        assert_eq!(BatchSize::in_micro_batches(33, 32), BatchSize { samples: 33, words: 1 });
        assert_eq!(BatchSize::in_micro_batches(1, 32), BatchSize { samples: 1, words: 1 });
        let forced = Settings { micro_batch: Some(64), ..settings(&[100], 512) };
        assert_eq!(MemoryPlan::check(&forced, &DATA).unwrap().batch, BatchSize { samples: 512, words: 2 });
    }

    #[test]
    fn samples_that_do_not_fit_are_streamed() {
        let data = Extents { samples: 700_000, ..DATA };
        let plan = MemoryPlan::of(&settings(&[100], 128), &data, BatchSize::whole(128));
        let bytes = |label: &str| plan.items.iter().find(|i| i.label == label).map(|i| i.bytes);
        // A step's 128 images are 100,352 bytes, and 64 MiB hold 668 of them; 256 are enough.
        assert_eq!(bytes("streamed pixels"), Some(256 * 100_352));
        assert_eq!((bytes("streamed labels"), bytes("pixels")), (Some(256 * 128 * 4), None));
    }

    #[test]
    fn samples_are_sharded_where_one_buffer_is_too_small() {
        let data = Extents { samples: 200_001, ..DATA };
        let pixels: Vec<u64> = MemoryPlan::of(&settings(&[100], 32), &data, BatchSize::whole(32))
            .items
            .iter()
            .filter(|i| i.label == "pixels")
            .map(|i| i.bytes)
            .collect();
        // 171,196 rows of 784 bytes fit a buffer, so there are four of 50,001 rows, the last one three short.
        assert_eq!(pixels, [50_001 * 784, 50_001 * 784, 50_001 * 784, 49_998 * 784]);
    }
}
