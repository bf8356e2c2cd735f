//! The discretized network: convolutions and a netlist of look-up tables, run on packed words.

mod builder;
mod census;
#[cfg(feature = "files")]
pub mod draw;
#[cfg(feature = "files")]
pub mod draw_units;
mod engine;
pub mod export;
pub mod import;
mod lut;
mod netlist;
pub mod reference;
mod simplify;
mod stage;
#[cfg(feature = "files")]
pub mod verify;

pub use builder::Literal;
pub use census::{Census, FUNCTION_NAMES, LayerCensus, function_number, pixel_use};
pub use engine::{Engine, Packed, Simd};
pub use lut::{Lut, MAX_ARITY, Signal, table_mask};
pub use netlist::{Netlist, Vote};
pub use simplify::{Simplification, simplify, simplify_flat};
pub use stage::{Grid, Leaf, Stage, Unit};
