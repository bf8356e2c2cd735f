//! gatewright trains differentiable logic gate networks in WGSL compute shaders and runs them as Boolean circuits.
//!
//! Data flows one way: [`data`] → [`network`] → [`train`] (through [`gpu`]) → [`circuit`] → [`record`].
//! Nothing to the left imports from its right; see `docs/ARCHITECTURE.md`.

#[cfg(feature = "cli")]
#[macro_use]
pub mod console;

pub mod circuit;
#[cfg(feature = "cli")]
pub mod commands;
pub mod cpu;
pub mod data;
mod error;
pub mod files;
pub mod gpu;
pub mod network;
pub mod plan;
#[cfg(feature = "files")]
pub mod plot;
pub mod random;
pub mod ranks;
#[cfg(feature = "files")]
pub mod record;
pub mod reference;
#[cfg(feature = "files")]
pub mod run;
pub mod settings;
pub mod train;

pub use error::{Error, Result};
