//! Labels told apart, and as numbers.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::table::in_order;
use crate::{Error, Result};

/// Classes that a label, a byte, can tell apart.
pub const MOST_CLASSES: usize = 256;

/// The different labels, in order.
pub fn different(labels: &[Arc<str>]) -> Vec<String> {
    let different: BTreeSet<&str> = labels.iter().map(|label| &**label).collect();
    in_order(different.into_iter().map(String::from).collect())
}

/// The classes that labels tell apart; `what` is what the labels are called.
///
/// # Errors
/// [`Error::Input`] if there are fewer than two, or more than a byte can number.
pub fn classes(path: &Path, what: &str, labels: &[Arc<str>]) -> Result<Vec<String>> {
    let classes = different(labels);
    let problem = match classes.len() {
        0 => "it holds no samples".into(),
        1 => format!("every \"{what}\" is {}; there is nothing to learn", classes[0]),
        n if n == labels.len() && n > 9 => {
            format!("\"{what}\" is another in each of {n} samples; name the labels' column by --label")
        }
        2..=MOST_CLASSES => return Ok(classes),
        n => format!(
            "\"{what}\" has {n} different values, and {MOST_CLASSES} classes are possible; name another column by --label"
        ),
    };
    Err(Error::input(path, problem))
}

/// Labels as numbers of `classes`; `place` tells where one stands.
pub fn numbered(
    path: &Path,
    labels: &[Arc<str>],
    classes: &[String],
    place: &dyn Fn(usize) -> String,
) -> Result<Vec<u8>> {
    let of = |(row, label): (usize, &Arc<str>)| {
        classes.iter().position(|class| **class == **label).map(|class| class as u8).ok_or_else(|| {
            let problem = format!("the label \"{label}\" of {} is none of the {} classes", place(row), classes.len());
            Error::input(path, problem)
        })
    };
    labels.iter().enumerate().map(of).collect()
}
