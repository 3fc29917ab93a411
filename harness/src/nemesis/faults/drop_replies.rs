//! Drop replies: what the node sends arrives, what the service answers vanishes; the connection is reset so long after the
//! first answer that did.

use std::time::Duration;

use judge::plan::Link;
use proxy::Rule;

use super::link::{Base, LinkFault, PROBE_WITHIN};
use crate::links::{Met, Probe};

#[derive(Debug)]
pub(super) struct DropReplies {
    pub(super) link: Link,
    pub(super) after_ms: u64,
}

impl DropReplies {
    fn after(&self) -> Duration {
        Duration::from_millis(self.after_ms)
    }
}

impl LinkFault for DropReplies {
    fn link(&self) -> Link {
        self.link
    }

    fn rule(&self) -> Rule {
        Rule::DropReplies { after_ms: self.after_ms }
    }

    fn probe(&self) -> Probe {
        Probe { bytes: 16, times: 1, stays: false, patience: PROBE_WITHIN }
    }

    fn shows(&self, met: Met, base: &Base) -> bool {
        let dropped = base.since.swallowed_bytes > 0;
        match met {
            Met::Ended(after) => dropped && after >= self.after().mul_f64(0.8),
            Met::Silent(waited) => dropped && self.after() + Duration::from_millis(500) >= waited,
            Met::Answered { .. } => false,
        }
    }
}
