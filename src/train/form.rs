//! What a layer makes of its tables: the rows of its outputs forward, gradients backward. A form is one file, as `dense.rs`; here it is chosen.

use std::borrow::Cow;

use super::batch::Share;
use super::context::Context;
use super::conv::{self, Trees};
use super::dense::Dense;
use super::outline::Outline;
use super::sender::{Of, Sender};
use crate::network::{Candidates, Form, Layer};
use crate::plan::{Id, Pass, Plan};
use crate::settings::Settings;
use crate::{Error, Result};

/// The wires of a layer of some form.
#[derive(Debug, Clone)]
pub enum Wires {
    /// Every gate reads rows of its own.
    Dense(Dense),
    /// Trees read a map at all its places.
    Conv(Trees),
}

/// What a layer's passes in a step work in beside what all layers share; nothing where gates read rows of their own.
pub type Room = conv::Room;

impl Wires {
    /// Refuse what no shader trains.
    ///
    /// # Errors
    /// [`Error::Usage`] for it.
    pub fn check(settings: &Settings, outline: &Outline) -> Result<()> {
        let layers = &outline.layers;
        let forms: Vec<_> = layers.iter().map(|layer| (layer.form, layer.reads)).collect();
        settings.freeze.first_trained(&forms)?;
        for layer in layers {
            let Form::Conv(conv) = layer.form else { continue };
            if settings.gradients.is_sliced() {
                conv.check_sums(settings.batch, settings.gradients.bits()).map_err(Error::usage)?;
            }
        }
        if layers.windows(2).any(|pair| pair[0].form.is_dense() && !pair[1].form.is_dense()) {
            return Err(Error::usage(
                "convolutions are trained before dense layers only, and this network has one after",
            ));
        }
        Ok(())
    }

    /// Have buffers for layer `i`; what they hold is [given](Wires::contents).
    pub fn plan(plan: &mut Plan, cx: &Context, i: usize) -> Self {
        match cx.outline.layers[i].form {
            Form::Dense => Wires::Dense(Dense::plan(plan, cx, i)),
            Form::Conv(conv) => Wires::Conv(Trees::plan(plan, cx, i, conv)),
        }
    }

    /// Have what its passes in a step work in, for rows of `words` words.
    pub fn room(&self, plan: &mut Plan, cx: &Context, i: usize, words: u32) -> Option<Room> {
        match self {
            Wires::Dense(_) => None,
            Wires::Conv(trees) => Some(trees.room(plan, cx, i, words)),
        }
    }

    /// What these buffers hold of `layer`, whose pins choose among `candidates` where its wires learn.
    pub fn contents<'l>(&self, layer: &'l Layer, candidates: Option<&'l Candidates>) -> Vec<(Id, Cow<'l, [u8]>)> {
        match self {
            Wires::Dense(dense) => dense.contents(layer, candidates),
            Wires::Conv(trees) => trees.contents(layer),
        }
    }

    /// Its wires, `[gates][arity]` u32, if they learn.
    pub fn learned(&self) -> Option<Id> {
        match self {
            Wires::Dense(dense) => dense.learned_wiring(),
            Wires::Conv(_) => None,
        }
    }

    /// What its wires are scored in, i32, or f32 where gradients are real, if they learn.
    pub fn scores(&self) -> Option<Id> {
        match self {
            Wires::Dense(dense) => dense.scores(),
            Wires::Conv(_) => None,
        }
    }

    /// Scores of its wires by gradients in `rows`, those of outputs where `by_output`, if they learn.
    pub fn score(&self, cx: &Context, of: Of, share: Share, rows: (Id, bool), step: Id) -> Option<Pass> {
        match self {
            Wires::Dense(dense) => dense.score(cx, of, share, rows, step),
            Wires::Conv(_) => None,
        }
    }

    /// Its wires moved by their scores, if they learn, and listed anew for the layer before.
    pub fn rewire(&self, cx: &Context, of: (usize, Id), step: Id) -> Vec<Pass> {
        match self {
            Wires::Dense(dense) => dense.rewire(cx, of, step),
            Wires::Conv(_) => Vec::new(),
        }
    }

    /// Where the layer before finds who reads it, and what is there if `layer` is wired otherwise than before; none where that is never so.
    pub fn relisted(&self, layer: &Layer) -> Option<(Id, Vec<u32>)> {
        match self {
            Wires::Dense(dense) => dense.edges_of(layer),
            Wires::Conv(_) => None,
        }
    }

    /// Inputs to outputs; in a step, its share, its counter and the layer's room are given.
    pub fn forward(&self, cx: &Context, of: Of, step: Option<(Share, Id, Option<&Room>)>) -> Pass {
        match self {
            Wires::Dense(dense) => dense.forward(cx, of),
            Wires::Conv(trees) => {
                trees.forward(cx, of, step.and_then(|(share, step, room)| Some((share, step, room?))))
            }
        }
    }

    /// Bytes of what the layer keeps of its gradients for the one before it, for rows of `words` words.
    pub fn kept_bytes(cx: &Context, i: usize, words: u32) -> u64 {
        match cx.outline.layers[i].form {
            Form::Dense => u64::from(Dense::kept_rows(cx, i)) * cx.gradient_row_bytes(words),
            Form::Conv(conv) => Trees::kept_bytes(cx, i, &conv, words),
        }
    }

    /// Gradients gathered by `from` to table gradients, and to what is kept in `keep` where there is such; what the layer before gathers
    /// by.
    ///
    /// # Errors
    /// [`Error::Usage`] if a gate has more readers than the driver lets a lane add up.
    pub fn backward(
        &self,
        cx: &Context,
        of: Of,
        (share, room): (Share, Option<&Room>),
        from: &Sender,
        keep: Option<Id>,
    ) -> Result<(Vec<Pass>, Sender)> {
        match self {
            Wires::Dense(dense) => {
                let (pass, sender) = dense.backward(cx, of, share, from, keep)?;
                Ok((vec![pass], sender))
            }
            Wires::Conv(trees) => Ok(trees.backward(cx, of, (share, room.copied().unwrap_or_default()), from, keep)),
        }
    }
}
