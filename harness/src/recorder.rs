//! The one writer of a run's history and samples, and the one clock of a run.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use judge::history::{Entry, Header, Sample};
use serde::Serialize;
use tokio::sync::watch;

use crate::live::Live;

/// Name of the history inside a run folder.
pub const HISTORY: &str = "history.ndjson";
/// Name of the samples inside a run folder.
pub const SAMPLES: &str = "samples.ndjson";

/// How long a buffered line may wait before it reaches the kernel.
const FLUSH_EVERY: Duration = Duration::from_millis(200);

/// Hands entries to the run folder, in the order in which they are given. Cheap to clone; all clones share one clock.
#[derive(Clone, Debug)]
pub struct Recorder {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    epoch: Instant,
    history: Mutex<Lines>,
    samples: Mutex<Lines>,
    /// A write failed: what is on disk is a prefix of the run, and says so by lacking its end.
    broken: watch::Sender<bool>,
    live: Live,
}

#[derive(Debug)]
struct Lines {
    out: BufWriter<File>,
    flushed: Instant,
}

impl Recorder {
    /// Creates both files in `dir` and writes the header; `t_us` counts from now.
    ///
    /// # Errors
    /// The files cannot be created (they must not exist) or written.
    pub fn create(dir: &Path, header: &Header) -> io::Result<Self> {
        let epoch = Instant::now();
        let lines = |name: &str| -> io::Result<Mutex<Lines>> {
            let file = File::create_new(dir.join(name))?;
            Ok(Mutex::new(Lines { out: BufWriter::with_capacity(64 * 1024, file), flushed: epoch }))
        };
        let (history, samples) = (lines(HISTORY)?, lines(SAMPLES)?);
        let shared = Shared { epoch, history, samples, broken: watch::Sender::new(false), live: Live::default() };
        formatted(&Entry::Header(header.clone()), |line| lock(&shared.history).put(line, epoch, true))?;
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Microseconds on the run's clock.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.at_us(Instant::now())
    }

    /// `instant` on the run's clock; 0 if it lies before the start.
    #[must_use]
    pub fn at_us(&self, instant: Instant) -> u64 {
        u64::try_from(instant.saturating_duration_since(self.shared.epoch).as_micros()).unwrap_or(u64::MAX)
    }

    /// The instant at which the run's clock shows `t_us`.
    #[must_use]
    pub fn instant(&self, t_us: u64) -> Instant {
        self.shared.epoch + Duration::from_micros(t_us)
    }

    /// What was recorded so far, summed up.
    #[must_use]
    pub fn live(&self) -> &Live {
        &self.shared.live
    }

    /// Appends an entry; it reaches the kernel within a fraction of a second.
    pub fn write(&self, entry: &Entry) {
        self.shared.live.entry(entry);
        self.put(&self.shared.history, entry, false);
    }

    /// Appends an entry, which has reached the kernel when this returns: it survives a SIGKILL of the harness.
    pub fn write_through(&self, entry: &Entry) {
        self.shared.live.entry(entry);
        self.put(&self.shared.history, entry, true);
    }

    /// Returns when a write has failed, e.g. on a full disk: from then on nothing is recorded.
    pub async fn broken(&self) {
        // The sender lives as long as we do.
        let _ = self.shared.broken.subscribe().wait_for(|broken| *broken).await;
    }

    #[must_use]
    pub fn is_broken(&self) -> bool {
        *self.shared.broken.borrow()
    }

    /// Appends a sample.
    pub fn sample(&self, sample: &Sample) {
        self.shared.live.sample(sample);
        self.put(&self.shared.samples, sample, false);
    }

    /// Hands all that is buffered to the disk.
    ///
    /// # Errors
    /// This or an earlier write failed, e.g. on a full disk.
    pub fn finish(&self) -> io::Result<()> {
        for lines in [&self.shared.history, &self.shared.samples] {
            let mut lines = lock(lines);
            lines.out.flush()?;
            lines.out.get_ref().sync_data()?;
        }
        if *self.shared.broken.borrow() {
            return Err(io::Error::other("an earlier write failed; the history is incomplete"));
        }
        Ok(())
    }

    fn put<T: Serialize>(&self, lines: &Mutex<Lines>, value: &T, through: bool) {
        // After a line that is missing nothing may follow, the end least of all: the judge then knows that it is cut off.
        if *self.shared.broken.borrow() {
            return;
        }
        if formatted(value, |line| lock(lines).put(line, Instant::now(), through)).is_err() {
            self.shared.broken.send_replace(true);
        }
    }
}

impl Lines {
    fn put(&mut self, line: &[u8], now: Instant, through: bool) -> io::Result<()> {
        self.out.write_all(line)?;
        if through || now.duration_since(self.flushed) >= FLUSH_EVERY {
            self.out.flush()?;
            self.flushed = now;
        }
        Ok(())
    }
}

/// Formats a value in this thread's own room and hands the line on: nobody waits for a lock meanwhile.
fn formatted<T: Serialize>(value: &T, put: impl FnOnce(&[u8]) -> io::Result<()>) -> io::Result<()> {
    thread_local!(static LINE: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) });
    LINE.with_borrow_mut(|line| {
        line.clear();
        serde_json::to_writer(&mut *line, value)?;
        line.push(b'\n');
        put(line)
    })
}

/// A writer that panicked left whole lines behind: a line is formatted before it is written.
fn lock(lines: &Mutex<Lines>) -> MutexGuard<'_, Lines> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header {
            format: judge::history::FORMAT,
            harness: "test".into(),
            nonce: "n".into(),
            scenario: "s".into(),
            seed: 1,
            started_at: "2026-01-01T00:00:00Z".into(),
            nodes: Vec::new(),
            cluster: "compose".into(),
            load_priority: None,
        }
    }

    #[test]
    fn written_through_entry_is_readable_before_the_recorder_is_finished() {
        let dir = tempfile::tempdir().expect("temp dir");
        let recorder = Recorder::create(dir.path(), &header()).expect("recorder");
        recorder.write(&Entry::Parked { node: "a".into(), count: 0 });
        recorder.write_through(&Entry::End { t_us: recorder.now_us() });
        let text = std::fs::read_to_string(dir.path().join(HISTORY)).expect("history");
        let entries: Vec<Entry> = text.lines().map(|line| serde_json::from_str(line).expect("line")).collect();
        assert!(matches!(entries[..], [Entry::Header(_), Entry::Parked { .. }, Entry::End { .. }]));
    }

    #[test]
    fn a_second_recorder_never_overwrites_a_recorded_run() {
        let dir = tempfile::tempdir().expect("temp dir");
        let _first = Recorder::create(dir.path(), &header()).expect("recorder");
        let second = Recorder::create(dir.path(), &header()).expect_err("must refuse");
        assert_eq!(second.kind(), io::ErrorKind::AlreadyExists);
    }
}
