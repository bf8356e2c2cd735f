//! Everything that reads a file, fed with arbitrary bytes: by cargo-fuzz, and by `tests/readers.rs` in every test run.
//! A reader may refuse its input; it may not panic, hang, or take memory out of proportion.
#![allow(dead_code)] // Every fuzz target uses one of them.

use std::path::{Path, PathBuf};

use gatewright::circuit::import::Circuit;
use gatewright::data;
use gatewright::network::Model;
use gatewright::run::Checkpoint;
use gatewright::settings::Overrides;
use sha2::{Digest, Sha256};

/// Reads an input and returns whether it took it.
pub type Reader = fn(&[u8]) -> bool;

/// The readers by name; their seeds are in `fuzz/seeds/<name>`.
pub const ALL: [(&str, Reader); 9] = [
    ("idx", idx),
    ("cifar", cifar),
    ("csv", csv),
    ("libsvm", libsvm),
    ("npz", npz),
    ("model", model),
    ("checkpoint", checkpoint),
    ("config", config),
    ("circuit", circuit),
];

/// Remove what the readers were given.
pub fn clean() {
    ["idx", "cifar", "files", "config"].iter().for_each(|name| drop(std::fs::remove_dir_all(folder(name))));
}

/// A folder of this process, in memory where the system has such.
fn folder(name: &str) -> PathBuf {
    let memory = Path::new("/dev/shm");
    let root = if memory.is_dir() { memory.to_path_buf() } else { std::env::temp_dir() };
    let folder = root.join(format!("gatewright-readers-{}-{name}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder for inputs");
    folder
}

/// The four files of a set: three lengths (u16, little-endian), then their contents and what is left.
pub fn idx(input: &[u8]) -> bool {
    let folder = folder("idx");
    let (lengths, mut rest) = input.split_at(input.len().min(6));
    let names =
        ["train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"];
    for (i, name) in names.iter().enumerate() {
        let length = lengths.chunks_exact(2).nth(i).map_or(rest.len(), |l| u16::from_le_bytes([l[0], l[1]]).into());
        let (file, after) = rest.split_at(length.min(rest.len()));
        std::fs::write(folder.join(name), file).expect("an input file");
        rest = after;
    }
    open(&folder)
}

/// One batch, in the place of all six.
pub fn cifar(input: &[u8]) -> bool {
    let folder = folder("cifar");
    for name in (1..=5).map(|i| format!("data_batch_{i}.bin")).chain(["test_batch.bin".into()]) {
        std::fs::write(folder.join(name), input).expect("an input file");
    }
    open(&folder)
}

/// A table with its label in the last column; its header and separator told from its cells, and said.
pub fn csv(input: &[u8]) -> bool {
    let path = folder("files").join("table.csv");
    std::fs::write(&path, input).expect("an input file");
    let path = path.to_str().expect("a plain name");
    for (header, separator) in [(true, None), (false, Some("blanks")), (true, Some("|"))] {
        let options =
            data::Options { header: Some(header), separator: separator.map(String::from), ..data::Options::default() };
        let _ = data::open_with(path, None, &options, data::Coding::Learned { thresholds: 16 });
    }
    open(Path::new(path))
}

/// Sparse rows, label first.
pub fn libsvm(input: &[u8]) -> bool {
    open_file("rows.libsvm", input)
}

/// An archive of arrays.
pub fn npz(input: &[u8]) -> bool {
    open_file("arrays.npz", input)
}

fn open_file(name: &str, input: &[u8]) -> bool {
    let path = folder("files").join(name);
    std::fs::write(&path, input).expect("an input file");
    open(&path)
}

fn open(path: &Path) -> bool {
    let Ok(data) = data::open(path.to_str().expect("a plain name"), None) else { return false };
    for split in [&data.train, &data.test] {
        assert_eq!(split.pixels.len(), split.len() * data.image.pixels());
        assert!(split.labels.iter().all(|&label| usize::from(label) < data.classes.len()));
    }
    true
}

/// A model, which whoever reads one turns into a circuit.
pub fn model(input: &[u8]) -> bool {
    let Ok(model) = Model::from_bytes(input) else { return false };
    model.check().expect("a model that was read is sound");
    let _ = model.netlist();
    let again = Model::from_bytes(&model.to_bytes().expect("a model that was read can be written"));
    // NaN differs from itself, but not in its bytes.
    assert_eq!(again.expect("and read").to_bytes().ok(), model.to_bytes().ok());
    true
}

/// A checkpoint, as it is and with its checksum made good.
pub fn checkpoint(input: &[u8]) -> bool {
    let is_taken = Checkpoint::from_bytes(input).is_ok();
    let content = input.get(40..).unwrap_or_default();
    let sound = [&b"GWCHECK\n"[..], &Sha256::digest(content), content].concat();
    if let Ok(checkpoint) = Checkpoint::from_bytes(&sound) {
        let _ = checkpoint.header.settings.resolve(None);
        let _ = checkpoint.state.tensor("step", 48);
    }
    is_taken
}

/// A circuit of another tool, made a network.
pub fn circuit(input: &[u8]) -> bool {
    let Ok(circuit) = Circuit::read(input) else { return false };
    let voting = circuit.plain();
    voting.netlist.check().expect("a circuit that was read is sound");
    circuit.evaluate(&mut vec![false; circuit.signals]);
    true
}

/// A configuration, read and resolved.
pub fn config(input: &[u8]) -> bool {
    let path = folder("config").join("config.toml");
    std::fs::write(&path, input).expect("an input file");
    let Ok(settings) = Overrides::default().resolve(Some(&path)) else { return false };
    assert_eq!(settings.spelled_out().resolve(None).ok().as_ref(), Some(&settings));
    true
}
