//! From bytes to bits: which pixel each input bit looks at, and from which value on it is set.

use crate::data::ImageShape;
use crate::{Error, Result};

/// Input feature `f` of the network is the bit `byte[pixel[f]] > threshold[f]`.
///
/// Thermometers, one-hot codes of bytes and plain binary inputs are all tables of this kind; the shaders, the circuit
/// and the exporters know only this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Encoder {
    /// `[features]`: index of the byte in `[channel][row][column]`.
    pub pixel: Vec<u32>,
    /// `[features]`: the bit is set where the byte is greater.
    pub threshold: Vec<u8>,
}

impl Encoder {
    /// The uniform thermometer: feature `T·p + (i − 1)` is `x_p > i/(T + 1)` for i = 1..T, x = byte/255.
    ///
    /// In whole numbers, `byte/255 > i/(T+1)` holds exactly when `byte > ⌊255·i/(T+1)⌋`.
    pub fn thermometer(image: ImageShape, thresholds: usize) -> Result<Self> {
        if !(1..=255).contains(&thresholds) {
            return Err(Error::usage(format!("--thresholds takes 1 to 255, not {thresholds}")));
        }
        let levels = (1..=thresholds).map(|i| (255 * i / (thresholds + 1)) as u8);
        let (pixel, threshold) = (0..image.pixels() as u32).flat_map(|p| levels.clone().map(move |t| (p, t))).unzip();
        Ok(Encoder { pixel, threshold })
    }

    /// Number of input bits.
    pub fn features(&self) -> usize {
        self.pixel.len()
    }

    /// Whether feature `f` is set for one sample's bytes.
    pub fn bit(&self, f: usize, bytes: &[u8]) -> bool {
        bytes[self.pixel[f] as usize] > self.threshold[f]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thermometer_agrees_with_its_real_valued_definition() {
        let image = ImageShape { channels: 1, height: 1, width: 1 };
        for thresholds in [1, 2, 3, 4, 7, 31, 254, 255] {
            let encoder = Encoder::thermometer(image, thresholds).unwrap();
            assert_eq!(encoder.features(), thresholds);
            for byte in 0..=255u8 {
                for i in 1..=thresholds {
                    // byte/255 > i/(T+1), cross-multiplied.
                    let expected = usize::from(byte) * (thresholds + 1) > 255 * i;
                    assert_eq!(encoder.bit(i - 1, &[byte]), expected, "T {thresholds}, byte {byte}, i {i}");
                }
            }
        }
    }

    #[test]
    fn thresholds_out_of_range_are_refused() {
        let image = ImageShape { channels: 1, height: 2, width: 2 };
        assert!(Encoder::thermometer(image, 0).is_err());
        assert!(Encoder::thermometer(image, 256).is_err());
    }
}
