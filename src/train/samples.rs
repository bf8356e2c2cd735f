//! A split on the GPU: pixels as bytes, labels, uploaded once.

use std::borrow::Cow;

use crate::data::{ImageShape, Split};
use crate::gpu::Gpu;
use crate::{Error, Result};

/// Shards that one kernel can bind beside its other buffers under wgpu's default limits.
const MOST_SHARDS: usize = 4;

/// Pixels `[samples][row_words]` u32 (rows padded to whole words, in up to four shards), labels `[samples]` u32.
pub struct Samples {
    /// Number of samples.
    pub count: u32,
    /// u32 words of bytes a sample.
    pub row_words: u32,
    /// Samples a shard.
    pub shard: u32,
    /// One buffer, or four.
    pub pixels: Vec<wgpu::Buffer>,
    /// `[samples]` u32.
    pub labels: wgpu::Buffer,
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
        let labels: Vec<u32> = split.labels.iter().map(|&l| u32::from(l)).collect();
        Ok(Samples {
            count: split.len() as u32,
            row_words: (row_bytes / 4) as u32,
            shard: shard as u32,
            pixels,
            labels: gpu.storage_of("labels", &labels),
        })
    }
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
