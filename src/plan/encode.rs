//! From bytes to bits, as training and circuits do it: the encoder's table as the pages read it, rows of bytes, the pass.

use std::borrow::Cow;

use super::{Id, Page, Pass, Tuning};

/// Shards that one page can bind beside its other buffers under wgpu's default limits.
pub const MOST_SHARDS: usize = 4;

/// What the shards are bound by.
const SHARDS: [&str; MOST_SHARDS] = ["pixels", "pixels1", "pixels2", "pixels3"];

/// An encoder grouped by the word of bytes that its features look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncoderTable {
    /// `[row_words + 1]` into `features`.
    pub offsets: Vec<u32>,
    /// `[features]` of (feature, byte in word << 8 | threshold).
    pub features: Vec<[u32; 2]>,
    /// Most features that look at one word.
    pub most_features: u32,
}

impl EncoderTable {
    /// Of features that are `byte[pixel[f]] > threshold[f]`, for rows of `row_words` words of bytes.
    pub fn of(pixel: &[u32], threshold: &[u8], row_words: u32) -> Self {
        let mut order: Vec<u32> = (0..pixel.len() as u32).collect();
        order.sort_by_key(|&f| pixel[f as usize] / 4);
        let mut offsets = vec![0u32; row_words as usize + 1];
        for &pixel in pixel {
            offsets[pixel as usize / 4 + 1] += 1;
        }
        for i in 0..row_words as usize {
            offsets[i + 1] += offsets[i];
        }
        let entry = |&f: &u32| [f, (pixel[f as usize] % 4) << 8 | u32::from(threshold[f as usize])];
        EncoderTable {
            features: order.iter().map(entry).collect(),
            most_features: offsets.windows(2).map(|o| o[1] - o[0]).max().unwrap_or(0),
            offsets,
        }
    }
}

/// Where a batch's bytes are: the batch, the rows that it takes, and the rows, in one buffer or in four.
#[derive(Debug, Clone)]
pub struct Bytes {
    /// `uniforms::Batch`.
    pub batch: Id,
    /// `[words · 32]` u32 row numbers.
    pub chosen: Id,
    /// `[rows][row_words]` u32 each.
    pub shards: Vec<Id>,
}

impl Bytes {
    /// A page that reads them, bound to them.
    pub fn read_by(&self, page: Page) -> Pass {
        Pass::of(page.flag("SHARDS", self.shards.len() > 1))
            .bind("batch", self.batch)
            .bind("chosen", self.chosen)
            .binds(SHARDS.into_iter().zip(self.shards.iter().copied()))
    }
}

/// The encoder's table on the device.
#[derive(Debug, Clone, Copy)]
pub struct EncoderIds {
    /// [`EncoderTable::offsets`].
    pub offsets: Id,
    /// [`EncoderTable::features`].
    pub features: Id,
}

/// Bytes to features, bits or real activations, of rows of `row_words` words and `words` words of samples.
pub fn encode(
    are_real: bool,
    bytes: &Bytes,
    encoder: EncoderIds,
    tuning: &Tuning,
    [row_words, words, most_features]: [u32; 3],
) -> Pass {
    bytes
        .read_by(Page::of("batch/encode").flag("REAL", are_real))
        .bind("offsets", encoder.offsets)
        .bind("features", encoder.features)
        .groups(tuning, row_words * words, 64, 33 + 33 * most_features)
}

/// `[rows][bytes]` with every row padded to whole words of four bytes.
pub fn padded_rows(rows: &[u8], bytes: usize) -> Cow<'_, [u8]> {
    let row_bytes = bytes.next_multiple_of(4);
    if row_bytes == bytes {
        return Cow::Borrowed(rows);
    }
    let mut padded = vec![0u8; rows.len() / bytes * row_bytes];
    for (to, from) in padded.chunks_exact_mut(row_bytes).zip(rows.chunks_exact(bytes)) {
        to[..bytes].copy_from_slice(from);
    }
    Cow::Owned(padded)
}
