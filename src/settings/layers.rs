//! The grammar of `--layers`.

use std::fmt::{Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;

/// Gates of each layer: `3x8000` is three layers of 8,000 gates, and items may be joined by commas.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Layers(pub Vec<usize>);

impl FromStr for Layers {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let bad =
            || Error::usage(format!("`{text}` is neither DEPTHxWIDTH (3x8000) nor a list of widths (8000,8000,4000)"));
        let mut layers = Vec::new();
        for item in text.split(',') {
            let (depth, width) = item.trim().split_once(['x', '×']).unwrap_or(("1", item.trim()));
            let depth: usize = depth.trim().parse().map_err(|_| bad())?;
            let width: usize = width.trim().parse().map_err(|_| bad())?;
            if depth == 0 || width == 0 || depth > 1000 - layers.len() || width > 1 << 26 {
                return Err(Error::usage(format!("`{text}`: 1 to 1000 layers of 1 to 2^26 gates are possible")));
            }
            layers.extend(std::iter::repeat_n(width, depth));
        }
        Ok(Layers(layers))
    }
}

impl TryFrom<String> for Layers {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<Layers> for String {
    fn from(layers: Layers) -> Self {
        layers.to_string()
    }
}

/// Equal neighbours together: `2x100,50`.
impl Display for Layers {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let items = self.0.chunk_by(|a, b| a == b).map(|equal| match equal.len() {
            1 => equal[0].to_string(),
            depth => format!("{depth}x{}", equal[0]),
        });
        f.write_str(&items.collect::<Vec<_>>().join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_read_in_both_forms() {
        let read = |text: &str| text.parse::<Layers>();
        assert_eq!(read("3x8000").unwrap().0, [8000; 3]);
        assert_eq!(read("2x100, 50").unwrap().0, [100, 100, 50]);
        assert_eq!(read("2x100, 50").unwrap().to_string(), "2x100,50");
        for bad in ["", "x", "3x", "0x5", "5x0", "3x-1", "a,b", "2000x5", "18446744073709551615x5,5"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
