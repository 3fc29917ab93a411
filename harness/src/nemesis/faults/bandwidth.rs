//! Bandwidth: all connections of the link together pass so many bytes a second, in each direction.

use std::time::Duration;

use judge::plan::Link;
use proxy::Rule;

use super::link::{Base, LinkFault, PROBE_WITHIN};
use crate::links::{Met, Probe};

/// NATS takes no message over a MiB.
const LARGEST: u64 = 512 << 10;

#[derive(Debug)]
pub(super) struct Bandwidth {
    pub(super) link: Link,
    pub(super) bytes_per_second: u64,
}

impl Bandwidth {
    /// What passes in a fifth of a second: an echo then takes that long at least, and not long if others pass, too.
    fn bytes(&self) -> u64 {
        (self.bytes_per_second / 5).clamp(16, LARGEST)
    }

    fn takes(&self) -> Duration {
        Duration::from_secs_f64(self.bytes() as f64 / self.bytes_per_second as f64)
    }
}

impl LinkFault for Bandwidth {
    fn link(&self) -> Link {
        self.link
    }

    fn rule(&self) -> Rule {
        Rule::Bandwidth { bytes_per_second: self.bytes_per_second }
    }

    fn probe(&self) -> Probe {
        let bytes = usize::try_from(self.bytes()).unwrap_or_default();
        Probe { bytes, times: 1, stays: false, patience: PROBE_WITHIN }
    }

    fn shows(&self, met: Met, base: &Base) -> bool {
        match met {
            // A rate so high that it makes no difference does not show.
            Met::Answered { quickest, .. } => quickest >= self.takes().mul_f64(0.7) && quickest >= base.echo + self.takes() / 3,
            // Others may pass first, and a greeting of NATS is long for a low rate.
            Met::Silent(_) => base.since.late_bytes > 0,
            Met::Ended(_) => false,
        }
    }

    fn slack(&self) -> Duration {
        self.takes() / 3
    }
}

#[cfg(test)]
mod tests {
    use proxy::Counts;

    use super::*;

    #[test]
    fn an_echo_shows_the_rate_unless_it_is_as_quick_as_before() {
        let shows = |bytes_per_second, before_ms, took_ms| {
            let base = Base { echo: Duration::from_millis(before_ms), since: Counts::default() };
            let took = Duration::from_millis(took_ms);
            Bandwidth { link: Link::Nats, bytes_per_second }.shows(Met::Answered { quickest: took, slowest: took }, &base)
        };
        assert!(shows(100_000, 2, 200));
        assert!(!shows(100_000, 2, 20));
        assert!(!shows(1 << 30, 2, 2), "nobody notices");
    }
}
