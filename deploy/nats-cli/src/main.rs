//! A small `nats`: looks at the streams, consumers and account of a NATS server, in plain words at 80 columns.
//!
//! The image of the NATS server has no client program. An operator of this cluster looks and never changes anything
//! here, so this one only asks: `cli` is what can be typed, `connect` gets to the server, `api` asks it, `show` and its
//! rooms print the answers.

mod api;
mod cli;
mod connect;
mod show;

use std::io::Write as _;
use std::process::ExitCode;

use api::{Api, ApiError};
use clap::Parser as _;
use cli::{Cli, Command, Consumer, Stream};
use connect::ConnectError;

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Api(#[from] ApiError),
    #[error("cannot start: {0}")]
    Runtime(#[from] std::io::Error),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(text) => {
            // A reader such as `head` that has seen enough is no failure.
            let _ = writeln!(std::io::stdout(), "{}", text.trim_end());
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "nats: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: &Cli) -> Result<String, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let client = connect::connect(&cli.server).await?;
        Ok(answer(&cli.command, &Api::new(client)).await?)
    })
}

/// The text that a command is answered with.
async fn answer(command: &Command, api: &Api) -> Result<String, ApiError> {
    match command {
        Command::Account(cli::Account::Info { json }) => {
            let account = api.account().await?;
            if *json { Ok(show::json(&account.raw)) } else { Ok(show::account::info(&account.read()?, api)) }
        }
        Command::Stream(Stream::Ls { names, json }) => {
            let streams = api.streams().await?;
            if *json { Ok(show::json(&streams.raw)) } else { Ok(show::stream::list(&streams.read::<Vec<_>>()?, *names)) }
        }
        Command::Stream(Stream::Info { stream, json }) => {
            let found = api.stream(stream).await?;
            if *json { Ok(show::json(&found.raw)) } else { Ok(show::stream::info(&found.read()?)) }
        }
        Command::Consumer(Consumer::Ls { stream, names, json }) => {
            let consumers = api.consumers(stream).await?;
            if *json {
                Ok(show::json(&consumers.raw))
            } else {
                Ok(show::consumer::list(stream, &consumers.read::<Vec<_>>()?, *names))
            }
        }
        Command::Consumer(Consumer::Info { stream, consumer, json }) => {
            let found = api.consumer(stream, consumer).await?;
            if *json { Ok(show::json(&found.raw)) } else { Ok(show::consumer::info(&found.read()?)) }
        }
    }
}
