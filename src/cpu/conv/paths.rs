//! Where a window's gradient goes in a tree, sample by sample: bits alone, a band of windows at a time.
//!
//! On bits every gradient within a tree is the window's own, its negative or 0. So it is a mask of the samples for which it is
//! not 0, and a sign, which hangs on the sample only below gates like XOR.

use super::super::lut::derivative;
use super::super::simd::Simd;
use super::forward::coefficients;
use crate::settings::PoolGradient;

/// Words that are worked on at a time; bands are made whole to them.
const WORDS: usize = 8;
/// Leaves of the largest tree, its gates, and its nodes, leaves first.
pub const MOST_LEAVES: usize = 8;
pub const GATES: usize = MOST_LEAVES - 1;
const NODES: usize = MOST_LEAVES + GATES;

type Words = [u64; WORDS];

/// How the gradient of a node is the window's own, for the samples that it reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// The same.
    Plus,
    /// Its negative.
    Minus,
    /// One or the other by the sample.
    Mixed,
}

/// A bit given another: what it is where that is 0, and whether it differs where that is 1.
#[derive(Clone, Copy)]
struct Choice {
    low: u64,
    differs: u64,
}

impl Choice {
    fn of(table: u64) -> Self {
        let [low, high] = [0, 1].map(|at| 0u64.wrapping_sub(table >> at & 1));
        Choice { low, differs: low ^ high }
    }

    #[inline(always)]
    fn given(self, other: u64) -> u64 {
        self.low ^ (other & self.differs)
    }
}

/// A gate as its own tree sees it.
#[derive(Clone, Copy)]
struct Gate {
    /// Its output as 1 ⊕ b ⊕ a ⊕ a·b.
    terms: [u64; 4],
    /// By pin: where its output depends on it, and where it falls by it, given the other pin.
    slopes: [[Choice; 2]; 2],
}

/// A unit's tree: its nodes are the leaves, then the gates.
pub struct Tree {
    /// Number of leaves.
    pub leaves: usize,
    gates: [Gate; GATES],
    /// Whether the result of any sample can depend on a node.
    pub is_live: [bool; NODES],
    /// The signs of their gradients.
    pub signs: [Sign; NODES],
}

impl Tree {
    /// Of so many leaves, with the table `table(j)` for gate `j`.
    pub fn of(leaves: usize, table: impl Fn(usize) -> u64) -> Self {
        let none = Gate { terms: [0; 4], slopes: [[Choice::of(0); 2]; 2] };
        let mut tree = Tree { leaves, gates: [none; GATES], is_live: [false; NODES], signs: [Sign::Plus; NODES] };
        tree.is_live[2 * leaves - 2] = true;
        for j in (0..leaves - 1).rev() {
            let table = table(j);
            tree.gates[j].terms = coefficients(table as u8);
            for pin in 0..2 {
                let slope = derivative::<2>(table, pin);
                tree.gates[j].slopes[pin] = [slope.chosen, slope.negative].map(Choice::of);
                tree.is_live[2 * j + pin] = tree.is_live[leaves + j] && slope.chosen != 0;
                tree.signs[2 * j + pin] = match (tree.signs[leaves + j], slope.negative) {
                    (Sign::Mixed, _) => Sign::Mixed,
                    (sign, 0) => sign,
                    (Sign::Plus, falls) if falls == slope.chosen => Sign::Minus,
                    (Sign::Minus, falls) if falls == slope.chosen => Sign::Plus,
                    _ => Sign::Mixed,
                };
            }
        }
        tree
    }

    /// `[gates][4]` sums by code of gradients of every gate: from those over the samples whose pin a, pin b and both are 1,
    /// signs that are not mixed left out, and from the sum over all that arrive at the root.
    ///
    /// What arrives at a pin in all is what its gate has by codes, times the gate's slope by the pin.
    pub fn sums(&self, mut all: i32, totals: &[[i32; 3]; GATES], table: impl Fn(usize) -> u64) -> [[i32; 4]; GATES] {
        let (mut sums, mut arrived) = ([[0; 4]; GATES], [0; NODES]);
        arrived[2 * self.leaves - 2] = all;
        for j in (0..self.leaves - 1).rev().filter(|&j| self.is_live[self.leaves + j]) {
            let sign = if self.signs[self.leaves + j] == Sign::Minus { -1 } else { 1 };
            let [a, b, both] = totals[j].map(|total| sign * total);
            all = arrived[self.leaves + j];
            sums[j] = [all - a - b + both, b - both, a - both, both];
            let bit = |code: usize| (table(j) >> code) as i32 & 1;
            let [s0, s1, s2, s3] = sums[j];
            arrived[2 * j] = (s0 + s2) * (bit(2) - bit(0)) + (s1 + s3) * (bit(3) - bit(1));
            arrived[2 * j + 1] = (s0 + s1) * (bit(1) - bit(0)) + (s2 + s3) * (bit(3) - bit(2));
        }
        sums
    }
}

/// A band of windows of a tree.
#[derive(Clone, Copy)]
pub struct Windows<'a> {
    /// Places of each.
    pub window: usize,
    /// Which of them a gradient goes to.
    pub rule: PoolGradient,
    /// `[window][words]`: the samples for which each is the one drawn, by rule `any`.
    pub draws: &'a [u64],
    /// By how many lanes of 32 they are turned, so that units do not draw alike.
    pub turn: u32,
    /// `[leaves]`: which leaves' masks are wanted.
    pub leaves: [bool; MOST_LEAVES],
    /// Whether gates' masks are.
    pub gates: bool,
}

/// Masks of a band of windows, word by word as its signals are.
#[derive(Default)]
pub struct Paths {
    words: usize,
    groups: usize,
    /// `[window][leaves][words]`: what is read.
    values: Vec<u64>,
    /// `[window]` nodes of the words at hand.
    nodes: Vec<[Words; NODES]>,
    /// `[leaves][window][2][words]`: the samples whose gradients arrive, and of mixed signs those where it is the negative.
    at_leaves: Vec<u64>,
    /// `[gates][groups][5][words]`: the samples whose gradients arrive and whose pin a, pin b and both are 1; of mixed signs those
    /// where it is the negative; of the root all. Places of one sample's gradient are one group, if it goes to one of them alone.
    at_gates: Vec<u64>,
}

/// Words of a band of so many windows of `blocks` words each.
pub fn words_of(windows: usize, blocks: usize) -> usize {
    (windows * blocks).next_multiple_of(WORDS)
}

impl Paths {
    /// Make room for bands of `words` words, of trees of `leaves` leaves.
    pub fn fit(&mut self, words: usize, leaves: usize, window: usize, rule: PoolGradient) {
        (self.words, self.groups) = (words, if rule == PoolGradient::Exact { window } else { 1 });
        self.values.resize(window * leaves * words, 0);
        self.nodes.resize(window, [[0; WORDS]; NODES]);
        self.at_leaves.resize(leaves * window * 2 * words, 0);
        self.at_gates.resize((leaves - 1) * self.groups * 5 * words, 0);
    }

    /// Where to put what leaf `k` of `leaves` reads at place `q` of the band's windows.
    #[inline(always)]
    pub fn values(&mut self, leaves: usize, q: usize, k: usize) -> &mut [u64] {
        &mut self.values[(q * leaves + k) * self.words..][..self.words]
    }

    /// What arrives at leaf `k` of place `q` of `window`: the samples, and those of the negative.
    #[inline(always)]
    pub fn at_leaf(&self, window: usize, k: usize, q: usize) -> [&[u64]; 2] {
        let both = &self.at_leaves[(k * window + q) * 2 * self.words..][..2 * self.words];
        both.split_at(self.words).into()
    }

    /// What arrives at gate `j`, in group `group`.
    #[inline(always)]
    pub fn at_gate(&self, j: usize, group: usize) -> [&[u64]; 5] {
        let all = &self.at_gates[(j * self.groups + group) * 5 * self.words..][..5 * self.words];
        let (a, rest) = all.split_at(self.words);
        let (b, rest) = rest.split_at(self.words);
        let (both, rest) = rest.split_at(self.words);
        let (negative, all) = rest.split_at(self.words);
        [a, b, both, negative, all]
    }

    /// Groups that there are.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// Follow the gradients of a band of windows to the leaves and gates, given what the leaves read.
    pub fn follow(&mut self, simd: Simd, tree: &Tree, band: &Windows) {
        match simd {
            // SAFETY: a `Simd` that a step runs on is one that the machine was found to have.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx512 => unsafe { follow_avx512(self, tree, band) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Simd::Avx2 => unsafe { follow_avx2(self, tree, band) },
            Simd::Portable => follow(self, tree, band),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
fn follow_avx512(paths: &mut Paths, tree: &Tree, band: &Windows) {
    follow(paths, tree, band);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn follow_avx2(paths: &mut Paths, tree: &Tree, band: &Windows) {
    follow(paths, tree, band);
}

#[inline(always)]
fn follow(paths: &mut Paths, tree: &Tree, band: &Windows) {
    match tree.leaves {
        2 => follow_tree::<2>(paths, tree, band),
        4 => follow_tree::<4>(paths, tree, band),
        _ => follow_tree::<8>(paths, tree, band),
    }
}

#[inline(always)]
fn follow_tree<const LEAVES: usize>(paths: &mut Paths, tree: &Tree, band: &Windows) {
    let Paths { words, groups, values, nodes, at_leaves, at_gates } = paths;
    let (words, groups, window, root) = (*words, *groups, band.window, 2 * LEAVES - 2);
    let mut arrived = Arrived { chosen: [[0; WORDS]; NODES], negative: [[0; WORDS]; NODES] };
    let mut reached = [[[0; WORDS]; 5]; GATES];
    for at in (0..words).step_by(WORDS) {
        let (mut ones, mut twice) = ([0; WORDS], [0; WORDS]);
        for (q, nodes) in nodes.iter_mut().enumerate().take(window) {
            for k in 0..LEAVES {
                nodes[k].copy_from_slice(&values[(q * LEAVES + k) * words + at..][..WORDS]);
            }
            for j in 0..LEAVES - 1 {
                let [one, by_b, by_a, by_both] = tree.gates[j].terms;
                let (a, b) = (nodes[2 * j], nodes[2 * j + 1]);
                nodes[LEAVES + j] = each(|i| one ^ (by_b & b[i]) ^ (a[i] & (by_a ^ (by_both & b[i]))));
            }
            let own = nodes[root];
            twice = each(|i| twice[i] | ones[i] & own[i]);
            ones = each(|i| ones[i] | own[i]);
        }
        let mut earlier = [0; WORDS];
        for (q, nodes) in nodes.iter().enumerate().take(window) {
            let own = nodes[root];
            let chosen = match band.rule {
                _ if window == 1 => [u64::MAX; WORDS],
                // The others are 0: no place is 1 twice over, and either this is the one or there is none.
                PoolGradient::Exact => each(|i| !twice[i] & (own[i] | !ones[i])),
                PoolGradient::First if q == 0 => each(|i| own[i] | !ones[i]),
                PoolGradient::First => each(|i| own[i] & !earlier[i]),
                PoolGradient::Any => {
                    let draws = &band.draws[q * words + at..][..WORDS];
                    each(|i| own[i] & !earlier[i] | !ones[i] & turned(draws[i], band.turn))
                }
            };
            earlier = each(|i| earlier[i] | own[i]);
            arrived.chosen[root] = chosen;
            let begins = groups > 1 || q == 0;
            if band.gates {
                note(&mut reached[LEAVES - 2][4], begins, chosen);
            }
            // One by one, so that each is compiled for its place in the tree.
            if LEAVES == 8 {
                arrived.pass::<LEAVES>(6, tree, nodes, band.gates.then_some((&mut reached[6], begins)));
                arrived.pass::<LEAVES>(5, tree, nodes, band.gates.then_some((&mut reached[5], begins)));
                arrived.pass::<LEAVES>(4, tree, nodes, band.gates.then_some((&mut reached[4], begins)));
                arrived.pass::<LEAVES>(3, tree, nodes, band.gates.then_some((&mut reached[3], begins)));
            }
            if LEAVES >= 4 {
                arrived.pass::<LEAVES>(2, tree, nodes, band.gates.then_some((&mut reached[2], begins)));
                arrived.pass::<LEAVES>(1, tree, nodes, band.gates.then_some((&mut reached[1], begins)));
            }
            arrived.pass::<LEAVES>(0, tree, nodes, band.gates.then_some((&mut reached[0], begins)));
            for k in 0..LEAVES {
                if band.leaves[k] {
                    let to = &mut at_leaves[(k * window + q) * 2 * words..][..2 * words];
                    to[at..][..WORDS].copy_from_slice(&arrived.chosen[k]);
                    if tree.signs[k] == Sign::Mixed {
                        to[words + at..][..WORDS].copy_from_slice(&arrived.negative[k]);
                    }
                }
            }
            if band.gates && (groups > 1 || q + 1 == window) {
                let group = if groups > 1 { q } else { 0 };
                for j in 0..LEAVES - 1 {
                    if tree.is_live[LEAVES + j] {
                        let to = &mut at_gates[(j * groups + group) * 5 * words..][..5 * words];
                        for (to, reached) in to.chunks_exact_mut(words).zip(&reached[j]) {
                            to[at..][..WORDS].copy_from_slice(reached);
                        }
                    }
                }
            }
        }
    }
}

/// By node: the samples whose gradients arrive, and of mixed signs those where it is the negative, of others anything.
struct Arrived {
    chosen: [Words; NODES],
    negative: [Words; NODES],
}

impl Arrived {
    /// From gate `j` to its pins; `reached` are its own masks, to be begun or joined.
    #[inline(always)]
    fn pass<const LEAVES: usize>(
        &mut self,
        j: usize,
        tree: &Tree,
        nodes: &[Words; NODES],
        reached: Option<(&mut [Words; 5], bool)>,
    ) {
        if !tree.is_live[LEAVES + j] {
            return;
        }
        let (a, b, c, n) = (nodes[2 * j], nodes[2 * j + 1], self.chosen[LEAVES + j], self.negative[LEAVES + j]);
        let sign = tree.signs[LEAVES + j];
        if let Some((to, begins)) = reached {
            let of_a: Words = each(|i| c[i] & a[i]);
            note(&mut to[0], begins, of_a);
            note(&mut to[1], begins, each(|i| c[i] & b[i]));
            note(&mut to[2], begins, each(|i| of_a[i] & b[i]));
            if sign == Sign::Mixed {
                note(&mut to[3], begins, each(|i| c[i] & n[i]));
            }
        }
        for (pin, other) in [b, a].into_iter().enumerate() {
            let node = 2 * j + pin;
            if !tree.is_live[node] {
                continue;
            }
            let [depends, falls] = tree.gates[j].slopes[pin];
            self.chosen[node] = each(|i| c[i] & depends.given(other[i]));
            if tree.signs[node] == Sign::Mixed {
                self.negative[node] = match sign {
                    Sign::Plus => each(|i| falls.given(other[i])),
                    Sign::Minus => each(|i| !falls.given(other[i])),
                    Sign::Mixed => each(|i| n[i] ^ falls.given(other[i])),
                };
            }
        }
    }
}

#[inline(always)]
fn each(word: impl Fn(usize) -> u64) -> Words {
    let mut made = [0; WORDS];
    for (i, made) in made.iter_mut().enumerate() {
        *made = word(i);
    }
    made
}

/// Begin with words, or join them to what is there.
#[inline(always)]
fn note(to: &mut Words, begins: bool, made: Words) {
    *to = if begins { made } else { each(|i| to[i] | made[i]) };
}

/// Both halves of 32 turned to the left.
#[inline(always)]
fn turned(draw: u64, by: u32) -> u64 {
    let low = ((1 << by) - 1) * 0x1_0000_0001;
    (draw << by) & !low | (draw >> (32 - by)) & low
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_turn_by_themselves() {
        for by in 0..32 {
            let (low, high) = (0x8000_00f1u32, 0x1234_5678u32);
            let made = turned(u64::from(high) << 32 | u64::from(low), by);
            assert_eq!(made, u64::from(high.rotate_left(by)) << 32 | u64::from(low.rotate_left(by)));
        }
    }
}
