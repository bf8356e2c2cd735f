//! `predict`: what a network says of image files, or of the rows of a table.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::circuit::Engine;
use crate::data::Background;
use crate::network::Model;
use crate::{Error, Result, data};

/// Tell the class, labels or values of image files, or of the rows of a table, with a saved network, on the CPU
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A model.safetensors, or its run folder
    model: PathBuf,
    /// Image files of any common format, or folders of them, scaled to the model's input; or tables (.csv, .tsv), whose
    /// columns are found by name or, without a header, by place; or what else a network is trained on: LIBSVM text, arrays
    /// (.npy, .npz)
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Invert the images first: MNIST's digits are white on black, most drawings the other way round
    #[arg(long)]
    invert: bool,
    /// What shows through where images are transparent [default: as in training, else white]
    #[arg(long, value_enum)]
    background: Option<Background>,
    /// Tables: whether the first line names the columns [default: told from the cells]
    #[arg(long, value_name = "BOOL")]
    header: Option<bool>,
    /// Tables: what separates cells, as `train` takes it [default: told from the lines]
    #[arg(long, value_name = "SIGN", allow_hyphen_values = true)]
    separator: Option<String>,
    /// Tables: what separates whole numbers from fractions [default: told from the cells]
    #[arg(long, value_enum, value_name = "MARK")]
    decimal: Option<data::Decimal>,
    /// Print a JSON line an image or a row
    #[arg(long)]
    json: bool,
}

/// Print answers and votes.
pub fn run(args: Args) -> Result<()> {
    let (path, model, netlist) = super::load_circuit(&args.model)?;
    let engine = Engine::new(&netlist);
    if model.table.is_some() { rows(&args, &model, &engine) } else { images(&args, &path, &model, &engine) }
}

/// Print what each row of each table is, and its votes.
fn rows(args: &Args, model: &Model, engine: &Engine) -> Result<()> {
    if args.invert {
        return Err(Error::usage("--invert is for images, and this network takes rows of a table"));
    }
    if args.background.is_some() {
        return Err(Error::usage("--background is for images, and this network takes rows of a table"));
    }
    args.files.iter().try_for_each(|path| samples(args, path, model, engine, "table", "row"))
}

/// Print what each sample of a file of many is: `kind` is what JSON calls the file, `unit` what it calls a sample.
fn samples(args: &Args, path: &Path, model: &Model, engine: &Engine, kind: &str, unit: &str) -> Result<()> {
    let told_path = if args.json { super::path_for_json(path)? } else { "" };
    let options = data::Options {
        header: args.header,
        separator: args.separator.clone(),
        decimal: args.decimal,
        ..data::Options::default()
    };
    for data::Unlabelled { part, mut bytes, notes } in
        data::read_samples(path, &options, model.image, model.table.as_ref())?
    {
        for note in notes.iter().filter(|note| note.is_warning) {
            eprintln!("warning: {}: {}", path.display(), note.text);
        }
        if args.invert {
            bytes.iter_mut().for_each(|byte| *byte = 255 - *byte);
        }
        let votes = engine.counts(&bytes, true);
        for (row, votes) in votes.chunks_exact(model.classes.len()).enumerate() {
            if args.json {
                let mut start = json!({ kind: told_path, unit: row + 1 });
                if let Some(part) = &part {
                    start["array"] = json!(part);
                }
                println!("{}", line(start, model, votes));
            } else {
                let answer = model.answer_text(votes);
                let array = part.as_ref().map(|part| format!("/{part}")).unwrap_or_default();
                println!("{}{array} {unit} {}  {answer}   votes {}", path.display(), row + 1, told(model, votes));
            }
        }
    }
    Ok(())
}

/// A JSON line: `start`, the answer, the votes.
fn line(mut start: Value, model: &Model, votes: &[u32]) -> Value {
    if let Value::Object(line) = &mut start {
        line.extend(model.answer_json(votes));
        line.insert("votes".into(), json!(votes));
    }
    start
}

/// `name:votes` for every output.
fn told(model: &Model, votes: &[u32]) -> String {
    let votes: Vec<_> = model.classes.iter().zip(votes).map(|(c, v)| format!("{c}:{v}")).collect();
    votes.join(" ")
}

/// Print what each image is, and its votes. Images that cannot be read are told of; the others are classified all the same.
fn images(args: &Args, model_path: &Path, model: &Model, engine: &Engine) -> Result<()> {
    if args.header.is_some() || args.separator.is_some() || args.decimal.is_some() {
        return Err(Error::usage("--header, --separator and --decimal are for tables, and this network takes images"));
    }
    let background = match args.background {
        Some(background) => background,
        None => super::inspect::background(model_path)?,
    };
    let paths = files(&args.files)?;
    let width = paths.iter().map(|p| p.display().to_string().chars().count()).max().unwrap_or(0);
    let (count, mut unread) = (paths.len(), 0);
    for path in paths {
        if data::holds_arrays(&path) {
            samples(args, &path, model, engine, "arrays", "image")?;
            continue;
        }
        let read = if args.json { super::path_for_json(&path).map(str::to_owned) } else { Ok(String::new()) };
        let read = read.and_then(|told| Ok((told, data::read_image(&path, model.image, background)?)));
        let (told_path, mut pixels) = match read {
            Ok(read) => read,
            // Alone, it is what the program ends with.
            Err(error) if count == 1 => return Err(error),
            Err(error) => {
                eprintln!("error: {error}");
                unread += 1;
                continue;
            }
        };
        if args.invert {
            pixels.iter_mut().for_each(|p| *p = 255 - *p);
        }
        let votes = engine.counts(&pixels, false);
        if args.json {
            println!("{}", line(json!({ "image": told_path }), model, &votes));
        } else {
            println!("{:width$}  {}   votes {}", path.display(), model.answer_text(&votes), told(model, &votes));
        }
    }
    match unread {
        0 => Ok(()),
        _ => Err(Error::usage(format!("{unread} of {count} files could not be read"))),
    }
}

/// The files named, and every file of the folders named, in name order.
fn files(images: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for path in images {
        if !path.is_dir() || data::holds_arrays(path) {
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
