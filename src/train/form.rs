//! What a layer makes of its tables: the rows of its outputs forward, gradients backward. A form is one file, as `dense.rs`; here
//! it is chosen, and here is what forms hand to one another.

use std::borrow::Cow;

use super::batch::Share;
use super::dense::Dense;
use super::outline::LayerOutline;
use super::step::Context;
use super::tables::Tables;
use crate::Result;
use crate::network::{Form, Layer};
use crate::plan::{Id, Page, Pass, Plan};

/// Where the activations of a share of a batch lie, as packed bits or as real numbers, and the tables that they are made by.
#[derive(Debug, Clone)]
pub struct Activations {
    /// Whether they are real.
    pub are_real: bool,
    /// 32-sample words of a row.
    pub words: u32,
    /// `[features]` rows.
    pub inputs: Id,
    /// Each layer's `[gates]` rows.
    pub outputs: Vec<Id>,
    /// Each layer's tables: bits, or `[gates][codes]` f32.
    pub tables: Vec<Id>,
}

impl Activations {
    /// The rows that layer `i` reads.
    pub fn read_by(&self, i: usize) -> Id {
        if i == 0 { self.inputs } else { self.outputs[i - 1] }
    }

    /// Bytes of a row.
    pub fn row_bytes(&self) -> u64 {
        row_bytes(self.words, self.are_real)
    }
}

/// Bytes of a row of `words` words of samples: a bit each, or 16 bits where they are real.
pub fn row_bytes(words: u32, are_real: bool) -> u64 {
    u64::from(words) * if are_real { 64 } else { 4 }
}

/// Which page part a layer hands the layer before it, and what it is built for. The part has a function `gather`, by which that
/// layer's pages gather a gate's gradient from the gates that read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderPart {
    /// Its file.
    pub file: &'static str,
    /// Constants that it needs.
    pub numbers: Vec<(&'static str, u32)>,
    /// Flags that it tests.
    pub flags: Vec<(&'static str, bool)>,
}

impl SenderPart {
    /// A page that gathers by it.
    pub fn onto(&self, page: Page) -> Page {
        let page = page.part("sender", self.file);
        let page = self.numbers.iter().fold(page, |page, &(name, value)| page.number(name, value));
        self.flags.iter().fold(page, |page, &(name, holds)| page.flag(name, holds))
    }
}

/// What a layer, or the votes, hand the layer before backward.
#[derive(Debug, Clone)]
pub struct Sender {
    /// How gradients are gathered.
    pub part: SenderPart,
    /// What the part is bound to, but the rows.
    pub binds: Vec<(&'static str, Id)>,
    /// The gradient rows that are gathered.
    pub rows: Id,
    /// Whether these are the outputs', which all gates of one share, and so are the gradients of the gates that gather them alone.
    pub are_outputs: bool,
    /// Most pins that gather into one row, and pins of each of their gates.
    pub readers: u32,
    /// Inputs of a gate that reads.
    pub arity: u32,
    /// Bytes that are read at least.
    pub least_bytes: u64,
}

/// What a pass of a layer works on.
#[derive(Clone, Copy)]
pub struct Of<'a> {
    /// The layer's place.
    pub i: usize,
    /// Its `uniforms::Layer`.
    pub extent: Id,
    /// Its tables.
    pub tables: &'a Tables,
    /// Where its inputs and outputs lie.
    pub activations: &'a Activations,
}

/// The wires of a layer of some form.
#[derive(Debug, Clone)]
pub enum Wires {
    /// Every gate reads rows of its own.
    Dense(Dense),
}

impl Wires {
    /// Have buffers for layer `i`; what they hold is [given](Wires::contents).
    pub fn plan(plan: &mut Plan, i: usize, layer: &LayerOutline) -> Self {
        match layer.form {
            Form::Dense => Wires::Dense(Dense::plan(plan, i, layer)),
        }
    }

    /// What these buffers hold of `layer`.
    pub fn contents<'l>(&self, layer: &'l Layer) -> Vec<(Id, Cow<'l, [u8]>)> {
        match self {
            Wires::Dense(dense) => dense.contents(layer),
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
            Form::Dense => Dense::kept_rows(cx, i),
        }
    }

    /// Gradients gathered by `from` to table gradients, and to rows in `keep` where there are such; what the layer before gathers by.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) if a gate has more readers than the driver lets a lane add up.
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
