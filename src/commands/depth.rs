//! `depth`: what depth does to signals and gradients of fresh networks.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::network::{Initialization, Parametrization, Start};
use crate::plan::GradientFormat;
use crate::plot::{self, COLOURS, Line};
use crate::run::{Device, Passage, Where, passages};
use crate::settings::{Chosen, ConvolutionsFrom, Layers, Overrides, Settings};
use crate::{Error, Result, files};

/// Show how signals and gradients come through the layers of fresh networks, by parametrization and initialization
///
/// Takes every setting of `train`; by default networks of 80 layers of 2,000 gates of two inputs, and gradients in f32, or in int16 on
/// the CPU.
/// Leaves depth.csv and depth.png where --out says.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    chosen: Chosen,
    /// Parametrizations to compare
    #[arg(long, value_enum, value_delimiter = ',', default_value = "iwp,op", conflicts_with = "parametrization")]
    parametrizations: Vec<Parametrization>,
    /// Initializations to compare
    #[arg(long, value_enum, value_delimiter = ',', default_value = "residual,gaussian", conflicts_with = "init")]
    inits: Vec<Initialization>,
    /// Folder for depth.csv and depth.png
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    place: Where,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// One fresh network, layer by layer.
struct Network {
    parametrization: Parametrization,
    init: Initialization,
    layers: Vec<Passage>,
}

impl Network {
    fn name(&self) -> String {
        format!("{}, {}", self.parametrization.name(), name_of(self.init))
    }
}

/// Print a table of some layers, write all of them.
pub fn run(args: Args) -> Result<()> {
    let own = |gradients| Overrides {
        layers: Some(Layers::dense(vec![2000; 80])),
        arity: Some(2),
        gradients: Some(gradients),
        convolutions_from: Some(ConvolutionsFrom::Drawn),
        ..Overrides::default()
    };
    // The finest gradients that the device has: integers, where the CPU is what trains.
    let (mut settings, mut data) = args.chosen.open_over(&own(GradientFormat::Int16))?;
    let device = super::open_device(&args.place, &settings)?;
    if matches!(device, Device::Gpu(_)) {
        (settings, data) = args.chosen.open_by(&own(GradientFormat::F32), |_| Ok(data))?;
    }
    super::warn_of(&data.notes);
    let said = args.chosen.flags;
    let (parametrizations, inits) = (
        said.parametrization.map_or(args.parametrizations, |one| vec![one]),
        said.init.map_or(args.inits, |one| vec![one]),
    );
    let mut networks = Vec::new();
    for &parametrization in &parametrizations {
        for &init in &inits {
            let start = Start { initialization: init, ..settings.start };
            let settings = Settings { parametrization, start, ..settings.clone() };
            settings.check()?;
            networks.push(Network { parametrization, init, layers: passages(&device, &settings, &data)? });
        }
    }
    if let Some(out) = &args.out {
        write(out, &networks)?;
    }
    if args.json {
        let network = |n: &Network| json!({ "parametrization": n.parametrization, "init": n.init, "layers": n.layers });
        println!("{:#}", json!(networks.iter().map(network).collect::<Vec<_>>()));
        return Ok(());
    }
    let last = settings.layer_gates().len() - 1;
    let shown: Vec<usize> = (0..=last).filter(|l| *l == last || l % (last / 8 + 1) == 0).collect();
    for network in &networks {
        println!("{}", network.name());
        println!("{:>8}{:>10}{:>10}{:>18}{:>18}", "layer", "balance", "signal", "table gradients", "logit gradients");
        for &l in &shown {
            let Passage { balance, signal, table_gradient_norm, logit_gradient_norm } = network.layers[l];
            println!("{l:>8}{balance:>10.4}{signal:>10.4}{table_gradient_norm:>18.3e}{logit_gradient_norm:>18.3e}");
        }
        println!();
    }
    Ok(())
}

fn write(out: &Path, networks: &[Network]) -> Result<()> {
    let mut csv = "parametrization,init,layer,balance,signal,table_gradient_norm,logit_gradient_norm\n".to_string();
    for n in networks {
        for (l, p) in n.layers.iter().enumerate() {
            let _ = writeln!(
                csv,
                "{},{},{l},{},{},{:e},{:e}",
                n.parametrization.name(),
                name_of(n.init),
                p.balance,
                p.signal,
                p.table_gradient_norm,
                p.logit_gradient_norm
            );
        }
    }
    std::fs::create_dir_all(out).map_err(|e| Error::io("make", out, e))?;
    files::write_whole(&out.join("depth.csv"), csv.as_bytes())?;
    files::write_whole(&out.join("depth.png"), &picture(networks)?)?;
    eprintln!("wrote {} and depth.png", out.join("depth.csv").display());
    Ok(())
}

/// Three panels over the layers, a curve a network.
fn picture(networks: &[Network]) -> Result<Vec<u8>> {
    let names: Vec<String> = networks.iter().map(Network::name).collect();
    let lines = |of: fn(&Passage) -> f64| -> Vec<Line> {
        let line = |(i, network): (usize, &Network)| {
            let points = network.layers.iter().enumerate().map(|(l, p)| (l as u32, of(p)));
            let points = points.filter(|p| p.1.is_finite()).collect();
            Line { name: names[i].as_str(), colour: COLOURS[i % COLOURS.len()], points }
        };
        networks.iter().enumerate().map(line).collect()
    };
    let layer = |l: &u32| format!("layer {l}");
    plot::png(1500, 1620, |canvas| {
        let panels = canvas.split_evenly((3, 1));
        let gradients = lines(|p| p.logit_gradient_norm.log10());
        plot::lines_over(&panels[0], "log10 of the norm of the gradient by a layer's logits", &gradients, &layer)?;
        let signal = "signal: twice the deviation of outputs over samples";
        plot::lines_over(&panels[1], signal, &lines(|p| p.signal), &layer)?;
        plot::lines_over(&panels[2], "balance: mean of outputs", &lines(|p| p.balance), &layer)
    })
}

/// As the flag has it.
fn name_of(init: Initialization) -> String {
    clap::ValueEnum::to_possible_value(&init).map_or_else(String::new, |value| value.get_name().to_string())
}
