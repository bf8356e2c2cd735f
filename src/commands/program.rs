//! The whole command line, to be called with its arguments.

use std::ffi::OsString;
use std::fmt::Write;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::settings::Preset;

/// The commands by what they are for, in the order in which people need them.
const GROUPS: [(&str, &[&str]); 6] = [
    ("Train", &["train", "sweep"]),
    ("Use what was trained", &["eval", "predict", "inspect"]),
    ("Circuits", &["simplify", "export", "import", "verify"]),
    ("Runs", &["runs", "report"]),
    ("Data, machines, speed", &["data", "devices", "depth", "profile", "bench"]),
    ("Your shell", &["completions", "man"]),
];

/// What people do with a command, line by line.
const EXAMPLES: [(&str, &str); 9] = [
    (
        "train",
        "gatewright train                                   # MNIST, in under 10 s
gatewright train --data table.csv --label price --task values
gatewright train --data pictures/ --size 28x28 --validation 0.1 --patience 5
gatewright train --preset fashion --show-settings > my.toml
gatewright train --resume runs/mnist-1 --steps 12000",
    ),
    ("sweep", "gatewright sweep assets/sweeps/light-depth-small.toml --out depth"),
    (
        "eval",
        "gatewright eval runs/mnist-1
gatewright eval runs/mnist-1 --single --json",
    ),
    (
        "predict",
        "gatewright predict runs/mnist-1 digit.png --invert
gatewright predict runs/table-1 new-rows.csv --json",
    ),
    (
        "export",
        "gatewright export runs/mnist-1 --format verilog --inputs pixels --outputs class --pipeline 4
gatewright export runs/mnist-1 --format c --output circuit",
    ),
    (
        "import",
        "gatewright import smaller.aig --like runs/mnist-1 --output smaller.safetensors
gatewright import adder.blif",
    ),
    (
        "runs",
        "gatewright runs
gatewright runs compare runs/mnist-1 runs/mnist-2",
    ),
    (
        "completions",
        "gatewright completions bash > ~/.local/share/bash-completion/completions/gatewright
gatewright completions zsh > \"${fpath[1]}/_gatewright\"",
    ),
    ("man", "gatewright man --output ~/.local/share/man/man1"),
];

/// Train logic gate networks on any GPU and run them as Boolean circuits
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Train(Box<super::train::Args>),
    Sweep(super::sweep::Args),
    Depth(Box<super::depth::Args>),
    Eval(super::eval::Args),
    Predict(super::predict::Args),
    Inspect(super::inspect::Args),
    Simplify(super::simplify::Args),
    Export(super::export::Args),
    Import(super::import::Args),
    Verify(super::verify::Args),
    Runs(super::runs::Args),
    Report(super::report::Args),
    Devices(super::devices::Args),
    Completions(super::shell::Completions),
    Man(super::shell::Man),
    Profile(Box<super::profile::Args>),
    /// Describe and download data sets
    #[command(subcommand)]
    Data(Data),
    /// Measure speed
    #[command(subcommand)]
    Bench(Bench),
}

#[derive(Subcommand)]
enum Data {
    Info(Box<super::data_info::Args>),
    Fetch(super::data_fetch::Args),
}

#[derive(Subcommand)]
enum Bench {
    Step(super::bench_step::Args),
    Scale(super::bench_scale::Args),
    Infer(super::bench_infer::Args),
}

/// The command line with its groups, examples and presets.
pub fn command() -> clap::Command {
    let mut command = Cli::command();
    let mut groups = String::new();
    for (group, names) in GROUPS {
        let _ = writeln!(groups, "{group}:");
        for name in names {
            let about = command.find_subcommand(name).and_then(clap::Command::get_about).map(ToString::to_string);
            let _ = writeln!(groups, "  {name:<12} {}", about.unwrap_or_default());
        }
        groups.push('\n');
    }
    for (name, lines) in EXAMPLES {
        let mut told = "Examples:\n".to_string();
        lines.lines().for_each(|line| told += &format!("  {line}\n"));
        if name == "train" {
            told += "\nPresets, whose settings `--preset NAME --show-settings` prints in full:\n";
            for preset in Preset::ALL {
                let _ = writeln!(told, "  {:<15} {}", preset.name(), preset.about());
            }
        }
        command = command.mut_subcommand(name, |subcommand| subcommand.after_help(told));
    }
    let template = "{about}\n\n{usage-heading} {usage}\n\n{after-help}\n\nOptions:\n{options}\n\n`gatewright COMMAND --help` tells \
                    all of a command, `gatewright COMMAND -h` the most of it.\n";
    command.help_template(template).after_help(groups.trim_end().to_string())
}

/// Do what the arguments say, the first of which is the program's name; returns the exit code.
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let is_about = |what| panic.payload().downcast_ref::<String>().is_some_and(|m| m.contains(what));
        // wgpu panics where it waits for a device and loses it; `Gpu::wait` makes that an error.
        if !is_about("Error in Device::poll") {
            report(panic);
        }
    }));
    let said = match command().try_get_matches_from(args).and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(said) => said,
        Err(told) => {
            let _ = told.print();
            return told.exit_code() as u8;
        }
    };
    let result = match said.command {
        Command::Train(args) => super::train::run(*args),
        Command::Sweep(args) => super::sweep::run(args),
        Command::Depth(args) => super::depth::run(*args),
        Command::Eval(args) => super::eval::run(args),
        Command::Predict(args) => super::predict::run(args),
        Command::Inspect(args) => super::inspect::run(args),
        Command::Simplify(args) => super::simplify::run(args),
        Command::Export(args) => super::export::run(args),
        Command::Import(args) => super::import::run(args),
        Command::Verify(args) => super::verify::run(args),
        Command::Runs(args) => super::runs::run(args),
        Command::Report(args) => super::report::run(args),
        Command::Devices(args) => super::devices::run(args),
        Command::Completions(args) => super::shell::completions(args),
        Command::Man(args) => super::shell::man(args),
        Command::Profile(args) => super::profile::run(*args),
        Command::Data(Data::Info(args)) => super::data_info::run(*args),
        Command::Data(Data::Fetch(args)) => super::data_fetch::run(args),
        Command::Bench(Bench::Scale(args)) => super::bench_scale::run(args),
        Command::Bench(Bench::Infer(args)) => super::bench_infer::run(args),
        Command::Bench(Bench::Step(args)) => super::bench_step::run(args),
    };
    match result {
        Ok(()) => 0,
        Err(error) => {
            let is_failure = !matches!(error, crate::Error::Stopped(_));
            crate::console::note(format_args!("{}{error}", if is_failure { "error: " } else { "" }));
            error.exit_code()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_in_a_group_and_every_example_is_one() {
        command().debug_assert();
        let mut listed: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let command = command();
        let mut all: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        listed.sort_unstable();
        all.sort_unstable();
        assert_eq!(listed, all);
        for line in EXAMPLES.iter().flat_map(|(_, lines)| lines.lines()) {
            let words = line.split_once(['#', '>']).map_or(line, |(before, _)| before).split_whitespace();
            let parsed = super::command().try_get_matches_from(words.map(|word| word.trim_matches('"')));
            assert!(parsed.is_ok(), "{line}: {}", parsed.err().unwrap());
        }
    }
}
