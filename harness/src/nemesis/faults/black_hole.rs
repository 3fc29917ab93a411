//! Black hole: connections of the link stay open and nothing arrives, in one direction or both.

use std::time::Duration;

use judge::plan::{Direction, Link};
use proxy::Rule;

use super::link::{Base, LinkFault};
use crate::links::{Met, Probe};

/// Silence of that length is none by chance: a healthy link answers within a few milliseconds.
const SILENCE: Duration = Duration::from_millis(800);

#[derive(Debug)]
pub(super) struct BlackHole {
    pub(super) link: Link,
    pub(super) direction: Direction,
}

impl LinkFault for BlackHole {
    fn link(&self) -> Link {
        self.link
    }

    fn rule(&self) -> Rule {
        let direction = match self.direction {
            Direction::Both => proxy::Direction::Both,
            Direction::In => proxy::Direction::In,
            Direction::Out => proxy::Direction::Out,
        };
        Rule::BlackHole { direction }
    }

    fn probe(&self) -> Probe {
        Probe { bytes: 16, times: 1, stays: false, patience: SILENCE }
    }

    fn shows(&self, met: Met, base: &Base) -> bool {
        matches!(met, Met::Silent(waited) if waited > base.echo * 4) && base.since.black_holed > 0
    }
}
