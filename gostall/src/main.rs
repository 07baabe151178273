//! The `gostall` binary: from the command line to a run, and from its result to the terminal.

mod cli;
mod run;

use std::process::ExitCode;

fn main() -> ExitCode {
    let config = match cli::parse() {
        Ok(config) => config,
        Err(stop) => return stop.report(),
    };
    match config {
        cli::Config::Doctor(config) => run::doctor::run(&config),
        cli::Config::Report(config) => run::report::run(&config),
        cli::Config::Trace(config) => run::trace::run(&config),
    }
}
