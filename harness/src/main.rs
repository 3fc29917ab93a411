//! Parses the command line, runs the command, and maps the result to an exit code.

use std::process::ExitCode;

use clap::Parser;
use harness::cli::Cli;
use harness::commands;
use harness::output::Output;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    let out = Output::detect().with(cli.voice());
    match commands::execute(cli, &out).await {
        Ok(exit) => exit.into(),
        Err(failure) => {
            out.warn(format!("error: {:#}", failure.error));
            failure.exit.into()
        }
    }
}
