//! `inspect`: what a saved network is made of.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::judged::Run;
use crate::circuit::{Census, FUNCTION_NAMES, draw, draw_units, reference, simplify};
use crate::data::Background;
use crate::network::{Form, Model};
use crate::{Error, Result, data, files};

/// Show what a saved network is made of: gates by function, layers, fan-out, pixels read
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A model.safetensors, or its run folder
    model: PathBuf,
    /// Inspect the simplified circuit instead of the trained one
    #[arg(long)]
    simplified: bool,
    /// Also draw gate-types.png and input-use.png into this folder, and trees-0.png and so on: windows, leaves and gates of 48 trees of
    /// every convolution
    #[arg(long, value_name = "DIR")]
    png: Option<PathBuf>,
    /// With --png, also draw gates-on.png: the gates that are on for this image file, and where on it every tree is 1
    #[arg(long, value_name = "FILE", requires = "png")]
    image: Option<PathBuf>,
    /// With --png, draw 48 trees from this number on
    #[arg(long, value_name = "NUMBER", requires = "png", default_value_t = 0)]
    from_tree: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Print the census and draw what was asked for.
pub fn run(args: Args) -> Result<()> {
    let (path, model, mut netlist) = super::load_circuit(&args.model)?;
    if args.simplified {
        netlist = simplify(&netlist).0;
    }
    let census = Census::of(&netlist);
    if model.table.is_some() && args.image.is_some() {
        return Err(Error::usage("--image is for networks that take images, and this one takes rows of a table"));
    }
    let most_trees = netlist.stages.iter().map(|stage| stage.units.len()).max();
    if args.from_tree > 0 && most_trees.is_none_or(|most| args.from_tree >= most) {
        return Err(Error::usage(match most_trees {
            Some(most) => {
                format!("--from-tree {}: no convolution has more than {most} trees, numbered from 0", args.from_tree)
            }
            None => "--from-tree is for networks with convolutions, and this one has none".into(),
        }));
    }
    // Whatever may be wrong with the image is told before anything is written.
    let image =
        args.image.as_deref().map(|file| data::read_image(file, model.image, background(&path)?)).transpose()?;
    if let Some(folder) = &args.png {
        std::fs::create_dir_all(folder).map_err(|e| Error::io("create", folder, e))?;
        // Only gates of two inputs have functions with names.
        if census.by_function.iter().any(|&n| n > 0) {
            save(folder, "gate-types.png", &draw::gate_types(&census)?)?;
        }
        save(folder, "input-use.png", &draw::input_use(&netlist)?)?;
        for number in 0..netlist.stages.len() {
            if let Some(png) = draw_units::units(&netlist, number, args.from_tree, image.as_deref())? {
                save(folder, &format!("trees-{number}.png"), &png)?;
            }
        }
        if let Some(pixels) = image {
            let votes = reference::counts(&netlist, &pixels);
            let what = if model.head.is_classes() { "class " } else { "" };
            let title = format!("{what}{}", model.answer_text(&votes));
            save(folder, "gates-on.png", &draw::gates_on(&netlist, &pixels, &title, &model.answer(&votes).outputs())?)?;
        }
    }
    if args.json {
        let functions: serde_json::Map<_, _> =
            FUNCTION_NAMES.iter().zip(census.by_function).map(|(name, n)| (name.to_string(), json!(n))).collect();
        let told = json!({
            "model": super::path_for_json(&path)?,
            "functions": functions,
            "census": census,
            "pins_apart": pins_apart(&model),
            "shares_of_sources": (0..model.layers.len()).map(|i| model.shares_of_sources(i)).collect::<Vec<_>>(),
        });
        println!("{told:#}");
    } else {
        for (i, layer) in model.layers.iter().enumerate() {
            if let Form::Conv(conv) = layer.form {
                let trees = layer.gates() / conv.tree_gates();
                println!("layer {i} is a convolution of {trees} trees, {conv}");
            }
            if let Some(shares) = model.shares_of_sources(i) {
                let (input, maps) = shares.split_first().unwrap_or((&0.0, &[]));
                let maps = maps
                    .iter()
                    .enumerate()
                    .map(|(map, share)| format!(", {:.1} % to what layer {map} gives", share * 100.0));
                println!(
                    "layer {i} reads the input bits and every map before it: of its wires {:.1} % go to input bits{}",
                    input * 100.0,
                    maps.collect::<String>()
                );
            }
        }
        print(&census, if model.table.is_some() { "bytes of a row" } else { "pixels" });
        if let Some(apart) = pins_apart(&model) {
            println!("\n{:<12} {:>9}   (of the first layer, between a gate's first two pins)", "pixels apart", "gates");
            for (name, gates) in APART.iter().zip(apart) {
                println!("{name:<12} {gates:>9}");
            }
        }
    }
    Ok(())
}

/// Distances that [`pins_apart`] counts, in pixels.
const APART: [&str; 6] = ["0", "1", "2 to 3", "4 to 7", "8 to 15", "16 or more"];

/// Gates of the first layer of a network of pictures by how many rows or columns, whichever are more, lie between what their first
/// two pins look at: as trained, and so as wires that learn chose.
fn pins_apart(model: &Model) -> Option<[usize; APART.len()]> {
    let layer =
        model.layers.first().filter(|layer| layer.form.is_dense() && model.image.is_picture() && layer.arity >= 2)?;
    let (width, height) = (model.image.width, model.image.height);
    let place = |wire: u32| {
        let byte = model.encoder.pixel[wire as usize] as usize;
        [byte / width % height, byte % width]
    };
    let mut apart = [0; APART.len()];
    for wires in layer.wiring.chunks_exact(layer.arity) {
        let (first, second) = (place(wires[0]), place(wires[1]));
        let distance = first[0].abs_diff(second[0]).max(first[1].abs_diff(second[1]));
        apart[distance.checked_ilog2().map_or(0, |n| n as usize + 1).min(APART.len() - 1)] += 1;
    }
    Some(apart)
}

/// What the pictures that the model at `path` was trained on lay over.
pub(super) fn background(path: &Path) -> Result<Background> {
    Ok(Run::beside(path)?.and_then(|run| run.settings.input.background).unwrap_or_default())
}

fn save(folder: &Path, name: &str, png: &[u8]) -> Result<()> {
    let path = folder.join(name);
    files::write_whole(&path, png)?;
    eprintln!("wrote {}", path.display());
    Ok(())
}

fn print(census: &Census, inputs: &str) {
    println!("{} gates, depth {}, {} votes", census.gates, census.depth, census.votes);
    if census.applications > census.gates {
        println!("{} gates are evaluated for a sample, those of convolutions at every place", census.applications);
    }
    println!("{} of {} features are read, of {} {inputs}\n", census.live_features, census.features, census.live_pixels);
    println!("{:>5} {:>9} {:>9} {:>9} {:>13}", "layer", "gates", "places", "unread", "most readers");
    for (i, layer) in census.layers.iter().enumerate() {
        println!("{i:>5} {:>9} {:>9} {:>9} {:>13}", layer.gates, layer.places, layer.unread, layer.most_readers);
    }
    let two_inputs: usize = census.by_function.iter().sum();
    if two_inputs > 0 {
        println!("\n{:<12} {:>9} {:>8}", "function", "gates", "share");
        for (name, &gates) in FUNCTION_NAMES.iter().zip(&census.by_function).filter(|&(_, &n)| n > 0) {
            println!("{name:<12} {gates:>9} {:>6.1} %", gates as f64 / two_inputs as f64 * 100.0);
        }
    }
    println!("\n{:<12} {:>9}", "inputs", "gates");
    for (arity, &gates) in census.by_arity.iter().enumerate().filter(|&(_, &n)| n > 0) {
        println!("{arity:<12} {gates:>9}");
    }
    println!("\n{:<12} {:>9}", "readers", "gates");
    const LISTED: usize = 8;
    for (readers, gates) in census.fan_out.iter().take(LISTED).enumerate() {
        println!("{readers:<12} {gates:>9}");
    }
    if census.fan_out.len() > LISTED {
        println!("{:<12} {:>9}", format!("{LISTED} or more"), census.fan_out[LISTED..].iter().sum::<usize>());
    }
}
