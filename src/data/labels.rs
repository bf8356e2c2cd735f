//! Labels of samples: each different one once, and a number a sample; told apart, and as numbers of classes.

use std::collections::HashMap;
use std::path::Path;

use super::table::in_order;
use crate::{Error, Result};

/// Classes that a label, a byte, can tell apart.
const MOST_CLASSES: usize = 256;

/// `[sample]`: its class, as it is written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    /// The different ones, in the order of their first samples.
    pub words: Vec<String>,
    /// `[sample]`: which of them.
    pub of: Vec<u32>,
}

impl Labels {
    /// Number of samples.
    pub fn len(&self) -> usize {
        self.of.len()
    }
}

impl<S: AsRef<str>> FromIterator<S> for Labels {
    fn from_iter<I: IntoIterator<Item = S>>(labels: I) -> Self {
        let mut made = Labels::default();
        let mut known: HashMap<String, u32> = HashMap::new();
        for label in labels {
            let label = label.as_ref();
            let word = known.get(label).copied().unwrap_or_else(|| {
                let word = made.words.len() as u32;
                known.insert(label.to_owned(), word);
                made.words.push(label.to_owned());
                word
            });
            made.of.push(word);
        }
        made.of.shrink_to_fit();
        made
    }
}

/// The different labels, in order.
pub fn different(labels: &Labels) -> Vec<String> {
    let mut words = labels.words.clone();
    words.sort_unstable();
    in_order(words)
}

/// The classes that labels tell apart; `what` is what the labels are called.
///
/// # Errors
/// [`Error::Input`] if there are fewer than two, or more than a byte can number.
pub fn classes(path: &Path, what: &str, labels: &Labels) -> Result<Vec<String>> {
    let classes = different(labels);
    let problem = match classes.len() {
        0 => "it holds no samples".into(),
        1 => format!("every \"{what}\" is {}; there is nothing to learn", classes[0]),
        n @ 10..=MOST_CLASSES if n == labels.len() => {
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
pub fn numbered(path: &Path, labels: &Labels, classes: &[String], place: &dyn Fn(usize) -> String) -> Result<Vec<u8>> {
    let of_word = |word: &String| classes.iter().position(|class| class == word).map(|class| class as u8);
    let of_words: Vec<Option<u8>> = labels.words.iter().map(of_word).collect();
    let of = |(row, &word): (usize, &u32)| {
        of_words[word as usize].ok_or_else(|| {
            let (label, count) = (&labels.words[word as usize], classes.len());
            let problem = format!("the label \"{label}\" of {} is none of the {count} classes", place(row));
            Error::input(path, problem)
        })
    };
    labels.of.iter().enumerate().map(of).collect()
}
