//! The harness's own sudden end, for tests of healing: SIGKILL at a named point of the journal.

use std::str::FromStr;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};

/// After which line of the journal the harness kills itself, and how much later: `3`, `3+40ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Death {
    line: u32,
    later: Duration,
}

impl Death {
    /// `lines` of the journal are on disk.
    pub(super) fn after(&self, lines: u32) {
        if lines != self.line {
            return;
        }
        if self.later.is_zero() {
            die();
        }
        let later = self.later;
        std::thread::spawn(move || {
            std::thread::sleep(later);
            die();
        });
    }
}

fn die() {
    // Nothing is left to do where even that fails: the test will see that nobody died.
    let _ = kill_process(getpid(), Signal::KILL);
}

impl FromStr for Death {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (line, later) = text.split_once('+').unwrap_or((text, "0ms"));
        let read = |part: &str| part.parse().map_err(|error| format!("{part} in {text}: {error}; write e.g. 3 or 3+40ms"));
        let later = later.strip_suffix("ms").ok_or_else(|| format!("{text}: write e.g. 3 or 3+40ms"))?;
        Ok(Self { line: read(line)?, later: Duration::from_millis(read(later)?.into()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_point_is_a_line_and_perhaps_a_time() {
        assert_eq!("3".parse(), Ok(Death { line: 3, later: Duration::ZERO }));
        assert_eq!("3+40ms".parse(), Ok(Death { line: 3, later: Duration::from_millis(40) }));
        assert!("3+40".parse::<Death>().is_err());
        assert!("x".parse::<Death>().is_err());
    }
}
