//! docs/CONFIG.md, as far as it follows from the list.

use std::fmt::Write;

use clap::{Arg, Command};

use super::{Bearing, ENTRIES, Entry, Overrides, Preset, Range};

/// Where the written part of the page ends.
const MARK: &str =
    "<!-- What follows is made from src/settings/list.rs: CONFIG_MD=write cargo test --lib config_md -->\n";

/// What a setting takes, in words.
fn taken(entry: &Entry, flag: Option<&Arg>) -> String {
    let words = flag.map(words).unwrap_or_default();
    match entry.kind {
        "f32" | "f64" | "u32" | "u64" | "usize" => {
            let kind = if entry.kind.starts_with('f') { "number" } else { "whole number" };
            if entry.range == Range::Any { kind.into() } else { format!("{kind}, {}", entry.range) }
        }
        "bool" => "`true`, `false`".into(),
        _ if words.is_empty() => "text".into(),
        _ => words,
    }
}

/// The words that a flag takes.
fn words(flag: &Arg) -> String {
    let words = flag.get_possible_values().into_iter().filter(|value| !value.is_hide_set());
    words.map(|value| format!("`{}`", value.get_name())).collect::<Vec<_>>().join(", ")
}

fn generated() -> String {
    let flags = <Overrides as clap::Args>::augment_args(Command::new("train"));
    let flag = |name: &str| flags.get_arguments().find(|arg| arg.get_long() == Some(name));
    let mut page = "\n## Presets\n\n| preset | what it is for |\n|---|---|\n".to_string();
    for preset in Preset::ALL {
        let name = preset.name();
        let _ = writeln!(page, "| [`{name}`](../assets/presets/{name}.toml) | {} |", preset.about());
    }
    let mut group = "";
    for entry in ENTRIES {
        if entry.group != group {
            group = entry.group;
            let _ =
                write!(page, "\n## {group}\n\n| key and flag | takes | default | what it is |\n|---|---|---|---|\n");
        }
        let name = entry.name();
        let default = match entry.defaults() {
            [Some(default), Some(quick)] => format!("`{default}`, of `quick` `{quick}`"),
            [Some(default), None] | [None, Some(default)] => format!("`{default}`"),
            [None, None] => "–".to_string(),
        };
        let resumed = if entry.bearing == Bearing::Step { "" } else { " ↻" };
        let _ = writeln!(page, "| `{name}`{resumed} | {} | {default} | {} |", taken(entry, flag(&name)), entry.help);
    }
    page += "\n## `[input]`: how the data are read\n\nFlags of the same names, which other commands take, too.\n\n\
             | key and flag | takes | what it is |\n|---|---|---|\n";
    for arg in flags.get_arguments().filter(|arg| arg.get_help_heading().is_some_and(|h| h.contains("[input]"))) {
        let words = words(arg);
        let named = arg.get_value_names().unwrap_or_default().join(" ");
        let takes = if !words.is_empty() { words } else { format!("`{named}`") };
        let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
        let _ = writeln!(page, "| `{}` | {takes} | {} |", arg.get_long().unwrap_or_default(), help.replace('|', "\\|"));
    }
    page
}

#[test]
fn config_md_is_what_the_list_says() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/CONFIG.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (written, made) = page.split_once(MARK).expect("docs/CONFIG.md has lost its mark");
    if std::env::var_os("CONFIG_MD").is_some() {
        std::fs::write(&path, format!("{written}{MARK}{}", generated())).unwrap();
        return;
    }
    assert!(
        made == generated(),
        "docs/CONFIG.md is not what the list says; run CONFIG_MD=write cargo test --lib config_md"
    );
}
