//! What nodes log: each into `logs/<service>.log` of the run's folder, as their containers' output would be.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::Dispatch;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, fmt, registry};

/// One node's log: kept in memory until there is a folder for it.
#[derive(Debug, Clone)]
pub(super) struct Log(Arc<Mutex<Sink>>);

#[derive(Debug)]
enum Sink {
    Waiting(Vec<u8>),
    File(BufWriter<File>),
}

impl Log {
    pub(super) fn new() -> Self {
        Self(Arc::new(Mutex::new(Sink::Waiting(Vec::new()))))
    }

    /// Where threads that make it their own send what they log: lines as a node writes them.
    pub(super) fn dispatch(&self) -> Dispatch {
        let lines = fmt::layer().json().flatten_event(true).with_current_span(true).with_span_list(false);
        Dispatch::new(registry().with(lines.with_writer(self.clone()).with_filter(EnvFilter::new("info"))))
    }

    /// Writes what was said so far, and from now on all that follows.
    pub(super) fn open(&self, path: &Path) -> io::Result<()> {
        let mut file = BufWriter::new(File::create(path)?);
        let mut sink = self.lock();
        if let Sink::Waiting(said) = &*sink {
            file.write_all(said)?;
        }
        *sink = Sink::File(file);
        Ok(())
    }

    pub(super) fn flush(&self) {
        if let Sink::File(file) = &mut *self.lock() {
            // A log that cannot be written is short for all to see; the run goes on.
            let _ = file.flush();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Sink> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One line at a time.
#[derive(Debug)]
pub(super) struct Line<'a>(MutexGuard<'a, Sink>);

impl<'a> MakeWriter<'a> for Log {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line(self.lock())
    }
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut *self.0 {
            Sink::Waiting(said) => said.write(bytes),
            Sink::File(file) => file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
