//! What layers work on, and what they hand to one another, whatever their forms: rows forward, senders backward.

use super::context::Context;
use super::tables::Tables;
use crate::plan::{Buffer, Id, Page, Pass, Plan};

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
    /// The rows of the input, and after them every layer's, as far as a layer reads them all: collected there as they are made.
    all: Option<Id>,
    /// `[layers]`: whether each reads these.
    read_all: Vec<bool>,
}

impl Activations {
    /// Rows of `words` words, real ones or bits, by these tables.
    pub fn plan(
        plan: &mut Plan,
        cx: &Context,
        (are_real, words): (bool, u32),
        (inputs, outputs): (Id, Vec<Id>),
        tables: Vec<Id>,
    ) -> Self {
        let layers = &cx.outline.layers;
        let all = cx.outline.last_over_all().map(|i| {
            let bytes = u64::from(layers[i].inputs) * row_bytes(words, are_real);
            plan.add(Buffer::scratch(if are_real { "soft rows" } else { "rows" }, bytes).of_layer(i))
        });
        let read_all = layers.iter().map(|layer| !layer.reads.is_before()).collect();
        Activations { are_real, words, inputs, outputs, tables, all, read_all }
    }

    /// The rows that layer `i` reads.
    pub fn read_by(&self, i: usize) -> Id {
        match (self.all.filter(|_| self.read_all[i]), i) {
            (Some(all), _) => all,
            (None, 0) => self.inputs,
            (None, _) => self.outputs[i - 1],
        }
    }

    /// The rows that layer `i` has before it, collected for those that read everything; nothing, where none from there on does.
    pub fn collect(&self, cx: &Context, i: usize) -> Option<Pass> {
        let (layers, last) = (&cx.outline.layers, cx.outline.last_over_all()?);
        let all = self.all.filter(|_| i <= last)?;
        let rows = |i: usize| if i == 0 { cx.outline.features } else { layers[i - 1].rows() };
        let (source, first) = (if i == 0 { self.inputs } else { self.outputs[i - 1] }, (0..i).map(rows).sum::<u32>());
        let words = (self.row_bytes() / 4) as u32;
        let wide = words.is_multiple_of(4);
        let (units, workgroup) = (words / if wide { 4 } else { 1 }, cx.tuning.workgroup);
        let pass = Pass::of(collect_rows(wide, workgroup, first * units, rows(i) * units))
            .of_layer(i)
            .bind("source", source)
            .bind("rows", all)
            .groups(&cx.tuning, rows(i) * units, workgroup, 1)
            .least_bytes(2 * u64::from(rows(i)) * self.row_bytes());
        Some(pass)
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

/// `units` words, or (`wide`) fours of words, of rows copied to their place from unit `first` on among those of everything that a layer
/// reads.
pub fn collect_rows(wide: bool, workgroup: u32, first: u32, units: u32) -> Page {
    Page::of("dense/collect_rows")
        .number("WORKGROUP", workgroup)
        .number("FIRST", first)
        .number("UNITS", units)
        .flag("WIDE", wide)
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

impl Sender {
    /// Turns of loops that gathering a row's gradients takes, of words of `quads` quads of planes.
    pub fn turns(&self, quads: u32) -> u32 {
        self.readers * (12 + self.arity + 2 * quads)
    }
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
