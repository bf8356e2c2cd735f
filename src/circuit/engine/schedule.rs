//! From a netlist to a program: which gate is evaluated when, and which slot holds which signal.
//! Convolutions come first (`places`).
//!
//! A slot is a block of 512 samples of one signal. The program is bound by the cache, so the order is chosen for it:
//! - within a level, a walk from gate to gate over shared inputs, so that the second reader of a signal finds it near;
//! - the walk is cut into windows, and within a window gates of one kind run together, without a branch per gate;
//! - a slot is free again once the last reader's window is done, and the slot that was freed last is used first.
//!
//! Gates that do nothing but vote for one class run last, class by class, into slots side by side that every class uses
//! anew, so that their votes are counted while they are near. Every LUT of the netlist is evaluated once; nothing is simplified here.

use std::collections::HashSet;
use std::ops::Range;

use super::encode::Encoding;
use super::gates::{Gate, Group, Kind, gates_of};
use super::places::{Map, Places};
use crate::circuit::{Netlist, Signal};

/// Gates in a window: their inputs and outputs fit the first-level cache together.
const WINDOW: usize = 128;

/// A gate of at most two inputs.
#[derive(Debug, Clone, Copy)]
pub struct Narrow {
    /// Slots of the inputs.
    pub inputs: [u32; 2],
    /// Slot of the output.
    pub output: u32,
}

/// A gate of 3 to 6 inputs.
#[derive(Debug, Clone, Copy)]
pub struct Wide {
    /// Bit `c` is the output for code `c`, the first input is the highest bit of the code.
    pub table: u64,
    /// Slots of the inputs.
    pub inputs: [u32; 6],
    /// Slot of the output.
    pub output: u32,
}

/// One instruction.
#[derive(Debug, Clone)]
pub enum Step {
    /// Evaluate narrow gates of one kind; the range is into [`Program::narrow`].
    Narrow(Kind, Range<usize>),
    /// Evaluate wide gates of one arity; the range is into [`Program::wide`].
    Wide(u8, Range<usize>),
    /// Count the votes of a class.
    Tally(Tally),
}

/// The votes of a class. Of each pair, the first vote where they are 1, the others where they are 0.
#[derive(Debug, Clone)]
pub struct Tally {
    /// The class.
    pub class: usize,
    /// Slots side by side: those of gates that vote once and do nothing else.
    pub own: [Range<usize>; 2],
    /// All other votes, ranges into [`Program::votes`].
    pub listed: [Range<usize>; 2],
    /// Votes that are always cast.
    pub offset: u32,
}

/// A netlist laid out to be evaluated block by block. Input rows are the first slots.
#[derive(Debug, Clone, Default)]
pub struct Program {
    /// Slots of features, and where these go in the map that the first convolution reads.
    pub spread: Vec<[u32; 2]>,
    /// Convolutions, which run before all steps.
    pub places: Vec<Places>,
    /// In order.
    pub steps: Vec<Step>,
    /// Gates of at most two inputs.
    pub narrow: Vec<Narrow>,
    /// Gates of more.
    pub wide: Vec<Wide>,
    /// Slots of votes that do not lie side by side.
    pub votes: Vec<u32>,
    /// Slots in all.
    pub slots: usize,
}

impl Program {
    /// Schedule every LUT of `netlist`, whose features are encoded as `encoding` says.
    pub fn new(netlist: &Netlist, encoding: &Encoding) -> Self {
        let inputs = netlist.inputs();
        let (gates, inverted) = gates_of(inputs, &netlist.luts);
        let levels = netlist.levels();
        let mut program = Program::default();
        let mut slots = Slots::new(netlist, program.lay_out(netlist, encoding));

        let only_class = only_class(netlist);
        let depth = levels.iter().copied().max().unwrap_or(0);
        let mut by_level: Vec<Vec<u32>> = vec![Vec::new(); depth as usize + 1];
        let mut by_class: Vec<Vec<u32>> = vec![Vec::new(); netlist.classes.len()];
        for (i, class) in only_class.iter().enumerate() {
            match class {
                Some(class) => by_class[*class].push(i as u32),
                None => by_level[levels[inputs + i] as usize].push(i as u32),
            }
        }
        slots.reserve(by_class.iter().map(Vec::len).max().unwrap_or(0));
        for level in by_level {
            program.evaluate(&gates, &walk(&level, &gates, netlist.signals()), &mut slots);
        }
        for (class, of_class) in by_class.iter().enumerate() {
            let (mut own, mut others) = ([Vec::new(), Vec::new()], [Vec::new(), Vec::new()]);
            let mut voted = HashSet::new();
            for vote in &netlist.votes[class] {
                let lut = (vote.signal as usize).checked_sub(inputs);
                let once = lut.is_some_and(|i| only_class[i].is_some()) && voted.insert(vote.signal);
                let complement = usize::from(vote.inverted != inverted[vote.signal as usize]);
                let lists = if once { &mut own } else { &mut others };
                lists[complement].push(vote.signal);
            }
            let own = slots.place(&own);
            program.evaluate(&gates, &walk(of_class, &gates, netlist.signals()), &mut slots);
            let listed = others.map(|signals| {
                let start = program.votes.len();
                program.votes.extend(signals.iter().map(|&s| slots.of(s)));
                start..program.votes.len()
            });
            program.steps.push(Step::Tally(Tally { class, own, listed, offset: netlist.offsets[class] }));
            netlist.votes[class].iter().for_each(|v| slots.read(v.signal));
            slots.release();
        }
        program.slots = slots.count as usize;
        program
    }

    /// Lay out the convolutions, in slots behind those of `encoding`; the slots of the netlist's inputs, and all slots so far.
    fn lay_out(&mut self, netlist: &Netlist, encoding: &Encoding) -> (Vec<u32>, usize) {
        let rows = encoding.rows().max(1);
        let Some(first) = netlist.stages.first() else {
            return ((0..netlist.features()).map(|f| encoding.row(f)).collect(), rows);
        };
        let (height, width) = (first.grid.height, first.grid.width);
        let mut inputs: Vec<u32> = (0..netlist.features()).map(|f| encoding.row(f)).collect();
        let mut map = Map::new(rows, first.channels, [height, width], first.grid.pad);
        for (f, _) in netlist.use_of_features().into_iter().enumerate().filter(|(_, readers)| *readers > 0) {
            let slot = map.slot(f / (height * width), [f / width % height, f % width]);
            self.spread.push([encoding.row(f), slot as u32]);
        }
        for (i, stage) in netlist.stages.iter().enumerate() {
            // Zeros lie around a map where the next convolution looks beyond its edges.
            let pad = netlist.stages.get(i + 1).map_or(0, |next| next.grid.pad);
            let given = Map::new(map.end(), stage.units.len(), stage.grid.outputs(), pad);
            self.places.push(Places::new(stage, map, given));
            let [height, width] = stage.grid.outputs();
            for (channel, y) in (0..stage.units.len()).flat_map(|channel| (0..height).map(move |y| (channel, y))) {
                inputs.extend((0..width).map(|x| given.slot(channel, [y, x]) as u32));
            }
            map = given;
        }
        (inputs, map.end())
    }

    /// Blocks of working memory beside slots.
    pub fn scratch(&self) -> usize {
        self.places.iter().map(Places::scratch).max().unwrap_or(0)
    }

    /// Blocks that one run reads and writes: pins, outputs, votes.
    pub fn blocks_moved(&self) -> usize {
        let narrow = |kind: Kind| match kind {
            Kind::Zero => 1,
            Kind::Copy => 2,
            _ => 3,
        };
        let of = |step: &Step| match step {
            Step::Narrow(kind, gates) => narrow(*kind) * gates.len(),
            Step::Wide(arity, gates) => (usize::from(*arity) + 1) * gates.len(),
            Step::Tally(t) => t.own.iter().chain(&t.listed).map(Range::len).sum(),
        };
        let of_places: usize = self.places.iter().map(Places::blocks_moved).sum();
        2 * self.spread.len() + of_places + self.steps.iter().map(of).sum::<usize>()
    }

    /// Append the gates numbered in `order`, window by window.
    fn evaluate(&mut self, gates: &[Gate], order: &[u32], slots: &mut Slots) {
        for window in order.chunks(WINDOW) {
            let mut window: Vec<&Gate> = window.iter().map(|&i| &gates[i as usize]).collect();
            window.sort_by_key(|g| g.group);
            for run in window.chunk_by(|a, b| a.group == b.group) {
                let step = match run[0].group {
                    Group::Wide(arity) => {
                        let start = self.wide.len();
                        self.wide.extend(run.iter().map(|g| Wide {
                            table: g.table,
                            inputs: g.inputs.map(|s| slots.of(s)),
                            output: slots.take(g.output),
                        }));
                        Step::Wide(arity, start..self.wide.len())
                    }
                    Group::Narrow(kind) => {
                        let start = self.narrow.len();
                        self.narrow.extend(run.iter().map(|g| Narrow {
                            inputs: [slots.of(g.inputs[0]), slots.of(g.inputs[1])],
                            output: slots.take(g.output),
                        }));
                        Step::Narrow(kind, start..self.narrow.len())
                    }
                };
                self.steps.push(step);
            }
            for gate in window {
                gate.inputs[..gate.arity].iter().for_each(|&s| slots.read(s));
                slots.drop_unread(gate.output);
            }
            slots.release();
        }
    }
}

/// `[lut]`: the class that it votes for, where it does nothing else.
fn only_class(netlist: &Netlist) -> Vec<Option<usize>> {
    #[derive(Clone, Copy)]
    enum Use {
        None,
        Class(usize),
        More,
    }
    let mut uses = vec![Use::None; netlist.signals()];
    for (class, votes) in netlist.votes.iter().enumerate() {
        for vote in votes {
            let entry = &mut uses[vote.signal as usize];
            *entry = match *entry {
                Use::None => Use::Class(class),
                Use::Class(c) if c == class => Use::Class(c),
                _ => Use::More,
            };
        }
    }
    for lut in &netlist.luts {
        lut.inputs().iter().for_each(|&s| uses[s as usize] = Use::More);
    }
    let of_lut = uses[netlist.inputs()..].iter();
    of_lut.map(|u| if let Use::Class(c) = u { Some(*c) } else { None }).collect()
}

/// Order gates that do not depend on each other so that neighbours share inputs: a depth-first walk over the graph whose
/// nodes are signals and whose edges are gates.
fn walk(members: &[u32], gates: &[Gate], signals: usize) -> Vec<u32> {
    let inputs = |i: u32| gates[i as usize].inputs[..gates[i as usize].arity].iter().map(|&s| s as usize);
    let mut next = vec![0usize; signals + 1];
    members.iter().flat_map(|&i| inputs(i)).for_each(|s| next[s + 1] += 1);
    for s in 0..signals {
        next[s + 1] += next[s];
    }
    let ends = next[1..].to_vec();
    let mut readers = vec![0u32; ends.last().copied().unwrap_or(0)];
    let mut fill = next.clone();
    for (m, &i) in members.iter().enumerate() {
        for s in inputs(i) {
            readers[fill[s]] = m as u32;
            fill[s] += 1;
        }
    }
    let mut placed = vec![false; members.len()];
    let mut order = Vec::with_capacity(members.len());
    let mut trail: Vec<usize> = Vec::new();
    for start in 0..members.len() {
        let mut found = Some(start);
        while let Some(m) = found {
            if !placed[m] {
                placed[m] = true;
                order.push(members[m]);
                trail.extend(inputs(members[m]));
            }
            found = None;
            while let Some(&s) = trail.last() {
                if next[s] < ends[s] {
                    found = Some(readers[next[s]] as usize);
                    next[s] += 1;
                    break;
                }
                trail.pop();
            }
        }
    }
    order
}

/// Which slot holds which signal.
struct Slots {
    /// `[signal]`: its slot, once it has one.
    of: Vec<Option<u32>>,
    /// `[signal]`: pins and votes still to read it.
    readers: Vec<u32>,
    /// Free slots, the last one freed on top.
    free: Vec<u32>,
    /// Slots that are free once the window is done.
    freed: Vec<u32>,
    /// Slots of votes, which every class uses anew.
    votes: Range<u32>,
    /// Slots in all.
    count: u32,
}

impl Slots {
    /// The slots of its inputs, and how many slots there are so far.
    fn new(netlist: &Netlist, (inputs, count): (Vec<u32>, usize)) -> Self {
        let mut of: Vec<Option<u32>> = inputs.into_iter().map(Some).collect();
        of.resize(netlist.signals(), None);
        let count = count as u32;
        Slots { of, readers: netlist.fan_out(), free: Vec::new(), freed: Vec::new(), votes: count..count, count }
    }

    /// The slot of a signal. Pins beyond a gate's arity may name one that has none; nothing reads them.
    fn of(&self, signal: Signal) -> u32 {
        self.of[signal as usize].unwrap_or(0)
    }

    /// Keep slots for `votes` votes.
    fn reserve(&mut self, votes: usize) {
        self.votes = self.count..self.count + votes as u32;
        self.count = self.votes.end;
    }

    /// Put signals into the slots of votes, side by side, and return the slots of either list.
    fn place(&mut self, signals: &[Vec<Signal>; 2]) -> [Range<usize>; 2] {
        let mut next = self.votes.start;
        signals.each_ref().map(|signals| {
            let start = next;
            for &signal in signals {
                self.of[signal as usize] = Some(next);
                next += 1;
            }
            start as usize..next as usize
        })
    }

    /// The slot for the output `signal`.
    fn take(&mut self, signal: Signal) -> u32 {
        *self.of[signal as usize].get_or_insert_with(|| {
            self.free.pop().unwrap_or_else(|| {
                self.count += 1;
                self.count - 1
            })
        })
    }

    /// One reader of `signal` is done.
    fn read(&mut self, signal: Signal) {
        self.readers[signal as usize] -= 1;
        self.drop_unread(signal);
    }

    /// Free the slot of a signal that nothing reads any more.
    fn drop_unread(&mut self, signal: Signal) {
        let slot = self.of(signal);
        if self.readers[signal as usize] == 0 && !self.votes.contains(&slot) {
            self.freed.push(slot);
        }
    }

    /// The window is done.
    fn release(&mut self) {
        self.free.append(&mut self.freed);
    }
}
