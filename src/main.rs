//! The command line, nothing else.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use gatewright::commands;

/// Train logic gate networks on any GPU and run them as Boolean circuits
#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Train(Box<commands::train::Args>),
    Sweep(commands::sweep::Args),
    Depth(Box<commands::depth::Args>),
    Eval(commands::eval::Args),
    Predict(commands::predict::Args),
    Inspect(commands::inspect::Args),
    Simplify(commands::simplify::Args),
    Export(commands::export::Args),
    Verify(commands::verify::Args),
    Runs(commands::runs::Args),
    Report(commands::report::Args),
    Devices(commands::devices::Args),
    Profile(Box<commands::profile::Args>),
    /// Describe and download data sets
    #[command(subcommand)]
    Data(Data),
    /// Measure speed
    #[command(subcommand)]
    Bench(Bench),
}

#[derive(Subcommand)]
enum Data {
    Info(Box<commands::data_info::Args>),
    Fetch(commands::data_fetch::Args),
}

#[derive(Subcommand)]
enum Bench {
    Step(commands::bench_step::Args),
    Scale(commands::bench_scale::Args),
    Infer(commands::bench_infer::Args),
}

fn main() -> ExitCode {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let is_about = |what| panic.payload().downcast_ref::<String>().is_some_and(|m| m.contains(what));
        // wgpu panics where it waits for a device and loses it; `Gpu::wait` makes that an error.
        if !is_about("Error in Device::poll") {
            report(panic);
        }
    }));
    let result = match Cli::parse().command {
        Command::Train(args) => commands::train::run(*args),
        Command::Sweep(args) => commands::sweep::run(args),
        Command::Depth(args) => commands::depth::run(*args),
        Command::Eval(args) => commands::eval::run(args),
        Command::Predict(args) => commands::predict::run(args),
        Command::Inspect(args) => commands::inspect::run(args),
        Command::Simplify(args) => commands::simplify::run(args),
        Command::Export(args) => commands::export::run(args),
        Command::Verify(args) => commands::verify::run(args),
        Command::Runs(args) => commands::runs::run(args),
        Command::Report(args) => commands::report::run(args),
        Command::Devices(args) => commands::devices::run(args),
        Command::Profile(args) => commands::profile::run(*args),
        Command::Data(Data::Info(args)) => commands::data_info::run(*args),
        Command::Data(Data::Fetch(args)) => commands::data_fetch::run(args),
        Command::Bench(Bench::Scale(args)) => commands::bench_scale::run(args),
        Command::Bench(Bench::Infer(args)) => commands::bench_infer::run(args),
        Command::Bench(Bench::Step(args)) => commands::bench_step::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let is_failure = !matches!(error, gatewright::Error::Stopped(_));
            gatewright::console::note(format_args!("{}{error}", if is_failure { "error: " } else { "" }));
            ExitCode::from(error.exit_code())
        }
    }
}
