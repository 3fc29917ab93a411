//! All that goes to the terminal: stdout carries results, stderr carries what is going on.

use std::fmt::Display;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

/// How often the progress is written where it cannot be overwritten in place.
const PLAIN_EVERY: Duration = Duration::from_secs(5);
/// Every line fits a terminal of this width.
pub const WIDTH: usize = 80;

/// How much is told, and in which form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Voice {
    /// Text for people.
    #[default]
    Plain,
    /// Results only.
    Quiet,
    /// One JSON object a line on stdout, for programs; what goes on is told on stderr.
    Json,
}

/// The terminal as it is: interactive or piped, with colour or without.
#[derive(Debug)]
pub struct Output {
    live: bool,
    color: bool,
    voice: Voice,
    progress: Mutex<Progress>,
}

#[derive(Debug, Default)]
struct Progress {
    /// Lines of the block that stands there now.
    shown: usize,
    last_plain: Option<Instant>,
}

impl Output {
    #[must_use]
    pub fn detect() -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        Self {
            live: io::stderr().is_terminal() && !dumb,
            color: io::stdout().is_terminal() && !dumb && !set("NO_COLOR"),
            voice: Voice::Plain,
            progress: Mutex::new(Progress::default()),
        }
    }

    #[must_use]
    pub fn with(self, voice: Voice) -> Self {
        Self { voice, ..self }
    }

    /// May results be coloured?
    #[must_use]
    pub fn color(&self) -> bool {
        self.color
    }

    #[must_use]
    pub fn voice(&self) -> Voice {
        self.voice
    }

    /// A result, to stdout; where JSON is spoken, only that is one.
    pub fn result(&self, text: impl Display) {
        if self.voice != Voice::Json {
            self.put(text);
        }
    }

    /// A result for programs: one line of JSON, where that is spoken.
    pub fn json(&self, value: &impl Serialize) {
        if self.voice == Voice::Json
            && let Ok(line) = serde_json::to_string(value)
        {
            self.put(line);
        }
    }

    fn put(&self, text: impl Display) {
        self.clear();
        // A closed pipe must not turn a finished run into a crash.
        let _ = writeln!(io::stdout().lock(), "{text}");
    }

    /// A step that begins or ended, to stderr.
    pub fn note(&self, text: impl Display) {
        if self.voice == Voice::Quiet {
            return;
        }
        self.warn(text);
    }

    /// What must be said in any case, to stderr.
    pub fn warn(&self, text: impl Display) {
        self.clear();
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// The state of a long step: a block redrawn in place on a terminal, else a plain line every few seconds; or JSON.
    pub fn live<J: Serialize>(
        &self,
        block: impl FnOnce() -> Vec<String>,
        line: impl FnOnce() -> String,
        json: impl FnOnce() -> J,
    ) {
        match self.voice {
            Voice::Quiet => {}
            Voice::Json => self.json(&json()),
            Voice::Plain if self.live => self.draw(&block()),
            Voice::Plain => {
                let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
                if progress.last_plain.is_none_or(|last| last.elapsed() >= PLAIN_EVERY) {
                    progress.last_plain = Some(Instant::now());
                    let _ = writeln!(io::stderr().lock(), "{}", line());
                }
            }
        }
    }

    fn draw(&self, block: &[String]) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        let mut err = io::stderr().lock();
        let _ = writeln!(err, "{}{}", rubbed_out(progress.shown), block.join("\n"));
        let _ = err.flush();
        progress.shown = block.len();
    }

    fn clear(&self) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        if progress.shown > 0 {
            let _ = write!(io::stderr().lock(), "{}", rubbed_out(progress.shown));
            progress.shown = 0;
        }
    }
}

/// Goes up so many lines and clears all below.
fn rubbed_out(lines: usize) -> String {
    if lines == 0 { String::new() } else { format!("\x1b[{lines}A\r\x1b[J") }
}
