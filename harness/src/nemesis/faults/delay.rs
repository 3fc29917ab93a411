//! Delay: what is sent over the link arrives later, in each direction and in order. An echo then takes two latencies more.

use std::time::Duration;

use judge::plan::Link;
use proxy::Rule;

use super::link::{Base, LinkFault, PROBE_WITHIN, SLACK};
use crate::links::{Met, Probe};

/// Enough draws of the jitter that not all of them are small.
const ECHOES: u32 = 5;

#[derive(Debug)]
pub(super) struct Delay {
    pub(super) link: Link,
    pub(super) latency_ms: u64,
    pub(super) jitter_ms: u64,
    pub(super) seed: u64,
}

impl Delay {
    fn latency(&self) -> Duration {
        Duration::from_millis(self.latency_ms)
    }

    /// The longest that so many echoes take, after a greeting.
    fn longest(&self, echoes: u32) -> Duration {
        Duration::from_millis(self.latency_ms + self.jitter_ms) * (2 * echoes + 1)
    }
}

impl LinkFault for Delay {
    fn link(&self) -> Link {
        self.link
    }

    fn rule(&self) -> Rule {
        Rule::Delay { latency_ms: self.latency_ms, jitter_ms: self.jitter_ms, seed: self.seed }
    }

    fn probe(&self) -> Probe {
        let times = if self.longest(ECHOES) < PROBE_WITHIN / 2 { ECHOES } else { 1 };
        Probe { bytes: 16, times, stays: false, patience: PROBE_WITHIN }
    }

    fn shows(&self, met: Met, base: &Base) -> bool {
        match met {
            Met::Answered { quickest, slowest } => {
                let least = 2 * Duration::from_millis(self.latency_ms - self.jitter_ms);
                quickest >= least && slowest >= base.echo.max(self.latency())
            }
            // A latency that is longer than a probe may take.
            Met::Silent(_) => self.longest(1) >= PROBE_WITHIN && base.since.late_bytes > 0,
            Met::Ended(_) => false,
        }
    }

    fn slack(&self) -> Duration {
        self.latency().clamp(Duration::from_millis(5), SLACK)
    }
}

#[cfg(test)]
mod tests {
    use proxy::Counts;

    use super::*;

    fn shows(latency_ms: u64, jitter_ms: u64, took_ms: [u64; 2]) -> bool {
        let delay = Delay { link: Link::Redis, latency_ms, jitter_ms, seed: 0 };
        let base = Base { echo: Duration::from_millis(1), since: Counts::default() };
        let [quickest, slowest] = took_ms.map(Duration::from_millis);
        delay.shows(Met::Answered { quickest, slowest }, &base)
    }

    #[test]
    fn an_echo_that_takes_two_latencies_shows_it_and_a_quicker_one_does_not() {
        assert!(shows(50, 0, [101, 103]));
        assert!(!shows(50, 0, [1, 3]));
        assert!(!shows(50, 0, [60, 99]), "one latency is not two");
        assert!(shows(50, 20, [70, 130]));
        assert!(!shows(50, 50, [1, 30]), "all of them were quick");
    }
}
