//! `catga-proxy [--control PORT] --listen PORT=HOST:PORT/NODE/SERVICE...` serves; `catga-proxy probe [--control PORT]` asks
//! a running one and exits with 0 if it answers.

use std::process::ExitCode;
use std::time::Duration;

use proxy::{Proxy, Settings};
use tokio::signal::unix::{SignalKind, signal};

const PROBE_WITHIN: Duration = Duration::from_secs(2);

#[tokio::main]
async fn main() -> ExitCode {
    let mut words: Vec<String> = std::env::args().skip(1).collect();
    let probe = words.first().is_some_and(|word| word == "probe");
    if probe {
        words.remove(0);
    }
    let done = match Settings::parse(&words) {
        Ok(settings) if probe => proxy::control::probe(settings.control.port(), PROBE_WITHIN).await,
        Ok(settings) => serve(&settings).await,
        Err(error) => Err(error.to_string()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            tell(&why);
            ExitCode::FAILURE
        }
    }
}

async fn serve(settings: &Settings) -> Result<(), String> {
    // The first process of a container is not ended by a signal that it does not ask for.
    let mut term = signal(SignalKind::terminate()).map_err(|error| format!("cannot listen for SIGTERM: {error}"))?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(|error| format!("cannot listen for SIGINT: {error}"))?;
    let running = Proxy::start(settings).await.map_err(|error| error.to_string())?;
    tell(&format!("control on {}", running.control()));
    for link in running.state().listeners {
        tell(&format!("{} on {}, to {}", link.name, link.address, link.service));
    }
    tokio::select! {
        () = running.wait() => Err("a listener ended".to_owned()),
        _ = term.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    }
}

#[expect(clippy::print_stderr, reason = "a program says what it does on its error stream, which the engine keeps")]
fn tell(line: &str) {
    eprintln!("catga-proxy: {line}");
}
