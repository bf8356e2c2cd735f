//! `eval`: a saved circuit on a data set, on the CPU or a GPU.

use std::path::PathBuf;
use std::time::Instant;

use serde_json::json;

use super::EngineKind;
use super::judged::{Asked, Judged, Part, judged};
use crate::circuit::{Engine, Netlist, reference};
use crate::data::{Decimal, Options, Split, Task};
use crate::gpu::{Gpu, GpuEngine};
use crate::network::{Model, config_of};
use crate::run::{Judge, Learner, Modes, Where};
use crate::settings::{Overrides, Settings};
use crate::{Error, Result};

/// Evaluate a saved network on a test set: accuracy, confusion matrix or errors, images a second
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A model.safetensors, or its run folder
    model: PathBuf,
    /// Data set [default: the one the model was trained on]
    #[arg(long)]
    data: Option<String>,
    /// Folder in which named data sets lie (or the environment variable GATEWRIGHT_DATA)
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Evaluate on the training samples instead of the test samples
    #[arg(long)]
    train: bool,
    /// Evaluate on all samples, of a table on every row
    #[arg(long, conflicts_with = "train")]
    all: bool,
    /// Tables: whether the first line names the columns [default: told from the cells]
    #[arg(long, value_name = "BOOL")]
    header: Option<bool>,
    /// Tables: what separates cells, as `train` takes it [default: told from the lines]
    #[arg(long, value_name = "SIGN", allow_hyphen_values = true)]
    separator: Option<String>,
    /// Tables: what separates whole numbers from fractions [default: told from the cells]
    #[arg(long, value_enum, value_name = "MARK")]
    decimal: Option<Decimal>,
    /// Draw this fraction of each class of data without test samples, and judge by that [default: the run's own test samples,
    /// or all of data that the model was not trained on]
    #[arg(long, value_name = "FRACTION")]
    test_fraction: Option<f64>,
    /// Seed that draws those test samples [default: the run's]
    #[arg(long, value_name = "SEED")]
    split_seed: Option<u64>,
    /// Where the circuit runs
    #[arg(long, value_enum, default_value = "cpu")]
    engine: EngineKind,
    /// Adapter of --engine gpu, by number or name (see `devices`)
    #[arg(long)]
    adapter: Option<String>,
    /// Also evaluate the network as its training runs it, with noise of its own where the method has noise, and the selected gates softly,
    /// where it would be trained; the method is that of the run folder that the model lies in
    #[arg(long)]
    gaps: bool,
    /// Use one core only
    #[arg(long)]
    single: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Print accuracy, per-class accuracy and the confusion matrix; of labels and values, how well each is told.
pub fn run(args: Args) -> Result<()> {
    if !args.gaps {
        args.engine.check_adapter(&args.adapter)?;
    }
    if args.engine == EngineKind::Gpu && args.single {
        return Err(Error::usage("--single is for --engine cpu"));
    }
    let (path, model, netlist) = super::load_circuit(&args.model)?;
    let args = Args { model: path, ..args };
    let told = if args.json { super::path_for_json(&args.model)? } else { "" };
    let options = Options {
        header: args.header,
        separator: args.separator.clone(),
        decimal: args.decimal,
        test_fraction: args.test_fraction,
        split_seed: args.split_seed,
        ..Options::default()
    };
    let part = match (args.train, args.all) {
        (_, true) => Part::All,
        (true, _) => Part::Train,
        _ => Part::Test,
    };
    let asked = Asked { data: args.data.as_deref(), data_dir: args.data_dir.as_deref(), options, part };
    let data = judged(&args.model, &model, &asked)?;
    let split = &data.samples;
    if !model.head.is_classes() {
        return of_targets(&args, &model, &netlist, &data);
    }
    let classes = model.classes.len();
    let (predicted, seconds, place) = match args.engine {
        EngineKind::Cpu => {
            let engine = Engine::new(&netlist);
            let started = Instant::now();
            let predicted = engine.classify(&split.pixels, !args.single);
            let cores = if args.single { "one core" } else { "all cores" };
            (predicted, started.elapsed().as_secs_f64(), cores.to_string())
        }
        EngineKind::Gpu => {
            let gpu = Gpu::open(args.adapter.as_deref())?;
            let engine = GpuEngine::new(&gpu, &netlist)?;
            let started = Instant::now();
            let counts = engine.counts(&split.pixels)?;
            let predicted = counts.chunks_exact(classes).map(reference::argmax).collect();
            (predicted, started.elapsed().as_secs_f64(), gpu.adapter.name.clone())
        }
    };
    // Row: what it is; column: what it is taken for.
    let mut confusion = vec![vec![0usize; classes]; classes];
    for (&label, &class) in split.labels.iter().zip(&predicted) {
        confusion[usize::from(label)][class as usize] += 1;
    }
    let right: usize = (0..classes).map(|c| confusion[c][c]).sum();
    let accuracy = right as f64 / split.len() as f64;
    let gaps = args.gaps.then(|| Gaps::measure(&args, model.clone(), split)).transpose()?;
    let images_per_second = split.len() as f64 / seconds;
    if args.json {
        let mut report = json!({
            "model": told, "data": data.name, "judged": data.which.1, "samples": split.len(), "gates": model.gates(),
            "engine": args.engine.name(), "adapter": (args.engine == EngineKind::Gpu).then_some(&place), "accuracy": accuracy, "right": right, "images_per_second": images_per_second,
            "classes": model.classes, "confusion": confusion,
        });
        if let Some(gaps) = &gaps {
            report["gaps"] = gaps.json();
        }
        println!("{report:#}");
        return Ok(());
    }
    println!("{}: {right} of {} right, {:.2} % ({} gates)", data.name, split.len(), accuracy * 100.0, model.gates());
    println!("judged by {}", data.which.0);
    println!("{images_per_second:.0} samples/s on {place}, encoding included\n");
    if let Some(gaps) = &gaps {
        gaps.print(Task::Classes);
    }
    print_confusion(&model.classes, &confusion);
    Ok(())
}

/// Accuracies of one network read three ways (Align Forward, Adapt Backward).
struct Gaps {
    settings: Settings,
    modes: Modes,
}

impl Gaps {
    fn measure(args: &Args, model: Model, split: &Split) -> Result<Self> {
        let folder = args.model.parent().unwrap_or(&args.model);
        let config = config_of(folder);
        if !config.is_file() {
            return Err(Error::usage(format!(
                "--gaps takes the training method from {}, and there is none; name the model in its run folder",
                config.display()
            )));
        }
        let settings = Overrides::default().resolve(Some(&config))?;
        // Nothing is trained, so that no image is moved and a small batch does.
        let still = Settings { shift: 0, flip: false, rotate: 0.0, resized_crop: 1.0, batch: 32, ..settings.clone() };
        let device = super::open_device(&Where { adapter: args.adapter.clone(), ..Where::default() }, &still)?;
        let mut learner = Learner::with_model(&device, &still, model, split)?;
        let judge = Judge::new(&learner, split)?;
        let modes = Modes::of(&mut learner, &judge)?;
        Ok(Gaps { settings, modes })
    }

    fn json(&self) -> serde_json::Value {
        let modes = &self.modes;
        json!({
            "method": self.settings.method,
            "temperature": self.settings.temperature,
            "accuracy_training_mode": modes.training.accuracy,
            "accuracy_soft": modes.selected_soft.accuracy,
            "accuracy": modes.hard.accuracy,
            "selection_gap": modes.selection_gap(),
            "computation_gap": modes.computation_gap(),
            "total_gap": modes.total_gap(),
        })
    }

    fn print(&self, task: Task) {
        let modes = &self.modes;
        let told = |quality| task.quality_text(quality);
        let gap = |gap: f64| if task == Task::Values { told(gap) } else { format!("{:.2}", gap * 100.0) };
        println!(
            "as training runs it {}, selected gates softly {}, on bits {}",
            told(modes.training.accuracy),
            told(modes.selected_soft.accuracy),
            told(modes.hard.accuracy)
        );
        let unit = if task == Task::Values { "of R²" } else { "points" };
        let [selection, computation, total] =
            [modes.selection_gap(), modes.computation_gap(), modes.total_gap()].map(gap);
        println!("selection gap {selection}, computation gap {computation}, total {total} {unit}\n");
    }
}

/// Print how well labels or values are told.
fn of_targets(args: &Args, model: &Model, netlist: &Netlist, data: &Judged) -> Result<()> {
    let told = if args.json { super::path_for_json(&args.model)? } else { "" };
    let (split, which, data) = (&data.samples, &data.which, &data.name);
    let (votes, seconds, place) = match args.engine {
        EngineKind::Cpu => {
            let engine = Engine::new(netlist);
            let started = Instant::now();
            let votes = engine.counts(&split.pixels, !args.single);
            let cores = if args.single { "one core" } else { "all cores" };
            (votes, started.elapsed().as_secs_f64(), cores.to_string())
        }
        EngineKind::Gpu => {
            let gpu = Gpu::open(args.adapter.as_deref())?;
            let engine = GpuEngine::new(&gpu, netlist)?;
            let started = Instant::now();
            let votes = engine.counts(&split.pixels)?;
            (votes, started.elapsed().as_secs_f64(), gpu.adapter.name.clone())
        }
    };
    let votes: Vec<f64> = votes.into_iter().map(f64::from).collect();
    let quality = model.head.quality(&votes, model.classes.len(), model.group(), split);
    let gaps = args.gaps.then(|| Gaps::measure(args, model.clone(), split)).transpose()?;
    let (task, samples_per_second) = (model.head.task(), split.len() as f64 / seconds);
    if args.json {
        let mut report = json!({
            "model": told, "data": data, "judged": which.1, "task": task, "samples": split.len(), "gates": model.gates(),
            "engine": args.engine.name(), "adapter": (args.engine == EngineKind::Gpu).then_some(&place),
            "accuracy": quality.score, "images_per_second": samples_per_second,
        });
        quality.details().into_iter().for_each(|(key, value)| report[key] = value);
        if let Some(gaps) = &gaps {
            report["gaps"] = gaps.json();
        }
        println!("{report:#}");
        return Ok(());
    }
    let (name, score) = (task.quality_name(), task.quality_text(quality.score));
    println!("{data}: {name} {score} on {} samples ({} gates)", split.len(), model.gates());
    quality.lines().iter().for_each(|line| println!("{line}"));
    println!("judged by {}", which.0);
    println!("{samples_per_second:.0} samples/s on {place}, encoding included");
    if let Some(gaps) = &gaps {
        gaps.print(task);
    }
    Ok(())
}

fn print_confusion(classes: &[String], confusion: &[Vec<usize>]) {
    let name_width = classes.iter().map(|c| c.chars().count()).max().unwrap_or(1).max(6);
    let width = confusion.iter().flatten().max().map_or(1, |m| m.to_string().len()).max(4);
    print!("{:name_width$}  accuracy", "is \\ as");
    classes.iter().for_each(|c| print!(" {:>width$.width$}", c));
    println!();
    for (c, row) in confusion.iter().enumerate() {
        let of_class: usize = row.iter().sum();
        let share = if of_class == 0 { f64::NAN } else { row[c] as f64 / of_class as f64 * 100.0 };
        print!("{:name_width$}  {share:6.2} %", classes[c]);
        row.iter().for_each(|n| print!(" {n:>width$}"));
        println!();
    }
}
