//! gatewright trains differentiable logic gate networks in WGSL compute shaders and runs them as Boolean circuits.
//!
//! Data flows one way: [`data`] → [`network`] → [`train`] (through [`gpu`]) → [`circuit`] → [`record`].
//! Nothing to the left imports from its right; see `docs/ARCHITECTURE.md`.

#[macro_use]
pub mod console;

pub mod circuit;
pub mod commands;
pub mod cpu;
pub mod data;
mod error;
pub mod files;
pub mod gpu;
pub mod network;
pub mod plan;
pub mod plot;
pub mod random;
pub mod record;
pub mod reference;
pub mod run;
pub mod settings;
pub mod train;

pub use error::{Error, Result};
