//! gatewright trains differentiable logic gate networks in WGSL compute shaders and runs them as Boolean circuits.
//!
//! From left to right: [`data`], [`circuit`], [`plan`], [`gpu`], [`network`], [`settings`], [`train`], [`cpu`], then runs, their records
//! and commands. A room imports only what stands left of it; see `docs/ARCHITECTURE.md`.

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
