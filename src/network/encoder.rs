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

    /// Without the features that are set, or unset, in less than `fraction` of the samples: a wire to a bit that hardly
    /// ever changes is wasted. At least `keep` features stay, those that vary most.
    ///
    /// `pixels` is `[samples][image.pixels()]` bytes; `fraction` 0 keeps every feature.
    pub fn without_rare(self, pixels: &[u8], image: ImageShape, fraction: f64, keep: usize) -> Self {
        let samples = pixels.len() / image.pixels();
        if fraction <= 0.0 || samples == 0 {
            return self;
        }
        // How many samples have each value of each byte, then how many have a greater one.
        let mut above = vec![[0u32; 256]; image.pixels()];
        for row in pixels.chunks_exact(image.pixels()) {
            row.iter().zip(&mut above).for_each(|(&byte, counts)| counts[usize::from(byte)] += 1);
        }
        for counts in &mut above {
            let mut greater = 0;
            for count in counts.iter_mut().rev() {
                (*count, greater) = (greater, greater + *count);
            }
        }
        let minority = |f: usize| {
            let set = above[self.pixel[f] as usize][usize::from(self.threshold[f])] as usize;
            set.min(samples - set)
        };
        let mut by_variety: Vec<usize> = (0..self.features()).collect();
        by_variety.sort_by_key(|&f| std::cmp::Reverse(minority(f)));
        let enough = by_variety.partition_point(|&f| minority(f) as f64 >= fraction * samples as f64);
        by_variety.truncate(enough.max(keep));
        by_variety.sort_unstable();
        Encoder {
            pixel: by_variety.iter().map(|&f| self.pixel[f]).collect(),
            threshold: by_variety.iter().map(|&f| self.threshold[f]).collect(),
        }
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
    fn rare_features_are_left_out() {
        let image = ImageShape { channels: 1, height: 1, width: 3 };
        // Thresholds 85 and 170. Byte 0 is always 0; byte 1 is 100 in one sample of four; byte 2 is 200 in two of four.
        let pixels = [0, 100, 200, 0, 0, 200, 0, 0, 0, 0, 0, 0];
        let left = |fraction, keep| {
            let encoder = Encoder::thermometer(image, 2).unwrap().without_rare(&pixels, image, fraction, keep);
            encoder.pixel.into_iter().zip(encoder.threshold).collect::<Vec<_>>()
        };
        assert_eq!(left(0.0, 0).len(), 6);
        assert_eq!(left(0.25, 0), [(1, 85), (2, 85), (2, 170)]);
        assert_eq!(left(0.26, 0), [(2, 85), (2, 170)]);
        assert_eq!(left(0.5, 0), [(2, 85), (2, 170)]);
        assert_eq!(left(0.51, 2).len(), 2, "some must stay");
    }

    #[test]
    fn thresholds_out_of_range_are_refused() {
        let image = ImageShape { channels: 1, height: 2, width: 2 };
        assert!(Encoder::thermometer(image, 0).is_err());
        assert!(Encoder::thermometer(image, 256).is_err());
    }
}
