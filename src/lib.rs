//! gatewright trains differentiable logic gate networks in WGSL compute shaders and runs them as Boolean circuits.
//!
//! Train on arrays of one's own, and tell classes:
//!
#![cfg_attr(feature = "files", doc = "```")]
#![cfg_attr(not(feature = "files"), doc = "```ignore")]
//! use gatewright::circuit::Engine;
//! use gatewright::data::memory::{Given, Told, dataset};
//! use gatewright::data::Options;
//! use gatewright::run::{Cpu, Device, Learner, Where};
//! use gatewright::settings::Preset;
//!
//! // 1,000 rows of two numbers; class 1 where the first is the greater.
//! let values: Vec<f64> = (0..2000).map(|i| f64::from(i * 7919 % 1000)).collect();
//! let of: Vec<u32> = values.chunks(2).map(|row| u32::from(row[0] > row[1])).collect();
//! let told = Told::Classes { names: vec!["no".into(), "yes".into()], of: of.clone() };
//!
//! let mut settings = Preset::Table.settings();
//! (settings.layers, settings.steps) = (vec![200, 200], 300);
//! let given = Given::Rows { values: values.clone(), width: 2 };
//! let data = dataset("rows", (given, told), None, &Options::default(), settings.thresholds)?;
//! let device = Device::Cpu(Cpu::new(&Where::default()));
//! let mut learner = Learner::new(&device, &settings, &data)?;
//! learner.submit(settings.steps)?;
//! let model = learner.download()?.clone();
//!
//! let engine = Engine::new(&model.netlist().map_err(gatewright::Error::Run)?);
//! let bytes = Given::Rows { values, width: 2 }.encode(model.image, model.table.as_ref())?;
//! let right = engine.classify(&bytes, true).iter().zip(&of).filter(|(a, b)| a == b).count();
//! assert!(right > 900, "{right} of 1000");
//! # Ok::<(), gatewright::Error>(())
//! ```
//!
//! [`run::run`] does the same with evaluations, checkpoints and a run folder; `examples/` has more.
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
