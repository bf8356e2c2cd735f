//! What the last layer's votes say of a sample: its class, which labels it has, or numbers.
//!
//! The last layer's gates are split evenly into outputs, a group of gates each: one a class, one a label, or for
//! numbers `bits` a target.

use serde::{Deserialize, Serialize};

/// What a network is trained to tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "cli", derive(clap::ValueEnum))]
#[serde(rename_all = "kebab-case")]
pub enum Task {
    /// One class of several
    #[default]
    Classes,
    /// Which of several labels are set, each by itself: columns of 0 and 1
    Labels,
    /// Numbers: regression
    Values,
}

impl Task {
    /// Its name in flags and files.
    pub fn name(self) -> &'static str {
        match self {
            Task::Classes => "classes",
            Task::Labels => "labels",
            Task::Values => "values",
        }
    }

    /// What networks are judged by: the quantity called `accuracy` in the files of a run.
    pub fn quality_name(self) -> &'static str {
        match self {
            Task::Classes => "accuracy",
            Task::Labels => "label accuracy",
            Task::Values => "R²",
        }
    }

    /// The loss that is trained on.
    pub fn loss_name(self) -> &'static str {
        match self {
            Task::Classes => "cross-entropy",
            Task::Labels => "binary cross-entropy",
            Task::Values => "squared error",
        }
    }

    /// A quality as people read it: 97.50 %, but an R² of 0.9750.
    pub fn quality_text(self, quality: f64) -> String {
        match self {
            Task::Classes | Task::Labels => format!("{:.2} %", quality * 100.0),
            Task::Values => format!("{quality:.4}"),
        }
    }
}

/// How votes are read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Head {
    /// An output a class; the class with the most votes, the first among equals.
    #[default]
    Classes,
    /// An output a label, which is set where more than half of its gates vote.
    Labels,
    /// `bits` outputs a target, target after target, lowest bit first.
    Values(Values),
}

/// How votes become numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Values {
    /// What is told.
    pub targets: Vec<Target>,
    /// Outputs a target, 1 to [`Values::MOST_BITS`]: the value is the sum over bits i of 2^i / (2^bits − 1) · votes /
    /// group, scaled from [0, 1] to the target's range. With 1 bit it is a plain count.
    pub bits: u32,
}

/// A number to be told.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// Least value among the training samples, told where no gate votes.
    pub least: f64,
    /// Greatest value among the training samples, told where all gates vote.
    pub greatest: f64,
}

impl Target {
    /// A value as a fraction of the range; outside [0, 1] where it is outside of the range.
    pub fn fraction(&self, value: f64) -> f64 {
        (value - self.least) / (self.greatest - self.least)
    }

    /// The value of a fraction of the range.
    pub fn value(&self, fraction: f64) -> f64 {
        self.least + (self.greatest - self.least) * fraction
    }
}

impl Values {
    /// Most bits of a target's code.
    pub const MOST_BITS: u32 = 16;

    /// What a target's output `bit` weighs: 2^bit / (2^bits − 1).
    pub fn weight(&self, bit: u32) -> f64 {
        f64::from(1u32 << bit) / f64::from((1u32 << self.bits) - 1)
    }

    /// `[targets]`: what a sample's `[outputs]` votes, of `group` gates an output, say as fractions of the ranges.
    pub fn fractions(&self, votes: &[f64], group: usize) -> Vec<f64> {
        let of = |votes: &[f64]| (0..).zip(votes).map(|(bit, v)| self.weight(bit) * v).sum::<f64>() / group as f64;
        votes.chunks_exact(self.bits as usize).map(of).collect()
    }

    /// `[targets]`: the same in the targets' own units.
    pub fn values(&self, votes: &[f64], group: usize) -> Vec<f64> {
        self.targets.iter().zip(self.fractions(votes, group)).map(|(target, f)| target.value(f)).collect()
    }

    /// Names of the outputs: the targets', with the bit's number where there are several.
    pub fn output_names(names: &[String], bits: u32) -> Vec<String> {
        if bits == 1 {
            return names.to_vec();
        }
        names.iter().flat_map(|name| (0..bits).map(move |bit| format!("{name} bit {bit}"))).collect()
    }
}

/// Whether a label is set by `votes` of its `group` gates.
pub fn is_set(votes: f64, group: usize) -> bool {
    2.0 * votes > group as f64
}

impl Head {
    /// What is told.
    pub fn task(&self) -> Task {
        match self {
            Head::Classes => Task::Classes,
            Head::Labels => Task::Labels,
            Head::Values(_) => Task::Values,
        }
    }

    /// Whether it tells classes.
    pub fn is_classes(&self) -> bool {
        *self == Head::Classes
    }

    /// Outputs a target; 1 where targets are no numbers.
    pub fn bits(&self) -> u32 {
        match self {
            Head::Values(values) => values.bits,
            _ => 1,
        }
    }

    /// Check that it fits `outputs` outputs; the error is a sentence.
    pub fn check(&self, outputs: usize) -> Result<(), String> {
        let Head::Values(Values { targets, bits }) = self else { return Ok(()) };
        if !(1..=Values::MOST_BITS).contains(bits) || targets.len().checked_mul(*bits as usize) != Some(outputs) {
            return Err(format!("its {} targets of {bits} bits do not fit {outputs} outputs", targets.len()));
        }
        let fine = |t: &&Target| !(t.least < t.greatest && (t.greatest - t.least).is_finite());
        match targets.iter().find(fine) {
            Some(t) => {
                Err(format!("its target \"{}\" goes from {} to {}, which is no range", t.name, t.least, t.greatest))
            }
            None => Ok(()),
        }
    }
}

/// The output with the most votes, the first among equals.
pub(super) fn most_votes(votes: &[f64]) -> usize {
    (1..votes.len()).fold(0, |best, class| if votes[class] > votes[best] { class } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(bits: u32, ranges: &[(f64, f64)]) -> Values {
        let target = |(i, &(least, greatest)): (usize, &(f64, f64))| Target { name: format!("y{i}"), least, greatest };
        Values { targets: ranges.iter().enumerate().map(target).collect(), bits }
    }

    #[test]
    fn counts_divide_the_range_and_codes_weigh_their_bits() {
        // 5 of 20 gates: a quarter of the way from -1 to 3; all of them: 3.
        assert_eq!(values(1, &[(-1.0, 3.0)]).values(&[5.0], 20), [0.0]);
        assert_eq!(values(1, &[(-1.0, 3.0), (0.0, 1.0)]).values(&[20.0, 0.0], 20), [3.0, 0.0]);
        // Bits 0, 1 and 2 of 0 to 7: all gates of bits 0 and 2 say 5, half of bit 1 says 1 more.
        let code = values(3, &[(0.0, 7.0)]);
        assert!((code.values(&[4.0, 2.0, 4.0], 4)[0] - 6.0).abs() < 1e-12);
        assert!((code.values(&[4.0, 4.0, 4.0], 4)[0] - 7.0).abs() < 1e-12);
        assert_eq!(Values::output_names(&["y".into()], 2), ["y bit 0", "y bit 1"]);
    }

    #[test]
    fn a_label_is_set_by_more_than_half() {
        assert!(!is_set(2.0, 4) && is_set(3.0, 4));
        assert!(!is_set(2.0, 5) && is_set(3.0, 5), "of an odd number no half is left");
    }

    #[test]
    fn heads_that_do_not_fit_are_refused() {
        let head = |bits, range| Head::Values(values(bits, &[range]));
        head(3, (0.0, 1.0)).check(3).unwrap();
        assert!(head(3, (0.0, 1.0)).check(2).unwrap_err().contains("3 bits do not fit 2 outputs"));
        assert!(head(17, (0.0, 1.0)).check(17).is_err());
        for range in [(1.0, 1.0), (2.0, 1.0), (0.0, f64::NAN), (f64::MIN, f64::MAX), (0.0, f64::INFINITY)] {
            assert!(head(1, range).check(1).unwrap_err().contains("no range"), "{range:?}");
        }
    }
}
