//! `predict`: the class of image files.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::circuit::Engine;
use crate::{Error, Result, data};

/// Classify image files with a saved network, on the CPU
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A model.safetensors
    model: PathBuf,
    /// Image files of any common format, or folders of them; scaled to the model's input
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// Invert the images first: MNIST's digits are white on black, most drawings the other way round
    #[arg(long)]
    invert: bool,
    /// Print a JSON line an image
    #[arg(long)]
    json: bool,
}

/// Print each image's class and votes. Images that cannot be read are told of; the others are classified all the same.
pub fn run(args: Args) -> Result<()> {
    let (model, netlist) = super::load_circuit(&args.model)?;
    let engine = Engine::new(&netlist);
    let mut first_error = None;
    let paths = files(&args.images)?;
    let width = paths.iter().map(|p| p.display().to_string().chars().count()).max().unwrap_or(0);
    for path in paths {
        let mut pixels = match data::read_image(&path, model.image) {
            Ok(pixels) => pixels,
            Err(error) => {
                eprintln!("error: {error}");
                first_error.get_or_insert(error);
                continue;
            }
        };
        if args.invert {
            pixels.iter_mut().for_each(|p| *p = 255 - *p);
        }
        let votes = engine.counts(&pixels, false);
        let class = (1..votes.len()).fold(0, |best, c| if votes[c] > votes[best] { c } else { best });
        if args.json {
            println!("{}", json!({ "image": path, "class": class, "name": model.classes[class], "votes": votes }));
        } else {
            let votes: Vec<_> = model.classes.iter().zip(&votes).map(|(c, v)| format!("{c}:{v}")).collect();
            println!("{:width$}  {}   votes {}", path.display(), model.classes[class], votes.join(" "));
        }
    }
    first_error.map_or(Ok(()), Err)
}

/// The files named, and every file of the folders named, in name order.
fn files(images: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for path in images {
        if !path.is_dir() {
            paths.push(path.clone());
            continue;
        }
        let mut inside = inside(path)?;
        if inside.is_empty() {
            return Err(Error::input(path, "this folder has no files; name image files or a folder of them"));
        }
        inside.sort();
        paths.extend(inside);
    }
    Ok(paths)
}

fn inside(folder: &Path) -> Result<Vec<PathBuf>> {
    let read = |e| Error::io("read", folder, e);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(read)? {
        let path = entry.map_err(read)?.path();
        if path.is_file() {
            paths.push(path);
        }
    }
    Ok(paths)
}
