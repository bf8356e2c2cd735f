//! What one batch size needs on the GPU: chosen samples, bits, activations, votes, gradients.

use super::augmentation::Augmentation;
use super::parameters::Parameters;
use super::samples::Samples;
use super::step::MOST_PARTIALS;
use crate::data::Encoder;
use crate::gpu::shader::GradientFormat;
use crate::gpu::{Gpu, structs};
use crate::network::Model;

/// The encoder's table on the GPU, grouped by the word of pixels that its features look at.
pub struct EncoderTable {
    /// `[row_words + 1]` u32 into `features`.
    pub offsets: wgpu::Buffer,
    /// `[features]` of (feature, byte in word << 8 | threshold) u32.
    pub features: wgpu::Buffer,
    /// Most features that look at one word of pixels.
    pub most_features: u32,
}

impl EncoderTable {
    /// Upload an encoder for rows of `row_words` words of pixels.
    pub fn upload(gpu: &Gpu, encoder: &Encoder, row_words: u32) -> Self {
        let mut order: Vec<u32> = (0..encoder.features() as u32).collect();
        order.sort_by_key(|&f| encoder.pixel[f as usize] / 4);
        let mut offsets = vec![0u32; row_words as usize + 1];
        for &pixel in &encoder.pixel {
            offsets[pixel as usize / 4 + 1] += 1;
        }
        for i in 0..row_words as usize {
            offsets[i + 1] += offsets[i];
        }
        let features: Vec<[u32; 2]> = order
            .iter()
            .map(|&f| [f, (encoder.pixel[f as usize] % 4) << 8 | u32::from(encoder.threshold[f as usize])])
            .collect();
        EncoderTable {
            offsets: gpu.storage_of("encoder offsets", &offsets),
            features: gpu.storage_of("encoder features", &features),
            most_features: offsets.windows(2).map(|o| o[1] - o[0]).max().unwrap_or(0),
        }
    }
}

/// How a batch is taken: at once, or as micro-batches one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSize {
    /// Samples of the batch.
    pub samples: u32,
    /// 32-sample words of a micro-batch; the last one's may lie partly past the batch.
    pub words: u32,
}

impl BatchSize {
    /// All samples at once.
    pub fn whole(samples: u32) -> Self {
        BatchSize { samples, words: samples.div_ceil(32) }
    }

    /// As few micro-batches of at most `most` samples (32 at least) as do, as even as can be.
    pub fn in_micro_batches(samples: u32, most: u32) -> Self {
        let words = samples.div_ceil(32);
        let count = words.div_ceil((most / 32).max(1));
        BatchSize { samples, words: words.div_ceil(count.max(1)) }
    }

    /// Where each micro-batch begins, in samples.
    fn offsets(self) -> impl Iterator<Item = u32> {
        (0..self.samples.max(1)).step_by(self.words.max(1) as usize * 32)
    }
}

/// Buffers of one batch size: what is encoded, the packed bits of the hard path, votes.
pub struct Workspace {
    /// 32-sample words of a micro-batch.
    pub words: u32,
    /// The whole batch's extent and place.
    pub batch: structs::Batch,
    /// `batch` as a uniform.
    pub batch_uniform: wgpu::Buffer,
    /// Each micro-batch as a uniform; `batch_uniform` itself where the batch is taken at once.
    pub micro_batches: Vec<wgpu::Buffer>,
    /// Each layer's extents as uniforms, and on the host.
    pub layers: Vec<(wgpu::Buffer, structs::Layer)>,
    /// `[words of the batch · 32]` u32 sample numbers.
    pub chosen: wgpu::Buffer,
    /// `[features][words]` u32 input bits.
    pub bits: wgpu::Buffer,
    /// Each layer's `[gates][words]` u32.
    pub outputs: Vec<wgpu::Buffer>,
    /// `[classes][words · 32]` f32.
    pub votes: wgpu::Buffer,
}

/// What augmentation needs: the batch's images, moved, and their places in order.
pub struct Augmented {
    /// `[words of the batch · 32][row_words]` u32.
    pub pixels: wgpu::Buffer,
    /// `[words of the batch · 32]` u32: 0, 1, 2, …
    pub places: wgpu::Buffer,
    /// [`Augmentation::turns_table`], where images are more than shifted.
    pub turns: Option<wgpu::Buffer>,
}

impl Augmented {
    /// Make them for a workspace.
    pub fn new(gpu: &Gpu, w: &Workspace, how: &Augmentation) -> Self {
        let places: Vec<u32> = (0..w.batch.words * 32).collect();
        Augmented {
            pixels: gpu.storage("augmented pixels", places.len() as u64 * u64::from(w.batch.row_words) * 4),
            places: gpu.storage_of("places", &places),
            turns: how.is_warped().then(|| gpu.storage_of("turns", &how.turns_table())),
        }
    }
}

/// What the soft path needs: real activations of every feature, and real tables.
pub struct SoftBuffers {
    /// `[features]` rows of input activations, 16 bits a sample.
    pub inputs: wgpu::Buffer,
    /// Each layer's `[gates]` rows.
    pub outputs: Vec<wgpu::Buffer>,
    /// Each layer's `[gates][2^arity]` f32.
    pub tables: Vec<wgpu::Buffer>,
}

impl SoftBuffers {
    /// Make them for training, which needs all activations at once.
    pub fn for_training(gpu: &Gpu, w: &Workspace, model: &Model) -> Self {
        let plane = |features: u32| gpu.storage("soft activations", plane_bytes(features, w.words));
        SoftBuffers {
            inputs: plane(w.batch.features),
            outputs: w.layers.iter().map(|(_, layer)| plane(layer.gates)).collect(),
            tables: soft_tables(gpu, model),
        }
    }

    /// Make them for evaluation, where a layer's activations take the place of those two layers before.
    pub fn for_evaluation(gpu: &Gpu, w: &Workspace, model: &Model) -> Self {
        let widest = w.layers.iter().map(|(_, layer)| layer.gates).max().unwrap_or(0).max(w.batch.features);
        let planes = [0, 1].map(|_| gpu.storage("soft activations", plane_bytes(widest, w.words)));
        SoftBuffers {
            inputs: planes[1].clone(),
            outputs: (0..w.layers.len()).map(|i| planes[i % 2].clone()).collect(),
            tables: soft_tables(gpu, model),
        }
    }
}

fn plane_bytes(features: u32, words: u32) -> u64 {
    u64::from(features) * u64::from(words) * 64
}

fn soft_tables(gpu: &Gpu, model: &Model) -> Vec<wgpu::Buffer> {
    model.layers.iter().map(|l| gpu.storage("soft tables", (l.gates() * (4 << l.arity)) as u64)).collect()
}

/// What only training needs: gradient rows in chunks of 8 samples.
pub struct Gradients {
    /// `[classes]` rows, as `loss` leaves them: f32 where planes are sliced.
    pub classes: wgpu::Buffer,
    /// `[classes]` rows, bit-sliced; unused otherwise.
    pub sliced_classes: wgpu::Buffer,
    /// Two planes of `[gates]` rows, or of `[gates][arity]`, of the widest layer that sends gradients on; layer l writes plane
    /// l % 2.
    pub planes: [wgpu::Buffer; 2],
}

impl Workspace {
    /// Make buffers for batches of `samples`, whose images `augment` moves as `augmentation` says.
    pub fn new(
        gpu: &Gpu,
        model: &Model,
        parameters: &Parameters,
        samples: &Samples,
        size: BatchSize,
        seed: u64,
        augmentation: Option<&Augmentation>,
    ) -> Self {
        let words = size.words;
        let features = model.encoder.features() as u32;
        let classes = model.classes.len() as u32;
        let [key0, key1] = crate::random::key(seed);
        let batch = structs::Batch {
            samples: samples.count,
            size: size.samples,
            words: size.samples.div_ceil(32),
            first: 0,
            row_words: samples.row_words,
            features,
            key0,
            key1,
            classes,
            shard: samples.shard,
            width: model.image.width as u32,
            height: model.image.height as u32,
            shift: augmentation.map_or(0, |how| how.shift),
            flip: augmentation.map_or(0, |how| u32::from(how.flip)),
            least_side: augmentation.map_or(0, |how| how.least_side),
            ring: samples.ring,
            offset: 0,
            pad: [0; 3],
        };
        let mut first_gate = 0;
        let layers = parameters.layers.iter().enumerate().map(|(i, layer)| {
            first_gate += layer.gates;
            let shape = structs::Layer {
                gates: layer.gates,
                inputs: layer.inputs,
                words,
                group: model.group() as u32,
                first_partial: i as u32 * MOST_PARTIALS,
                first_gate: first_gate - layer.gates,
                index: i as u32,
                pad: 0,
            };
            (gpu.uniform("layer", &shape), shape)
        });
        let bits = |features: u32| u64::from(features) * u64::from(words) * 4;
        let batch_uniform = gpu.uniform("batch", &batch);
        let micro_batch = |offset: u32| {
            let samples = (size.samples - offset).min(words * 32);
            gpu.uniform("micro-batch", &structs::Batch { size: samples, words, offset, ..batch })
        };
        let micro_batches = match size.offsets().collect::<Vec<_>>().as_slice() {
            [_] => vec![batch_uniform.clone()],
            offsets => offsets.iter().map(|&offset| micro_batch(offset)).collect(),
        };
        Workspace {
            words,
            batch,
            batch_uniform,
            micro_batches,
            layers: layers.collect(),
            chosen: gpu.storage("chosen", u64::from(batch.words) * 128),
            bits: gpu.storage("input bits", bits(features)),
            outputs: parameters.layers.iter().map(|l| gpu.storage("outputs", bits(l.gates))).collect(),
            votes: gpu.storage("votes", bits(classes) * 32),
        }
    }
}

impl Gradients {
    /// Make the class rows and the two planes: a row a gate, on real activations (`soft`) a row a pin.
    pub fn new(gpu: &Gpu, model: &Model, words: u32, format: GradientFormat, soft: bool) -> Self {
        let row = u64::from(words) * 32 * u64::from(format.bits()) / 8;
        // The first layer sends no gradients on. On bits, the last layer's are its classes'.
        let kept = if soft { model.layers.len() } else { model.layers.len() - 1 };
        let rows = |parity: usize| {
            let layers = model.layers[..kept].iter().enumerate().skip(1).filter(|(i, _)| i % 2 == parity);
            layers.map(|(_, l)| if soft { l.wiring.len() } else { l.gates() }).max().unwrap_or(0)
        };
        Gradients {
            classes: gpu.storage("class gradients", model.classes.len() as u64 * u64::from(words) * 128),
            sliced_classes: gpu.storage("sliced class gradients", model.classes.len() as u64 * row),
            planes: [0, 1].map(|parity| gpu.storage("gradient plane", rows(parity) as u64 * row)),
        }
    }
}
