//! The record of runs, for people to look at: run folders read back, beside each other, and as a page.

mod overlay;
mod report;
mod run_record;
mod sweep_report;

pub use overlay::overlay;
pub use report::report;
pub use run_record::{RunRecord, varying};
pub use sweep_report::{Finished, csv, curves, markdown, picture};
