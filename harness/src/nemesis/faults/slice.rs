//! Slice: what is sent over the link arrives in small pieces with pauses between them.

use std::time::Duration;

use judge::plan::Link;
use proxy::Rule;

use super::link::{Base, LinkFault, PROBE_WITHIN};
use crate::links::{Met, Probe};

const LARGEST: u64 = 256 << 10;
/// So much of pauses is sent for, each way.
const PAUSES_US: u64 = 200_000;
/// Less cannot be told from a busy machine.
const SEEN: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(super) struct Slice {
    pub(super) link: Link,
    pub(super) bytes: u64,
    pub(super) gap_us: u64,
}

impl Slice {
    fn pieces(&self) -> u64 {
        (PAUSES_US / self.gap_us.max(1)).min(LARGEST / self.bytes).max(2)
    }

    /// All pauses of one way.
    fn takes(&self) -> Duration {
        Duration::from_micros(self.gap_us * (self.pieces() - 1))
    }
}

impl LinkFault for Slice {
    fn link(&self) -> Link {
        self.link
    }

    fn rule(&self) -> Rule {
        Rule::Slice { bytes: self.bytes, gap_us: self.gap_us }
    }

    fn probe(&self) -> Probe {
        let bytes = usize::try_from(self.pieces() * self.bytes).unwrap_or_default();
        Probe { bytes, times: 1, stays: false, patience: PROBE_WITHIN }
    }

    fn shows(&self, met: Met, base: &Base) -> bool {
        let sliced = base.since.late_bytes > 0;
        match met {
            // Pauses that nobody can see leave only the proxy's own count of what it sliced.
            Met::Answered { .. } if self.takes() < SEEN => sliced,
            Met::Answered { quickest, .. } => sliced && quickest >= self.takes().max(base.echo),
            // A greeting of NATS has many pieces.
            Met::Silent(_) => sliced,
            Met::Ended(_) => false,
        }
    }

    fn slack(&self) -> Duration {
        (self.takes() / 2).max(SEEN)
    }
}

#[cfg(test)]
mod tests {
    use proxy::Counts;

    use super::*;

    #[test]
    fn an_echo_shows_the_pauses_of_one_way() {
        let shows = |bytes, gap_us, took_ms| {
            let base = Base { echo: Duration::from_millis(2), since: Counts { late_bytes: 1, ..Counts::default() } };
            let took = Duration::from_millis(took_ms);
            Slice { link: Link::Nats, bytes, gap_us }.shows(Met::Answered { quickest: took, slowest: took }, &base)
        };
        assert!(shows(16, 10_000, 380));
        assert!(!shows(16, 10_000, 3));
        assert!(shows(16, 0, 3), "there is no pause to be seen");
        assert!(!shows(64 << 10, 1_000_000, 3), "few and long");
    }
}
