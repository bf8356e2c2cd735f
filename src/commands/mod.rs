//! A file a subcommand, thin.

pub mod bench_infer;
pub mod bench_step;
pub mod devices;
pub mod eval;
pub mod predict;
pub mod train;
