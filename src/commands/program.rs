//! The whole command line, to be called with its arguments.

use std::ffi::OsString;

use clap::{Parser, Subcommand};

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
    let said = match Cli::try_parse_from(args) {
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
