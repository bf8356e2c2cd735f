//! Validation samples, held out of the training samples.

use super::{Dataset, Split, stratified};
use crate::random::Philox;
use crate::{Error, Result};

/// Stream of the seed that draws what is held out; layers draw from the low streams.
const STREAM: u32 = u32::MAX;

impl Dataset {
    /// Take `fraction` of the training samples, rounded to whole samples, out as a validation split.
    ///
    /// `seed` alone decides which. Both splits keep the order of the samples. Of few samples the fraction may be none. A
    /// fraction outside [0, 0.9] is refused, and so is one that would leave none to train on.
    pub fn hold_out(mut self, fraction: f64, seed: u64) -> Result<(Dataset, Split)> {
        if !(0.0..=0.9).contains(&fraction) {
            return Err(Error::usage(format!("the validation fraction takes 0 to 0.9, not {fraction}")));
        }
        let samples = self.train.len();
        let held = (fraction * samples as f64).round() as usize;
        if held == 0 {
            return Ok((self, Split::default()));
        }
        if held == samples {
            return Err(Error::usage(format!(
                "a validation fraction of {fraction} takes {held} of {samples} training samples; choose one that \
                 leaves some on both sides"
            )));
        }
        let mut order: Vec<usize> = (0..samples).collect();
        Philox::new(seed, STREAM).shuffle(&mut order);
        let (validation, train) = order.split_at_mut(held);
        validation.sort_unstable();
        train.sort_unstable();
        let validation = self.train.select(validation, self.image.pixels());
        self.train.keep(train, self.image.pixels());
        Ok((self, validation))
    }

    /// Draw `fraction` of the training samples, of each class alike, as test samples in place of those that are there.
    ///
    /// # Errors
    /// [`Error::Usage`] if it would leave none on either side.
    pub fn draw_test(mut self, fraction: f64, seed: u64) -> Result<Dataset> {
        // Samples with targets have label 0, all of them.
        let classes: Vec<u32> = self.train.labels.iter().map(|&label| label.into()).collect();
        let (train, test) = stratified::split(&classes, fraction, seed)?;
        let pixels = self.image.pixels();
        (self.train, self.test) = (self.train.select(&train, pixels), self.train.select(&test, pixels));
        Ok(self)
    }
}

impl Split {
    /// Keep the samples at `indices`, which increase, of `pixels` bytes each, where they are: what may fill half of the
    /// memory is not copied.
    fn keep(&mut self, indices: &[usize], pixels: usize) {
        let width = self.targets_a_sample();
        for (to, &from) in indices.iter().enumerate().filter(|&(to, &from)| to != from) {
            self.pixels.copy_within(from * pixels..(from + 1) * pixels, to * pixels);
            self.labels[to] = self.labels[from];
            self.targets.copy_within(from * width..(from + 1) * width, to * width);
        }
        self.pixels.truncate(indices.len() * pixels);
        self.labels.truncate(indices.len());
        self.targets.truncate(indices.len() * width);
    }

    /// The samples at `indices`, of `pixels` bytes each.
    pub(super) fn select(&self, indices: &[usize], pixels: usize) -> Split {
        let width = self.targets_a_sample();
        let mut selected = Split {
            pixels: Vec::with_capacity(indices.len() * pixels),
            labels: indices.iter().map(|&i| self.labels[i]).collect(),
            targets: indices.iter().flat_map(|&i| &self.targets[i * width..(i + 1) * width]).copied().collect(),
        };
        for &i in indices {
            selected.pixels.extend_from_slice(&self.pixels[i * pixels..(i + 1) * pixels]);
        }
        selected
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Head, ImageShape};
    use super::*;

    /// Sample `i` has the pixels `[i, i]` and the label `i % 10`.
    fn numbered(samples: u8) -> Dataset {
        let split = |n: u8| Split {
            pixels: (0..n).flat_map(|i| [i; 2]).collect(),
            labels: (0..n).map(|i| i % 10).collect(),
            targets: (0..n).flat_map(|i| [i, 2, i]).map(f32::from).collect(),
        };
        Dataset {
            name: "numbered".into(),
            classes: (0..10).map(|c| c.to_string()).collect(),
            image: ImageShape { channels: 1, height: 1, width: 2 },
            table: None,
            head: Head::Classes,
            ranges: Vec::new(),
            notes: Vec::new(),
            train: split(samples),
            test: split(10),
        }
    }

    #[test]
    fn held_out_samples_and_the_rest_are_the_whole_in_order() {
        let whole = numbered(200);
        let (rest, held) = whole.clone().hold_out(0.1, 7).unwrap();
        assert_eq!((rest.train.len(), held.len()), (180, 20));
        assert_eq!(rest.test, whole.test);
        for split in [&rest.train, &held] {
            let samples: Vec<u8> = split.pixels.chunks(2).map(|p| p[0]).collect();
            assert!(samples.is_sorted_by(|a, b| a < b));
            assert!(split.pixels.chunks(2).zip(&split.labels).all(|(p, &label)| p[0] == p[1] && p[0] % 10 == label));
            let of = |p: u8| [f32::from(p), 2.0, f32::from(p)];
            assert!(split.pixels.chunks(2).zip(split.targets.chunks(3)).all(|(p, targets)| targets == of(p[0])));
        }
        let mut all: Vec<u8> = [rest.train.pixels, held.pixels].concat();
        all.sort_unstable();
        assert_eq!(all, whole.train.pixels);
    }

    #[test]
    fn the_seed_alone_decides_what_is_held_out() {
        let held = |seed| numbered(200).hold_out(0.25, seed).unwrap().1;
        assert_eq!(held(1), held(1));
        assert_ne!(held(1), held(2));
        assert_ne!(held(1), held(1 | 1 << 40), "the upper half of the seed counts");
    }

    #[test]
    fn no_fraction_holds_out_nothing() {
        let (rest, held) = numbered(20).hold_out(0.0, 1).unwrap();
        assert_eq!(rest, numbered(20));
        assert!(held.is_empty());
        let (rest, held) = numbered(8).hold_out(0.05, 1).unwrap();
        assert_eq!((rest.train.len(), held.len()), (8, 0), "less than half a sample is none");
    }

    #[test]
    fn impossible_fractions_are_refused() {
        for fraction in [-0.1, 0.91, 1.0, f64::NAN, f64::INFINITY] {
            assert!(numbered(20).hold_out(fraction, 1).is_err(), "{fraction}");
        }
        assert!(numbered(1).hold_out(0.9, 1).is_err(), "nothing would be left to train on");
    }
}
