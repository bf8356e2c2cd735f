//! What a network says of a sample, by its votes.

use serde_json::{Map, Value, json};

use super::Model;
use crate::data::{Head, is_set, number_text};

/// What a network says of a sample.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// The class with the most votes, the first among equals.
    Class(usize),
    /// The labels that are set, in order.
    Labels(Vec<usize>),
    /// `[targets]` in their own units.
    Values(Vec<f64>),
}

impl Answer {
    /// The outputs that stand for it: a class, or labels.
    pub fn outputs(&self) -> Vec<usize> {
        match self {
            Answer::Class(class) => vec![*class],
            Answer::Labels(set) => set.clone(),
            Answer::Values(_) => Vec::new(),
        }
    }
}

impl Model {
    /// What the `[outputs]` votes of a sample say.
    pub fn answer(&self, votes: &[u32]) -> Answer {
        let votes: Vec<f64> = votes.iter().map(|&v| v.into()).collect();
        match &self.head {
            Head::Classes => Answer::Class(
                (1..votes.len()).fold(0, |best, class| if votes[class] > votes[best] { class } else { best }),
            ),
            Head::Labels => Answer::Labels((0..votes.len()).filter(|&l| is_set(votes[l], self.group())).collect()),
            Head::Values(values) => Answer::Values(values.values(&votes, self.group())),
        }
    }

    /// The same for people: a class; labels, or `none`; values by name.
    pub fn answer_text(&self, votes: &[u32]) -> String {
        match (self.answer(votes), &self.head) {
            (Answer::Class(class), _) => self.classes[class].clone(),
            (Answer::Labels(set), _) if set.is_empty() => "none".into(),
            (Answer::Labels(set), _) => set.iter().map(|&l| self.classes[l].as_str()).collect::<Vec<_>>().join(", "),
            (Answer::Values(told), Head::Values(values)) => {
                let told = values.targets.iter().zip(told).map(|(t, v)| format!("{} = {}", t.name, number_text(v)));
                told.collect::<Vec<_>>().join(", ")
            }
            (Answer::Values(_), _) => String::new(),
        }
    }

    /// The same by key: `class` and `name`; `labels`; `values`.
    pub fn answer_json(&self, votes: &[u32]) -> Map<String, Value> {
        let pairs = match (self.answer(votes), &self.head) {
            (Answer::Class(class), _) => vec![("class", json!(class)), ("name", json!(self.classes[class]))],
            (Answer::Labels(set), _) => {
                vec![("labels", set.iter().map(|&l| json!(self.classes[l])).collect())]
            }
            (Answer::Values(told), Head::Values(values)) => {
                let told: Map<_, _> =
                    values.targets.iter().zip(told).map(|(t, v)| (t.name.clone(), json!(v))).collect();
                vec![("values", Value::Object(told))]
            }
            (Answer::Values(_), _) => Vec::new(),
        };
        pairs.into_iter().map(|(key, value)| (key.to_string(), value)).collect()
    }
}
