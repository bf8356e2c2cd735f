//! What a run is made by: one list of settings, from which flags, keys of files, `config.toml`, checks and docs/CONFIG.md
//! follow. Presets, then a file, then flags, the last one winning.

mod choices;
#[cfg(feature = "files")]
mod chosen;
mod convolutions_from;
mod differences;
#[cfg(all(test, feature = "cli"))]
mod document;
mod frozen;
mod layers;
mod learned;
mod list;
mod of_convolutions;
mod overrides;
mod presets;
mod range;
mod rules;

pub use choices::{Cage, InputKind, Method, PoolGradient, Schedule, Select};
#[cfg(feature = "files")]
pub use chosen::Chosen;
pub use convolutions_from::ConvolutionsFrom;
pub use differences::{Difference, bearing, differences, essential_differences, table};
pub use frozen::FrozenLayers;
pub use layers::Layers;
pub use learned::LearnedLayers;
pub use list::{Bearing, ENTRIES, Entry, Overrides, Settings};
pub use presets::Preset;
pub use range::Range;
