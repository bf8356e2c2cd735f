//! Runs a program on one block of 512 samples.

use super::block::{BLOCK_SAMPLES, Block};
use super::schedule::{Kind, Narrow, Program, Step, Wide};
use super::tally;

/// Evaluate every step: `slots` holds the input rows in front, `scores` receives `[class][sample]` counts.
#[inline(always)]
pub fn run(program: &Program, slots: &mut [Block], scores: &mut [[u32; BLOCK_SAMPLES]]) {
    for step in &program.steps {
        match step {
            Step::Narrow(kind, gates) => narrow(*kind, &program.narrow[gates.clone()], slots),
            Step::Wide(arity, gates) => wide(*arity, &program.wide[gates.clone()], slots),
            Step::Tally(t) => {
                let (plain, inverted) = (&program.votes[t.plain.clone()], &program.votes[t.inverted.clone()]);
                let used = tally::planes_for((plain.len() + inverted.len()) as u32);
                let mut planes = [Block::ZERO; tally::PLANES];
                tally::add(&mut planes, used, slots, plain, false);
                tally::add(&mut planes, used, slots, inverted, true);
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
        let input = |pin: usize| slots[gate.inputs[pin] as usize];
        // The last input and a pair of table bits give one of four leaves; the other inputs choose among the leaves.
        let last = input(arity as usize - 1);
        let leaves = [Block::ZERO, !last, last, Block::ONE];
        let mut tree = [Block::ZERO; 32];
        let mut count = 1 << (arity - 1);
        for (j, leaf) in tree[..count].iter_mut().enumerate() {
            *leaf = leaves[(gate.table >> (2 * j)) as usize & 3];
        }
        for pin in (0..arity as usize - 1).rev() {
            let select = input(pin);
            count /= 2;
            for j in 0..count {
                tree[j] = select.choose(tree[2 * j + 1], tree[2 * j]);
            }
        }
        slots[gate.output as usize] = tree[0];
    }
}
