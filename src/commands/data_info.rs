//! `data info`: what a data set holds.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::data::{self, Coding, ColumnCoding, Dataset, Options, Split, Table};
use crate::{Result, files};

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
        "classes": data.classes,
        "train_by_class": by_class(&data.train, data.classes.len()),
        "test_by_class": by_class(&data.test, data.classes.len()),
    });
    match &data.table {
        Some(table) => {
            report["label"] = json!(table.label);
            report["columns"] = table.columns.iter().map(|column| json!(column)).collect();
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
    match &data.table {
        Some(table) => print_columns(table),
        None => {
            let i = data.image;
            println!("images of {} x {} pixels (width x height), {} channels", i.width, i.height, i.channels);
            for (channel, values) in report["values"].as_array().into_iter().flatten().enumerate() {
                let mean = values["mean"].as_f64().unwrap_or(f64::NAN);
                println!("channel {channel}: bytes from {} to {}, mean {mean:.1}", values["least"], values["greatest"]);
            }
        }
    }
    let width = data.classes.iter().map(|c| c.chars().count()).max().unwrap_or(0).max(5);
    println!("\n{:<width$} {:>9} {:>9}", "class", "training", "test");
    let (train, test) = (by_class(&data.train, data.classes.len()), by_class(&data.test, data.classes.len()));
    for ((class, train), test) in data.classes.iter().zip(train).zip(test) {
        println!("{class:<width$} {train:>9} {test:>9}");
    }
}

fn print_columns(table: &Table) {
    println!(
        "rows of {} columns, {} bytes and {} input bits; labels: {}\n",
        table.columns.len(),
        table.bytes(),
        table.bits().len(),
        table.label
    );
    let width = table.columns.iter().map(|c| c.name.chars().count()).max().unwrap_or(0).max(6);
    for column in &table.columns {
        let about = match &column.coding {
            ColumnCoding::Thermometer { thresholds } => match (thresholds.first(), thresholds.last()) {
                (Some(least), Some(greatest)) => {
                    format!("numbers, {} thresholds from {least} to {greatest}", thresholds.len())
                }
                _ => "one number".into(),
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
