//! What a device is to do, as data: named buffers, and passes over them. A plan is made, checked and tested without a device; a
//! [`Session`](crate::gpu::Session) carries it out.
//!
//! From a plan follow, and are written nowhere else: what is allocated, whether it fits, what a checkpoint holds, what a pass moves at
//! least, and how its page's bindings are numbered.

mod encode;
mod formats;
mod page;
mod tuning;
pub mod uniforms;

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::sync::Arc;

pub use encode::{Bytes, EncoderIds, EncoderTable, MOST_SHARDS, encode, padded_rows};
pub use formats::{CageScope, GradientFormat, slice_scale, sums_are_short};
pub use page::{Access, Binding, FILES, Page, Source};
pub use tuning::{MOST_GROUPS, MOST_TURNS, Tuning};

use crate::{Error, Result};

/// Bytes of a uniform that every device binds.
const MOST_UNIFORM_BYTES: u64 = 65_536;

/// Where a part of a buffer can begin on every device: at a multiple of so many bytes (WebGPU's default of
/// `minStorageBufferOffsetAlignment`).
pub const PART_ALIGNMENT: u64 = 256;

/// A buffer to be.
#[derive(Debug, Clone, PartialEq)]
pub struct Buffer {
    /// What it holds; with its layer, unique in its plan where its life is `State`.
    pub name: &'static str,
    /// Its layer, where it belongs to one.
    pub layer: Option<usize>,
    /// Bytes of its contents.
    pub bytes: u64,
    /// How long its contents matter.
    pub life: Life,
    /// What it holds at first.
    pub contents: Contents,
    /// The buffer that it is a part of, and the byte where it begins there.
    pub within: Option<(Id, u64)>,
}

/// How long a buffer's contents matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Life {
    /// Made anew, or the same, whenever the plan is carried out.
    Scratch,
    /// A later step, or a report of one, needs them: checkpoints hold them.
    State,
}

/// What a buffer holds at first.
#[derive(Debug, Clone, PartialEq)]
pub enum Contents {
    /// Zeros.
    Zeros,
    /// These bytes.
    Bytes(Vec<u8>),
    /// What is given when a device carries the plan out: too large, or not known, when it is made.
    Given,
}

impl Buffer {
    /// A buffer of zeros, of no use past the passes that fill and read it.
    pub fn scratch(name: &'static str, bytes: u64) -> Self {
        Buffer { name, layer: None, bytes, life: Life::Scratch, contents: Contents::Zeros, within: None }
    }

    /// A buffer of zeros that belongs to a checkpoint.
    pub fn state(name: &'static str, bytes: u64) -> Self {
        Buffer { life: Life::State, ..Self::scratch(name, bytes) }
    }

    /// The same of a layer.
    pub fn of_layer(self, layer: usize) -> Self {
        Buffer { layer: Some(layer), ..self }
    }

    /// The same holding `values` at first, and as many bytes as they have.
    pub fn holding<T: bytemuck::Pod>(self, values: &[T]) -> Self {
        let bytes: &[u8] = bytemuck::cast_slice(values);
        Buffer { bytes: bytes.len() as u64, contents: Contents::Bytes(bytes.to_vec()), ..self }
    }

    /// The same with contents that are given when a device carries the plan out.
    pub fn given(self) -> Self {
        Buffer { contents: Contents::Given, ..self }
    }

    /// Bytes that it takes on a device.
    pub fn size(&self) -> u64 {
        self.bytes.next_multiple_of(16).max(16)
    }

    /// Its name in checkpoints: `layers.3.logits`, or `step`.
    pub fn key(&self) -> String {
        self.layer.map_or(self.name.into(), |layer| format!("layers.{layer}.{}", self.name))
    }

    /// Its name in sentences: `logits of layer 3`.
    pub fn told(&self) -> String {
        self.layer.map_or(self.name.into(), |layer| format!("{} of layer {layer}", self.name))
    }
}

/// A buffer of a plan, or of one that lies beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Id(usize);

/// A dispatch: a page, what it is bound to, and on how many workgroups.
#[derive(Debug, Clone, PartialEq)]
pub struct Pass {
    /// What is run.
    pub page: Page,
    /// Its layer, level or round, where it has one.
    pub layer: Option<usize>,
    /// What the page's bindings are.
    pub binds: Vec<(&'static str, Id)>,
    /// Workgroups.
    pub grid: [u32; 2],
    /// Turns of loops that a lane takes for one item, at most about.
    pub turns: u32,
    /// Bytes that it moves at least: every row that it reads, once, and every row that it writes. A kernel that reads a row twice
    /// moves more, unless a cache holds it; one that finds that it need not read a row moves less.
    pub least_bytes: Option<u64>,
}

impl Pass {
    /// A pass of `page` on one workgroup, bound to nothing yet.
    pub fn of(page: Page) -> Self {
        Pass { page, layer: None, binds: Vec::new(), grid: [1, 1], turns: 1, least_bytes: None }
    }

    /// The same of a layer.
    pub fn of_layer(self, layer: usize) -> Self {
        Pass { layer: Some(layer), ..self }
    }

    /// Bind a buffer by the name that the page gives it.
    pub fn bind(mut self, name: &'static str, buffer: Id) -> Self {
        self.binds.push((name, buffer));
        self
    }

    /// Bind several.
    pub fn binds(mut self, binds: impl IntoIterator<Item = (&'static str, Id)>) -> Self {
        self.binds.extend(binds);
        self
    }

    /// Run it on `grid` workgroups.
    pub fn grid(self, grid: [u32; 2]) -> Self {
        Pass { grid, ..self }
    }

    /// Run it on as many workgroups as `tuning` says for `items` items at `per_workgroup` a round and `turns` turns each.
    pub fn groups(self, tuning: &Tuning, items: u32, per_workgroup: u32, turns: u32) -> Self {
        Pass { grid: tuning.groups(items, per_workgroup, turns), turns, ..self }
    }

    /// Say what it moves at least.
    pub fn least_bytes(self, bytes: u64) -> Self {
        Pass { least_bytes: Some(bytes), ..self }
    }

    /// Its page's name, and its layer: `forward_hard 3`.
    pub fn label(&self) -> String {
        let name = self.page.name();
        self.layer.map_or(name.into(), |layer| format!("{name} {layer}"))
    }
}

/// What a device takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most bytes of a buffer, and of a binding.
    pub buffer_bytes: u64,
    /// Whether it is a software driver, whose lanes may take [`MOST_TURNS`] turns of loops.
    pub is_software: bool,
}

/// Some passes of a plan, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct List(Range<usize>);

/// Named buffers, and passes over them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    buffers: Vec<Buffer>,
    passes: Vec<Pass>,
    /// So many of the buffers are those of the plan that this one lies beside.
    beside: usize,
}

impl Plan {
    /// A plan whose passes may also use the buffers of `other`, which is carried out already.
    pub fn beside(other: &Plan) -> Self {
        let without_contents = |b: &Buffer| Buffer { contents: Contents::Zeros, ..b.clone() };
        Plan {
            buffers: other.buffers.iter().map(without_contents).collect(),
            passes: Vec::new(),
            beside: other.buffers.len(),
        }
    }

    /// Have a buffer.
    pub fn add(&mut self, buffer: Buffer) -> Id {
        self.buffers.push(buffer);
        Id(self.buffers.len() - 1)
    }

    /// Have a part of the buffer `whole`, from byte `at` on. Passes bind it, and hosts read and write it, as any buffer; what it holds
    /// and how long that matters is its own.
    pub fn part(&mut self, whole: Id, at: u64, buffer: Buffer) -> Id {
        self.add(Buffer { within: Some((whole, at)), ..buffer })
    }

    /// Have some passes, which can be run together.
    pub fn list(&mut self, passes: Vec<Pass>) -> List {
        let first = self.passes.len();
        self.passes.extend(passes);
        List(first..self.passes.len())
    }

    /// Its own buffers, without those of the plan it lies beside.
    pub fn buffers(&self) -> impl Iterator<Item = (Id, &Buffer)> {
        self.buffers.iter().enumerate().skip(self.beside).map(|(i, buffer)| (Id(i), buffer))
    }

    /// The same without parts of others: what a device is to make.
    pub fn wholes(&self) -> impl Iterator<Item = (Id, &Buffer)> {
        self.buffers().filter(|(_, buffer)| buffer.within.is_none())
    }

    /// The buffer that a device makes for this one, and the byte where this one begins there.
    pub fn place(&self, id: Id) -> (Id, u64) {
        self.buffer(id).within.unwrap_or((id, 0))
    }

    /// A buffer by its id.
    pub fn buffer(&self, id: Id) -> &Buffer {
        &self.buffers[id.0]
    }

    /// All passes.
    pub fn passes(&self) -> &[Pass] {
        &self.passes
    }

    /// Passes of a list.
    pub fn passes_of(&self, list: &List) -> &[Pass] {
        &self.passes[list.0.clone()]
    }

    /// Bytes of its own buffers.
    pub fn bytes(&self) -> u64 {
        self.wholes().map(|(_, buffer)| buffer.size()).sum()
    }

    /// By name, over the layers: its own buffers, and their bytes together.
    pub fn by_name(&self) -> BTreeMap<String, (u64, u64)> {
        let mut all = BTreeMap::new();
        for (_, buffer) in self.wholes() {
            let (count, bytes) = all.entry(buffer.name.to_string()).or_insert((0, 0));
            *count += 1;
            *bytes += buffer.size();
        }
        all
    }

    /// Its largest own buffer.
    pub fn largest(&self) -> Option<&Buffer> {
        self.wholes().map(|(_, buffer)| buffer).max_by_key(|buffer| buffer.bytes)
    }

    /// Why the largest buffer does not fit a device, if it does not.
    pub fn too_large(&self, limits: &Limits) -> Option<String> {
        let largest = self.largest().filter(|buffer| buffer.bytes > limits.buffer_bytes)?;
        let mib = |bytes: u64| bytes as f64 / 1048576.0;
        Some(format!(
            "{} would need {:.1} MiB in one buffer, and this adapter takes {:.1} MiB at most",
            largest.told(),
            mib(largest.bytes),
            mib(limits.buffer_bytes)
        ))
    }

    /// Check everything that can be checked without a device; the source of every pass.
    ///
    /// # Errors
    /// [`Error::Usage`] for what the device does not take; [`Error::Run`] for a mistake in the plan: a name that a page does not
    /// have, or has and is not given, two buffers for one name, a written buffer bound twice, too large a grid, a part that does not
    /// lie in its whole.
    pub fn check(&self, limits: &Limits) -> Result<Vec<Arc<Source>>> {
        if let Some(problem) = self.too_large(limits) {
            return Err(Error::usage(problem));
        }
        if let Some(pass) = self.passes.iter().find(|pass| limits.is_software && pass.turns > MOST_TURNS) {
            return Err(Error::usage(format!(
                "a lane of {} would turn its loops {} times, and this software driver gives up after {MOST_TURNS}; use smaller or \
                 wider layers, or a GPU",
                pass.label(),
                pass.turns
            )));
        }
        let mut keys: Vec<_> =
            self.buffers.iter().filter(|b| b.life == Life::State).map(|b| (b.name, b.layer)).collect();
        keys.sort_unstable();
        if let Some(pair) = keys.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(mistake(format!("two buffers are called {pair:?}")));
        }
        for (_, part) in self.buffers() {
            let Some((whole, at)) = part.within else { continue };
            let whole = self.buffer(whole);
            if whole.within.is_some() || !at.is_multiple_of(PART_ALIGNMENT) || at + part.size() > whole.size() {
                return Err(mistake(format!("{} is no part of {}", part.told(), whole.told())));
            }
        }
        let mut made: HashMap<&Page, Arc<Source>> = HashMap::new();
        let mut sources = Vec::with_capacity(self.passes.len());
        for pass in &self.passes {
            let source = match made.get(&pass.page) {
                Some(source) => source.clone(),
                None => {
                    let source = Arc::new(pass.page.assemble().map_err(mistake)?);
                    made.insert(&pass.page, source.clone());
                    source
                }
            };
            self.check_pass(pass, &source).map_err(|problem| mistake(format!("{}: {problem}", pass.label())))?;
            sources.push(source);
        }
        Ok(sources)
    }

    fn check_pass(&self, pass: &Pass, source: &Source) -> std::result::Result<(), String> {
        for (name, id) in &pass.binds {
            if id.0 >= self.buffers.len() {
                return Err(format!("{name} is bound to no buffer of this plan"));
            }
            if !source.bindings.iter().any(|b| b.name == *name) {
                return Err(format!("{name} is given, and the page has no binding of this name"));
            }
        }
        let mut ids = Vec::new();
        for binding in &source.bindings {
            let given: Vec<Id> =
                pass.binds.iter().filter(|(name, _)| *name == binding.name).map(|(_, id)| *id).collect();
            let [id] = given[..] else {
                return Err(format!("{} is bound to {} buffers instead of one", binding.name, given.len()));
            };
            if binding.access == Access::Uniform && self.buffer(id).bytes > MOST_UNIFORM_BYTES {
                return Err(format!("{} is too large for a uniform", binding.name));
            }
            // Devices keep count of whole buffers, so parts of one are one here.
            let (id, _) = self.place(id);
            if ids
                .iter()
                .any(|(other, access)| *other == id && (binding.access == Access::Write || *access == Access::Write))
            {
                return Err(format!("{} is written and bound under another name too", self.buffer(id).told()));
            }
            ids.push((id, binding.access));
        }
        if pass.grid.iter().any(|&n| n == 0 || n > MOST_GROUPS) {
            return Err(format!("a grid of {:?} workgroups is not possible", pass.grid));
        }
        Ok(())
    }
}

impl Id {
    /// Its place in its plan.
    pub(crate) fn index(self) -> usize {
        self.0
    }
}

impl List {
    /// It cut after its first `after[0]` passes, its first `after[1]`, and so on: one part more than places to cut at.
    pub fn cut(&self, after: &[usize]) -> Vec<List> {
        let ends = after.iter().map(|n| self.0.start + n).chain([self.0.end]);
        ends.scan(self.0.start, |first, end| Some(List(std::mem::replace(first, end)..end))).collect()
    }

    /// The places of its passes in its plan.
    pub(crate) fn range(&self) -> Range<usize> {
        self.0.clone()
    }
}

/// What only a change of the program can mend.
fn mistake(problem: String) -> Error {
    Error::Run(format!("{problem}; this is a mistake of gatewright, please report it"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { buffer_bytes: 1 << 20, is_software: true };

    /// A copy from one buffer to another.
    fn copy(plan: &mut Plan) -> Pass {
        let (source, copied) = (plan.add(Buffer::scratch("source", 64)), plan.add(Buffer::scratch("copied", 64)));
        Pass::of(Page::of("device/copy").number("WORKGROUP", 64)).bind("source", source).bind("copied", copied)
    }

    /// What is told of a plan of one such pass, changed.
    fn told(change: impl Fn(&mut Plan, Pass) -> Pass) -> String {
        let mut plan = Plan::default();
        let pass = copy(&mut plan);
        let pass = change(&mut plan, pass);
        plan.list(vec![pass]);
        plan.check(&LIMITS).unwrap_err().to_string()
    }

    #[test]
    fn wrong_missing_and_surplus_names_fail_without_a_device() {
        let mut plan = Plan::default();
        let pass = copy(&mut plan);
        plan.list(vec![pass]);
        assert_eq!(plan.check(&LIMITS).unwrap()[0].bindings.len(), 2);
        assert!(
            told(|_, pass| Pass { binds: vec![pass.binds[0], ("copy", pass.binds[1].1)], ..pass })
                .contains("copy is given")
        );
        assert!(
            told(|_, pass| Pass { binds: pass.binds[..1].to_vec(), ..pass }).contains("copied is bound to 0 buffers")
        );
        assert!(
            told(|_, pass| {
                let id = pass.binds[0].1;
                pass.bind("third", id)
            })
            .contains("third is given")
        );
        assert!(
            told(|_, pass| {
                let id = pass.binds[0].1;
                pass.bind("source", id)
            })
            .contains("source is bound to 2")
        );
        assert!(told(|_, pass| Pass { page: Page::of("device/copy"), ..pass }).contains("needs the number WORKGROUP"));
    }

    #[test]
    fn parts_are_bound_but_neither_made_nor_written_beside_one_another() {
        let mut plan = Plan::default();
        let whole = plan.add(Buffer::scratch("whole", 1024));
        let parts = [0, 512].map(|at| plan.part(whole, at, Buffer::scratch("part", 512)));
        let other = plan.add(Buffer::scratch("other", 512));
        let copy = |from, to| {
            Pass::of(Page::of("device/copy").number("WORKGROUP", 64)).bind("source", from).bind("copied", to)
        };
        plan.list(vec![copy(parts[1], other)]);
        plan.check(&LIMITS).unwrap();
        assert_eq!((plan.bytes(), plan.wholes().count(), plan.place(parts[1])), (1536, 2, (whole, 512)));
        plan.list(vec![copy(parts[0], parts[1])]);
        assert!(plan.check(&LIMITS).unwrap_err().to_string().contains("written and bound under another name"));
    }

    #[test]
    fn what_no_device_takes_fails_without_one() {
        assert!(
            told(|plan, pass| {
                plan.add(Buffer::scratch("large", (1 << 20) + 1).of_layer(3));
                pass
            })
            .starts_with("large of layer 3 would need 1.0 MiB")
        );
        assert!(told(|_, pass| pass.grid([1, MOST_GROUPS + 1])).contains("workgroups is not possible"));
        assert!(told(|_, pass| Pass { turns: MOST_TURNS + 1, ..pass }).contains("software driver gives up"));
        let aliased =
            |_: &mut Plan, pass: Pass| Pass { binds: vec![pass.binds[0], ("copied", pass.binds[0].1)], ..pass };
        assert!(told(aliased).contains("source is written and bound under another name"));
        let part_at = |at| {
            told(move |plan, pass| {
                let whole = plan.add(Buffer::scratch("whole", 1024));
                plan.part(whole, at, Buffer::scratch("part", 500));
                pass
            })
        };
        // 500 bytes are 512 on a device; 256 is a place for them, and 512 the last.
        for at in [16, 128, 768, 1024] {
            assert!(part_at(at).contains("part is no part of whole"), "{at}");
        }
        assert!(
            told(|plan, pass| {
                (0..2).for_each(|_| {
                    plan.add(Buffer::state("logits", 4));
                });
                pass
            })
            .contains("two buffers")
        );
    }
}
