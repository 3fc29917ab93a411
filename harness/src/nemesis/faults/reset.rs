//! Reset: connections of the link that are open are reset at once, new ones so long after they were opened.

use std::time::Duration;

use judge::plan::Link;
use proxy::Rule;

use super::link::{Base, LinkFault, PROBE_WITHIN};
use crate::links::{Met, Probe};

#[derive(Debug)]
pub(super) struct Reset {
    pub(super) link: Link,
    pub(super) after_ms: u64,
}

impl Reset {
    fn after(&self) -> Duration {
        Duration::from_millis(self.after_ms)
    }

    /// Can a probe live to see it?
    fn is_soon(&self) -> bool {
        self.after() + Duration::from_millis(500) < PROBE_WITHIN
    }
}

impl LinkFault for Reset {
    fn link(&self) -> Link {
        self.link
    }

    fn rule(&self) -> Rule {
        Rule::Reset { after_ms: self.after_ms }
    }

    fn probe(&self) -> Probe {
        Probe { bytes: 16, times: 1, stays: self.is_soon(), patience: PROBE_WITHIN }
    }

    fn shows(&self, met: Met, base: &Base) -> bool {
        if self.is_soon() {
            // The proxy counts from its own acceptance, a moment before or after ours.
            matches!(met, Met::Ended(after) if after >= self.after().mul_f64(0.8)) && base.since.resets > 0
        } else {
            // Those that were open.
            base.since.resets > 0
        }
    }
}
