//! Which layers are not trained.

use std::fmt::{Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::learned::{listed, numbers};
use crate::Error;
use crate::network::{Form, Reads};

/// Layers that stay as they are drawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum FrozenLayers {
    /// No layer.
    None,
    /// Every convolution.
    Convolutions,
    /// The layers of these numbers, from 0 on.
    Of(Vec<usize>),
}

impl FrozenLayers {
    /// Whether layer number `layer`, a convolution or not, is one of them.
    pub fn has(&self, layer: usize, is_convolution: bool) -> bool {
        match self {
            FrozenLayers::None => false,
            FrozenLayers::Convolutions => is_convolution,
            FrozenLayers::Of(layers) => layers.contains(&layer),
        }
    }

    /// The first that is trained of a network's layers, which have these forms and read these rows.
    ///
    /// # Errors
    /// [`Error::Usage`] if none is, or if one behind it reads every layer, and so sends it no gradients.
    pub fn first_trained(&self, layers: &[(Form, Reads)]) -> Result<usize, Error> {
        let first = (0..layers.len()).find(|&i| !self.has(i, !layers[i].0.is_dense()));
        let first = first.ok_or_else(|| Error::usage("no layer is trained"))?;
        match (first + 1..layers.len()).find(|&i| !layers[i].1.is_before()) {
            None => Ok(first),
            Some(i) => Err(Error::usage(format!(
                "layer {i} reads every layer before it, and sends them no gradients, but layer {first} is trained; freeze it"
            ))),
        }
    }
}

impl FromStr for FrozenLayers {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.trim() {
            "none" => Ok(FrozenLayers::None),
            "convolutions" => Ok(FrozenLayers::Convolutions),
            _ => Ok(FrozenLayers::Of(numbers(text, "none or convolutions")?)),
        }
    }
}

impl TryFrom<String> for FrozenLayers {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<FrozenLayers> for String {
    fn from(layers: FrozenLayers) -> Self {
        layers.to_string()
    }
}

impl Display for FrozenLayers {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            FrozenLayers::None => f.write_str("none"),
            FrozenLayers::Convolutions => f.write_str("convolutions"),
            FrozenLayers::Of(layers) => f.write_str(&listed(layers)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_read_as_they_are_written() {
        for (text, has) in [("none", [false; 3]), ("convolutions", [true, true, false]), ("0,2", [true, false, true])] {
            let layers: FrozenLayers = text.parse().unwrap();
            assert_eq!(layers.to_string(), text);
            assert_eq!([0, 1, 2].map(|layer| layers.has(layer, layer < 2)), has, "{text}");
        }
        for bad in ["", "all", "0,", "-1", "conv"] {
            assert!(bad.parse::<FrozenLayers>().is_err(), "{bad}");
        }
    }
}
