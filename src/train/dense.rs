//! Dense layers: every gate reads `arity` rows of the layer before. Their buffers, forward and backward passes.

use std::borrow::Cow;

use super::batch::Share;
use super::context::{Context, Way};
use super::outline::LayerOutline;
use super::sender::{Of, Sender, SenderPart};
use crate::network::{Candidates, Consumers, Layer, WireRule};
use crate::plan::{Buffer, GradientFormat, Id, MOST_TURNS, Page, Pass, Plan};
use crate::{Error, Result};

/// The wires of a dense layer.
#[derive(Debug, Clone, Copy)]
pub struct Dense {
    /// `[gates][arity]` u32.
    wiring: Id,
    /// `[inputs + 1]` u32, where each input's edges begin in this buffer, then `[gates · arity][arity]` u32, the edges; where the layer
    /// before gathers by them.
    edges: Option<Id>,
    /// What they learn by, if they do.
    learned: Option<Learned>,
}

/// What wires learn by.
#[derive(Debug, Clone, Copy)]
struct Learned {
    /// Candidates of a pin.
    count: u32,
    /// `[gates][arity][count]` u32.
    candidates: Id,
    /// `[gates][arity][count + 1]` i32, or f32 where gradients are real.
    scores: Id,
    /// `[gates][arity][count]` f32.
    weights: Id,
    /// `[gates][arity][count]` of (first, second) moment, f32, where the rule has some.
    moments: Option<Id>,
    /// Where edges have to follow the wires.
    readers: Option<Readers>,
}

/// What edges are listed anew by when wires have moved.
#[derive(Debug, Clone, Copy)]
struct Readers {
    /// [`possible_readers`].
    possible: Id,
    /// `[⌈inputs / lanes⌉]` u32: pins that read a workgroup's inputs.
    totals: Id,
}

/// What a backward page is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backward {
    /// In which numbers.
    pub way: Way,
    /// Inputs a gate.
    pub arity: usize,
    /// How gradient rows are stored.
    pub gradients: GradientFormat,
    /// Lanes a workgroup.
    pub workgroup: u32,
    /// Lanes that share a gate.
    pub lanes: u32,
    /// Whether these add up by exchange within a subgroup instead of through workgroup memory.
    pub subgroups: bool,
    /// Samples that a lane takes at once; the soft way takes 8.
    pub span: u32,
    /// Whether gradient rows are kept for the layer before.
    pub keep: bool,
    /// Whether table gradients are added to those of the step's earlier shares.
    pub added: bool,
    /// Whether they are left as whole numbers.
    pub whole: bool,
}

impl Backward {
    /// The page, for gates that gather by `sender`.
    pub fn page(&self, sender: &SenderPart) -> Page {
        let Backward { way, gradients, .. } = *self;
        let file = match way {
            Way::Hard => "dense/backward_hard",
            Way::Sliced => "dense/backward_sliced",
            Way::Soft => "dense/backward_soft",
        };
        let page = Page::of(file)
            .number("ARITY", self.arity as u32)
            .number("WORKGROUP", self.workgroup)
            .number("LANES", self.lanes)
            .flag("LANES_SHARE", self.lanes > 1)
            .flag("SUBGROUPS", self.subgroups)
            .flag("KEEP", self.keep)
            .flag("ADDED", self.added)
            .flag("WHOLE", self.whole);
        let page = if way == Way::Soft { page } else { page.number("SPAN", self.span) };
        let page = match way {
            Way::Sliced => page.number("SLICES", gradients.bits()),
            Way::Hard | Way::Soft => {
                page.flag("GRADIENT_HALVES", gradients.is_half()).flag("GRADIENT_F16", gradients == GradientFormat::F16)
            }
        };
        sender.onto(page)
    }

    /// Turns of loops that a gate takes, its rows being of `words` words and read by `readers` gates' pins at most, of
    /// `reader_arity` inputs each.
    fn turns(&self, words: u32, readers: u32, reader_arity: u32) -> u32 {
        let Backward { arity, span, lanes, gradients, .. } = *self;
        let (arity, codes) = (arity as u32, 1u32 << arity);
        let is_sliced = self.way == Way::Sliced;
        if self.way == Way::Soft {
            // A chunk's edges and pins; then the codes'.
            return (readers + 8 * arity + 1) * (words * 4).div_ceil(lanes) + 4 * codes;
        }
        // An edge's pins, for each of a span's words or chunks, and its planes; then the codes'.
        let (units, quads) = (if is_sliced { span / 32 } else { span / 8 }, gradients.bits() / 4);
        let edge = 8 + units * (reader_arity + 4 + if is_sliced { 2 * quads } else { 0 });
        let own = codes * (3 + arity + units * (2 + if is_sliced { quads } else { 0 }));
        (readers * edge + own) * (words * 32).div_ceil(span * lanes) + 8 * codes
    }
}

impl Dense {
    /// Have buffers for layer `i`.
    pub fn plan(plan: &mut Plan, cx: &Context, i: usize) -> Self {
        let layer = &cx.outline.layers[i];
        let pins = u64::from(layer.pins());
        let lists = u64::from(layer.inputs) + 1;
        let sends = i > cx.first_trained();
        let learns = cx.settings.learns(i);
        let wiring = if learns { Buffer::state("wiring", pins * 4) } else { Buffer::scratch("wiring", pins * 4) };
        let mut learned = || {
            let count = (cx.settings.candidates as u32).min(layer.inputs);
            let all = pins * u64::from(count) * 4;
            let has_moments = cx.settings.wiring_rule == WireRule::Dwn;
            let mut readers = || Readers {
                possible: plan.add(Buffer::scratch("possible readers", lists * 4 + all).of_layer(i).given()),
                totals: plan.add(Buffer::scratch("reader totals", u64::from(blocks(cx, layer)) * 4).of_layer(i)),
            };
            Learned {
                readers: sends.then(&mut readers),
                count,
                candidates: plan.add(Buffer::scratch("candidates", all).of_layer(i).given()),
                scores: plan.add(Buffer::scratch("wire scores", all + pins * 4).of_layer(i)),
                weights: plan.add(Buffer::state("wire weights", all).of_layer(i)),
                moments: has_moments.then(|| plan.add(Buffer::state("wire moments", 2 * all).of_layer(i))),
            }
        };
        Dense {
            learned: learns.then(&mut learned),
            wiring: plan.add(wiring.of_layer(i).given()),
            edges: sends.then(|| {
                plan.add(Buffer::scratch("edges", (lists + pins * layer.arity as u64) * 4).of_layer(i).given())
            }),
        }
    }

    /// What these buffers hold of `layer`, whose pins choose among `candidates` where its wires learn.
    pub fn contents<'l>(&self, layer: &'l Layer, candidates: Option<&'l Candidates>) -> Vec<(Id, Cow<'l, [u8]>)> {
        let mut contents = vec![(self.wiring, Cow::Borrowed(bytemuck::cast_slice(&layer.wiring)))];
        contents.extend(self.edges_of(layer).map(|(id, edges)| (id, owned(&edges))));
        if let (Some(own), Some(candidates)) = (self.learned, candidates) {
            contents.push((own.candidates, Cow::Borrowed(bytemuck::cast_slice(&candidates.wires))));
            contents.extend(own.readers.map(|readers| (readers.possible, owned(&possible_readers(layer, candidates)))));
        }
        contents
    }

    /// Where its edges lie, if there are, and what they are as `layer` is wired.
    pub fn edges_of(&self, layer: &Layer) -> Option<(Id, Vec<u32>)> {
        self.edges.map(|id| (id, edges(layer)))
    }

    /// Its wires, if they learn.
    pub fn learned_wiring(&self) -> Option<Id> {
        self.learned.map(|_| self.wiring)
    }

    /// What its wires are scored in, `[gates][arity][candidates + 1]` i32, or f32 where gradients are real, if they learn.
    pub fn scores(&self) -> Option<Id> {
        self.learned.map(|learned| learned.scores)
    }

    /// Scores of its wires, if they learn, by gradients in `rows`, which are the outputs' where `by_output`.
    pub fn score(&self, cx: &Context, of: Of, share: Share, (rows, by_output): (Id, bool), step: Id) -> Option<Pass> {
        let (learned, layer, x) = (self.learned?, &cx.outline.layers[of.i], of.activations);
        let workgroup = cx.tuning.workgroup;
        let page = score_wires(layer.arity, cx.settings.gradients, learned.count, workgroup, by_output, share.added);
        let sums = if cx.way() == Way::Sliced { 9 * cx.settings.gradients.bits() / 4 } else { 4 * 8 };
        let turns = x.words * (sums + layer.arity as u32 + 4) + 16;
        let pins = u64::from(layer.pins());
        let row_count = if by_output { cx.outline.outputs } else { layer.gates };
        Some(
            Pass::of(page)
                .of_layer(of.i)
                .bind("layer", of.extent)
                .bind("training", cx.training())
                .bind("step", step)
                .bind("wiring", self.wiring)
                .bind("tables", x.tables[of.i])
                .bind("inputs", x.read_by(of.i))
                .bind("candidates", learned.candidates)
                .bind("source", rows)
                .bind("scores", learned.scores)
                .groups(&cx.tuning, layer.pins() * learned.count.div_ceil(8), workgroup, turns)
                // Wires, tables, inputs, candidates and gradients in, scores out.
                .least_bytes(
                    pins * 4 * u64::from(2 * learned.count + 2)
                        + u64::from(layer.gates) * u64::from(layer.table_words()) * 4
                        + u64::from(layer.inputs) * x.row_bytes()
                        + u64::from(row_count) * cx.gradient_row_bytes(x.words),
                ),
        )
    }

    /// Its wires moved by their scores, if they learn, and then edges listed anew; `extent` is its `uniforms::Layer`.
    pub fn rewire(&self, cx: &Context, (i, extent): (usize, Id), step: Id) -> Vec<Pass> {
        let (Some(learned), layer) = (self.learned, &cx.outline.layers[i]) else { return Vec::new() };
        let arity = layer.arity as u32;
        let numbers = if learned.moments.is_some() { 8 } else { 4 };
        let of_step = |page| {
            let pass = Pass::of(page).of_layer(i).bind("layer", extent);
            pass.bind("training", cx.training()).bind("step", step).bind("wiring", self.wiring)
        };
        let mut passes = vec![
            of_step(move_wires(layer.arity, learned.count, cx.settings.wiring_rule, cx.way() == Way::Hard))
                .bind("candidates", learned.candidates)
                .bind("scores", learned.scores)
                .bind("weights", learned.weights)
                .binds(learned.moments.map(|moments| ("moments", moments)))
                .groups(&cx.tuning, layer.gates, 64, arity * learned.count * (2 + arity))
                // Candidates and scores in, weights and moments in and out, wires out.
                .least_bytes(u64::from(layer.pins()) * 4 * u64::from(learned.count * numbers + 2)),
        ];
        if let (Some(readers), Some(edges)) = (learned.readers, self.edges) {
            let (workgroup, blocks) = (cx.tuning.workgroup, blocks(cx, layer));
            let (pins, lists) = (u64::from(layer.pins()), u64::from(layer.inputs) + 1);
            // Lists of possible readers and wires in, where edges begin out.
            let looked_through = lists + pins * u64::from(learned.count) + pins;
            let listing = |page, turns, numbers: u64| {
                of_step(page)
                    .bind("possible", readers.possible)
                    .bind("totals", readers.totals)
                    .bind("edges", edges)
                    .groups(&cx.tuning, layer.inputs, workgroup, turns)
                    .least_bytes((looked_through + numbers) * 4)
            };
            // Fewer turns than gathering by the edges takes, which was found to fit.
            let readers = layer.most_readers;
            passes.push(listing(count_readers(workgroup), readers + 16, lists + u64::from(blocks)));
            passes.push(listing(
                list_readers(layer.arity, workgroup),
                readers * (1 + arity) + blocks.div_ceil(workgroup) + 16,
                2 * lists + u64::from(blocks) + pins * u64::from(arity),
            ));
        }
        passes
    }

    /// Inputs to outputs, by hard tables on bits or by real ones on real activations.
    pub fn forward(&self, cx: &Context, of: Of) -> Pass {
        let (layer, x) = (&cx.outline.layers[of.i], of.activations);
        let arity = layer.arity;
        let pass = if x.are_real {
            let (codes, arity) = (layer.codes(), arity as u32);
            let turns = codes + 4 * (2 + arity * (1 + codes));
            Pass::of(forward_soft(layer.arity)).groups(&cx.tuning, layer.gates * x.words, 64, turns)
        } else {
            let (wide, workgroup) = (x.words.is_multiple_of(4), cx.tuning.workgroup);
            let units = layer.gates * (x.words / if wide { 4 } else { 1 });
            Pass::of(forward_hard(arity, wide, workgroup)).groups(&cx.tuning, units, workgroup, 1 + arity as u32)
        };
        let table_words = if x.are_real { layer.codes() } else { layer.table_words() };
        pass.of_layer(of.i)
            .bind("layer", of.extent)
            .bind("wiring", self.wiring)
            .bind("tables", x.tables[of.i])
            .bind("inputs", x.read_by(of.i))
            .bind("outputs", x.outputs[of.i])
            // Wiring, tables and inputs in, outputs out.
            .least_bytes(
                u64::from(layer.pins()) * 4
                    + u64::from(layer.gates) * u64::from(table_words) * 4
                    + u64::from(layer.read() + layer.gates) * x.row_bytes(),
            )
    }

    /// Rows of gradients that layer `i` keeps for the one before it, or for scoring its wires: a row a gate, on real activations a
    /// row a pin. The first layer that is trained, if its wires are fixed, keeps none. On bits neither does the last one, whose gates'
    /// are their outputs'.
    pub fn kept_rows(cx: &Context, i: usize) -> u32 {
        let layer = &cx.outline.layers[i];
        match cx.way() {
            _ if i < cx.first_trained() || i == cx.first_trained() && !cx.settings.learns(i) => 0,
            Way::Soft => layer.pins(),
            _ if i + 1 == cx.outline.layers.len() => 0,
            _ => layer.gates,
        }
    }

    /// Gradients gathered by `from` to table gradients, and to rows in `keep`.
    pub fn backward(
        &self,
        cx: &Context,
        of: Of,
        share: Share,
        from: &Sender,
        keep: Option<Id>,
    ) -> Result<(Pass, Sender)> {
        let (layer, x, way) = (&cx.outline.layers[of.i], of.activations, cx.way());
        let built = self.built_for(cx, layer, x.words, keep.is_some(), share);
        let turns = built.turns(x.words, from.readers, from.arity);
        if cx.limits.is_software && turns > MOST_TURNS {
            return Err(Error::usage(format!(
                "one output of layer {0} {2} {1} gates, more than this software driver can add up; widen layer {0}, or use a GPU",
                of.i,
                from.readers,
                if cx.settings.learns(of.i + 1) { "may come to be read by" } else { "is read by" }
            )));
        }
        let gradient_bytes = cx.gradient_row_bytes(x.words);
        let mut least = u64::from(layer.pins()) * 4
            + u64::from(layer.read()) * x.row_bytes()
            + u64::from(layer.gates) * u64::from(layer.codes()) * 4
            + from.least_bytes
            + u64::from(keep.map_or(0, |_| Self::kept_rows(cx, of.i))) * gradient_bytes;
        let pass = Pass::of(built.page(&from.part))
            .of_layer(of.i)
            .bind("layer", of.extent)
            .bind("wiring", self.wiring)
            .bind("inputs", x.read_by(of.i))
            .bind("table_gradients", of.tables.gradients)
            .bind("source", from.rows)
            .binds(from.binds.iter().copied())
            .groups(&cx.tuning, layer.gates, built.workgroup / built.lanes, turns);
        let pass = match way {
            Way::Soft => {
                least += keep.map_or(0, |_| u64::from(layer.gates) * u64::from(layer.codes()) * 4);
                pass.binds(keep.into_iter().flat_map(|sent| [("tables", x.tables[of.i]), ("sent", sent)]))
            }
            Way::Hard => pass.binds(keep.map(|rows| ("gradients", rows))),
            Way::Sliced => pass.binds(keep.map(|rows| ("gradients", rows))).bind("training", cx.training()),
        };
        Ok((pass.least_bytes(least), self.sender(cx, of, from, keep)))
    }

    fn built_for(&self, cx: &Context, layer: &LayerOutline, words: u32, keep: bool, share: Share) -> Backward {
        let (tuning, way) = (&cx.tuning, cx.way());
        let span = if cx.settings.gradients.is_sliced() { tuning.span_words(words) * 32 } else { tuning.span };
        let lanes = (words * 32).div_ceil(span).next_power_of_two().min(tuning.most_lanes);
        Backward {
            way,
            arity: layer.arity,
            gradients: cx.settings.gradients,
            // Shared sums must fit the 16 KiB of workgroup memory that every device has.
            workgroup: tuning.workgroup.min(4096 >> layer.arity).max(lanes),
            lanes,
            subgroups: tuning.subgroups && lanes > 1,
            span,
            keep,
            added: share.added,
            whole: share.whole,
        }
    }

    /// What the layer before layer `of.i` gathers by: the rows that are kept in `keep`, or else those that this one was given.
    fn sender(&self, cx: &Context, of: Of, from: &Sender, keep: Option<Id>) -> Sender {
        let (layer, x, way) = (&cx.outline.layers[of.i], of.activations, cx.way());
        let pins = u64::from(layer.pins());
        let (are_outputs, rows) = match keep {
            Some(rows) => (false, rows),
            None => (from.are_outputs, from.rows),
        };
        let gradient_rows = match way {
            Way::Soft => layer.pins(),
            _ if are_outputs => cx.outline.outputs,
            _ => layer.gates,
        };
        let (edge_words, looked_up, binds) = match way {
            Way::Soft => (1, 0, Vec::new()),
            Way::Hard | Way::Sliced => (
                layer.arity as u64,
                u64::from(layer.gates) * u64::from(layer.table_words()) * 4 + u64::from(layer.read()) * x.row_bytes(),
                vec![("outputs", x.read_by(of.i)), ("consumer_tables", x.tables[of.i])],
            ),
        };
        let binds = self.edges.map(|edges| ("edges", edges)).into_iter().chain(binds).collect();
        Sender {
            part: sender(way, layer.arity, are_outputs),
            binds,
            rows,
            are_outputs: false,
            readers: layer.most_readers,
            arity: layer.arity as u32,
            // Edges, and of hard gates also the tables and the bits that they look up; gradient rows.
            least_bytes: (u64::from(layer.inputs) + 1 + pins * edge_words) * 4
                + looked_up
                + u64::from(gradient_rows) * cx.gradient_row_bytes(x.words),
        }
    }
}

/// How a layer's gates gather their gradients from dense gates of `arity` inputs, whose rows are those of their outputs where
/// `by_output`.
pub fn sender(way: Way, arity: usize, by_output: bool) -> SenderPart {
    let (file, flags) = match way {
        Way::Hard => ("dense/send_hard", vec![("CONSUMER_CLASS", by_output)]),
        Way::Sliced => ("dense/send_sliced", vec![("CONSUMER_CLASS", by_output)]),
        Way::Soft => ("dense/send_soft", Vec::new()),
    };
    SenderPart { file, numbers: vec![("CONSUMER_ARITY", arity as u32)], flags }
}

/// Gates of `arity` inputs on packed bits: four words at a time where `wide`.
pub fn forward_hard(arity: usize, wide: bool, workgroup: u32) -> Page {
    Page::of("dense/forward_hard").number("ARITY", arity as u32).number("WORKGROUP", workgroup).flag("WIDE", wide)
}

/// Gates of `arity` inputs on real activations.
pub fn forward_soft(arity: usize) -> Page {
    Page::of("dense/forward_soft").number("ARITY", arity as u32)
}

/// Scores of the wires of gates of `arity` inputs among `candidates` candidates, by gradients in rows of gates, or of outputs where
/// `by_output`; added to those of the step's earlier shares if `added`.
pub fn score_wires(
    arity: usize,
    gradients: GradientFormat,
    candidates: u32,
    workgroup: u32,
    by_output: bool,
    added: bool,
) -> Page {
    let page = if gradients.is_sliced() {
        Page::of("dense/score_wires").number("SLICES", gradients.bits())
    } else {
        Page::of("dense/score_wires_real")
            .flag("GRADIENT_HALVES", gradients.is_half())
            .flag("GRADIENT_F16", gradients == GradientFormat::F16)
    };
    page.number("ARITY", arity as u32)
        .number("CANDIDATES", candidates)
        .number("WORKGROUP", workgroup)
        .flag("BY_OUTPUT", by_output)
        .flag("ADDED", added)
}

/// Wires of gates of `arity` inputs moved by the scores of `candidates` candidates, which are real numbers or whole ones.
pub fn move_wires(arity: usize, candidates: u32, rule: WireRule, are_real: bool) -> Page {
    Page::of("dense/move_wires")
        .number("ARITY", arity as u32)
        .number("CANDIDATES", candidates)
        .flag("DWN", rule == WireRule::Dwn)
        .flag("REAL", are_real)
}

/// Readers of a layer's inputs counted after wires have moved, a lane an input.
pub fn count_readers(workgroup: u32) -> Page {
    Page::of("dense/count_readers").number("WORKGROUP", workgroup)
}

/// Edges of gates of `arity` inputs listed by the counts.
pub fn list_readers(arity: usize, workgroup: u32) -> Page {
    Page::of("dense/list_readers").number("ARITY", arity as u32).number("WORKGROUP", workgroup)
}

/// Workgroups' worth of a layer's inputs, a lane each.
fn blocks(cx: &Context, layer: &LayerOutline) -> u32 {
    layer.inputs.div_ceil(cx.tuning.workgroup)
}

fn owned(words: &[u32]) -> Cow<'static, [u8]> {
    Cow::Owned(bytemuck::cast_slice(words).to_vec())
}

/// The pins that have each input among their `candidates`, in the order of [`edges`]: `[inputs + 1]` where an input's begin in this same
/// array, then `[gates · arity · count]` pins, `gate · arity + pin`.
pub fn possible_readers(layer: &Layer, candidates: &Candidates) -> Vec<u32> {
    let possible = Consumers::among(&candidates.wires, layer.inputs, (layer.arity, candidates.count));
    let first = possible.offsets.len() as u32;
    possible.offsets.iter().map(|&pins| first + pins).chain(possible.pins).collect()
}

/// Everything the backward pass asks of a consumer in one record: `gate << 3 | pin`, then the gate's other wires. First where
/// each input's edges begin.
pub fn edges(layer: &Layer) -> Vec<u32> {
    let (arity, consumers) = (layer.arity, Consumers::of(&layer.wiring, layer.inputs, layer.arity));
    let first = consumers.offsets.len() as u32;
    let mut edges: Vec<u32> = consumers.offsets.iter().map(|&pins| first + pins * arity as u32).collect();
    for &at in &consumers.pins {
        let (gate, pin) = (at as usize / arity, at as usize % arity);
        edges.push((gate << 3 | pin) as u32);
        let wires = &layer.wiring[gate * arity..(gate + 1) * arity];
        edges.extend(wires.iter().enumerate().filter(|&(p, _)| p != pin).map(|(_, &w)| w));
    }
    edges
}
