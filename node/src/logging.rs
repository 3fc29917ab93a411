//! Logs: one JSON object a line on stdout, or text for humans, written by a thread of its own so that a slow reader of stdout does
//! not hold up a worker, until its queue is full.

use std::io::{self, IsTerminal as _, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing::Level;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::{FilterExt as _, LevelFilter, filter_fn};
use tracing_subscriber::fmt::{MakeWriter, layer};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Lines that may wait for stdout.
const QUEUE: usize = 8192;
/// How long a line waits for others: under load each would cost a wake-up and a write of its own.
const GATHER: Duration = Duration::from_millis(2);

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    #[error("log filter {filter:?} is not understood: {source}; write e.g. info or node=debug")]
    Filter { filter: String, source: tracing_subscriber::filter::ParseError },
    #[error("the log thread could not be started: {0}")]
    Thread(#[from] io::Error),
    #[cfg(feature = "otlp")]
    #[error("spans cannot be exported: {0}; check the OTEL_EXPORTER_OTLP_ variables")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
}

enum Line {
    Text(Vec<u8>),
    /// Write all that came before, and say so.
    Flush(SyncSender<()>),
}

/// Keeps the log thread; [`LogGuard::flush`] before an exit.
#[derive(Debug)]
pub struct LogGuard {
    sender: SyncSender<Line>,
    _thread: JoinHandle<()>,
    #[cfg(feature = "otlp")]
    exporter: Option<crate::otlp::Exporter>,
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Line")
    }
}

impl LogGuard {
    /// Waits until all lines so far are written, and a little for the spans.
    pub fn flush(&self) {
        #[cfg(feature = "otlp")]
        if let Some(exporter) = &self.exporter {
            exporter.shut_down();
        }
        let (sender, receiver) = sync_channel(1);
        if self.sender.send(Line::Flush(sender)).is_ok() {
            let _ = receiver.recv_timeout(Duration::from_secs(1));
        }
    }
}

#[derive(Clone)]
struct Lines(SyncSender<Line>);

/// Collects one event's bytes and hands them over as one line.
struct LineWriter {
    sender: SyncSender<Line>,
    bytes: Vec<u8>,
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = LineWriter;

    fn make_writer(&'a self) -> LineWriter {
        LineWriter { sender: self.0.clone(), bytes: Vec::with_capacity(256) }
    }
}

impl Write for LineWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for LineWriter {
    fn drop(&mut self) {
        let _ = self.sender.send(Line::Text(std::mem::take(&mut self.bytes)));
    }
}

fn write_lines(lines: &Receiver<Line>) {
    let mut out = io::BufWriter::with_capacity(32 * 1024, io::stdout());
    while let Ok(line) = lines.recv() {
        if matches!(line, Line::Text(_)) {
            std::thread::sleep(GATHER);
        }
        let mut next = Some(line);
        while let Some(line) = next {
            match line {
                // A closed stdout is no reason to stop a node.
                Line::Text(bytes) => drop(out.write_all(&bytes)),
                Line::Flush(done) => {
                    let _ = out.flush();
                    let _ = done.send(());
                }
            }
            next = lines.try_recv().ok();
        }
        let _ = out.flush();
    }
}

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object
    Json,
    /// For a human at a terminal
    Pretty,
}

/// Sends the logs of this process to stdout.
pub fn init(filter: &str, format: LogFormat) -> Result<LogGuard, LoggingError> {
    let parsed = EnvFilter::try_new(filter).map_err(|source| LoggingError::Filter { filter: filter.to_owned(), source })?;
    // The client of NATS shows there what it logs in with, and only the password is masked: the user may be a secret, too.
    let discreet = filter_fn(|line| *line.level() < Level::TRACE || line.target() != "async_nats::connection");
    let parsed = parsed.and(discreet.with_max_level_hint(LevelFilter::TRACE));
    let (sender, receiver) = sync_channel(QUEUE);
    let thread = std::thread::Builder::new().name("log".to_owned()).spawn(move || write_lines(&receiver))?;
    let lines = Lines(sender.clone());
    let layer = match format {
        LogFormat::Json => {
            // The span is there only where spans are, below level info.
            let layer = layer().json().flatten_event(true).with_current_span(true).with_span_list(false);
            layer.with_writer(lines).with_filter(parsed).boxed()
        }
        LogFormat::Pretty => {
            let ansi = io::stdout().is_terminal();
            layer().compact().with_ansi(ansi).with_writer(lines).with_filter(parsed).boxed()
        }
    };
    let subscriber = tracing_subscriber::registry().with(layer);
    #[cfg(feature = "otlp")]
    let (exporter, spans) = crate::otlp::exporter()?.unzip();
    #[cfg(feature = "otlp")]
    let subscriber = subscriber.with(spans);
    // A second call in one process, as in tests, keeps the first subscriber.
    let _ = subscriber.try_init();
    Ok(LogGuard {
        sender,
        _thread: thread,
        #[cfg(feature = "otlp")]
        exporter,
    })
}
