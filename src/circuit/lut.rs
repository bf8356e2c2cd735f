//! Look-up tables, the gates of a circuit.

/// Pins a LUT may have at most: its table is a `u64`.
pub const MAX_ARITY: usize = 6;

/// Number of a wire, or of a node of a [`super::Unit`].
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

    /// Whether its output can change with pin `pin`.
    pub fn depends_on(&self, pin: usize) -> bool {
        let bit = 1u32 << (self.arity as usize - 1 - pin);
        (0..1u32 << self.arity).any(|code| code & bit == 0 && self.output(code) != self.output(code | bit))
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
