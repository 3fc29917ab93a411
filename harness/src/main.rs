//! Parses the command line, runs the command, and maps the result to an exit code.

use std::process::ExitCode;

use clap::Parser;
use harness::cli::Cli;
use harness::commands;
use harness::output::Output;

#[tokio::main]
async fn main() -> ExitCode {
    let out = Output::detect();
    match commands::execute(Cli::parse(), &out).await {
        Ok(exit) => exit.into(),
        Err(failure) => {
            out.note(format!("error: {:#}", failure.error));
            failure.exit.into()
        }
    }
}
