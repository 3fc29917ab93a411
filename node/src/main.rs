//! The binary: parses, calls the library, maps the end to an exit code.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser as _;
use node::cli::{Cli, Command};
use node::settings::Settings;
use node::{logging, probe, serve};

/// Threads for looking up names; a stuck resolver must not starve the next attempt.
const BLOCKING_THREADS: usize = 16;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let outcome = match cli.command {
        Some(Command::Probe(args)) => run_probe(&args),
        None => run_node(cli.settings),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "node: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run_probe(args: &probe::ProbeArgs) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let body = runtime.block_on(probe::probe(args))?;
    let _ = writeln!(std::io::stdout(), "{body}");
    Ok(())
}

fn run_node(settings: Settings) -> anyhow::Result<()> {
    let guard = logging::init(&settings.log, settings.log_format)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(usize::from(settings.workers))
        .max_blocking_threads(BLOCKING_THREADS)
        .enable_all()
        .build()
        .context("starting the runtime")?;
    let outcome = runtime.block_on(serve::serve(settings));
    if let Err(error) = &outcome {
        tracing::error!(%error, "the node stops");
    }
    runtime.shutdown_background();
    guard.flush();
    Ok(outcome?)
}
