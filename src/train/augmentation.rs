//! How training images may be moved, in the whole numbers that the kernel takes.

use crate::settings::Settings;
use crate::{Error, Result};

/// What stands for 1.
const ONE: f64 = 16_384.0;
/// Angles to choose from, either way from 0.
const ANGLES: i32 = 127;

/// How far images may be moved.
#[derive(Debug, Clone, PartialEq)]
pub struct Augmentation {
    /// Pixels each way.
    pub shift: u32,
    /// Whether half of the images are mirrored.
    pub flip: bool,
    /// Least side of the part that is shown, in 2⁻¹⁴ of the image's; 2¹⁴ shows it whole.
    pub least_side: u32,
    /// (cosine, sine) · 2¹⁴ of every angle to choose from, at least one.
    pub turns: Vec<[i32; 2]>,
}

impl Augmentation {
    /// What `settings` ask for; `None` if images stay as they are.
    pub fn of(settings: &Settings) -> Option<Self> {
        let angles = if settings.rotate > 0.0 { ANGLES } else { 0 };
        let turn = |i: i32| {
            let angle = (settings.rotate * f64::from(i) / f64::from(ANGLES)).to_radians();
            [angle.cos(), angle.sin()].map(|x| (x * ONE).round() as i32)
        };
        let made = Augmentation {
            shift: settings.shift,
            flip: settings.flip,
            least_side: (settings.resized_crop * ONE).round() as u32,
            turns: (-angles..=angles).map(turn).collect(),
        };
        (made.shift > 0 || made.is_warped()).then_some(made)
    }

    /// The same for the samples of a network, which are rows of a table or images.
    ///
    /// # Errors
    /// [`Error::Usage`] if rows are to be moved.
    pub fn of_samples(settings: &Settings, are_rows: bool) -> Result<Option<Self>> {
        match Self::of(settings) {
            Some(_) if are_rows => Err(Error::usage(
                "rows of a table cannot be moved; leave out --shift, --flip, --rotate and --resized-crop",
            )),
            how => Ok(how),
        }
    }

    /// The angles as the kernel reads them: their number, then each.
    pub fn turns_table(&self) -> Vec<[i32; 2]> {
        std::iter::once([self.turns.len() as i32, 0]).chain(self.turns.iter().copied()).collect()
    }

    /// Whether images are more than shifted.
    pub fn is_warped(&self) -> bool {
        self.flip || self.is_resampled()
    }

    /// Whether images are turned or scaled, so that their bytes are not moved as they are.
    pub fn is_resampled(&self) -> bool {
        self.turns.len() > 1 || self.least_side < ONE as u32
    }
}
