//! `data info`: what a data set holds.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::data::{self, Coding, ColumnCoding, Dataset, Head, Options, Split, Table, number_text};
use crate::{Error, Result, files};

/// Read and check a data set, and tell what it holds
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A name, or the path of a file or folder, as `train --data` takes it
    data: String,
    /// Folder in which named data sets lie (or the environment variable GATEWRIGHT_DATA)
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Thresholds of a table's columns of numbers
    #[arg(long, value_name = "T", default_value_t = 16)]
    thresholds: usize,
    #[command(flatten)]
    input: Options,
    /// Also draw training samples of every class, a row each, into this PNG file
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Print extent, counts, classes, value ranges, columns.
pub fn run(args: Args) -> Result<()> {
    let coding = Coding::Learned { thresholds: args.thresholds };
    let data = data::open_with(&args.data, args.data_dir.as_deref(), &args.input, coding)?;
    if args.png.is_some() && !data.head.is_classes() {
        return Err(Error::usage("--png draws a row a class, and these samples have none; leave it out"));
    }
    if let Some(path) = &args.png {
        files::write_whole(path, &data::contact_sheet(&data)?)?;
        eprintln!("wrote {}", path.display());
    }
    let report = report(&data);
    if args.json {
        println!("{report:#}");
    } else {
        print(&data, &report);
    }
    Ok(())
}

fn report(data: &Dataset) -> Value {
    let mut report = json!({
        "name": data.name,
        "kind": if data.table.is_some() { "table" } else { "images" },
        "channels": data.image.channels, "height": data.image.height, "width": data.image.width,
        "train_samples": data.train.len(), "test_samples": data.test.len(),
        "notes": data.notes.iter().map(|note| json!({ "text": note.text, "warning": note.is_warning })).collect::<Vec<_>>(),
    });
    match &data.head {
        Head::Classes => {
            report["classes"] = json!(data.classes);
            report["train_by_class"] = json!(by_class(&data.train, data.classes.len()));
            report["test_by_class"] = json!(by_class(&data.test, data.classes.len()));
        }
        Head::Labels => {
            report["labels"] = json!(data.classes);
            report["train_by_label"] = json!(by_label(&data.train));
            report["test_by_label"] = json!(by_label(&data.test));
        }
        Head::Values(values) => report["targets"] = json!(values.targets),
    }
    match &data.table {
        Some(table) => {
            report["label"] = json!(table.label);
            report["columns"] = table.columns.iter().map(|column| json!(column)).collect();
            report["ranges"] = json!(data.ranges);
        }
        None => report["values"] = values(data),
    }
    report
}

fn by_class(split: &Split, classes: usize) -> Vec<usize> {
    let mut counts = vec![0; classes];
    split.labels.iter().for_each(|&label| counts[usize::from(label)] += 1);
    counts
}

/// How many samples have each label.
fn by_label(split: &Split) -> Vec<usize> {
    let width = split.targets_a_sample();
    (0..width).map(|label| split.targets.iter().skip(label).step_by(width).filter(|&&y| y > 0.5).count()).collect()
}

/// Least, greatest and mean byte of each channel of the training images.
fn values(data: &Dataset) -> Value {
    let plane = data.image.height * data.image.width;
    (0..data.image.channels)
        .map(|channel| {
            let planes = data.train.pixels.chunks_exact(plane).skip(channel).step_by(data.image.channels);
            let (mut least, mut greatest, mut sum) = (u8::MAX, 0, 0u64);
            for &byte in planes.flatten() {
                (least, greatest, sum) = (least.min(byte), greatest.max(byte), sum + u64::from(byte));
            }
            let mean = sum as f64 / (data.train.len() * plane).max(1) as f64;
            json!({ "least": least, "greatest": greatest, "mean": mean })
        })
        .collect()
}

fn print(data: &Dataset, report: &Value) {
    println!("{}: {} training and {} test samples", data.name, data.train.len(), data.test.len());
    for note in &data.notes {
        println!("{}{}", if note.is_warning { "warning: " } else { "" }, note.text);
    }
    match &data.table {
        Some(table) => print_columns(table, &data.ranges),
        None => {
            let i = data.image;
            println!("images of {} x {} pixels (width x height), {} channels", i.width, i.height, i.channels);
            for (channel, values) in report["values"].as_array().into_iter().flatten().enumerate() {
                let mean = values["mean"].as_f64().unwrap_or(f64::NAN);
                println!("channel {channel}: bytes from {} to {}, mean {mean:.1}", values["least"], values["greatest"]);
            }
        }
    }
    if let Head::Values(values) = &data.head {
        let width = values.targets.iter().map(|t| t.name.chars().count()).max().unwrap_or(0).max(5);
        println!("\n{:<width$} {:>12} {:>12}   in training samples", "value", "least", "greatest");
        for t in &values.targets {
            println!("{:<width$} {:>12} {:>12}", t.name, number_text(t.least), number_text(t.greatest));
        }
        return;
    }
    let width = data.classes.iter().map(|c| c.chars().count()).max().unwrap_or(0).max(5);
    let what = if data.head.is_classes() { "class" } else { "label" };
    let count = |split| match data.head {
        Head::Classes => by_class(split, data.classes.len()),
        _ => by_label(split),
    };
    println!("\n{what:<width$} {:>9} {:>9}", "training", "test");
    let (train, test) = (count(&data.train), count(&data.test));
    for ((class, train), test) in data.classes.iter().zip(train).zip(test) {
        println!("{class:<width$} {train:>9} {test:>9}");
    }
}

fn print_columns(table: &Table, ranges: &[Option<[f64; 2]>]) {
    let labels: Vec<String> = table.all_labels().into_iter().map(|(name, _)| name).collect();
    println!(
        "rows of {} columns, {} bytes and {} input bits; labels: {}\n",
        table.columns.len(),
        table.bytes(),
        table.bits().len(),
        labels.join(", ")
    );
    let told = |range: &Option<[f64; 2]>| match range {
        Some([least, greatest]) => format!(" from {} to {}", number_text(*least), number_text(*greatest)),
        None => String::new(),
    };
    let width = table.columns.iter().map(|c| c.name.chars().count()).max().unwrap_or(0).max(6);
    for (column, range) in table.columns.iter().zip(ranges) {
        let about = match &column.coding {
            ColumnCoding::Thermometer { thresholds } => match (thresholds.first(), thresholds.last()) {
                (Some(first), Some(last)) => {
                    let count = thresholds.len();
                    format!(
                        "numbers{}; {count} thresholds from {} to {}",
                        told(range),
                        number_text(*first),
                        number_text(*last)
                    )
                }
                _ => format!("one number{}", told(range)),
            },
            ColumnCoding::Binary { values } => format!("{} or {}", values[0], values[1]),
            ColumnCoding::OneHot { values } => {
                let shown: Vec<&str> = values.iter().take(8).map(String::as_str).collect();
                let more = if values.len() > shown.len() { ", …" } else { "" };
                format!("{} words: {}{more}", values.len(), shown.join(", "))
            }
        };
        println!("{:<width$}  {about}{}", column.name, if column.missing { ", some missing" } else { "" });
    }
}
