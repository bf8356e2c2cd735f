//! Exported files through the tools that they are for, against the engine.
//!
//! A test whose tool is absent says so and passes, unless GATEWRIGHT_REQUIRE_TOOLS is set.

mod common;
mod tools;

use std::path::{Path, PathBuf};
use std::process::Command;

use common::{MNIST, Shape, mnist_images, random_model, random_netlist, random_pixels};
use gatewright::circuit::export::{Format, Inputs, Options, Outputs, export};
use gatewright::circuit::verify::verify;
use gatewright::circuit::{Engine, Lut, Netlist, Vote, simplify};
use gatewright::data::Encoder;
use gatewright::data::{Head, ImageShape};
use tools::have;

fn have_for(format: Format) -> bool {
    match format {
        Format::Verilog => have("iverilog"),
        Format::C => have("cc"),
        Format::Rust => have("rustc"),
        _ => true,
    }
}

fn options(outputs: Outputs) -> Options {
    Options {
        name: "circuit".into(),
        origin: "a test */ \\\nof `comments`".into(),
        outputs,
        inputs: Inputs::Features,
        pipeline: 0,
        table: None,
        head: Head::Classes,
        group: 1,
    }
}

/// Write the files of an export; the path of the circuit's.
fn write(netlist: &Netlist, format: Format, options: &Options, folder: &Path) -> PathBuf {
    let files = export(netlist, format, options).unwrap();
    for file in &files {
        gatewright::files::write_whole(&folder.join(&file.name), &file.bytes).unwrap();
    }
    folder.join(&files[0].name)
}

/// Export and compare on every sample.
fn check(netlist: &Netlist, format: Format, options: &Options, pixels: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = write(netlist, format, options, folder.path());
    match verify(netlist, &path, pixels) {
        Ok(samples) => assert_eq!(samples, pixels.len() / netlist.image.pixels()),
        Err(e) => panic!("{format:?} {options:?}: {e}"),
    }
}

/// A random network for MNIST, as it is and simplified.
fn mnist_netlists() -> [Netlist; 2] {
    let netlist = random_model(MNIST, 1, &[400, 300, 200], 2, 11).netlist().unwrap();
    let simple = simplify(&netlist).0;
    assert!(simple.luts.len() < netlist.luts.len() && simple.offsets.iter().any(|&o| o > 0));
    [netlist, simple]
}

#[test]
fn every_format_counts_a_thousand_images_as_the_engine_does() {
    let images = mnist_images(1000);
    for netlist in mnist_netlists() {
        for format in [Format::Verilog, Format::C, Format::Rust, Format::Blif, Format::Aag, Format::Aig] {
            if have_for(format) {
                check(&netlist, format, &options(Outputs::Counts), &images);
            }
        }
    }
}

#[test]
fn votes_and_classes_come_out_where_a_format_has_them() {
    let images = mnist_images(200);
    for netlist in mnist_netlists() {
        for outputs in [Outputs::Votes, Outputs::Class] {
            for format in [Format::Verilog, Format::Blif, Format::Aag, Format::Aig] {
                if have_for(format) {
                    check(&netlist, format, &options(outputs), &images);
                }
            }
        }
    }
}

#[test]
fn pipelined_verilog_is_late_by_its_registers_and_takes_pixels() {
    if !have("iverilog") {
        return;
    }
    let images = mnist_images(100);
    let netlist = random_model(MNIST, 3, &[100, 80, 60], 2, 3).netlist().unwrap();
    for (pipeline, outputs, inputs) in [
        (1, Outputs::Counts, Inputs::Features),
        (3, Outputs::Votes, Inputs::Pixels),
        (4, Outputs::Class, Inputs::Pixels),
        (40, Outputs::Class, Inputs::Features),
        (0, Outputs::Class, Inputs::Pixels),
    ] {
        let options = Options { pipeline, inputs, ..options(outputs) };
        check(&netlist, Format::Verilog, &options, &images);
    }
}

#[test]
fn netlists_with_all_that_is_allowed_survive_every_format() {
    for seed in 0..6 {
        let shape = Shape { pixels: 30, features: 40, gates: 150, classes: 1 + seed as u32 % 4, max_arity: 6, seed };
        let netlist = random_netlist(shape);
        let pixels = random_pixels(130, 30, seed);
        for netlist in [simplify(&netlist).0, netlist] {
            for format in [Format::Blif, Format::Aag, Format::Aig, Format::Verilog, Format::C, Format::Rust] {
                if have_for(format) {
                    check(&netlist, format, &options(Outputs::Counts), &pixels);
                }
            }
            for format in [Format::Blif, Format::Aig, Format::Verilog] {
                if have_for(format) {
                    check(&netlist, format, &options(Outputs::Votes), &pixels);
                    check(&netlist, format, &options(Outputs::Class), &pixels);
                }
            }
        }
    }
}

/// Class 0: a constant, the complement of a constant and x0 ∧ x1; class 1: constants alone; class 2: nothing.
fn constant_netlist() -> Netlist {
    let vote = |signal, inverted| Vote { signal, inverted };
    Netlist {
        image: ImageShape { channels: 1, height: 1, width: 2 },
        encoder: Encoder { pixel: vec![0, 1], threshold: vec![99, 99] },
        stages: Vec::new(),
        luts: vec![
            Lut::new(1, &[], 0),
            Lut::new(0, &[], 0),
            Lut::new(0b1000, &[0, 1], 0),
            Lut::new(0b1001, &[0, 0], 0),
        ],
        classes: vec!["mixed".into(), "constant".into(), "empty".into()],
        votes: vec![
            vec![vote(2, false), vote(3, true), vote(4, false)],
            vec![vote(2, false), vote(5, false), vote(3, false), vote(3, true), vote(2, false)],
            vec![],
        ],
        offsets: vec![0, 3, 0],
    }
}

#[test]
fn folded_constants_are_counted_in_every_format() {
    let netlist = constant_netlist();
    let (simple, _) = simplify(&netlist);
    assert_eq!((simple.luts.len(), &simple.offsets[..]), (1, &[2, 7, 0][..]));
    let pixels = [0, 0, 0, 200, 200, 0, 200, 200];
    let expected = [2, 7, 0, 2, 7, 0, 2, 7, 0, 3, 7, 0];
    assert_eq!(Engine::new(&netlist).counts(&pixels, false), expected);
    assert_eq!(Engine::new(&simple).counts(&pixels, false), expected);
    for netlist in [netlist, simple] {
        for format in [Format::Verilog, Format::C, Format::Rust, Format::Blif, Format::Aag, Format::Aig] {
            if have_for(format) {
                check(&netlist, format, &options(Outputs::Counts), &pixels);
            }
        }
        if have("iverilog") {
            check(&netlist, Format::Verilog, &options(Outputs::Votes), &pixels);
            check(&netlist, Format::Verilog, &options(Outputs::Class), &pixels);
        }
    }
}

#[test]
fn a_wrong_circuit_is_found_out() {
    let [netlist, _] = mnist_netlists();
    let mut wrong = netlist.clone();
    let voter = wrong.votes[3][0].signal as usize - wrong.features();
    wrong.luts[voter].table ^= 0b1111;
    let folder = tempfile::tempdir().unwrap();
    for format in [Format::Blif, Format::Aag, Format::Aig] {
        let path = write(&wrong, format, &options(Outputs::Counts), folder.path());
        let told = verify(&netlist, &path, &mnist_images(50)).unwrap_err().to_string();
        assert!(told.contains("votes for class 3"), "{told}");
    }
    let path = folder.path().join("no-export.v");
    std::fs::write(&path, "module circuit; endmodule\n").unwrap();
    assert!(verify(&netlist, &path, &[]).unwrap_err().to_string().contains("not exported by gatewright"));
}

/// What a program prints, warnings included.
fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {text}");
    text
}

#[test]
fn yosys_synthesizes_without_latches_or_undriven_nets() {
    if !have("yosys") {
        return;
    }
    let netlist = random_model(MNIST, 1, &[120, 80, 60], 2, 9).netlist().unwrap();
    let wide = random_netlist(Shape { pixels: 30, features: 40, gates: 80, classes: 3, max_arity: 6, seed: 4 });
    let cases = [
        (&netlist, Outputs::Counts, Inputs::Features, 0),
        (&netlist, Outputs::Class, Inputs::Pixels, 3),
        (&wide, Outputs::Votes, Inputs::Features, 2),
        (&wide, Outputs::Class, Inputs::Features, 0),
    ];
    for (netlist, outputs, inputs, pipeline) in cases {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { inputs, pipeline, ..options(outputs) };
        let path = write(netlist, Format::Verilog, &options, folder.path());
        let script = format!(
            "read_verilog {}; hierarchy -check -top circuit; check -assert; synth -top circuit; check -assert; \
             select -assert-none t:$_DLATCH_* t:$dlatch t:$_DLATCHSR_*; stat",
            path.display()
        );
        let told = output_of("yosys", &["-p", &script]);
        let warnings: Vec<&str> = told.lines().filter(|l| l.to_lowercase().contains("warning")).collect();
        assert!(warnings.is_empty(), "{warnings:?}");
        assert!(!told.contains("no driver"), "{told}");
        assert_eq!(pipeline > 0, told.contains("$_DFF_P_"), "registers where a pipeline was asked for");
    }
}

#[test]
fn abc_proves_the_simplified_circuit_equal() {
    if !have("berkeley-abc") {
        return;
    }
    let model = random_model(MNIST, 1, &[300, 200, 100], 2, 21);
    let netlist = model.netlist().unwrap();
    let (simple, _) = simplify(&netlist);
    for format in [Format::Aig, Format::Blif] {
        for outputs in [Outputs::Counts, Outputs::Class] {
            let folder = tempfile::tempdir().unwrap();
            let original = write(&netlist, format, &options(outputs), folder.path());
            let named = Options { name: "simple".into(), ..options(outputs) };
            let simplified = write(&simple, format, &named, folder.path());
            let told =
                output_of("berkeley-abc", &["-c", &format!("cec {} {}", original.display(), simplified.display())]);
            assert!(told.contains("Networks are equivalent"), "{format:?} {outputs:?}: {told}");
        }
    }
    // And it does see a difference.
    let folder = tempfile::tempdir().unwrap();
    let mut wrong = simple.clone();
    wrong.votes[0][0].inverted ^= true;
    let original = write(&netlist, Format::Aig, &options(Outputs::Counts), folder.path());
    let named = Options { name: "wrong".into(), ..options(Outputs::Counts) };
    let wrong = write(&wrong, Format::Aig, &named, folder.path());
    let told = output_of("berkeley-abc", &["-c", &format!("cec {} {}", original.display(), wrong.display())]);
    assert!(!told.contains("Networks are equivalent"), "{told}");
}

#[test]
fn dot_is_a_graph_and_impossible_options_are_refused() {
    let netlist = constant_netlist();
    let dot = export(&netlist, Format::Dot, &options(Outputs::Votes)).unwrap();
    let text = String::from_utf8(dot[0].bytes.clone()).unwrap();
    assert_eq!(dot[0].name, "circuit.dot");
    assert!(text.contains("digraph circuit {") && text.contains("g2 [label=\"A AND B\"]") && text.ends_with("}\n"));
    for (format, change) in [
        (Format::Blif, Options { pipeline: 2, ..options(Outputs::Counts) }),
        (Format::Aig, Options { inputs: Inputs::Pixels, ..options(Outputs::Counts) }),
        (Format::C, options(Outputs::Class)),
    ] {
        assert!(export(&netlist, format, &change).is_err(), "{format:?}");
    }
}

#[test]
fn an_export_to_a_read_only_folder_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("missing").join("circuit.v");
    let files = export(&constant_netlist(), Format::Verilog, &options(Outputs::Counts)).unwrap();
    let error = gatewright::files::write_whole(&target, &files[0].bytes).unwrap_err();
    assert!(error.to_string().starts_with("cannot write"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn damaged_exports_are_refused_without_a_panic() {
    let netlist = constant_netlist();
    let folder = tempfile::tempdir().unwrap();
    let pixels = [0, 200];
    for format in [Format::Blif, Format::Aag, Format::Aig] {
        let path = write(&netlist, format, &options(Outputs::Counts), folder.path());
        let whole = std::fs::read(&path).unwrap();
        assert_eq!(verify(&netlist, &path, &pixels).unwrap(), 1);
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] = [b'9', b'\n', 0xff, 0][at % 4];
            std::fs::write(&path, &bytes).unwrap();
            // Some damage is to a comment; what counts is that nothing panics.
            let _ = verify(&netlist, &path, &pixels);
        }
    }
}
