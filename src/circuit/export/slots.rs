//! Few variables for many gates: a gate's place is used again once its last reader has run.

use super::places;
use crate::circuit::{Netlist, Signal};

/// Places of gates' values in a working array.
pub struct Slots {
    /// `[input]`: its place in what gates read.
    of_input: Vec<usize>,
    /// `[lut]`.
    of_lut: Vec<usize>,
    /// Places in all.
    pub count: usize,
}

impl Slots {
    /// Assign places to LUTs that run in order; votes are read at the end.
    pub fn new(netlist: &Netlist) -> Self {
        let inputs = netlist.inputs();
        let mut readers = netlist.fan_out();
        let mut slots =
            Slots { of_input: places::inputs(netlist), of_lut: Vec::with_capacity(netlist.luts.len()), count: 0 };
        let mut free = Vec::new();
        for (i, lut) in netlist.luts.iter().enumerate() {
            for &s in lut.inputs() {
                readers[s as usize] -= 1;
                if readers[s as usize] == 0 && s as usize >= inputs {
                    free.push(slots.of_lut[s as usize - inputs]);
                }
            }
            let slot = free.pop().unwrap_or_else(|| {
                slots.count += 1;
                slots.count - 1
            });
            slots.of_lut.push(slot);
            if readers[inputs + i] == 0 {
                free.push(slot);
            }
        }
        slots
    }

    /// `x[input]` or `w[place]`.
    pub fn name(&self, signal: Signal) -> String {
        match (signal as usize).checked_sub(self.of_input.len()) {
            None => format!("x[{}]", self.of_input[signal as usize]),
            Some(lut) => format!("w[{}]", self.of_lut[lut]),
        }
    }

    /// A vote's table entry: `4 · index + 2 · (1 for an input) + (1 if complemented)`.
    pub fn vote(&self, vote: crate::circuit::Vote) -> usize {
        let (index, input) = match (vote.signal as usize).checked_sub(self.of_input.len()) {
            None => (self.of_input[vote.signal as usize], 1),
            Some(lut) => (self.of_lut[lut], 0),
        };
        4 * index + 2 * input + usize::from(vote.inverted)
    }
}
