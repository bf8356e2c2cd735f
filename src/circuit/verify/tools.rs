//! Runs exported Verilog, C and Rust through the tools that they were written for.

use std::ffi::OsStr;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Answers;
use crate::circuit::Netlist;
use crate::circuit::export::{Inputs, Label, Outputs};
use crate::data::Task;
use crate::{Error, Result};

/// Simulate a module by `iverilog`, a vector a clock.
pub fn verilog(netlist: &Netlist, path: &Path, label: &Label, pixels: &[u8]) -> Result<Answers> {
    let folder = Folder::new()?;
    let samples = pixels.len() / netlist.image.pixels();
    let width = match label.inputs {
        Inputs::Features => netlist.features(),
        Inputs::Pixels => 8 * netlist.image.pixels(),
    };
    let mut vectors = String::new();
    for bytes in pixels.chunks_exact(netlist.image.pixels()) {
        let bit = |i: usize| match label.inputs {
            Inputs::Features => netlist.encoder.bit(i, bytes),
            Inputs::Pixels => (bytes[i / 8] >> (i % 8)) & 1 == 1,
        };
        for digit in (0..width.div_ceil(4)).rev() {
            let value = (0..4).filter(|b| 4 * digit + b < width && bit(4 * digit + b)).fold(0u32, |v, b| v | 1 << b);
            vectors.extend(char::from_digit(value, 16));
        }
        vectors.push('\n');
    }
    let vector_file = folder.write("vectors.hex", vectors.as_bytes())?;
    let most = label.votes.iter().zip(&label.offsets).map(|(n, &o)| n.saturating_add(o as usize)).max().unwrap_or(0);
    let ports: Vec<(String, String)> = match label.outputs {
        Outputs::Votes => {
            label.votes.iter().enumerate().map(|(c, &n)| (format!("votes_{c}"), range(n.max(1)))).collect()
        }
        Outputs::Counts => (0..label.votes.len()).map(|c| (format!("count_{c}"), range(bits(most)))).collect(),
        Outputs::Labels => vec![("labels".into(), range(label.votes.len().max(1)))],
        Outputs::Class => vec![("class_index".into(), range(bits(label.votes.len().saturating_sub(1))))],
    };
    let mut bench = String::from("`timescale 1ns/1ns\nmodule bench;\n  reg clk = 0;\n  integer i;\n");
    let _ = writeln!(bench, "  reg [{}:0] in;\n  reg [{}:0] vectors [0:{}];", width - 1, width - 1, samples.max(1) - 1);
    for (port, range) in &ports {
        let _ = writeln!(bench, "  wire {range} {port};");
    }
    let input = if label.inputs == Inputs::Features { "features" } else { "pixels" };
    let clock = if label.pipeline > 0 { ".clk(clk), " } else { "" };
    let connected: String = ports.iter().map(|(port, _)| format!(", .{port}({port})")).collect();
    let _ = writeln!(bench, "  {} circuit ({clock}.{input}(in){connected});", label.name);
    let format = if matches!(label.outputs, Outputs::Votes | Outputs::Labels) { "%b " } else { "%0d " };
    let printed: String = ports.iter().map(|(port, _)| format!(", {port}")).collect();
    let _ = write!(
        bench,
        "  initial begin\n    $readmemh(\"{}\", vectors);\n    for (i = 0; i < {samples} + {ranks}; i = i + 1) begin\n      \
         in = i < {samples} ? vectors[i] : 0;\n      #1;\n      if (i >= {ranks}) $display(\"{}\"{printed});\n      \
         clk = 1;\n      #1;\n      clk = 0;\n      #1;\n    end\n  end\nendmodule\n",
        vector_file.display(),
        format.repeat(ports.len()),
        ranks = label.pipeline,
    );
    let bench = folder.write("bench.v", bench.as_bytes())?;
    let program = folder.0.join("bench");
    tool("iverilog", ["-g2001".as_ref(), "-o".as_ref(), program.as_os_str(), bench.as_os_str(), path.as_os_str()])?;
    let printed = tool("vvp", [program.as_os_str()])?;
    let mut answers = Vec::new();
    for line in printed.lines() {
        for (i, word) in line.split_whitespace().enumerate() {
            if label.outputs == Outputs::Labels && word.bytes().all(|b| b == b'0' || b == b'1') {
                answers.extend(word.bytes().rev().map(|b| u32::from(b == b'1')));
                continue;
            }
            let value = match label.outputs {
                Outputs::Votes if word.bytes().all(|b| b == b'0' || b == b'1') => {
                    Some(label.offsets[i].saturating_add(word.bytes().filter(|&b| b == b'1').count() as u32))
                }
                Outputs::Votes | Outputs::Labels => None,
                _ => word.parse().ok(),
            };
            answers
                .push(value.ok_or_else(|| Error::Run(format!("the simulation printed {word}, which is no number")))?);
        }
    }
    Ok(Answers::of(label.outputs, answers))
}

/// Compile by `cc`, as strict C99 without a warning, and run both entry points.
pub fn c(netlist: &Netlist, path: &Path, label: &Label, pixels: &[u8]) -> Result<Answers> {
    let folder = Folder::new()?;
    let images = folder.write("images", pixels)?;
    let (name, upper) = (&label.name, label.name.to_uppercase());
    let [before, each, after] = c_check(label);
    let main = format!(
        r#"#include "{name}.h"
#include <stdio.h>
int main(int argc, char **argv)
{{
    static uint8_t images[64 * {upper}_PIXELS];
    static uint64_t features[{upper}_FEATURES];
    static uint32_t counts[64 * {upper}_CLASSES];
    uint32_t one[{upper}_CLASSES];
    FILE *file = argc > 1 ? fopen(argv[1], "rb") : NULL;
    size_t samples;
    if (file == NULL) {{
        return 2;
    }}
    while ((samples = fread(images, {upper}_PIXELS, 64, file)) > 0) {{
        {name}_encode64(images, samples, features);
        {name}_counts64(features, counts);
        for (size_t s = 0; s < samples; s++) {{
            {before}
            {name}_counts(images + s * {upper}_PIXELS, one);
            for (uint32_t k = 0; k < {upper}_CLASSES; k++) {{
                if (one[k] != counts[s * {upper}_CLASSES + k]) {{
                    return 3;
                }}
                {each}
                printf("%lu ", (unsigned long)one[k]);
            }}
            {after}
            printf("\n");
        }}
    }}
    return 0;
}}
"#
    );
    let main = folder.write("main.c", main.as_bytes())?;
    let program = folder.0.join("program");
    let beside = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut arguments: Vec<&OsStr> =
        ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-O1", "-I"].iter().map(AsRef::as_ref).collect();
    arguments.extend([beside.as_os_str(), "-o".as_ref(), program.as_os_str(), main.as_os_str(), path.as_os_str()]);
    tool("cc", arguments)?;
    numbers(&tool(program.as_os_str(), [images.as_os_str()])?, netlist.classes.len())
}

/// C that checks what the function for one image says by its counts: before them, for each, and after them.
fn c_check(label: &Label) -> [String; 3] {
    let (name, upper) = (&label.name, label.name.to_uppercase());
    match label.task {
        Task::Classes => [
            "uint32_t best = 0;".into(),
            "best = one[k] > one[best] ? k : best;".into(),
            format!("if ({name}_class(images + s * {upper}_PIXELS) != best) {{ return 4; }}"),
        ],
        Task::Labels => [
            format!("uint8_t set[{upper}_CLASSES]; {name}_labels(images + s * {upper}_PIXELS, set);"),
            format!("if (set[k] != (one[k] > {})) {{ return 4; }}", label.group / 2),
            String::new(),
        ],
        Task::Values => [String::new(), String::new(), String::new()],
    }
}

/// Rust that does the same after the counts.
fn rust_check(label: &Label) -> String {
    match label.task {
        Task::Classes => "let best = (1..counts.len()).fold(0, |b, k| if counts[k] > counts[b] { k } else { b });
            assert_eq!(circuit::class(image), best);"
            .into(),
        Task::Labels => format!("assert_eq!(circuit::labels(image), counts.map(|count| count > {}));", label.group / 2),
        Task::Values => "assert!(circuit::values(image).iter().all(|v| v.is_finite()));".into(),
    }
}

/// Compile by `rustc`, without a warning, and run both entry points.
pub fn rust(netlist: &Netlist, path: &Path, label: &Label, pixels: &[u8]) -> Result<Answers> {
    let folder = Folder::new()?;
    let images = folder.write("images", pixels)?;
    let main = r#"fn main() {
    let path = std::env::args_os().nth(1).expect("a file of images");
    let bytes = std::fs::read(path).expect("images");
    let images: &[[u8; circuit::PIXELS]] = bytes.as_chunks().0;
    for images in images.chunks(64) {
        let counts = circuit::counts64(&circuit::encode64(images));
        for (image, counts) in images.iter().zip(counts) {
            assert_eq!(circuit::counts(image), counts);
            CHECK
            println!("{}", counts.map(|c| c.to_string()).join(" "));
        }
    }
}
"#;
    let main = main.replace("CHECK", &rust_check(label));
    let main = folder.write("main.rs", main.as_bytes())?;
    let (library, program) = (folder.0.join("libcircuit.rlib"), folder.0.join("program"));
    let mut arguments: Vec<&OsStr> = ["--edition=2021", "-Dwarnings", "-Copt-level=1", "--crate-name=circuit"]
        .iter()
        .chain(&["--crate-type=rlib", "-o"])
        .map(AsRef::as_ref)
        .collect();
    arguments.extend([library.as_os_str(), path.as_os_str()]);
    tool("rustc", arguments)?;
    let mut external = std::ffi::OsString::from("circuit=");
    external.push(&library);
    tool(
        "rustc",
        [
            "--edition=2021".as_ref(),
            "--extern".as_ref(),
            external.as_os_str(),
            "-o".as_ref(),
            program.as_os_str(),
            main.as_os_str(),
        ],
    )?;
    numbers(&tool(program.as_os_str(), [images.as_os_str()])?, netlist.classes.len())
}

fn range(width: usize) -> String {
    format!("[{}:0]", width - 1)
}

/// Bits of the numbers up to `most`, at least 1.
fn bits(most: usize) -> usize {
    (usize::BITS - most.leading_zeros()).max(1) as usize
}

/// Rows of `classes` numbers.
fn numbers(text: &str, classes: usize) -> Result<Answers> {
    let counts: std::result::Result<Vec<u32>, _> = text.split_whitespace().map(str::parse).collect();
    match counts {
        Ok(counts) if counts.len() % classes == 0 => Ok(Answers::Counts(counts)),
        _ => Err(Error::Run("the compiled circuit did not print rows of counts".into())),
    }
}

/// Run a program to its end; what it printed.
fn tool<'a>(program: impl AsRef<OsStr>, arguments: impl IntoIterator<Item = &'a OsStr>) -> Result<String> {
    let program = program.as_ref();
    let name = Path::new(program).file_name().unwrap_or(program).to_string_lossy();
    let output = Command::new(program).args(arguments).output().map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Error::Run(format!("{name} was not found; it is needed to run this format")),
        _ => Error::Run(format!("cannot run {name}: {e}")),
    })?;
    let (told, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        return Err(Error::Run(format!("{name} failed ({}): {}", output.status, complained.trim())));
    }
    Ok(told.into_owned())
}

/// A folder of this process alone, removed when it goes.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let unique = format!("gatewright-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(unique);
        std::fs::create_dir(&path).map_err(|e| Error::io("create", &path, e))?;
        Ok(Folder(path))
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<PathBuf> {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).map_err(|e| Error::io("write", &path, e))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed from the system's folder for such things does no harm.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
