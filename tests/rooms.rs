//! The rooms of the house, read from the sources' own `use` lines: a room imports only what stands left of it, no files
//! import each other in a circle, and wgpu is known in one room.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Left to right; `reference` holds the twins, which only tests import.
const ROOMS: [&str; 18] = [
    "error",
    "console",
    "files",
    "random",
    "plot",
    "data",
    "circuit",
    "plan",
    "gpu",
    "network",
    "settings",
    "ranks",
    "train",
    "cpu",
    "run",
    "record",
    "commands",
    "reference",
];

/// The house's files by module path, e.g. `data::table::learn`, with their text; tests at a file's end are left out.
fn files() -> BTreeMap<String, String> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = Vec::new();
    walk(&src, &mut found);
    let module = |path: &Path| {
        let path = path.strip_prefix(&src).unwrap().with_extension("");
        let parts: Vec<_> = path.iter().map(|part| part.to_str().unwrap()).filter(|part| *part != "mod").collect();
        parts.join("::")
    };
    found.retain(|path| path.extension().is_some_and(|e| e == "rs"));
    found
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
            let code = |line: &&str| !line.trim_start().starts_with("//");
            (module(path), text.lines().filter(code).collect::<Vec<_>>().join("\n"))
        })
        .filter(|(module, _)| module != "main" && module != "lib")
        .collect()
}

/// The paths of a `use` tree such as `a::{b, c::{d, e as f}}`.
fn paths(tree: &str) -> Vec<String> {
    let tree = tree.trim();
    let Some((head, inner)) = tree.split_once('{') else {
        return vec![tree.split(" as ").next().unwrap().trim().to_string()];
    };
    let inner = &inner[..inner.rfind('}').unwrap()];
    let (mut depth, mut parts) = (0, vec![String::new()]);
    for c in inner.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(String::new());
                continue;
            }
            _ => {}
        }
        parts.last_mut().unwrap().push(c);
    }
    let parts = parts.iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| paths(part)).map(|path| format!("{}{path}", head.trim())).collect()
}

/// `(is re-exported, absolute path)` of everything that a module's `use` lines and inline `crate::` paths name.
fn imports(module: &str, is_folder: bool, text: &str) -> Vec<(bool, String)> {
    let mut found = Vec::new();
    let own: Vec<&str> = module.split("::").collect();
    let mut resolve = |is_public: bool, path: &str| {
        let parts: Vec<&str> = path.split("::").collect();
        let absolute = match parts[0] {
            "crate" => parts[1..].join("::"),
            "self" => [&own[..], &parts[1..]].concat().join("::"),
            "super" => {
                let ups = parts.iter().take_while(|part| **part == "super").count();
                let base = &own[..own.len().saturating_sub(ups)];
                [base, &parts[ups..]].concat().join("::")
            }
            _ if is_folder => [&own[..], &parts[..]].concat().join("::"),
            _ => return,
        };
        found.push((is_public, absolute));
    };
    let mut rest = text;
    while let Some(at) = rest.find("use ") {
        let line = rest[..at].rsplit('\n').next().unwrap().trim().to_string();
        let end = rest[at..].find(';').map_or(rest.len(), |end| at + end);
        if line.is_empty() || line.starts_with("pub") {
            paths(&rest[at + 4..end]).iter().for_each(|path| resolve(!line.is_empty(), path));
        }
        rest = &rest[end.min(rest.len())..];
        if rest.is_empty() {
            break;
        }
        rest = &rest[1..];
    }
    for (at, _) in text.match_indices("crate::") {
        let path: String = text[at..].chars().take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect();
        resolve(false, path.trim_end_matches(':'));
    }
    found
}

/// Which file an absolute path means: the deepest file whose module path begins it, re-exports of folders followed.
fn file_of(path: &str, files: &BTreeMap<String, String>, exports: &BTreeMap<String, String>) -> Option<String> {
    let mut path = path.to_string();
    for _ in 0..4 {
        match exports.get(&path) {
            Some(target) if *target != path => path = target.clone(),
            _ => break,
        }
    }
    let parts: Vec<&str> = path.split("::").collect();
    (1..=parts.len()).rev().map(|n| parts[..n].join("::")).find(|module| files.contains_key(module))
}

/// Every file with the files that it imports.
fn arrows(files: &BTreeMap<String, String>) -> BTreeMap<String, BTreeSet<String>> {
    let is_folder = |module: &str| files.keys().any(|other| other.starts_with(&format!("{module}::")));
    let all: BTreeMap<_, _> =
        files.iter().map(|(module, text)| (module, imports(module, is_folder(module), text))).collect();
    let mut exports = BTreeMap::new();
    for (module, imported) in &all {
        for (_, path) in imported.iter().filter(|(is_public, _)| *is_public) {
            let name = path.rsplit("::").next().unwrap();
            exports.insert(format!("{module}::{name}"), path.clone());
        }
    }
    let arrows = all.iter().map(|(module, imported)| {
        // What a folder's own page re-exports it does not use.
        let used = imported.iter().filter(|(is_public, _)| !is_public);
        let targets = used.filter_map(|(_, path)| file_of(path, files, &exports)).filter(|target| target != *module);
        ((*module).clone(), targets.collect())
    });
    arrows.collect()
}

#[test]
fn a_room_imports_only_what_stands_left_of_it() {
    let place = |module: &str| {
        let room = module.split("::").next().unwrap();
        ROOMS.iter().position(|r| *r == room).unwrap_or_else(|| panic!("{room} is no room of the map"))
    };
    let files = files();
    let mut wrong = Vec::new();
    for (from, targets) in arrows(&files) {
        let against = targets.iter().filter(|to| place(to) > place(&from));
        wrong.extend(against.map(|to| format!("{from} imports {to}")));
    }
    assert!(files.len() > 100 && wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let arrows = arrows(&files());
    let reached = |from: &String| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.clone()]);
        while let Some(at) = open.pop() {
            for to in &arrows[&at] {
                if seen.insert(to.clone()) {
                    open.push(to.clone());
                }
            }
        }
        seen
    };
    let reach: BTreeMap<&String, BTreeSet<String>> = arrows.keys().map(|file| (file, reached(file))).collect();
    let circles: BTreeSet<Vec<&String>> = arrows
        .keys()
        .filter(|file| reach[file].contains(*file))
        .map(|file| arrows.keys().filter(|other| reach[file].contains(*other) && reach[other].contains(file)).collect())
        .collect();
    assert!(circles.is_empty(), "{circles:#?}");
}

#[test]
fn wgpu_is_known_in_one_room() {
    let files = files();
    let outside: Vec<_> =
        files.iter().filter(|(module, text)| !module.starts_with("gpu") && text.contains("wgpu::")).collect();
    assert!(outside.is_empty(), "{:?}", outside.iter().map(|(module, _)| module).collect::<Vec<_>>());
}

#[test]
fn use_lines_are_read_as_the_compiler_reads_them() {
    let text = "use super::b::{C, d::{E, F as G}};\npub use x::Y;\nfn f() { crate::files::write_whole(); }\n";
    let found = imports("a::m", false, text);
    let expected = ["a::b::C", "a::b::d::E", "a::b::d::F", "files::write_whole"];
    assert_eq!(found.iter().map(|(_, path)| path.as_str()).collect::<Vec<_>>(), expected);
    assert_eq!(imports("a", true, "pub use x::Y;"), [(true, "a::x::Y".to_string())]);
}
