//! Labels of samples: each different one once, and a number a sample.

use std::collections::HashMap;

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
