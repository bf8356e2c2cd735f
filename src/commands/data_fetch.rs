//! `data fetch`: bring a known data set onto this machine.

use std::io::IsTerminal;
use std::path::PathBuf;

use indicatif::{ProgressBar, ProgressStyle};

use crate::data::{self, Remote};
use crate::{Error, Result};

/// Download a known data set: mnist, fashion-mnist, kmnist, cifar-10 or cifar-100
///
/// What was cut is resumed; a file gets its name only after its sha256 was verified. What is there already is left alone.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its name
    name: String,
    /// Address of a folder that holds the same files, instead of their public home
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
    /// Folder to put the data set's own folder into [default: $GATEWRIGHT_DATA, or ~/.cache/gatewright-data]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Download, then print the folder.
pub fn run(args: Args) -> Result<()> {
    let Some(remote) = Remote::named(&args.name) else {
        return Err(Error::usage(format!(
            "`{}` cannot be fetched; mnist, fashion-mnist, kmnist, cifar-10 and cifar-100 can",
            args.name
        )));
    };
    let remote = match &args.mirror {
        Some(mirror) if mirror.starts_with("http://") || mirror.starts_with("https://") => remote.mirrored(mirror),
        Some(mirror) => return Err(Error::usage(format!("--mirror takes an http or https address, not {mirror}"))),
        None => remote,
    };
    let Some(root) = args.data_dir.or_else(data::home) else {
        return Err(Error::usage("there is no home folder to put data sets into; name a folder by --data-dir"));
    };
    let folder = root.join(&args.name);
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    let style = ProgressStyle::with_template("{msg}  {bar:30} {bytes}/{total_bytes}  {bytes_per_sec}  {eta} left");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let mut at = String::new();
    let fetched = remote.fetch(&folder, &mut |name, bytes, total| {
        if at != name {
            at = name.to_string();
            bar.set_message(at.clone());
            bar.reset_eta();
            if bar.is_hidden() {
                eprintln!("fetching {name}");
            }
        }
        bar.set_length(total.unwrap_or(bytes));
        bar.set_position(bytes);
    });
    bar.finish_and_clear();
    fetched?;
    if args.json {
        println!("{}", serde_json::json!({ "name": args.name, "folder": folder }));
    } else {
        println!("{}", folder.display());
    }
    Ok(())
}
