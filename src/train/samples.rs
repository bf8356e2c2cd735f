//! A split on the GPU: pixels as bytes, what is right, uploaded once, or streamed through a ring where they do not fit.

use std::borrow::Cow;

use crate::data::{ImageShape, Split};
use crate::gpu::Gpu;
use crate::random::permuted;
use crate::{Error, Result};

/// Shards that one kernel can bind beside its other buffers under wgpu's default limits.
pub(super) const MOST_SHARDS: usize = 4;

/// Pixels `[samples][row_words]` u32 (rows padded to whole words, in up to four shards), and what is right.
pub struct Samples {
    /// Number of samples.
    pub count: u32,
    /// u32 words of bytes a sample.
    pub row_words: u32,
    /// Samples a shard.
    pub shard: u32,
    /// One buffer, or four.
    pub pixels: Vec<wgpu::Buffer>,
    /// `[samples]` u32 classes, or `[samples][targets]` f32.
    pub labels: wgpu::Buffer,
    /// Steps whose samples the buffers hold, of [`Stream`]; 0 if they hold all samples.
    pub ring: u32,
}

/// Bytes that a ring of streamed samples takes at most.
pub(super) const RING_BYTES: usize = 64 << 20;
/// Steps of a ring at most.
pub(super) const RING_STEPS: usize = 256;

/// Training samples on the host, of which the device holds those of the next steps.
///
/// The order is that of resident samples: the same permutation an epoch, looked up on the host. Writes are queued before
/// the steps that read them, while the device still works on earlier ones.
pub struct Stream {
    split: Split,
    /// Bytes of an image, and of its row on the device.
    pixels: usize,
    batch: u32,
    seed: u64,
    /// Where the ring lies.
    pub samples: Samples,
}

impl Stream {
    /// Make a ring for batches of `batch` samples of `split`, in the order that `seed` says.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is no sample, or one batch does not fit a binding of this device.
    pub fn new(gpu: &Gpu, split: &Split, image: ImageShape, batch: u32, seed: u64) -> Result<Self> {
        if split.is_empty() {
            return Err(Error::usage("there is no sample to work on"));
        }
        let row_bytes = image.pixels().next_multiple_of(4);
        let limit = gpu.device.limits().max_storage_buffer_binding_size as usize;
        let step_bytes = row_bytes * batch as usize;
        if step_bytes > limit {
            return Err(Error::usage(format!(
                "a batch of {batch} samples of {row_bytes} bytes does not fit: this adapter binds {limit} bytes; lower \
                 --batch"
            )));
        }
        let ring = (RING_BYTES.min(limit) / step_bytes).clamp(1, RING_STEPS);
        let slots = ring * batch as usize;
        let samples = Samples {
            count: split.len() as u32,
            row_words: (row_bytes / 4) as u32,
            shard: slots as u32,
            pixels: vec![gpu.storage("streamed pixels", (slots * row_bytes) as u64)],
            labels: gpu.storage("streamed labels", (slots * label_words(split)) as u64 * 4),
            ring: ring as u32,
        };
        Ok(Stream { split: split.clone(), pixels: image.pixels(), batch, seed, samples })
    }

    /// Queue the samples of step `step`; it must not be further than a ring from the last one submitted.
    pub fn fill(&self, gpu: &Gpu, step: u32) {
        let count = self.samples.count;
        let first = u64::from(step) * u64::from(self.batch);
        let mut rows = Vec::with_capacity(self.batch as usize * self.pixels);
        let words = label_words(&self.split);
        let mut labels = Vec::with_capacity(self.batch as usize * words);
        for place in first..first + u64::from(self.batch) {
            let (epoch, position) = ((place / u64::from(count)) as u32, (place % u64::from(count)) as u32);
            let sample = permuted(self.seed, epoch, count, position) as usize;
            rows.extend_from_slice(&self.split.pixels[sample * self.pixels..(sample + 1) * self.pixels]);
            labels.extend(labels_of(&self.split, sample));
        }
        let slot = u64::from(step % self.samples.ring) * u64::from(self.batch);
        let row_bytes = u64::from(self.samples.row_words) * 4;
        gpu.queue.write_buffer(&self.samples.pixels[0], slot * row_bytes, &padded_rows(&rows, self.pixels));
        gpu.queue.write_buffer(&self.samples.labels, slot * words as u64 * 4, bytemuck::cast_slice(&labels));
    }
}

impl Samples {
    /// Upload a split of at least one sample.
    ///
    /// # Errors
    /// [`Error::Usage`] if it is empty or does not fit four bindings of this device.
    pub fn upload(gpu: &Gpu, split: &Split, image: ImageShape) -> Result<Self> {
        if split.is_empty() {
            return Err(Error::usage("there is no sample to work on"));
        }
        let row_bytes = image.pixels().next_multiple_of(4);
        let limit = gpu.device.limits().max_storage_buffer_binding_size as usize;
        let per_binding = limit / row_bytes;
        let shard = if split.len() <= per_binding { split.len() } else { split.len().div_ceil(MOST_SHARDS) };
        if shard > per_binding {
            return Err(Error::usage(format!(
                "{} samples of {row_bytes} bytes do not fit: this adapter binds {MOST_SHARDS} × {limit} bytes; use fewer samples",
                split.len()
            )));
        }
        let shards = if shard == split.len() { 1 } else { MOST_SHARDS };
        let pixels = (0..shards)
            .map(|i| {
                let (first, last) = ((i * shard).min(split.len()), ((i + 1) * shard).min(split.len()));
                let rows = &split.pixels[first * image.pixels()..last * image.pixels()];
                gpu.storage_of("pixels", &padded_rows(rows, image.pixels()))
            })
            .collect();
        let label_bytes = split.len() * label_words(split) * 4;
        if label_bytes > limit {
            return Err(Error::usage(format!(
                "{label_bytes} bytes of labels do not fit: this adapter binds {limit} bytes; use fewer samples"
            )));
        }
        let labels: Vec<u32> = (0..split.len()).flat_map(|sample| labels_of(split, sample)).collect();
        Ok(Samples {
            count: split.len() as u32,
            row_words: (row_bytes / 4) as u32,
            shard: shard as u32,
            pixels,
            labels: gpu.storage_of("labels", &labels),
            ring: 0,
        })
    }

    /// Whether a split fits the bindings of this device and `most` bytes.
    pub fn fit(gpu: &Gpu, split: &Split, image: ImageShape, most: u64) -> bool {
        let row_bytes = image.pixels().next_multiple_of(4);
        let per_binding = gpu.device.limits().max_storage_buffer_binding_size as usize / row_bytes;
        let labels_fit =
            split.len() * label_words(split) * 4 <= gpu.device.limits().max_storage_buffer_binding_size as usize;
        labels_fit && split.len() <= MOST_SHARDS * per_binding && (split.len() * row_bytes) as u64 <= most
    }
}

/// Words that say what is right for a sample.
fn label_words(split: &Split) -> usize {
    split.targets_a_sample().max(1)
}

/// What is right for a sample: its class, or its targets as the bits of f32.
fn labels_of(split: &Split, sample: usize) -> impl Iterator<Item = u32> {
    let width = split.targets_a_sample();
    let class = (width == 0).then(|| u32::from(split.labels[sample]));
    class.into_iter().chain(split.targets[sample * width..(sample + 1) * width].iter().map(|y| y.to_bits()))
}

/// `[samples][pixels]` bytes with every row padded to whole words of four bytes.
pub fn padded_rows(rows: &[u8], pixels: usize) -> Cow<'_, [u8]> {
    let row_bytes = pixels.next_multiple_of(4);
    if row_bytes == pixels {
        return Cow::Borrowed(rows);
    }
    let mut padded = vec![0u8; rows.len() / pixels * row_bytes];
    for (to, from) in padded.chunks_exact_mut(row_bytes).zip(rows.chunks_exact(pixels)) {
        to[..pixels].copy_from_slice(from);
    }
    Cow::Owned(padded)
}
