//! The batch of a step: which samples, moved if that is asked for, as bits or real activations.

use std::ops::Range;

use super::augmentation::Augmentation;
use super::context::Context;
use super::samples::Samples;
use crate::plan::uniforms;
use crate::plan::{Buffer, Bytes, EncoderIds, Id, Page, Pass, Plan, encode};
use crate::settings::InputKind;

/// How a batch is taken: at once, or as micro-batches one after the other; all of it, or what is this rank's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchSize {
    /// Samples of the batch.
    pub samples: u32,
    /// The places of it that are taken: from the first, a multiple of 32, up to the end.
    pub own: [u32; 2],
    /// 32-sample words of a micro-batch; the last one's may lie partly past what is taken.
    pub words: u32,
}

impl BatchSize {
    /// All samples at once.
    pub fn whole(samples: u32) -> Self {
        BatchSize { samples, own: [0, samples], words: samples.div_ceil(32) }
    }

    /// Of the places `own` of a batch, as few micro-batches of at most `most` samples (32 at least) as do, as even as can be.
    pub fn in_micro_batches(samples: u32, own: Range<u32>, most: u32) -> Self {
        let words = (own.end - own.start).div_ceil(32);
        let count = words.div_ceil((most / 32).max(1));
        BatchSize { samples, own: [own.start, own.end], words: words.div_ceil(count.max(1)) }
    }

    /// Whether other ranks take the rest of the batch.
    pub fn is_shared(self) -> bool {
        self.own != [0, self.samples]
    }

    /// Where each micro-batch begins, in samples.
    fn offsets(self) -> impl Iterator<Item = u32> {
        let [first, end] = self.own;
        (first..end.max(first + 1)).step_by(self.words.max(1) as usize * 32)
    }
}

/// A part of a step's batch that goes through the network at once: all of it, or a micro-batch.
#[derive(Debug, Clone, Copy)]
pub struct Share {
    /// Its `uniforms::Batch`.
    pub batch: Id,
    /// Whether what it leaves is added to what the step's earlier shares left.
    pub added: bool,
    /// Whether integer gradients are left as they are summed, for ranks, or places of maps, to add up.
    pub whole: bool,
}

/// The buffers of a batch.
pub struct Batch {
    /// The whole batch, as `uniform` holds it.
    pub extent: uniforms::Batch,
    /// 32-sample words of a share.
    pub words: u32,
    /// The whole batch's `uniforms::Batch`.
    pub uniform: Id,
    /// The same of what is taken of it, and its words.
    own: (Id, u32),
    /// The parts of it that go through the network one after the other.
    pub shares: Vec<Share>,
    /// `[words of the batch · 32]` u32 sample numbers.
    pub chosen: Id,
    samples: Samples,
    encoder: EncoderIds,
    augmented: Option<Augmented>,
}

/// What augmentation needs.
struct Augmented {
    /// `[words of the batch · 32][row_words]` u32: the batch's images, moved.
    pixels: Id,
    /// `[words of the batch · 32]` u32: 0, 1, 2, …
    places: Id,
    /// [`Augmentation::turns_table`], where images are more than shifted.
    turns: Option<Id>,
}

impl Batch {
    /// Have buffers for batches of `samples`, taken as `size` says and moved as `augmentation` does.
    pub fn plan(
        plan: &mut Plan,
        cx: &Context,
        samples: Samples,
        encoder: EncoderIds,
        size: BatchSize,
        augmentation: Option<&Augmentation>,
    ) -> Self {
        let outline = cx.outline;
        let [key0, key1] = crate::random::key(cx.settings.seed);
        let extent = uniforms::Batch {
            samples: outline.samples,
            size: size.samples,
            words: size.samples.div_ceil(32),
            first: 0,
            row_words: outline.row_words(),
            key0,
            key1,
            classes: outline.outputs,
            shard: samples.residence.shard,
            width: outline.image.width as u32,
            height: outline.image.height as u32,
            shift: augmentation.map_or(0, |how| how.shift),
            flip: augmentation.map_or(0, |how| u32::from(how.flip)),
            least_side: augmentation.map_or(0, |how| how.least_side),
            ring: samples.residence.ring,
            offset: 0,
        };
        let uniform = plan.add(Buffer::scratch("batch", 0).holding(&[extent]));
        // Those of trees are added up over places, by lanes that do not know of one another.
        let sums_places = outline.layers[cx.first_trained()..].iter().any(|layer| !layer.form.is_dense());
        let is_summed = size.is_shared() || sums_places;
        let whole = is_summed && cx.settings.gradients.is_sliced();
        let [first, end] = size.own;
        let mut part = |name, first: u32, end: u32, words| {
            let own = uniforms::Batch { size: end - first, words, offset: first, ..extent };
            plan.add(Buffer::scratch(name, 0).holding(&[own]))
        };
        let own_words = (end - first).div_ceil(32);
        let own = if size.is_shared() { part("share", first, end, own_words) } else { uniform };
        let offsets: Vec<u32> = size.offsets().collect();
        let micro_batch = |(n, &first): (usize, &u32)| {
            let batch = part("micro-batch", first, end.min(first + size.words * 32), size.words);
            Share { batch, added: n > 0, whole }
        };
        let shares = match offsets.len() {
            1 => vec![Share { batch: own, added: false, whole }],
            _ => offsets.iter().enumerate().map(micro_batch).collect(),
        };
        let padded = extent.words * 32;
        let chosen = plan.add(Buffer::scratch("chosen", u64::from(padded) * 4));
        let augmented = augmentation.map(|how| Augmented {
            pixels: plan.add(Buffer::scratch("augmented pixels", u64::from(padded) * u64::from(extent.row_words) * 4)),
            places: plan.add(Buffer::scratch("places", 0).holding(&(0..padded).collect::<Vec<u32>>())),
            turns: how.is_warped().then(|| plan.add(Buffer::scratch("turns", 0).holding(&how.turns_table()))),
        });
        Batch { extent, words: size.words, uniform, own: (own, own_words), shares, chosen, samples, encoder, augmented }
    }

    /// What is right, by sample number.
    pub fn labels(&self) -> Id {
        self.samples.labels
    }

    /// The set's bytes as `batch` takes them.
    fn bytes(&self, batch: Id) -> Bytes {
        Bytes { batch, chosen: self.chosen, shards: self.samples.pixels.clone() }
    }

    /// An evaluation's samples, in order.
    pub fn pick(&self) -> Pass {
        Pass::of(Page::of("batch/select_batch"))
            .bind("batch", self.uniform)
            .bind("chosen", self.chosen)
            .grid([self.extent.words.div_ceil(2), 1])
            // Writes sample numbers.
            .least_bytes(u64::from(self.extent.words) * 32 * 4)
    }

    /// The images taken of the batch that `step` has chosen, moved, where that is asked for.
    pub fn moved(&self, cx: &Context, step: Id) -> Option<Pass> {
        let augmented = self.augmented.as_ref()?;
        let (own, words) = self.own;
        let (samples, row) = (u64::from(words) * 32, u64::from(self.extent.row_words) * 4);
        let pass = self
            .bytes(own)
            .read_by(augment(augmented.turns.is_some()))
            .bind("step", step)
            .bind("augmented", augmented.pixels)
            .binds(augmented.turns.map(|turns| ("turns", turns)))
            .groups(&cx.tuning, self.extent.row_words * words * 32, 64, 32)
            // Sample numbers and pixels in, pixels out.
            .least_bytes(samples * (4 + 2 * row));
        Some(pass)
    }

    /// A share's bytes to features, bits or real activations, in rows of `row_bytes`.
    fn encode_to(&self, cx: &Context, are_real: bool, share: Share, row_bytes: u64) -> Pass {
        let bytes = match &self.augmented {
            Some(augmented) => Bytes { batch: share.batch, chosen: augmented.places, shards: vec![augmented.pixels] },
            None => self.bytes(share.batch),
        };
        let (row_words, features) = (self.extent.row_words, u64::from(cx.outline.features));
        let samples = u64::from(self.words) * 32;
        // Sample numbers, pixels and the encoder's table in, features out.
        let table = (u64::from(row_words) + 1 + 2 * features) * 4;
        encode(are_real, &bytes, self.encoder, &cx.tuning, [row_words, self.words, cx.outline.most_features])
            .least_bytes(samples * (4 + u64::from(row_words) * 4) + table + features * row_bytes)
    }

    /// A share's bytes to `[features][words]` bits.
    pub fn encode(&self, cx: &Context, share: Share, bits: Id) -> Pass {
        self.encode_to(cx, false, share, u64::from(self.words) * 4).bind("bits", bits)
    }

    /// A share's bytes to `[features]` rows of real activations: the bits as zeros and ones, by way of `bits`, or pixels as they
    /// are. `layer` is the first layer's extent.
    pub fn activate(&self, cx: &Context, share: Share, bits: Option<Id>, layer: Id, activations: Id) -> Vec<Pass> {
        let row_bytes = u64::from(self.words) * 64;
        match (cx.settings.input_kind, bits) {
            (InputKind::Bits, Some(bits)) => {
                let features = cx.outline.features;
                let unpack = Pass::of(Page::of("batch/unpack_bits"))
                    .bind("layer", layer)
                    .bind("bits", bits)
                    .bind("activations", activations)
                    .groups(&cx.tuning, features * self.words, 64, 5)
                    .least_bytes(u64::from(features) * (row_bytes + u64::from(self.words) * 4));
                vec![self.encode(cx, share, bits), unpack]
            }
            _ => {
                let pass = self.encode_to(cx, true, share, row_bytes);
                vec![pass.bind("activations", activations)]
            }
        }
    }
}

/// Images moved: flipped, turned and scaled too where `warped`. Its reader of bytes says whether they lie in shards.
pub fn augment(warped: bool) -> Page {
    Page::of("batch/augment").flag("WARPED", warped)
}
