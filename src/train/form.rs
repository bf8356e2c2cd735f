//! What a layer makes of its tables: the rows of its outputs forward, gradients backward. A form is one file, as `dense.rs`; here it is chosen.

use std::borrow::Cow;

use super::batch::Share;
use super::context::Context;
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
}

impl Wires {
    /// Refuse forms that no shader trains.
    ///
    /// # Errors
    /// [`Error::Usage`] for them.
    pub fn check(settings: &Settings, outline: &Outline) -> Result<()> {
        if settings.freezes() || !settings.reads.is_empty() {
            return Err(Error::usage(
                "frozen layers, and layers that read every map, are trained over by the CPU only; leave out --adapter, or name \
                 --adapter cpu",
            ));
        }
        if outline.layers.iter().all(|layer| layer.form.is_dense()) {
            return Ok(());
        }
        Err(Error::usage("convolutions are trained by the CPU only; leave out --adapter, or name --adapter cpu"))
    }

    /// Have buffers for layer `i`; what they hold is [given](Wires::contents).
    pub fn plan(plan: &mut Plan, cx: &Context, i: usize) -> Self {
        match cx.outline.layers[i].form {
            // Of convolutions none is planned: `check` comes first.
            Form::Dense | Form::Conv(_) => Wires::Dense(Dense::plan(plan, cx, i)),
        }
    }

    /// What these buffers hold of `layer`, whose pins choose among `candidates` where its wires learn.
    pub fn contents<'l>(&self, layer: &'l Layer, candidates: Option<&'l Candidates>) -> Vec<(Id, Cow<'l, [u8]>)> {
        match self {
            Wires::Dense(dense) => dense.contents(layer, candidates),
        }
    }

    /// Its wires, `[gates][arity]` u32, if they learn.
    pub fn learned(&self) -> Option<Id> {
        match self {
            Wires::Dense(dense) => dense.learned_wiring(),
        }
    }

    /// What its wires are scored in, i32, if they learn.
    pub fn scores(&self) -> Option<Id> {
        match self {
            Wires::Dense(dense) => dense.scores(),
        }
    }

    /// Scores of its wires by gradients in `rows`, those of outputs where `by_output`, if they learn.
    pub fn score(&self, cx: &Context, of: Of, share: Share, rows: (Id, bool), step: Id) -> Option<Pass> {
        match self {
            Wires::Dense(dense) => dense.score(cx, of, share, rows, step),
        }
    }

    /// Its wires moved by their scores, if they learn.
    pub fn rewire(&self, cx: &Context, of: (usize, Id), step: Id) -> Option<Pass> {
        match self {
            Wires::Dense(dense) => dense.rewire(cx, of, step),
        }
    }

    /// Inputs to outputs.
    pub fn forward(&self, cx: &Context, of: Of) -> Pass {
        match self {
            Wires::Dense(dense) => dense.forward(cx, of),
        }
    }

    /// Gradient rows of a plane that the layer keeps for the one before it.
    pub fn kept_rows(cx: &Context, i: usize) -> u32 {
        match cx.outline.layers[i].form {
            Form::Dense | Form::Conv(_) => Dense::kept_rows(cx, i),
        }
    }

    /// Gradients gathered by `from` to table gradients, and to rows in `keep` where there are such; what the layer before gathers by.
    ///
    /// # Errors
    /// [`Error::Usage`] if a gate has more readers than the driver lets a lane add up.
    pub fn backward(
        &self,
        cx: &Context,
        of: Of,
        share: Share,
        from: &Sender,
        keep: Option<Id>,
    ) -> Result<(Pass, Sender)> {
        match self {
            Wires::Dense(dense) => dense.backward(cx, of, share, from, keep),
        }
    }
}
