//! Half close: the node is told that the service has ended its side of each connection; what the node sends still arrives.

use std::time::Duration;

use judge::plan::Link;
use proxy::Rule;

use super::link::{Base, LinkFault};
use crate::links::{Met, Probe};

#[derive(Debug)]
pub(super) struct HalfClose {
    pub(super) link: Link,
}

impl LinkFault for HalfClose {
    fn link(&self) -> Link {
        self.link
    }

    fn rule(&self) -> Rule {
        Rule::HalfClose
    }

    fn probe(&self) -> Probe {
        Probe { bytes: 16, times: 1, stays: false, patience: Duration::from_secs(1) }
    }

    fn shows(&self, met: Met, base: &Base) -> bool {
        matches!(met, Met::Ended(_)) && base.since.half_closed > 0 && base.since.resets == 0
    }
}
