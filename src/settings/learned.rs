//! Which layers' wires learn.

use std::fmt::{Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// Layers whose wires learn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum LearnedLayers {
    /// No layer's.
    None,
    /// The first dense layer's.
    First,
    /// Every dense layer's.
    All,
    /// Those of the layers of these numbers, from 0 on.
    Of(Vec<usize>),
}

impl LearnedLayers {
    /// Whether layer number `layer` is one of them, the first so many layers being convolutions.
    pub fn has(&self, layer: usize, convolutions: usize) -> bool {
        match self {
            LearnedLayers::None => false,
            LearnedLayers::First => layer == convolutions,
            LearnedLayers::All => layer >= convolutions,
            LearnedLayers::Of(layers) => layers.contains(&layer),
        }
    }
}

/// Numbers of layers as `0,1`; `words` is what `text` could be instead.
pub(super) fn numbers(text: &str, words: &str) -> Result<Vec<usize>, Error> {
    let bad = || Error::usage(format!("`{text}` is neither {words}, nor a list of layers from 0 on (0,1)"));
    text.split(',').map(|item| item.trim().parse().map_err(|_| bad())).collect()
}

/// What [`numbers`] reads.
pub(super) fn listed(layers: &[usize]) -> String {
    layers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

impl FromStr for LearnedLayers {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text.trim() {
            "none" => Ok(LearnedLayers::None),
            "first" => Ok(LearnedLayers::First),
            "all" => Ok(LearnedLayers::All),
            _ => Ok(LearnedLayers::Of(numbers(text, "none, first or all")?)),
        }
    }
}

impl TryFrom<String> for LearnedLayers {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<LearnedLayers> for String {
    fn from(layers: LearnedLayers) -> Self {
        layers.to_string()
    }
}

impl Display for LearnedLayers {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self {
            LearnedLayers::None => f.write_str("none"),
            LearnedLayers::First => f.write_str("first"),
            LearnedLayers::All => f.write_str("all"),
            LearnedLayers::Of(layers) => f.write_str(&listed(layers)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_read_as_they_are_written() {
        for (text, has) in [
            ("none", [false, false, false]),
            ("first", [true, false, false]),
            ("all", [true, true, true]),
            ("0,2", [true, false, true]),
        ] {
            let layers: LearnedLayers = text.parse().unwrap();
            assert_eq!(layers.to_string(), text);
            assert_eq!([0, 1, 2].map(|layer| layers.has(layer, 0)), has, "{text}");
        }
        let behind = |text: &str| [0, 1, 2].map(|layer| text.parse::<LearnedLayers>().unwrap().has(layer, 1));
        assert_eq!((behind("first"), behind("all")), ([false, true, false], [false, true, true]));
        for bad in ["", "last", "0,", "-1"] {
            assert!(bad.parse::<LearnedLayers>().is_err(), "{bad}");
        }
    }
}
