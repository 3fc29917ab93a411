//! Arrival times that were recorded somewhere and are replayed as the schedule of a load.

use std::io::BufRead;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// More arrivals than that are refused: a plan carries them all, at some four bytes each.
pub const RECORDED_MAX: u64 = 10_000_000;

/// Recorded arrivals, as the gaps between them. They are kept as they stand in `plan.json`, a few bytes each, and become
/// slots only as they are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Recorded {
    gaps_us: Arc<str>,
    count: u64,
    last_us: u64,
}

/// As it stands in `plan.json`.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// Microseconds from the start of the load to the first arrival, then from each arrival to the next.
    gaps_us: String,
}

/// Times that cannot be replayed.
#[derive(Debug, thiserror::Error)]
pub enum RecordedError {
    #[error("line {line}: {error}")]
    Io { line: usize, error: std::io::Error },
    #[error(
        "line {line}: `{found}` is no time; give one a line: seconds from the start of the load such as 0.0125, or RFC 3339 such as 2026-01-31T10:00:00.5Z"
    )]
    NoTime { line: usize, found: String },
    #[error("line {line}: {now_s} s comes after {before_s} s, and the times must ascend; sort the file")]
    Descends { line: usize, now_s: f64, before_s: f64 },
    #[error("line {line}: seconds and RFC 3339 times stand in one file; give one of the two")]
    Mixed { line: usize },
    #[error("there are no times in it")]
    Empty,
    #[error("there are more than {RECORDED_MAX} times in it; cut the file")]
    TooMany,
    #[error("`{0}` is no gap in microseconds")]
    NoGap(String),
}

impl Recorded {
    /// Reads one time a line: seconds from the start of the load, or RFC 3339, of which the first is the start. Empty lines and
    /// those that begin with `#` are left out.
    ///
    /// # Errors
    /// The first line that is no time or earlier than the one before, by its number; no time at all.
    pub fn parse(reader: impl BufRead) -> Result<Self, RecordedError> {
        let mut gaps = Gaps::default();
        // Of the first RFC 3339 time, in microseconds since 1970.
        let mut first: Option<i64> = None;
        for (line, text) in (1..).zip(reader.lines()) {
            let text = text.map_err(|error| RecordedError::Io { line, error })?;
            let text = text.trim();
            if text.is_empty() || text.starts_with('#') {
                continue;
            }
            let descends =
                |now: f64, before_us: u64| RecordedError::Descends { line, now_s: now, before_s: before_us as f64 / 1e6 };
            let at_us = match (seconds_us(text), text.parse::<jiff::Timestamp>()) {
                (Some(_), _) if first.is_some() => return Err(RecordedError::Mixed { line }),
                (Some(at_us), _) => at_us,
                (None, Ok(_)) if first.is_none() && gaps.count > 0 => return Err(RecordedError::Mixed { line }),
                (None, Ok(at)) => {
                    let since_us = at.as_microsecond() - *first.get_or_insert(at.as_microsecond());
                    u64::try_from(since_us).map_err(|_| descends(since_us as f64 / 1e6, gaps.last_us))?
                }
                (None, Err(_)) => return Err(RecordedError::NoTime { line, found: text.chars().take(40).collect() }),
            };
            if at_us < gaps.last_us {
                return Err(descends(at_us as f64 / 1e6, gaps.last_us));
            }
            gaps.add(at_us)?;
        }
        gaps.finish()
    }

    /// From times in microseconds since the start of the load, in any order.
    ///
    /// # Errors
    /// There are none, or too many.
    pub fn of(mut times_us: Vec<u64>) -> Result<Self, RecordedError> {
        times_us.sort_unstable();
        let mut gaps = Gaps::default();
        times_us.into_iter().try_for_each(|at_us| gaps.add(at_us))?;
        gaps.finish()
    }

    /// How many arrivals there are.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// When the last one is, from the start of the load, in microseconds.
    #[must_use]
    pub fn last_us(&self) -> u64 {
        self.last_us
    }

    pub(super) fn arrivals(&self) -> Replayed {
        Replayed { gaps_us: Arc::clone(&self.gaps_us), at: 0, clock_us: 0 }
    }

    /// The most arrivals in any stretch of this length.
    pub(super) fn most_within(&self, stretch_us: u64) -> u64 {
        let mut behind = self.arrivals();
        let mut oldest_us = behind.next().unwrap_or(0);
        let (mut held, mut most) = (0_u64, 0);
        for at_us in self.arrivals() {
            held += 1;
            while at_us - oldest_us >= stretch_us.max(1) {
                oldest_us = behind.next().unwrap_or(at_us);
                held -= 1;
            }
            most = most.max(held);
        }
        most
    }
}

/// Decimal seconds in microseconds; no sign, no exponent, at most a day.
fn seconds_us(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let seconds = text.parse::<f64>().ok().filter(|seconds| plain && *seconds <= 86_400.0)?;
    Some(crate::numbers::whole(seconds * 1e6))
}

#[derive(Default)]
struct Gaps {
    text: String,
    count: u64,
    last_us: u64,
}

impl Gaps {
    /// `at_us` is not before the last one.
    fn add(&mut self, at_us: u64) -> Result<(), RecordedError> {
        if self.count == RECORDED_MAX {
            return Err(RecordedError::TooMany);
        }
        if self.count > 0 {
            self.text.push(' ');
        }
        self.text.push_str(&(at_us - self.last_us).to_string());
        (self.count, self.last_us) = (self.count + 1, at_us);
        Ok(())
    }

    fn finish(self) -> Result<Recorded, RecordedError> {
        if self.count == 0 {
            return Err(RecordedError::Empty);
        }
        Ok(Recorded { gaps_us: self.text.into(), count: self.count, last_us: self.last_us })
    }
}

impl TryFrom<Written> for Recorded {
    type Error = RecordedError;

    fn try_from(written: Written) -> Result<Self, RecordedError> {
        let mut gaps = Gaps::default();
        for gap in written.gaps_us.split_ascii_whitespace() {
            let at_us = gap.parse::<u64>().ok().and_then(|gap| gap.checked_add(gaps.last_us));
            gaps.add(at_us.ok_or_else(|| RecordedError::NoGap(gap.to_owned()))?)?;
        }
        gaps.finish()
    }
}

impl From<Recorded> for Written {
    fn from(recorded: Recorded) -> Self {
        Self { gaps_us: recorded.gaps_us.as_ref().to_owned() }
    }
}

/// The arrivals one after the other, in microseconds from the start of the load.
#[derive(Debug, Clone)]
pub(super) struct Replayed {
    gaps_us: Arc<str>,
    /// Where the next gap begins.
    at: usize,
    clock_us: u64,
}

impl Iterator for Replayed {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        let rest = self.gaps_us.get(self.at..).filter(|rest| !rest.is_empty())?;
        let length = rest.find(' ').unwrap_or(rest.len());
        // Every gap was checked when the recording was read.
        self.clock_us += rest[..length].parse::<u64>().unwrap_or(0);
        self.at += (length + 1).min(rest.len());
        Some(self.clock_us)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Vec<u64>, String> {
        Recorded::parse(text.as_bytes()).map(|recorded| recorded.arrivals().collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn times_are_seconds_or_wall_clock() {
        assert_eq!(read("# seen on Monday\n0\n\n0.0125\n0.0125\n2.5\n"), Ok(vec![0, 12_500, 12_500, 2_500_000]));
        let wall = "2026-01-31T10:00:00.5Z\n2026-01-31T10:00:00.75Z\n2026-01-31T11:00:01+01:00\n";
        assert_eq!(read(wall), Ok(vec![0, 250_000, 500_000]));
    }

    #[test]
    fn what_cannot_be_replayed_is_refused_by_its_line() {
        let table = [
            ("", "there are no times"),
            ("# nothing\n", "there are no times"),
            ("0\n\nsoon\n", "line 3: `soon` is no time; give one a line"),
            ("-1\n", "line 1: `-1` is no time"),
            ("1e3\n", "line 1: `1e3` is no time"),
            ("99999999\n", "line 1: `99999999` is no time"),
            ("1.5\n1.4\n", "line 2: 1.4 s comes after 1.5 s"),
            ("2026-01-31T10:00:01Z\n2026-01-31T10:00:00Z\n", "line 2: -1 s comes after 0 s"),
            ("1.5\n2026-01-31T10:00:01Z\n", "line 2: seconds and RFC 3339"),
            ("2026-01-31T10:00:01Z\n1.5\n", "line 2: seconds and RFC 3339"),
        ];
        for (text, expected) in table {
            let error = read(text).expect_err(text);
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }

    #[test]
    fn plan_that_was_tampered_with_is_refused() {
        for gaps in ["", "1 x", "18446744073709551615 1"] {
            let json = serde_json::json!({ "gaps_us": gaps });
            assert!(serde_json::from_value::<Recorded>(json).is_err(), "{gaps:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn recording_gives_back_its_times_also_through_json(mut times_us in prop::collection::vec(0..10_000_000_u64, 1..200)) {
            let recorded = Recorded::of(times_us.clone()).expect("it is one");
            times_us.sort_unstable();
            prop_assert_eq!(recorded.arrivals().collect::<Vec<_>>(), times_us.clone());
            prop_assert_eq!((recorded.count(), recorded.last_us()), (times_us.len() as u64, times_us[times_us.len() - 1]));
            let json = serde_json::to_string(&recorded).expect("it has JSON");
            prop_assert_eq!(serde_json::from_str::<Recorded>(&json).expect("it reads"), recorded);
        }

        #[test]
        fn most_within_a_stretch_is_counted(times_us in prop::collection::vec(0..1_000_u64, 1..60), stretch_us in 1..300_u64) {
            let most = times_us.iter().map(|from| times_us.iter().filter(|at| (*from..from + stretch_us).contains(at)).count());
            let expected = most.max().unwrap_or(0) as u64;
            prop_assert_eq!(Recorded::of(times_us.clone()).expect("it is one").most_within(stretch_us), expected);
        }
    }
}
