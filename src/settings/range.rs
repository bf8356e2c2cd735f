//! What numbers a setting takes.

use std::fmt::{Debug, Display, Formatter};

use serde::Serialize;

use crate::{Error, Result};

/// The numbers that a setting takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Range {
    /// Whatever its type holds.
    Any,
    /// Any finite number.
    Finite,
    /// From the first to the second, both included.
    Within(f64, f64),
    /// From the first to the second, which is not included.
    Below(f64, f64),
    /// A finite number above this one.
    Above(f64),
    /// This finite number or more.
    Least(f64),
    /// A multiple of this number, which is the least.
    Multiple(u32),
}

impl Range {
    /// Whether it has `x`; none has NaN.
    pub fn contains(self, x: f64) -> bool {
        match self {
            Range::Any => true,
            Range::Finite => x.is_finite(),
            Range::Within(least, most) => (least..=most).contains(&x),
            Range::Below(least, limit) => (least..limit).contains(&x),
            Range::Above(limit) => x.is_finite() && x > limit,
            Range::Least(least) => x.is_finite() && x >= least,
            Range::Multiple(of) => x >= f64::from(of) && x % f64::from(of) == 0.0,
        }
    }

    /// Refuse a `value` outside, which `--name` had; what is no number is taken.
    pub(super) fn check<T: Serialize + Debug>(self, name: &str, value: &T) -> Result<()> {
        let number = match toml::Value::try_from(value) {
            Ok(toml::Value::Float(x)) => x,
            Ok(toml::Value::Integer(x)) => x as f64,
            _ => return Ok(()),
        };
        if self.contains(number) {
            return Ok(());
        }
        Err(Error::usage(format!("--{name} takes {self}, not {value:?}")))
    }
}

impl Display for Range {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match *self {
            Range::Any => Ok(()),
            Range::Finite => write!(f, "any number"),
            Range::Within(least, most) => write!(f, "{} to {}", grouped(least), grouped(most)),
            Range::Below(least, limit) => write!(f, "{} to below {}", grouped(least), grouped(limit)),
            Range::Above(limit) => write!(f, "more than {}", grouped(limit)),
            Range::Least(least) => write!(f, "{} or more", grouped(least)),
            Range::Multiple(of) => write!(f, "a multiple of {of}"),
        }
    }
}

/// A number with commas between its thousands.
fn grouped(x: f64) -> String {
    if x < 10_000.0 { x.to_string() } else { format!("{},{:03}", (x / 1000.0).trunc(), x % 1000.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_belong_to_a_range_as_its_words_say() {
        for (range, text, inside, outside) in [
            (Range::Within(1.0, 65_536.0), "1 to 65,536", vec![1.0, 65_536.0], vec![0.0, 65_537.0]),
            (Range::Below(0.0, 1.0), "0 to below 1", vec![0.0, 0.999], vec![1.0, -0.001]),
            (Range::Above(0.0), "more than 0", vec![1e-30], vec![0.0, f64::INFINITY]),
            (Range::Least(1.0), "1 or more", vec![1.0, 1e9], vec![0.0, f64::INFINITY]),
            (Range::Multiple(32), "a multiple of 32", vec![32.0, 96.0], vec![0.0, 33.0]),
            (Range::Finite, "any number", vec![-3.0], vec![f64::INFINITY]),
        ] {
            assert_eq!(range.to_string(), text);
            assert!(inside.into_iter().all(|x| range.contains(x)), "{range:?}");
            assert!(outside.into_iter().chain([f64::NAN]).all(|x| !range.contains(x)), "{range:?}");
        }
    }
}
