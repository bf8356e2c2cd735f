//! What is trained: layers, wiring, parametrization, initialization. Plain data; nothing here knows of GPUs.

mod answer;
mod axis;
mod candidates;
mod circuit;
mod conv;
mod dense;
mod form;
mod imported;
mod initialize;
mod layer;
mod model_file;
mod parametrization;
mod saved;
mod sources;
mod trees;
mod wiring;

pub use answer::Answer;
pub use axis::axis_neighbours;
pub use candidates::{Candidates, Learning, Pool, WireRule, choose};
pub use conv::{Conv, Convolution, MAX_DEPTH, MAX_POOL, TreeChannels};
pub use initialize::{Initialization, Start};
pub use layer::{Draw, Form, Layer, Reads};
pub use model_file::{FORMAT_VERSION, Model};
pub use parametrization::{Parametrization, function_table, pass_through, walsh_hadamard};
pub use saved::{config_of, model_file, model_of};
pub use sources::Sources;
pub use wiring::{Consumers, Wiring, most_readers};
