//! In what two configurations differ.

use std::collections::BTreeMap;

use crate::train::Settings;

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

/// Settings that may change when a run is resumed: they say how far it goes, when it is looked at, what is kept, and where
/// the data lie, which are compared by themselves.
const FREE: [&str; 5] = ["steps", "eval-every", "patience", "select", "data-dir"];

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
    differences(first, second).into_iter().filter(|d| !FREE.contains(&&*d.name)).collect()
}

/// Settings that apply, by name, with their values as `config.toml` has them, without quotes.
pub fn table(settings: &Settings) -> BTreeMap<String, String> {
    let text = toml::to_string(&settings.spelled_out()).unwrap_or_default();
    let settings = text.lines().filter_map(|line| line.split_once(" = "));
    settings.map(|(name, value)| (name.to_string(), value.trim_matches('"').to_string())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Preset;

    #[test]
    fn differences_are_named_with_both_values() {
        let first = Preset::Quick.settings();
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
        assert_eq!(differences(&first, &first), []);
    }
}
