//! All that goes to the terminal: stdout carries results, stderr carries what is going on.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often the progress is written where it cannot be overwritten in place.
const PLAIN_EVERY: Duration = Duration::from_secs(5);
/// Every line fits a terminal of this width.
pub const WIDTH: usize = 80;

/// The terminal as it is: interactive or piped, with colour or without.
#[derive(Debug)]
pub struct Output {
    live: bool,
    color: bool,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    shown: bool,
    last_plain: Option<Instant>,
}

impl Output {
    #[must_use]
    pub fn detect() -> Self {
        let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            live: io::stderr().is_terminal() && !plain,
            color: io::stdout().is_terminal() && !plain,
            progress: Mutex::new(Progress::default()),
        }
    }

    /// May results be coloured?
    #[must_use]
    pub fn color(&self) -> bool {
        self.color
    }

    /// A result, to stdout.
    pub fn result(&self, text: impl Display) {
        self.clear();
        // A closed pipe must not turn a finished run into a crash.
        let _ = writeln!(io::stdout().lock(), "{text}");
    }

    /// A step that begins or ended, to stderr.
    pub fn note(&self, text: impl Display) {
        self.clear();
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// The state of a long step: overwritten in place on a terminal, else a plain line every few seconds.
    pub fn progress(&self, text: &str) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if self.live {
            let line: String = text.chars().take(WIDTH - 1).collect();
            let mut err = io::stderr().lock();
            let _ = write!(err, "\r\x1b[2K{line}");
            let _ = err.flush();
            progress.shown = true;
        } else if progress.last_plain.is_none_or(|last| last.elapsed() >= PLAIN_EVERY) {
            progress.last_plain = Some(Instant::now());
            let _ = writeln!(io::stderr().lock(), "{text}");
        }
    }

    fn clear(&self) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if progress.shown {
            let _ = write!(io::stderr().lock(), "\r\x1b[2K");
            progress.shown = false;
        }
    }
}
