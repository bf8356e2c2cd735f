//! The circuit as plain data: input features, look-up tables in topological order, and the votes of each class.

use crate::data::{Encoder, ImageShape};

/// Pins a LUT may have at most: its table is a `u64`.
pub const MAX_ARITY: usize = 6;

/// Number of a wire: `0..features` are the encoder's features, `features + i` is the output of LUT `i`.
pub type Signal = u32;

/// A look-up table of 0 to 6 inputs; with no input it is a constant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Lut {
    /// Bit `c` is the output for code `c`; the first pin is the highest bit of the code. Bits beyond 2^arity are 0.
    pub table: u64,
    /// The pins' signals; entries from `arity` on are 0.
    pub pins: [Signal; MAX_ARITY],
    /// Number of pins.
    pub arity: u8,
    /// Layer of the model that the gate came from, the first is 0.
    pub layer: u32,
}

impl Lut {
    /// A LUT that reads `inputs` (at most 6, first pin first); table bits beyond its codes are dropped.
    pub fn new(table: u64, inputs: &[Signal], layer: u32) -> Self {
        let mut pins = [0; MAX_ARITY];
        pins[..inputs.len()].copy_from_slice(inputs);
        Lut { table: table & table_mask(inputs.len()), pins, arity: inputs.len() as u8, layer }
    }

    /// The signals it reads, first pin first.
    pub fn inputs(&self) -> &[Signal] {
        &self.pins[..self.arity as usize]
    }

    /// Its output for input code `code`.
    pub fn output(&self, code: u32) -> bool {
        (self.table >> code) & 1 == 1
    }

    /// All bits of its table that mean something: the 2^arity lowest.
    pub fn mask(&self) -> u64 {
        table_mask(self.arity as usize)
    }
}

/// The 2^arity lowest bits.
pub fn table_mask(arity: usize) -> u64 {
    if arity >= MAX_ARITY { u64::MAX } else { (1 << (1u32 << arity)) - 1 }
}

/// One vote for a class: a signal, or its complement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vote {
    /// The signal that votes.
    pub signal: Signal,
    /// True if the vote is cast where the signal is 0.
    pub inverted: bool,
}

/// A Boolean circuit that counts votes: the score of class `c` is `offsets[c]` + the number of votes in `votes[c]`
/// that are cast, the predicted class is the one with the greatest score, the first among equals.
///
/// It holds only what decides the result: no logits, no temperature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Netlist {
    /// Extent of an input image; the encoder reads its bytes.
    pub image: ImageShape,
    /// Signal `f < encoder.features()` is the bit `byte[pixel[f]] > threshold[f]`.
    pub encoder: Encoder,
    /// LUT `i` drives signal `encoder.features() + i` and reads only signals before it.
    pub luts: Vec<Lut>,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// `[class]`: who votes for it; a signal listed twice votes twice.
    pub votes: Vec<Vec<Vote>>,
    /// `[class]`: votes that are always cast.
    pub offsets: Vec<u32>,
}

impl Netlist {
    /// Number of input features, live or not.
    pub fn features(&self) -> usize {
        self.encoder.features()
    }

    /// Number of signals: features and LUTs.
    pub fn signals(&self) -> usize {
        self.features() + self.luts.len()
    }

    /// The signal that LUT `i` drives.
    pub fn output_of(&self, i: usize) -> Signal {
        (self.features() + i) as Signal
    }

    /// The LUT that drives `signal`; `None` for a feature.
    pub fn driver(&self, signal: Signal) -> Option<&Lut> {
        (signal as usize).checked_sub(self.features()).map(|i| &self.luts[i])
    }

    /// The greatest score that any class can have.
    pub fn max_count(&self) -> u32 {
        self.votes.iter().zip(&self.offsets).map(|(v, o)| v.len() as u32 + o).max().unwrap_or(0)
    }

    /// `[signal]`: how many pins and votes read it.
    pub fn fan_out(&self) -> Vec<u32> {
        let mut readers = vec![0; self.signals()];
        for lut in &self.luts {
            lut.inputs().iter().for_each(|&s| readers[s as usize] += 1);
        }
        self.votes.iter().flatten().for_each(|v| readers[v.signal as usize] += 1);
        readers
    }

    /// `[signal]`: LUTs on the longest path from a feature, 0 for features and constants' inputs.
    pub fn levels(&self) -> Vec<u32> {
        let mut levels = vec![0; self.signals()];
        for (i, lut) in self.luts.iter().enumerate() {
            let deepest = lut.inputs().iter().map(|&s| levels[s as usize]).max().unwrap_or(0);
            levels[self.features() + i] = deepest + u32::from(lut.arity > 0);
        }
        levels
    }

    /// LUTs on the longest path from a feature to a vote.
    pub fn depth(&self) -> u32 {
        let levels = self.levels();
        self.votes.iter().flatten().map(|v| levels[v.signal as usize]).max().unwrap_or(0)
    }

    /// Check that the parts fit together; the error is a sentence.
    pub fn check(&self) -> std::result::Result<(), String> {
        let features = self.features();
        if let Some(p) = self.encoder.pixel.iter().find(|&&p| p as usize >= self.image.pixels()) {
            return Err(format!("its encoder reads pixel {p} of an image of {}", self.image.pixels()));
        }
        for (i, lut) in self.luts.iter().enumerate() {
            if lut.arity as usize > MAX_ARITY || lut.table & !lut.mask() != 0 {
                return Err(format!("gate {i} has a table that does not fit its {} inputs", lut.arity));
            }
            if let Some(s) = lut.inputs().iter().find(|&&s| s as usize >= features + i) {
                return Err(format!("gate {i} reads signal {s}, which no earlier gate drives"));
            }
        }
        if self.votes.len() != self.classes.len() || self.offsets.len() != self.classes.len() {
            return Err("its votes and offsets do not match its classes".into());
        }
        match self.votes.iter().flatten().find(|v| v.signal as usize >= self.signals()) {
            Some(v) => Err(format!("signal {} votes, but there are only {}", v.signal, self.signals())),
            None => Ok(()),
        }
    }
}
