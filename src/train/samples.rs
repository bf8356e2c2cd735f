//! A split on the device: its bytes and what is right, all of it, or through a ring where it does not fit.

use std::borrow::Cow;
use std::ops::Range;

use super::outline::Outline;
use crate::data::Split;
use crate::gpu::Session;
use crate::plan::{Buffer, Id, Limits, MOST_SHARDS, Plan, padded_rows};
use crate::random::permuted;
use crate::{Error, Result};

/// Bytes that a ring of streamed samples takes at most.
const RING_BYTES: u64 = 64 << 20;
/// Steps of a ring at most.
const RING_STEPS: u64 = 256;

/// How samples lie on a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Residence {
    /// Samples that lie there at once.
    pub count: u32,
    /// Samples a shard.
    pub shard: u32,
    /// Steps whose samples lie there, in order; 0 if all samples do.
    pub ring: u32,
}

/// The buffers of samples.
#[derive(Debug, Clone)]
pub struct Samples {
    /// How they lie there.
    pub residence: Residence,
    /// `[samples][row_words]` u32 each: one shard, or four.
    pub pixels: Vec<Id>,
    /// `[samples]` u32 classes, or `[samples][targets]` f32.
    pub labels: Id,
}

impl Residence {
    /// Of samples that stay on the device, whatever they take.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is none, or they do not fit the bindings of four shards and one of labels.
    pub fn whole(outline: &Outline, limits: &Limits) -> Result<Self> {
        let (row_bytes, count) = (u64::from(outline.row_words()) * 4, outline.samples);
        if count == 0 {
            return Err(Error::usage("there is no sample to work on"));
        }
        let shard = if u64::from(count) <= limits.buffer_bytes / row_bytes {
            count
        } else {
            count.div_ceil(MOST_SHARDS as u32)
        };
        let labels = u64::from(count) * u64::from(outline.label_words) * 4;
        if u64::from(shard) * row_bytes > limits.buffer_bytes || labels > limits.buffer_bytes {
            return Err(Error::usage(format!(
                "{count} samples of {row_bytes} bytes with {labels} bytes of labels do not fit: this adapter takes {MOST_SHARDS} × \
                 {} bytes; use fewer samples",
                limits.buffer_bytes
            )));
        }
        Ok(Residence { count, shard, ring: 0 })
    }

    /// Of samples that are trained on in batches of `batch`: they stay on the device if it binds them and they take no more than
    /// `most` bytes, and are streamed otherwise.
    ///
    /// # Errors
    /// [`Error::Usage`] if there is no sample, or one batch does not fit a binding of this device.
    pub fn of_training(outline: &Outline, limits: &Limits, batch: u32, most: u64) -> Result<Self> {
        let row_bytes = u64::from(outline.row_words()) * 4;
        let may_stay = u64::from(outline.samples) * row_bytes <= most || outline.samples == 0;
        match Self::whole(outline, limits) {
            Err(_) if outline.samples > 0 => {}
            whole if may_stay => return whole,
            _ => {}
        }
        let step_bytes = row_bytes * u64::from(batch);
        if step_bytes > limits.buffer_bytes {
            return Err(Error::usage(format!(
                "a batch of {batch} samples of {row_bytes} bytes does not fit: this adapter binds {} bytes; lower --batch",
                limits.buffer_bytes
            )));
        }
        let ring = (RING_BYTES.min(limits.buffer_bytes) / step_bytes).clamp(1, RING_STEPS) as u32;
        Ok(Residence { count: ring * batch, shard: ring * batch, ring })
    }

    /// First and last sample of each shard.
    fn shards(self) -> impl Iterator<Item = (u32, u32)> {
        let shards = if self.shard == self.count { 1 } else { MOST_SHARDS as u32 };
        (0..shards).map(move |i| ((i * self.shard).min(self.count), ((i + 1) * self.shard).min(self.count)))
    }
}

impl Samples {
    /// Have buffers for samples that lie there as `residence` says.
    pub fn plan(plan: &mut Plan, outline: &Outline, residence: Residence) -> Self {
        let row_bytes = u64::from(outline.row_words()) * 4;
        let is_whole = residence.ring == 0;
        let mut buffer = |name, bytes| {
            let buffer = Buffer::scratch(name, bytes);
            plan.add(if is_whole { buffer.given() } else { buffer })
        };
        let [pixels, labels] = if is_whole { ["pixels", "labels"] } else { ["streamed pixels", "streamed labels"] };
        Samples {
            residence,
            pixels: residence
                .shards()
                .map(|(first, last)| buffer(pixels, u64::from(last - first) * row_bytes))
                .collect(),
            labels: buffer(labels, u64::from(residence.count) * u64::from(outline.label_words) * 4),
        }
    }

    /// What these buffers hold of `split`, whose samples have `bytes` bytes; nothing where they are streamed.
    pub fn contents<'s>(&self, split: &'s Split, bytes: usize) -> Vec<(Id, Cow<'s, [u8]>)> {
        if self.residence.ring > 0 {
            return Vec::new();
        }
        let shards = self.residence.shards().zip(&self.pixels);
        let mut contents: Vec<_> = shards
            .map(|((first, last), &id)| {
                (id, padded_rows(&split.pixels[first as usize * bytes..last as usize * bytes], bytes))
            })
            .collect();
        let labels: Vec<u32> = (0..split.len()).flat_map(|sample| labels_of(split, sample)).collect();
        contents.push((self.labels, Cow::Owned(bytemuck::cast_slice(&labels).to_vec())));
        contents
    }
}

/// Training samples on the host, of which the device holds those of the next steps.
///
/// The order is that of resident samples: the same permutation an epoch, looked up on the host. Writes are queued before
/// the steps that read them, while the device still works on earlier ones.
pub struct Stream {
    split: Split,
    /// Bytes of an image.
    bytes: usize,
    batch: u32,
    /// Places of a batch that are taken.
    own: Range<u32>,
    seed: u64,
    samples: Samples,
}

impl Stream {
    /// Fill the ring `samples` with the places `own` of batches of `batch` samples of `split`, of `bytes` bytes, in the order that
    /// `seed` says.
    pub fn new(split: &Split, bytes: usize, (batch, own): (u32, Range<u32>), seed: u64, samples: &Samples) -> Self {
        Stream { split: split.clone(), bytes, batch, own, seed, samples: samples.clone() }
    }

    /// Steps that the ring holds.
    pub fn ring(&self) -> u32 {
        self.samples.residence.ring
    }

    /// Queue the samples of step `step`; it must not be further than a ring from the last one submitted.
    pub fn fill(&self, session: &Session, step: u32) {
        let count = self.split.len() as u32;
        let first = u64::from(step) * u64::from(self.batch);
        let mut rows = Vec::with_capacity(self.own.len() * self.bytes);
        let mut labels = Vec::with_capacity(self.own.len());
        for place in self.own.clone().map(|place| first + u64::from(place)) {
            let (epoch, position) = ((place / u64::from(count)) as u32, (place % u64::from(count)) as u32);
            let sample = permuted(self.seed, epoch, count, position) as usize;
            rows.extend_from_slice(&self.split.pixels[sample * self.bytes..(sample + 1) * self.bytes]);
            labels.extend(labels_of(&self.split, sample));
        }
        let place = u64::from(step % self.ring()) * u64::from(self.batch) + u64::from(self.own.start);
        let (rows, own) = (padded_rows(&rows, self.bytes), self.own.len() as u64);
        session.write(self.samples.pixels[0], place * (rows.len() as u64 / own), &rows);
        session.write(self.samples.labels, place * (labels.len() as u64 / own) * 4, &labels);
    }
}

/// What is right for a sample: its class, or its targets as the bits of f32.
fn labels_of(split: &Split, sample: usize) -> impl Iterator<Item = u32> {
    let width = split.targets_a_sample();
    let class = (width == 0).then(|| u32::from(split.labels[sample]));
    class.into_iter().chain(split.targets[sample * width..(sample + 1) * width].iter().map(|y| y.to_bits()))
}
