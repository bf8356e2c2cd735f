//! From the last layer's rows to votes, their loss, and its gradient an output: what begins the way back.

use super::batch::Share;
use super::context::{Context, Way};
use super::sender::{Activations, Sender, SenderPart};
use crate::data::Task;
use crate::plan::{Buffer, GradientFormat, Id, MOST_TURNS, Page, Pass, Plan, Tuning};

/// Most words of gradients of outputs that the workgroup which makes them also slices; more are sliced by a pass of their own.
const MOST_SLICED: u32 = 256;

/// Steps whose loss and quality stay on the device until they are read back.
pub const HISTORY: u32 = 4096;

/// What a loss leaves.
#[derive(Debug, Clone, Copy)]
pub struct Gradients {
    /// `[outputs]` rows as `loss` leaves them: f32 where planes are sliced.
    outputs: Id,
    /// `[outputs]` rows, bit-sliced, where planes are.
    sliced: Option<Id>,
    /// `[HISTORY]` of (mean loss, quality) f32.
    pub history: Id,
}

/// What a loss and an evaluation read beside votes.
#[derive(Debug, Clone, Copy)]
pub struct Truth {
    /// `uniforms::Training`.
    pub training: Id,
    /// What is right, by sample number.
    pub labels: Id,
    /// `[targets]` f32, 1 / variance over the training samples, where values are told.
    pub spread: Option<Id>,
}

/// Have a buffer for votes: `[outputs][words · 32]` f32.
pub fn plan(plan: &mut Plan, cx: &Context, words: u32) -> Id {
    plan.add(Buffer::scratch("votes", u64::from(cx.outline.outputs) * u64::from(words) * 128))
}

/// Rows of the last layer, whose extent is `layer`, to votes.
pub fn count(cx: &Context, layer: Id, x: &Activations, votes: Id) -> Pass {
    let (group, words, outputs) = (cx.outline.group(), x.words, cx.outline.outputs);
    let last = cx.outline.layers.len() - 1;
    let pass = if x.are_real {
        // Lanes share an output where it has too many gates for one.
        let lanes = (0..9).map(|i| 1 << i).find(|lanes| group / lanes < MOST_TURNS / 4).unwrap_or(256);
        let rows_a_group = if lanes > 1 { 1 } else { 64 };
        Pass::of(group_sum_soft(lanes)).groups(&cx.tuning, outputs * words * 4, rows_a_group, group / lanes + 16)
    } else {
        // Lanes enough for each one's loops.
        let turns = |lanes: u32| group.div_ceil(lanes) * (planes(group, lanes) + 1);
        let fits = |lanes: u32| lanes >= 256 || turns(lanes) < MOST_TURNS / 2;
        let lanes = (0..9).map(|i| 1 << i).find(|&l| l >= cx.tuning.vote_lanes && fits(l)).unwrap_or(256);
        let pass = Pass::of(group_sum(group, lanes));
        match lanes {
            1 => pass.groups(&cx.tuning, outputs * words, LONE_LANES, turns(1) + 32 * planes(group, 1)),
            _ => pass.grid([outputs, words]),
        }
    };
    // Rows in, votes out.
    let least = u64::from(cx.outline.layers[last].rows()) * x.row_bytes() + u64::from(outputs * words) * 128;
    pass.bind("layer", layer).bind("outputs", x.outputs[last]).bind("votes", votes).least_bytes(least)
}

/// Planes to count to the most gates that one of `lanes` lanes is given of a group.
fn planes(group: u32, lanes: u32) -> u32 {
    32 - group.div_ceil(lanes).leading_zeros()
}

/// Lanes of a workgroup that counts, each of them alone: few, so that software drivers have work for all cores.
const LONE_LANES: u32 = 8;

/// Votes on bits: `lanes` lanes count the `group` gates of an output.
pub fn group_sum(group: u32, lanes: u32) -> Page {
    Page::of("votes/group_sum")
        .number("WORKGROUP", if lanes > 1 { lanes } else { LONE_LANES })
        .number("PLANES", planes(group, lanes))
        .flag("LANES_SHARE", lanes > 1)
}

/// Votes on real activations: `lanes` lanes add an output's up.
pub fn group_sum_soft(lanes: u32) -> Page {
    let workgroup = if lanes > 1 { lanes } else { 64 };
    Page::of("votes/group_sum_soft").number("WORKGROUP", workgroup).flag("LANES_SHARE", lanes > 1)
}

impl Gradients {
    /// Have buffers for rows of `words` words.
    pub fn plan(plan: &mut Plan, cx: &Context, words: u32) -> Self {
        let (outputs, sliced) = (u64::from(cx.outline.outputs), cx.settings.gradients.is_sliced());
        Gradients {
            outputs: plan.add(Buffer::scratch("class gradients", outputs * cx.output_row_bytes(words))),
            sliced: sliced
                .then(|| plan.add(Buffer::scratch("sliced class gradients", outputs * cx.gradient_row_bytes(words)))),
            history: plan.add(Buffer::state("history", u64::from(HISTORY) * 8)),
        }
    }

    /// Votes of a share to the loss and its gradient an output, in the numbers that the layers' gradients have.
    pub fn loss(
        &self,
        cx: &Context,
        share: Share,
        truth: &Truth,
        [chosen, votes, step]: [Id; 3],
        words: u32,
    ) -> Vec<Pass> {
        let (outputs, samples) = (u64::from(cx.outline.outputs), u64::from(words) * 32);
        let rows = outputs * cx.output_row_bytes(words);
        let least = rows + outputs * cx.gradient_row_bytes(words);
        let apart = self.sliced.filter(|_| cx.outline.outputs * words > MOST_SLICED);
        let (sliced, lanes) = (self.sliced.filter(|_| apart.is_none()), loss_lanes(&cx.tuning, words));
        let head = (cx.outline.task, cx.outline.code_bits);
        let loss = Pass::of(loss(cx.settings.gradients, share.added, sliced.is_some(), lanes, head))
            .bind("batch", share.batch)
            .bind("training", truth.training)
            .bind("step", step)
            .bind("votes", votes)
            .bind("chosen", chosen)
            .bind("labels", truth.labels)
            .bind("class_gradients", self.outputs)
            .bind("history", self.history)
            .binds(truth.spread.map(|spread| ("spread", spread)))
            .binds(sliced.map(|sliced| ("sliced", sliced)))
            // Votes, sample numbers and labels in, class gradients out, which may also be sliced.
            .least_bytes(outputs * samples * 4 + rows + 2 * samples * 4 + sliced.map_or(0, |_| least));
        let slices = apart.map(|sliced| {
            Pass::of(slice_gradients(cx.settings.gradients))
                .bind("batch", share.batch)
                .bind("training", truth.training)
                .bind("step", step)
                .bind("class_gradients", self.outputs)
                .bind("sliced", sliced)
                .grid([(cx.outline.outputs * words).div_ceil(64), 1])
                .least_bytes(least)
        });
        [Some(loss), slices].into_iter().flatten().collect()
    }

    /// What the last layer gathers by.
    pub fn sender(&self, cx: &Context, words: u32) -> Sender {
        Sender {
            part: sender(cx.way()),
            binds: Vec::new(),
            rows: self.sliced.unwrap_or(self.outputs),
            are_outputs: true,
            readers: 0,
            arity: 0,
            least_bytes: u64::from(cx.outline.outputs) * cx.gradient_row_bytes(words),
        }
    }
}

/// How gates of the last layer find their gradients.
pub fn sender(way: Way) -> SenderPart {
    let file = match way {
        Way::Hard => "votes/send_hard",
        Way::Sliced => "votes/send_sliced",
        Way::Soft => "votes/send_soft",
    };
    SenderPart { file, numbers: Vec::new(), flags: Vec::new() }
}

/// Lanes that make the loss: as many as a workgroup has elsewhere, and more where these would turn long.
fn loss_lanes(tuning: &Tuning, words: u32) -> u32 {
    if words > 16 { 256 } else { tuning.workgroup }
}

/// The loss and its gradient, in `gradients`, or in f32 where these are sliced, here (`sliced`) or afterwards; of a task, told with so
/// many bits a value.
pub fn loss(gradients: GradientFormat, added: bool, sliced: bool, lanes: u32, head: (Task, u32)) -> Page {
    let page = Page::of("votes/loss")
        .number("WORKGROUP", lanes)
        .number("HISTORY", HISTORY)
        .flag("ADDED", added)
        .flag("SLICED", sliced)
        .flag("GRADIENT_HALVES", gradients.is_half())
        .flag("GRADIENT_F16", gradients == GradientFormat::F16);
    let page = if sliced { page.number("SLICES", gradients.bits()) } else { page };
    headed(page, head.0, head.1)
}

/// Class gradients to bit-sliced integers.
pub fn slice_gradients(gradients: GradientFormat) -> Page {
    Page::of("votes/slice_gradients").number("SLICES", gradients.bits())
}

/// Votes of a batch to each sample's loss and verdict, `judged` `[samples]`.
pub fn evaluate(cx: &Context, truth: &Truth, [batch, votes, judged]: [Id; 3], words: u32) -> Pass {
    Pass::of(evaluate_page(cx.outline.task, cx.outline.code_bits))
        .bind("batch", batch)
        .bind("training", truth.training)
        .bind("votes", votes)
        .bind("labels", truth.labels)
        .bind("judged", judged)
        .binds(truth.spread.map(|spread| ("spread", spread)))
        .grid([words.div_ceil(2), 1])
}

/// The page that judges samples.
pub fn evaluate_page(task: Task, code_bits: u32) -> Page {
    headed(Page::of("votes/evaluate"), task, code_bits)
}

/// A page that reads votes as `task` has them.
fn headed(page: Page, task: Task, code_bits: u32) -> Page {
    match task {
        Task::Classes => page.part("head", "votes/head/classes"),
        Task::Labels => page.part("head", "votes/head/labels"),
        Task::Values => page.part("head", "votes/head/values").number("CODE_BITS", code_bits),
    }
}
