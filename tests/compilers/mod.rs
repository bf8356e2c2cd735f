//! What other compilers say of shader sources: Tint of WGSL, and of HLSL what no compiler takes.

use std::collections::HashMap;
use std::path::Path;
use std::process::Command;

/// What lies in the folder of this variable, if it is set, after `cargo test --test shaders`: every source as WGSL, HLSL, MSL and
/// SPIR-V, for compilers that are too heavy for a test (scripts/dxc.py).
pub const DUMP: &str = "GATEWRIGHT_SHADER_DUMP";

/// Whether a missing tool is a failure instead of a line.
pub fn tools_are_required() -> bool {
    std::env::var_os("GATEWRIGHT_REQUIRE_TOOLS").is_some_and(|v| v == "1")
}

/// Heads of functions, and names of typedefs, that HLSL text defines more than once. HLSL allows overloads, so a head is its
/// name and its parameters; naga writes each on a line of its own.
pub fn defined_twice(hlsl: &str) -> Vec<String> {
    let mut seen: HashMap<&str, u32> = HashMap::new();
    for line in hlsl.lines().filter(|line| !line.starts_with([' ', '\t', '}', '#', '['])) {
        let head = if let Some(typedef) = line.strip_prefix("typedef ") {
            typedef.trim_end_matches(';')
        } else if let (true, Some(at)) = (line.ends_with('{'), line.find('(')) {
            let name = line[..at].rfind(' ').map_or(0, |space| space + 1);
            &line[name..line.rfind(')').unwrap_or(at)]
        } else {
            continue;
        };
        *seen.entry(head).or_default() += 1;
    }
    let mut twice: Vec<String> =
        seen.into_iter().filter(|(_, times)| *times > 1).map(|(head, _)| head.into()).collect();
    twice.sort();
    twice
}

/// Have Tint compile every WGSL file in `folder`. Returns how many it accepted and what it said of the others, or `None`
/// where it is not installed.
///
/// # Panics
/// If it is missing and tools are required, or does not come to an end.
pub fn tint(folder: &Path) -> Option<(usize, String)> {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/tint");
    if !scripts.join("node_modules/webgpu").exists() {
        let install = "`npm ci --prefix scripts/tint`";
        assert!(!tools_are_required(), "Tint is missing; {install} brings it");
        println!("Tint is missing ({install} brings it), so the WGSL was not checked by it");
        return None;
    }
    // Dawn crashes now and then when it is torn down or has only begun; what is told counts.
    let mut told = String::new();
    for _ in 0..2 {
        let output = Command::new("node").arg(scripts.join("check.mjs")).arg(folder).output().expect("node runs");
        told = String::from_utf8_lossy(&output.stdout).into_owned();
        let closing = told.lines().last().and_then(|line| line.split_once(" accepted, "));
        if let Some(accepted) = closing.and_then(|(accepted, _)| accepted.parse().ok()) {
            let complaints: Vec<&str> = told.lines().filter(|line| !line.contains(" accepted, ")).collect();
            return Some((accepted, complaints.join("\n")));
        }
        told += &String::from_utf8_lossy(&output.stderr);
    }
    panic!("Tint did not come to an end, twice: {told}");
}
