//! In what two configurations differ.

use std::collections::BTreeMap;
use std::fmt::{Display, Formatter};

use super::list::{Bearing, ENTRIES, Settings, lines};

/// A setting that differs, by its name in `config.toml`, with both values as that file has them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Name of the setting, which is also its flag's.
    pub name: String,
    /// In the first configuration; `none` where it does not apply.
    pub first: String,
    /// In the second.
    pub second: String,
}

impl Display for Difference {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} was {}, now {}", self.name, self.first, self.second)
    }
}

/// Every setting in which two runs differ, by name.
pub fn differences(first: &Settings, second: &Settings) -> Vec<Difference> {
    let (first, second) = (table(first), table(second));
    let mut names: Vec<&String> = first.keys().chain(second.keys()).collect();
    names.sort();
    names.dedup();
    let text = |value: Option<&String>| value.cloned().unwrap_or("none".into());
    names
        .into_iter()
        .filter(|name| first.get(*name) != second.get(*name))
        .map(|name| Difference { name: name.clone(), first: text(first.get(name)), second: text(second.get(name)) })
        .collect()
}

/// The same, without what may change when a run is resumed.
pub fn essential_differences(first: &Settings, second: &Settings) -> Vec<Difference> {
    differences(first, second).into_iter().filter(|d| bearing(&d.name) == Bearing::Step).collect()
}

/// What the setting of this name decides; how data are read decides every step, but not which samples are judged at the end.
pub fn bearing(name: &str) -> Bearing {
    if name == "test" {
        return Bearing::Length;
    }
    ENTRIES.iter().find(|entry| entry.name() == name).map_or(Bearing::Step, |entry| entry.bearing)
}

/// Settings that apply, by name, with their values as `config.toml` has them, without quotes.
pub fn table(settings: &Settings) -> BTreeMap<String, String> {
    lines(&settings.spelled_out())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Options;

    #[test]
    fn differences_are_named_with_both_values() {
        let first = Settings::deep();
        let second = Settings { cage: None, batch: 64, steps: 7, lr: 0.05, ..first.clone() };
        let told: Vec<_> = differences(&first, &second).into_iter().map(|d| (d.name, d.first, d.second)).collect();
        let expected = [
            ("batch", "128", "64"),
            ("cage", "true", "false"),
            ("cage-decay", "0.99", "none"),
            ("cage-scope", "network", "none"),
            ("cage-tau-max", "3.0", "none"),
            ("cage-tau-min", "0.5", "none"),
            ("lr", "0.1", "0.05"),
            ("steps", "6000", "7"),
            ("temperature", "none", "1.0"),
        ];
        assert_eq!(told, expected.map(|(name, a, b)| (name.to_string(), a.to_string(), b.to_string())));
        assert!(essential_differences(&first, &second).iter().all(|d| d.name != "steps"));
        let farther = Settings { steps: 7, eval_every: 3, data_dir: Some("sets".into()), ..first.clone() };
        assert_eq!(essential_differences(&first, &farther), []);
        let labelled = Settings { input: Options { label: Some("y".into()), ..Options::default() }, ..first.clone() };
        assert_eq!(essential_differences(&first, &labelled).len(), 1);
        assert_eq!(differences(&first, &first), []);
    }
}
