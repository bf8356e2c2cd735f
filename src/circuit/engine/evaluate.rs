//! Runs a program on one block of 512 samples.

use super::block::{BLOCK_SAMPLES, Block};
use super::gates::Kind;
use super::schedule::{Narrow, Program, Step, Wide};
use super::tally;

/// Evaluate every step: `slots` holds the input rows in front, `rows` are the [`Program::scratch`], `scores` receives
/// `[class][sample]` counts.
#[inline(always)]
pub fn run(program: &Program, slots: &mut [Block], rows: &mut [Block], scores: &mut [[u32; BLOCK_SAMPLES]]) {
    program.spread.iter().for_each(|&[from, to]| slots[to as usize] = slots[from as usize]);
    program.places.iter().for_each(|places| places.run(slots, rows));
    for step in &program.steps {
        match step {
            Step::Narrow(kind, gates) => narrow(*kind, &program.narrow[gates.clone()], slots),
            Step::Wide(arity, gates) => wide(*arity, &program.wide[gates.clone()], slots),
            Step::Tally(t) => {
                let votes: usize = t.own.iter().chain(&t.listed).map(|range| range.len()).sum();
                let used = tally::planes_for(votes as u32);
                let mut planes = [Block::ZERO; tally::PLANES];
                for (i, complement) in [false, true].into_iter().enumerate() {
                    tally::add(&mut planes, used, &slots[t.own[i].clone()], complement);
                    tally::add_listed(&mut planes, used, slots, &program.votes[t.listed[i].clone()], complement);
                }
                tally::unpack(&planes, used, t.offset, &mut scores[t.class]);
            }
        }
    }
}

#[inline(always)]
fn narrow(kind: Kind, gates: &[Narrow], slots: &mut [Block]) {
    match kind {
        Kind::Zero => gates.iter().for_each(|g| slots[g.output as usize] = Block::ZERO),
        Kind::Copy => gates.iter().for_each(|g| slots[g.output as usize] = slots[g.inputs[0] as usize]),
        Kind::And => each(gates, slots, |a, b| a & b),
        Kind::AndNot => each(gates, slots, |a, b| a & !b),
        Kind::Or => each(gates, slots, |a, b| a | b),
        Kind::Xor => each(gates, slots, |a, b| a ^ b),
    }
}

#[inline(always)]
fn each(gates: &[Narrow], slots: &mut [Block], f: impl Fn(u64, u64) -> u64) {
    for gate in gates {
        let [a, b] = gate.inputs;
        slots[gate.output as usize] = slots[a as usize].zip(slots[b as usize], &f);
    }
}

#[inline(always)]
fn wide(arity: u8, gates: &[Wide], slots: &mut [Block]) {
    for gate in gates {
        let mut inputs = [Block::ZERO; 6];
        for (input, &slot) in inputs.iter_mut().zip(&gate.inputs[..usize::from(arity)]) {
            *input = slots[slot as usize];
        }
        let [first, rest @ ..] = &inputs;
        slots[gate.output as usize] = match arity {
            3 => tree::<2>(gate.table, &inputs[..3]),
            4 => tree::<4>(gate.table, &inputs[..4]),
            5 => tree::<8>(gate.table, &inputs[..5]),
            _ => first.choose(tree::<8>(gate.table >> 32, rest), tree::<8>(gate.table, rest)),
        };
    }
}

/// A tree of choices. The last input and a pair of table bits give one of four leaves; the input before it makes
/// `PAIRS` = 2^(inputs − 2) choices among them, every other input halves what is left. Words are the outer loop, for that
/// is the one that compilers turn into vectors.
#[inline(always)]
fn tree<const PAIRS: usize>(table: u64, inputs: &[Block]) -> Block {
    let (rest, ends) = inputs.split_at(PAIRS.ilog2() as usize);
    let leaves = [Block::ZERO, !ends[1], ends[1], Block::ONE];
    let choose = |select: u64, high: u64, low: u64| (select & high) | (!select & low);
    let mut out = Block::ZERO;
    for word in 0..8 {
        let mut tree = [0; PAIRS];
        for (pair, chosen) in tree.iter_mut().enumerate() {
            let bits = (table >> (4 * pair)) as usize;
            *chosen = choose(ends[0].0[word], leaves[(bits >> 2) & 3].0[word], leaves[bits & 3].0[word]);
        }
        let mut left = PAIRS;
        for select in rest.iter().rev() {
            left /= 2;
            for i in 0..left {
                tree[i] = choose(select.0[word], tree[2 * i + 1], tree[2 * i]);
            }
        }
        out.0[word] = tree[0];
    }
    out
}
