//! `verify`: an exported file against the model that it was made of.

use std::path::PathBuf;

use serde_json::json;

use super::judged::{Asked, Part, judged};
use crate::Result;
use crate::circuit::verify::verify;
use crate::data::Options;
use crate::random::Philox;

/// Compare an exported circuit with its model, on test images and on random ones
///
/// Verilog is simulated by iverilog, C compiled by cc, Rust by rustc; BLIF and AIGER are read back.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A model.safetensors, or its run folder
    model: PathBuf,
    /// A file that `export` wrote of it
    exported: PathBuf,
    /// Data set of the test images [default: the one the model was trained on]
    #[arg(long)]
    data: Option<String>,
    /// Folder in which named data sets lie (or the environment variable GATEWRIGHT_DATA)
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Test images to compare; with 0 no data set is read
    #[arg(long, default_value_t = 1000)]
    images: usize,
    /// Images of random bytes to compare
    #[arg(long, default_value_t = 1000)]
    random: usize,
    /// Seed of the random images
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Say how many samples agree; the first that does not is an error.
pub fn run(args: Args) -> Result<()> {
    let (path, model, netlist) = super::load_circuit(&args.model)?;
    let exported = if args.json { super::path_for_json(&args.exported)? } else { "" };
    let size = model.image.pixels();
    let (mut pixels, mut which) = (Vec::new(), String::new());
    if args.images > 0 {
        let asked = Asked {
            data: args.data.as_deref(),
            data_dir: args.data_dir.as_deref(),
            options: Options::default(),
            part: Part::Test,
        };
        let judged = judged(&path, &model, &asked)?;
        pixels.extend_from_slice(&judged.samples.pixels[..judged.samples.len().min(args.images) * size]);
        which = judged.which.0;
    }
    let images = pixels.len() / size;
    let mut rng = Philox::new(args.seed, 0);
    pixels.extend((0..args.random * size).map(|_| rng.below(256) as u8));
    let samples = verify(&netlist, &args.exported, &pixels)?;
    if args.json {
        println!("{}", json!({ "exported": exported, "samples": samples, "images": images, "equal": true }));
    } else {
        let random = samples - images;
        let (file, unit) = (args.exported.display(), if model.table.is_some() { "rows" } else { "images" });
        let of = if images == 0 { String::new() } else { format!(" of {which}") };
        println!("{file}: equal on {images} {unit}{of} and on {random} of random bytes");
    }
    Ok(())
}
