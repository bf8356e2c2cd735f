//! A file a subcommand, thin.

pub mod bench_step;
pub mod devices;
