//! `import`: a circuit of another tool as a model.

use std::path::PathBuf;

use serde_json::json;

use crate::circuit::Engine;
use crate::circuit::import::{Circuit, Kind};
use crate::data::Head;
use crate::network::{Answer, Model};
use crate::random::Philox;
use crate::{Error, Result};

/// Samples of random bytes that both are compared on.
const COMPARED: usize = 10_000;

/// Read a BLIF or AIGER file as a model, such as an exported circuit that another tool has made smaller
///
/// With --like, inputs and outputs are the model's, by the names that `export` gives them or else by their order, and
/// both are compared on 10,000 samples of random bytes. Without, each input is a byte that is 0 or not, and each output a
/// label that is set or not.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A .blif, .aag or .aig file of a combinational circuit
    circuit: PathBuf,
    /// The model, or its run folder, that the circuit was exported from
    #[arg(long, value_name = "MODEL")]
    like: Option<PathBuf>,
    /// The model file to write [default: the circuit's name with .safetensors]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Write the model and tell what it is.
pub fn run(args: Args) -> Result<()> {
    let path = &args.circuit;
    let output = args.output.unwrap_or_else(|| path.with_extension("safetensors"));
    let told_output = if args.json { super::path_for_json(&output)? } else { "" };
    let bytes = std::fs::read(path).map_err(|e| Error::io("read", path, e))?;
    let refused = |problem: String| Error::input(path, problem);
    let circuit = Circuit::read(&bytes).map_err(refused)?;
    let like = args.like.as_deref().map(super::load_circuit).transpose()?;
    let (voting, frame) = match &like {
        Some((_, model, netlist)) => {
            let voting = circuit.like(netlist, model.group()).map_err(refused)?;
            let needed = match voting.kind {
                Kind::Class => Some(Head::Classes),
                Kind::Labels => Some(Head::Labels),
                Kind::Votes | Kind::Counts => None,
            };
            if needed.is_some_and(|head| head != model.head) {
                return Err(refused(format!("its outputs are {:?}, and the model tells others", voting.kind)));
            }
            (voting, model.clone())
        }
        None => {
            let voting = circuit.plain();
            let dataset = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let (image, encoder) = (voting.netlist.image, voting.netlist.encoder.clone());
            let (table, classes, layers) = (None, Vec::new(), Vec::new());
            (voting, Model { dataset, image, table, classes, head: Head::Labels, tau: 1.0, encoder, layers })
        }
    };
    let gates = voting.netlist.luts.len();
    let model = Model::of_netlist(&voting.netlist, voting.group, frame).map_err(refused)?;
    let differ = like.as_ref().map(|(_, like, netlist)| {
        let mut rng = Philox::new(0, 0);
        let bytes: Vec<u8> = (0..COMPARED * like.image.pixels()).map(|_| rng.below(256) as u8).collect();
        let counts = |netlist| Engine::new(netlist).counts(&bytes, true);
        let says = |model: &Model, counts: &[u32]| match voting.kind {
            Kind::Votes | Kind::Counts => (counts.to_vec(), Answer::Labels(Vec::new())),
            Kind::Class | Kind::Labels => (Vec::new(), model.answer(counts)),
        };
        let outputs = model.classes.len();
        let (ours, theirs) = (counts(&voting.netlist), counts(netlist));
        let both = ours.chunks(outputs).zip(theirs.chunks(outputs));
        both.filter(|(ours, theirs)| says(&model, ours) != says(like, theirs)).count()
    });
    model.save(&output)?;
    if args.json {
        println!(
            "{}",
            json!({ "model": told_output, "gates": gates, "compared": like.map(|_| COMPARED), "differ": differ })
        );
        return Ok(());
    }
    println!("{}: {gates} gates, {} with those that pass on", output.display(), model.gates());
    match (like, differ) {
        (Some((path, ..)), Some(0)) => {
            println!("the answers of {} on {COMPARED} samples of random bytes, every one", path.display());
        }
        (Some((path, ..)), Some(differ)) => eprintln!(
            "warning: on {differ} of {COMPARED} samples of random bytes its answers are others than those of {}",
            path.display()
        ),
        _ => {}
    }
    Ok(())
}
