//! The discretized network: a netlist of look-up tables, run on packed words.

mod builder;
mod census;
#[cfg(feature = "files")]
pub mod draw;
mod engine;
pub mod export;
pub mod import;
mod netlist;
pub mod reference;
mod simplify;
#[cfg(feature = "files")]
pub mod verify;

pub use builder::Literal;
pub use census::{Census, FUNCTION_NAMES, LayerCensus, function_number, pixel_use};
pub use engine::{Engine, Packed, Simd};
pub use netlist::{Lut, MAX_ARITY, Netlist, Signal, Vote, table_mask};
pub use simplify::{Simplification, simplify};
