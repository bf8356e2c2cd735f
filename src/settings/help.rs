//! What `--help` says of settings.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::differences::lines;
use super::list::{Entry, Settings};
use super::range::Range;

/// What the list says of a setting, the numbers it takes, and its default.
pub(super) fn flag_help(field: &str) -> String {
    static DEFAULTS: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| lines(&Settings::default().all_said()));
    let Some(entry) = Entry::of(field) else { return String::new() };
    let mut help = entry.help.to_string();
    if entry.range != Range::Any {
        help += &format!(" [{}]", entry.range);
    }
    match DEFAULTS.get(&entry.name()) {
        Some(default) if !help.contains("[default") => help + &format!(" [default: {default}]"),
        _ => help,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_tells_range_and_default() {
        assert!(flag_help("rotate").ends_with("either way [0 to 45] [default: 0.0]"), "{}", flag_help("rotate"));
        assert!(flag_help("lr").ends_with("[more than 0] [default: 0.1]"), "{}", flag_help("lr"));
        assert!(flag_help("select").ends_with("[default: last, with --patience best]"));
    }
}
