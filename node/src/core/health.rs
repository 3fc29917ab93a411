//! What a node says of its health.

use super::Core;
use crate::ports::{Bus, LinkState, Ports, Store};
use crate::state::Phase;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Up,
    /// Orders are accepted, propagation waits.
    Degraded,
    /// No order can be accepted.
    Down,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Check {
    Up,
    Down,
}

/// A node's health at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    pub status: Status,
    pub nats: Check,
    pub redis: Check,
    /// Why it is not up, for humans.
    pub detail: Option<String>,
}

impl From<bool> for Check {
    fn from(up: bool) -> Self {
        if up { Self::Up } else { Self::Down }
    }
}

impl<P: Ports> Core<P> {
    pub fn health(&self) -> Health {
        let (redis, nats) = (self.store.link().state(), self.bus.link().state());
        if planted!(self, ReadinessAlwaysGreen) {
            return Health { status: Status::Up, nats: Check::Up, redis: Check::Up, detail: None };
        }
        let (status, detail) = self.judge(&redis, &nats);
        Health { status, nats: nats.up.into(), redis: redis.up.into(), detail }
    }

    fn judge(&self, redis: &LinkState, nats: &LinkState) -> (Status, Option<String>) {
        let why = |what: &str, link: &LinkState| Some(format!("{what}: {}", link.detail.as_deref().unwrap_or("no reason given")));
        let depth = self.metrics.outbox_depth.get();
        let refusal = self.refusal.reason();
        match self.life.phase() {
            Phase::Draining => (Status::Down, Some("draining".to_owned())),
            _ if !redis.up || redis.unfit => (Status::Down, why("redis", redis)),
            _ if refusal.is_some() => (Status::Down, refusal.map(|reason| format!("redis: {reason}"))),
            Phase::Starting => (Status::Down, Some("starting: the node's identity is not held yet".to_owned())),
            Phase::Serving if depth >= self.settings.outbox_limit => {
                (Status::Down, Some(format!("the backlog of {depth} orders is at its limit")))
            }
            Phase::Serving if !nats.up || nats.unfit => (Status::Degraded, why("nats", nats)),
            Phase::Serving => (Status::Up, None),
        }
    }
}
