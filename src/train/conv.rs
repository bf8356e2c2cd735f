//! Convolutions: trees over the places of a map, and the pool. Their buffers, forward and backward passes.

use std::borrow::Cow;

use super::batch::Share;
use super::context::{Context, Way};
use super::outline::LayerOutline;
use super::sender::{Of, Sender, SenderPart};
use crate::network::{Conv, Layer};
use crate::plan::{Buffer, GradientFormat, Id, MOST_TURNS, Page, Pass, Plan};
use crate::settings::PoolGradient;

/// Storage buffers that every device binds at once.
const MOST_BUFFERS: usize = 8;

/// A lane of a GPU takes several items where there are more than this.
const ENOUGH_ITEMS: u32 = 1 << 18;

/// The wires of a convolution.
#[derive(Debug, Clone, Copy)]
pub struct Trees {
    conv: Conv,
    /// `[trees][leaves]` u32.
    wiring: Id,
    /// [`edges`], where there is a layer before that gathers by them.
    edges: Option<Id>,
}

/// What the passes of a step work in, for rows of so many words.
#[derive(Debug, Clone, Copy, Default)]
pub struct Room {
    /// `[outputs a tree][words]` of four u32: which place of a window without a one is drawn.
    draws: Option<Id>,
    /// Gradient rows of its outputs, gathered by a pass of their own.
    gathered: Option<Id>,
}

impl Trees {
    /// Have buffers for layer `i`.
    pub fn plan(plan: &mut Plan, cx: &Context, i: usize, conv: Conv) -> Self {
        let trees = u64::from(trees(&cx.outline.layers[i], &conv));
        let wires = trees * conv.leaves() as u64;
        let edges = most_edge_words(&conv, wires) * 4;
        Trees {
            conv,
            wiring: plan.add(Buffer::scratch("wiring", wires * 4).of_layer(i).given()),
            edges: (i > cx.first_trained()).then(|| plan.add(Buffer::scratch("edges", edges).of_layer(i).given())),
        }
    }

    /// Have what its passes in a step work in, for rows of `words` words.
    pub fn room(&self, plan: &mut Plan, cx: &Context, i: usize, words: u32) -> Room {
        let draws = u64::from(words) * self.conv.area() as u64 * 16;
        let rows = u64::from(cx.outline.layers[i].rows()) * cx.gradient_row_bytes(words);
        let is_trained = i >= cx.first_trained();
        let is_drawn = is_trained && is_drawn(&self.conv, cx.settings.pool_gradient) && cx.way() != Way::Soft;
        Room {
            draws: is_drawn.then(|| plan.add(Buffer::scratch("pool draws", draws).of_layer(i))),
            gathered: self.gathers(cx, i).then(|| plan.add(Buffer::scratch("gathered gradients", rows).of_layer(i))),
        }
    }

    /// What these buffers hold of `layer`.
    pub fn contents<'l>(&self, layer: &'l Layer) -> Vec<(Id, Cow<'l, [u8]>)> {
        let wires = (self.wiring, Cow::Borrowed(bytemuck::cast_slice(&layer.wiring)));
        let edges = self.edges.map(|id| {
            let mut edges = edges(layer, &self.conv);
            // The buffer was made before it was known which leaves look beyond the map.
            edges.resize(most_edge_words(&self.conv, layer.wiring.len() as u64) as usize, 0);
            (id, Cow::Owned(bytemuck::cast_slice(&edges).to_vec()))
        });
        [wires].into_iter().chain(edges).collect()
    }

    /// Inputs to outputs; in a step, whose share and counter are given, also what its backward pass, if it has one, begins with.
    pub fn forward(&self, cx: &Context, of: Of, step: Option<(Share, Id, &Room)>) -> Pass {
        let step = step.filter(|_| of.i >= cx.first_trained());
        let (layer, x, conv) = (&cx.outline.layers[of.i], of.activations, &self.conv);
        let (rows, workgroup) = (layer.rows(), cx.tuning.workgroup.min(128));
        let window = conv.pool * conv.pool;
        let nodes = window * (conv.leaves() + conv.tree_gates()) as u32;
        let pass = if x.are_real {
            Pass::of(forward_soft(conv, workgroup)).groups(&cx.tuning, rows * x.words * 4, workgroup, 2 * nodes)
        } else {
            let wide = x.words.is_multiple_of(4);
            let clears = step.is_some_and(|(share, ..)| share.whole && !share.added);
            let drawn = step.and_then(|(share, step, room)| Some((share, step, room.draws?)));
            let page = forward_hard(conv, wide, workgroup, clears, drawn.map(|_| of.i as u32));
            Pass::of(page)
                .groups(&cx.tuning, rows * (x.words / if wide { 4 } else { 1 }), workgroup, 2 * nodes + 48)
                .binds(clears.then_some(("table_gradients", of.tables.gradients)))
                .binds(drawn.into_iter().flat_map(|(share, step, draws)| {
                    [("training", cx.training()), ("step", step), ("batch", share.batch), ("draws", draws)]
                }))
        };
        let table_bytes = if x.are_real { 16 } else { 4 };
        let draws = step.and_then(|(.., room)| room.draws).map_or(0, |_| u64::from(x.words) * conv.area() as u64 * 16);
        pass.of_layer(of.i)
            .bind("layer", of.extent)
            .bind("wiring", self.wiring)
            .bind("tables", x.tables[of.i])
            .bind("inputs", x.read_by(of.i))
            .bind("outputs", x.outputs[of.i])
            // Wires, tables and inputs in, outputs and draws out.
            .least_bytes(
                self.wires(layer) * 4
                    + u64::from(layer.gates) * table_bytes
                    + u64::from(layer.inputs + rows) * x.row_bytes()
                    + draws,
            )
    }

    fn wires(&self, layer: &LayerOutline) -> u64 {
        u64::from(trees(layer, &self.conv)) * self.conv.leaves() as u64
    }

    /// Bytes that it keeps for the layer before it, for rows of `words` words: a record an output and word, on real activations one an
    /// output and 8 samples. Up to the first that is trained none does.
    pub fn kept_bytes(cx: &Context, i: usize, conv: &Conv, words: u32) -> u64 {
        let (layer, bits, leaves) = (&cx.outline.layers[i], cx.settings.gradients.bits(), conv.leaves() as u32);
        let window = conv.pool * conv.pool;
        let quads = match (cx.way(), conv.pool) {
            (Way::Soft, pool) => 4 * (leaves * bits / 16 + u32::from(pool > 1)),
            (_, 1) => bits / 4 + leaves / 2,
            _ if is_exact(conv, cx.settings.pool_gradient) => bits / 4 + window * leaves / 2,
            _ => bits / 4 + leaves / 2 + window.div_ceil(4),
        };
        if i <= cx.first_trained() { 0 } else { u64::from(layer.rows()) * u64::from(words) * u64::from(quads) * 16 }
    }

    /// Whether dense readers of layer `i` would bind more buffers beside its own than devices take, so that what they send is gathered by
    /// a pass of its own: on bits their edges, tables and inputs.
    fn gathers(&self, cx: &Context, i: usize) -> bool {
        let is_read = cx.outline.layers.get(i + 1).is_some_and(|next| next.form.is_dense()) && i >= cx.first_trained();
        // Wires, tables, inputs, table gradients, gradients; draws; what is kept.
        let own =
            5 + usize::from(is_drawn(&self.conv, cx.settings.pool_gradient)) + usize::from(i > cx.first_trained());
        is_read && cx.way() != Way::Soft && own + 3 > MOST_BUFFERS
    }

    /// What readers send to its outputs, gathered to rows in `to`, and how these are found.
    fn gather(&self, cx: &Context, of: Of, from: &Sender, to: Id) -> (Pass, Sender) {
        let (layer, words, workgroup) = (&cx.outline.layers[of.i], of.activations.words, cx.tuning.workgroup.min(128));
        let bytes = u64::from(layer.rows()) * cx.gradient_row_bytes(words);
        let pass = Pass::of(gather(cx.way(), cx.settings.gradients, workgroup, &from.part))
            .of_layer(of.i)
            .bind("layer", of.extent)
            .bind("source", from.rows)
            .binds(from.binds.iter().copied())
            .bind("gathered", to)
            .groups(&cx.tuning, layer.rows() * words, workgroup, from.turns(cx.settings.gradients.bits() / 4) + 4)
            .least_bytes(from.least_bytes + bytes);
        let sender = Sender {
            part: rows_sender(cx.way()),
            binds: Vec::new(),
            rows: to,
            are_outputs: false,
            readers: 0,
            arity: 0,
            least_bytes: bytes,
        };
        (pass, sender)
    }

    /// Gradients gathered by `from` to table gradients, and to records in `keep`.
    pub fn backward(
        &self,
        cx: &Context,
        of: Of,
        (share, room): (Share, Room),
        from: &Sender,
        keep: Option<Id>,
    ) -> (Vec<Pass>, Sender) {
        let (layer, x, conv) = (&cx.outline.layers[of.i], of.activations, &self.conv);
        let (rule, gradients, way) = (cx.settings.pool_gradient, cx.settings.gradients, cx.way());
        let apart = room.gathered.map(|to| self.gather(cx, of, from, to));
        let from = apart.as_ref().map_or(from, |(_, sender)| sender);
        let (window, leaves, gates) = (conv.pool * conv.pool, conv.leaves() as u32, conv.tree_gates() as u32);
        let (trees, workgroup) = (trees(layer, conv), cx.tuning.workgroup.min(128));
        // Nodes at every place, twice; paths; sums of every code; readers.
        let turns =
            window * (3 * leaves + 5 * gates) * 2 + gates * gradients.bits() + from.turns(gradients.bits() / 4) + 32;
        let items = conv.area() as u32 * x.words * if way == Way::Soft { 4 } else { 1 };
        let most = items.div_ceil(workgroup);
        let each = match way {
            // A tree's real numbers are added up by one workgroup.
            Way::Hard | Way::Soft => most,
            Way::Sliced if cx.limits.is_software => MOST_TURNS / 4 / turns,
            Way::Sliced => trees.saturating_mul(items) / ENOUGH_ITEMS,
        };
        let each = each.clamp(1, most);
        let lanes = if way == Way::Sliced { cx.tuning.most_lanes } else { workgroup };
        let built = Backward {
            way,
            gradients,
            rule,
            keep: keep.is_some(),
            added: share.added,
            workgroup,
            lanes,
            subgroups: cx.tuning.subgroups && lanes > 1 && way == Way::Sliced,
            chunk: each * workgroup,
            trees,
        };
        let draws = room.draws.map_or(0, |_| u64::from(items) * 16);
        let pass = Pass::of(built.page(conv, &from.part))
            .of_layer(of.i)
            .bind("layer", of.extent)
            .bind("wiring", self.wiring)
            .bind("tables", x.tables[of.i])
            .bind("inputs", x.read_by(of.i))
            .bind("table_gradients", of.tables.gradients)
            .bind("source", from.rows)
            .binds(room.draws.map(|draws| ("draws", draws)))
            .binds(keep.map(|kept| ("kept", kept)))
            .binds(from.binds.iter().copied())
            .groups(&cx.tuning, trees * most.div_ceil(each), 1, each.saturating_mul(turns))
            // Wires, tables, inputs, gradients and draws in; sums, and what is kept, out.
            .least_bytes(
                self.wires(layer) * 4
                    + u64::from(layer.gates) * if x.are_real { 32 } else { 20 }
                    + u64::from(layer.inputs) * x.row_bytes()
                    + from.least_bytes
                    + draws
                    + keep.map_or(0, |_| Self::kept_bytes(cx, of.i, conv, x.words)),
            );
        let sender = self.sender(cx, of, from, keep);
        (apart.into_iter().map(|(gather, _)| gather).chain([pass]).collect(), sender)
    }

    /// What the layer before layer `of.i` gathers by: the records in `keep`. The first hands nothing that anyone reads.
    fn sender(&self, cx: &Context, of: Of, from: &Sender, keep: Option<Id>) -> Sender {
        let (layer, conv) = (&cx.outline.layers[of.i], &self.conv);
        Sender {
            part: sender(cx.way(), conv, cx.settings.pool_gradient),
            binds: self.edges.iter().map(|edges| ("edges", *edges)).collect(),
            rows: keep.unwrap_or(from.rows),
            are_outputs: false,
            readers: layer.most_readers,
            arity: 1,
            least_bytes: Self::kept_bytes(cx, of.i, conv, of.activations.words)
                + most_edge_words(conv, self.wires(layer)) * 4,
        }
    }
}

/// What a backward page is built for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backward {
    /// In which numbers.
    pub way: Way,
    /// How gradients are stored.
    pub gradients: GradientFormat,
    /// Where those of a window go; on real activations to its greatest place.
    pub rule: PoolGradient,
    /// Whether records are kept for the layer before.
    pub keep: bool,
    /// Whether table gradients in real numbers are added to those of the step's earlier shares; whole ones always are.
    pub added: bool,
    /// Lanes a workgroup.
    pub workgroup: u32,
    /// Lanes that add up what they have summed: those of a workgroup, or, of whole numbers, some of them.
    pub lanes: u32,
    /// Whether these do so by exchange within a subgroup.
    pub subgroups: bool,
    /// Words of a tree's outputs that a workgroup takes; in real numbers it takes all.
    pub chunk: u32,
    /// Trees of the layer.
    pub trees: u32,
}

impl Backward {
    /// The page, for trees that gather by `sender`.
    pub fn page(&self, conv: &Conv, sender: &SenderPart) -> Page {
        let page = match self.way {
            Way::Hard => Page::of("conv/backward_hard"),
            Way::Sliced => Page::of("conv/backward_sliced").number("CHUNK", self.chunk),
            Way::Soft => Page::of("conv/backward_soft"),
        };
        let page = page
            .number("WORKGROUP", self.workgroup)
            .number("TREES", self.trees)
            .number("LANES", self.lanes)
            .flag("LANES_SHARE", self.lanes > 1)
            .flag("SUBGROUPS", self.subgroups)
            .flag("KEEP", self.keep)
            .flag("POOLED", conv.pool > 1);
        let page = if self.way == Way::Sliced { page } else { page.flag("ADDED", self.added) };
        let page = stored(page, self.way, self.gradients);
        let page = match self.way {
            Way::Soft => page,
            _ => page.flag("EXACT", is_exact(conv, self.rule)).flag("DRAWN", is_drawn(conv, self.rule)),
        };
        sender.onto(shaped(page, conv))
    }
}

/// A page that reads and writes gradients as they are stored.
fn stored(page: Page, way: Way, gradients: GradientFormat) -> Page {
    match way {
        Way::Sliced => page.number("SLICES", gradients.bits()),
        Way::Hard | Way::Soft => {
            page.flag("GRADIENT_HALVES", gradients.is_half()).flag("GRADIENT_F16", gradients == GradientFormat::F16)
        }
    }
}

/// What readers on packed bits send to rows by `sender`, gathered.
pub fn gather(way: Way, gradients: GradientFormat, workgroup: u32, sender: &SenderPart) -> Page {
    let file = if way == Way::Sliced { "conv/gather_sliced" } else { "conv/gather_hard" };
    sender.onto(stored(Page::of(file).number("WORKGROUP", workgroup), way, gradients))
}

/// How rows find gradients that were gathered.
pub fn rows_sender(way: Way) -> SenderPart {
    let file = if way == Way::Sliced { "conv/send_rows_sliced" } else { "conv/send_rows_hard" };
    SenderPart { file, numbers: Vec::new(), flags: Vec::new() }
}

/// Whether places of windows are drawn.
fn is_drawn(conv: &Conv, rule: PoolGradient) -> bool {
    conv.pool > 1 && rule == PoolGradient::Any
}

/// Whether a window's gradient can go to several of its places.
fn is_exact(conv: &Conv, rule: PoolGradient) -> bool {
    conv.pool > 1 && rule == PoolGradient::Exact
}

/// Trees of a layer.
fn trees(layer: &LayerOutline, conv: &Conv) -> u32 {
    layer.gates / conv.tree_gates() as u32
}

/// A page of trees of this shape.
fn shaped(page: Page, conv: &Conv) -> Page {
    let [rows, columns] = conv.outputs().map(|n| n as u32);
    page.number("DEPTH", conv.depth)
        .number("POOL", conv.pool)
        .number("STRIDE", conv.stride)
        .number("PAD", conv.pad)
        .number("HEIGHT", conv.height)
        .number("WIDTH", conv.width)
        .number("KERNEL_ROWS", conv.kernel[0])
        .number("KERNEL_COLUMNS", conv.kernel[1])
        .number("ROWS", rows)
        .number("COLUMNS", columns)
        .flag("PADDED", conv.pad > 0)
}

/// How rows gather their gradients from the trees of a convolution that read them.
pub fn sender(way: Way, conv: &Conv, rule: PoolGradient) -> SenderPart {
    let numbers = vec![
        ("NEXT_WIDTH", conv.width),
        ("NEXT_PAD", conv.pad),
        ("NEXT_STRIDE", conv.stride),
        ("NEXT_POOL", conv.pool),
        ("NEXT_COLUMNS", conv.outputs()[1] as u32),
        ("NEXT_LEAVES", conv.leaves() as u32),
    ];
    let (exact, pooled) = (("NEXT_EXACT", is_exact(conv, rule)), ("NEXT_POOLED", conv.pool > 1));
    let (file, flags) = match way {
        Way::Hard => ("conv/send_hard", vec![exact, pooled]),
        Way::Sliced => ("conv/send_sliced", vec![exact, pooled]),
        Way::Soft => ("conv/send_soft", vec![pooled]),
    };
    SenderPart { file, numbers, flags }
}

/// Trees on packed bits: four words at a time where `wide`. In a step they may clear table gradients, and draw places of windows for
/// layer number `draws`.
pub fn forward_hard(conv: &Conv, wide: bool, workgroup: u32, clears: bool, draws: Option<u32>) -> Page {
    let page = Page::of("conv/forward_hard")
        .number("WORKGROUP", workgroup)
        .flag("WIDE", wide)
        .flag("CLEAR", clears)
        .flag("DRAW", draws.is_some());
    shaped(draws.into_iter().fold(page, |page, index| page.number("INDEX", index)), conv)
}

/// Trees on real activations.
pub fn forward_soft(conv: &Conv, workgroup: u32) -> Page {
    shaped(Page::of("conv/forward_soft").number("WORKGROUP", workgroup), conv)
}

/// Most words of [`edges`] of so many wires: a leaf reads at most as many rows of the map as there are, or places.
fn most_edge_words(conv: &Conv, wires: u64) -> u64 {
    let lists = u64::from(conv.channels) * u64::from(conv.height);
    lists + 1 + 2 * wires * u64::from(conv.height).min(conv.places()[0] as u64)
}

/// The leaves that read each row of each channel of the map: `[channels · rows + 1]` where they begin in this same array, then two
/// words each: the first output of the row of outputs that they read for, and `leaf | row of the pool's window << 3 | dx << 5`. By
/// tree, band of outputs and leaf, which is the order in which their gradients are added; at a place of the map a leaf reads once.
pub fn edges(layer: &Layer, conv: &Conv) -> Vec<u32> {
    let ([rows, columns], leaves, pool) = (conv.outputs(), conv.leaves(), conv.pool as usize);
    let (height, stride, pad) = (conv.height as usize, conv.stride as usize, conv.pad as usize);
    let mut lists: Vec<Vec<[usize; 5]>> = vec![Vec::new(); conv.channels as usize * height];
    for (unit, wires) in layer.wiring.chunks_exact(leaves).enumerate() {
        for (k, &wire) in wires.iter().enumerate() {
            let (channel, dy, dx) = conv.leaf(wire);
            for place in 0..rows * pool {
                let Some(y) = (place * stride + dy).checked_sub(pad).filter(|&y| y < height) else { continue };
                let row = place / pool;
                lists[channel * height + y].push([unit, row / conv.band(), k, row, (place % pool) << 3 | dx << 5]);
            }
        }
    }
    let mut edges = vec![0; lists.len() + 1];
    for (at, mut list) in lists.into_iter().enumerate() {
        list.sort_unstable();
        edges[at] = edges.len() as u32;
        for [unit, _, k, row, how] in list {
            edges.extend([((unit * rows + row) * columns) as u32, (k | how) as u32]);
        }
    }
    let lists = conv.channels as usize * height;
    edges[lists] = edges.len() as u32;
    edges
}
