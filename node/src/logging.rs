//! Logs: one JSON object a line on stdout, written by a thread of its own so that a slow reader of stdout does
//! not hold up a worker, until its queue is full.

use std::io::{self, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

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
}

impl std::fmt::Debug for Line {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Line")
    }
}

impl LogGuard {
    /// Waits until all lines so far are written.
    pub fn flush(&self) {
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

/// Sends the logs of this process to stdout.
pub fn init(filter: &str) -> Result<LogGuard, LoggingError> {
    let parsed = EnvFilter::try_new(filter).map_err(|source| LoggingError::Filter { filter: filter.to_owned(), source })?;
    let (sender, receiver) = sync_channel(QUEUE);
    let thread = std::thread::Builder::new().name("log".to_owned()).spawn(move || write_lines(&receiver))?;
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_current_span(false)
        .with_span_list(false)
        .with_env_filter(parsed)
        .with_writer(Lines(sender.clone()))
        .finish();
    // A second call in one process, as in tests, keeps the first subscriber.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(LogGuard { sender, _thread: thread })
}
