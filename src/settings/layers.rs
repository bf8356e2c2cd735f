//! The grammar of `--layers`.

use std::fmt::{Display, Formatter};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::Error;
use crate::network::{Convolution, MAX_DEPTH, MAX_POOL, TreeChannels};

/// Greatest share of a source in a layer's wires.
const MOST_SHARE: u32 = 1000;

/// A network's layers: convolutions first, then dense ones, joined by semicolons or commas.
///
/// `3x8000` is three dense layers of 8,000 gates. `conv 96 3x3 pad 1 depth 2 channels 1 pool 2` is a convolution of 96 trees;
/// all but its number of trees and its window may be left out: `stride 1`, `pad 0`, `depth 2`, `channels 1` (or `2`, `all`), and no
/// pool. The dense layer behind convolutions reads the last map, or, as in `64000 reads 1:2:3:4`, the input bits and every map, its
/// wires drawn from them in this ratio.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Layers {
    /// Those over maps.
    pub convolutions: Vec<Convolution>,
    /// Gates of each dense layer.
    pub dense: Vec<usize>,
    /// In what ratio the wires of the first dense layer are drawn from the input bits and from each map, if it reads them all; empty
    /// where it reads the last map alone.
    pub reads: Vec<u32>,
}

impl Layers {
    /// Dense layers of so many gates.
    pub fn dense(dense: Vec<usize>) -> Self {
        Layers { convolutions: Vec::new(), dense, reads: Vec::new() }
    }
}

impl FromStr for Layers {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let mut layers = Layers::dense(Vec::new());
        for item in text.split([',', ';']).map(str::trim) {
            if let Some(told) = item.strip_prefix("conv").filter(|rest| rest.is_empty() || rest.starts_with(' ')) {
                if !layers.dense.is_empty() {
                    return Err(Error::usage(format!(
                        "`{item}` follows a dense layer, which leaves no map; put convolutions first"
                    )));
                }
                layers.convolutions.push(convolution(item, told)?);
            } else if let Some((gates, shares)) = item.split_once(" reads ") {
                layers.add_reading(item, gates, shares)?;
            } else {
                layers.add_dense(text, item)?;
            }
        }
        if layers.dense.is_empty() {
            return Err(Error::usage(format!(
                "`{text}` ends in a convolution; add the dense layer that votes: {text}; 10000"
            )));
        }
        Ok(layers)
    }
}

impl Layers {
    /// Add the dense layer of `gates` gates that reads the input bits and every map.
    fn add_reading(&mut self, item: &str, gates: &str, shares: &str) -> Result<(), Error> {
        let maps = self.convolutions.len();
        if maps == 0 || !self.dense.is_empty() {
            return Err(Error::usage(format!(
                "`{item}` does not follow a convolution; the first dense layer behind convolutions alone reads more than what is \
                 before it"
            )));
        }
        let read = |share: &str| share.trim().parse().ok().filter(|share| *share <= MOST_SHARE);
        let read: Option<Vec<u32>> = shares.split(':').map(read).collect();
        let read = read.filter(|read| read.len() == maps + 1 && read.iter().any(|&share| share > 0));
        self.reads = read.ok_or_else(|| {
            let example: Vec<String> = (1..=maps + 1).map(|share| share.to_string()).collect();
            Error::usage(format!(
                "`{item}`: it reads the input bits and {maps} maps, so name {} numbers from 0 to {MOST_SHARE}, not all 0, in whose \
                 ratio wires are drawn: {gates} reads {}",
                maps + 1,
                example.join(":")
            ))
        })?;
        self.add_dense(item, gates)?;
        if self.dense.len() > 1 {
            return Err(Error::usage(format!(
                "`{item}` names more than one layer, and only the first reads the maps; list them"
            )));
        }
        Ok(())
    }

    fn add_dense(&mut self, text: &str, item: &str) -> Result<(), Error> {
        let bad = || {
            Error::usage(format!(
                "`{text}` is neither DEPTHxWIDTH (3x8000) nor a list of widths (8000,8000,4000), with convolutions before \
                 them if there are any (conv 96 3x3 pad 1 depth 2 channels 1 pool 2; 8000)"
            ))
        };
        let (depth, width) = item.split_once(['x', '×']).unwrap_or(("1", item));
        let depth: usize = depth.trim().parse().map_err(|_| bad())?;
        let width: usize = width.trim().parse().map_err(|_| bad())?;
        let all = self.convolutions.len() + self.dense.len();
        if depth == 0 || width == 0 || depth > 1000usize.saturating_sub(all) || width > 1 << 26 {
            return Err(Error::usage(format!("`{text}`: 1 to 1000 layers of 1 to 2^26 gates are possible")));
        }
        self.dense.extend(std::iter::repeat_n(width, depth));
        Ok(())
    }
}

/// What `item`, the words `told` after `conv`, asks for.
fn convolution(item: &str, told: &str) -> Result<Convolution, Error> {
    let bad = |what: String| {
        Error::usage(format!("`{item}`: {what}; say it as conv 96 3x3 stride 1 pad 1 depth 2 channels 1 pool 2"))
    };
    let number = |name: &str, word: Option<&str>, least: u32, most: u32| match word.map(str::parse::<u32>) {
        Some(Ok(value)) if (least..=most).contains(&value) => Ok(value),
        _ => Err(bad(format!("{name} takes a number from {least} to {most}"))),
    };
    let mut words = told.split_whitespace();
    let units = number("conv", words.next(), 1, 1 << 20)?;
    let (rows, columns) = words.next().and_then(|window| window.split_once(['x', '×'])).unwrap_or_default();
    let kernel = [number("its window", Some(rows), 1, 64)?, number("its window", Some(columns), 1, 64)?];
    let mut made = Convolution { units, kernel, stride: 1, pad: 0, depth: 2, channels: TreeChannels::One, pool: 1 };
    let mut said = Vec::new();
    while let Some(name) = words.next() {
        if said.contains(&name) {
            return Err(bad(format!("{name} is said twice")));
        }
        said.push(name);
        let word = words.next();
        match name {
            "stride" => made.stride = number(name, word, 1, 64)?,
            "pad" => made.pad = number(name, word, 0, 64)?,
            "depth" => made.depth = number(name, word, 1, MAX_DEPTH)?,
            "pool" => made.pool = number(name, word, 1, MAX_POOL)?,
            "channels" => {
                made.channels = match word {
                    Some("1") => TreeChannels::One,
                    Some("2") => TreeChannels::Two,
                    Some("all") => TreeChannels::All,
                    _ => return Err(bad("channels takes 1, 2 or all".into())),
                }
            }
            _ => return Err(bad(format!("there is no `{name}`"))),
        }
    }
    Ok(made)
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

/// `conv` and all that is not 1 or 0, and always depth and channels.
fn told(conv: &Convolution) -> String {
    let Convolution { units, kernel, stride, pad, depth, channels, pool } = conv;
    let unless = |name: &str, value: u32, usual: u32| {
        if value == usual { String::new() } else { format!(" {name} {value}") }
    };
    let channels = match channels {
        TreeChannels::One => "1",
        TreeChannels::Two => "2",
        TreeChannels::All => "all",
    };
    format!(
        "conv {units} {}x{}{}{} depth {depth} channels {channels}{}",
        kernel[0],
        kernel[1],
        unless("stride", *stride, 1),
        unless("pad", *pad, 0),
        unless("pool", *pool, 1)
    )
}

/// Equal dense neighbours together: `2x100,50`.
impl Display for Layers {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let (reading, others) = self.dense.split_at(usize::from(!self.reads.is_empty()).min(self.dense.len()));
        let shares: Vec<String> = self.reads.iter().map(ToString::to_string).collect();
        let reading = reading.iter().map(|gates| format!("{gates} reads {}", shares.join(":")));
        let others = others.chunk_by(|a, b| a == b).map(|equal| match equal.len() {
            1 => equal[0].to_string(),
            depth => format!("{depth}x{}", equal[0]),
        });
        let items = self.convolutions.iter().map(told).chain(reading).chain(others);
        f.write_str(&items.collect::<Vec<_>>().join(if self.convolutions.is_empty() { "," } else { "; " }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_read_in_both_forms() {
        let read = |text: &str| text.parse::<Layers>();
        assert_eq!(read("3x8000").unwrap().dense, [8000; 3]);
        assert_eq!(read("2x100, 50").unwrap().dense, [100, 100, 50]);
        assert_eq!(read("2x100, 50").unwrap().to_string(), "2x100,50");
        for bad in ["", "x", "3x", "0x5", "5x0", "3x-1", "a,b", "2000x5", "18446744073709551615x5,5"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn convolutions_are_read_and_written() {
        let read = |text: &str| text.parse::<Layers>();
        let text =
            "conv 96 3x3 pad 1 depth 2 channels 1 pool 2; conv 32 5x1 stride 2 depth 3 channels all; 2x40000; 100";
        let layers = read(text).unwrap();
        assert_eq!(layers.to_string(), text);
        let first = Convolution {
            units: 96,
            kernel: [3, 3],
            stride: 1,
            pad: 1,
            depth: 2,
            channels: TreeChannels::One,
            pool: 2,
        };
        assert_eq!(layers.convolutions[0], first);
        assert_eq!(layers.dense, [40000, 40000, 100]);
        assert_eq!(read("conv 96 3x3 pool 2 pad 1, 50").unwrap().convolutions, [first]);
        let text = "conv 9 3x3 depth 1 channels 1; conv 9 3x3 depth 1 channels 2; 500 reads 1:0:20; 2x40";
        let reading = read(text).unwrap();
        assert_eq!((reading.reads, reading.dense), (vec![1, 0, 20], vec![500, 40, 40]));
        assert_eq!(read(text).unwrap().to_string(), text);
        let told = |text: &str| read(text).unwrap_err().to_string();
        assert!(told("conv 9 3x3; 500 reads 1:1001").contains("0 to 1000"));
        assert!(told("conv 9 3x3; 500 reads").contains("neither"));
        assert!(told("100; conv 8 3x3; 10").contains("put convolutions first"));
        assert!(told("conv 8 3x3").contains("conv 8 3x3; 10000"));
        assert!(told("conv 8 3x3 depth 4; 10").contains("depth takes a number from 1 to 3"));
        assert!(told("conv 8 3x3 width 4; 10").contains("no `width`"));
        assert!(told("conv 8 3x3 pad 1 pad 1; 10").contains("said twice"));
        assert!(told("conv 8 3x3 channels 3; 10").contains("1, 2 or all"));
        for bad in ["conv; 10", "conv 8; 10", "conv 8 3; 10", "conv 8 3x; 10", "conv 8 3x3 pad; 10", "conv8 3x3; 10"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
