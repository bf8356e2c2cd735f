//! The discretized network: a netlist of look-up tables, run on packed words.

mod engine;
mod netlist;
pub mod reference;

pub use engine::{Engine, Packed, Simd};
pub use netlist::{Lut, MAX_ARITY, Netlist, Signal, Vote, table_mask};
