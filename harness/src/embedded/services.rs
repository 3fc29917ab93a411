//! Store and stream in memory, as services: up, down or frozen.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use judge::plan::Link;
use node::memory::{MemoryServices, SharedStore, SharedStream};
use node::system::SystemClock;
use tokio::sync::watch;

/// Bytes that the store takes: full, it refuses, before the harness is out of memory.
const STORE_BYTES: u64 = 1 << 30;

/// How a service is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    Up,
    /// Whoever asks is refused.
    Down,
    /// Whoever asks waits.
    Frozen,
}

/// The services of one embedded cluster; clones are the same services.
#[derive(Debug, Clone)]
pub struct Services(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    memory: MemoryServices<SystemClock>,
    nats: watch::Sender<Condition>,
    redis: watch::Sender<Condition>,
    /// How often each was started again.
    starts: Mutex<BTreeMap<Link, u64>>,
}

impl Services {
    pub(super) fn new() -> Self {
        let condition = || watch::channel(Condition::Up).0;
        let memory = MemoryServices::new(SystemClock::default(), Some(STORE_BYTES));
        Self(Arc::new(Inner { memory, nats: condition(), redis: condition(), starts: Mutex::default() }))
    }

    pub(super) fn memory(&self) -> &MemoryServices<SystemClock> {
        &self.0.memory
    }

    pub(super) fn store(&self) -> &SharedStore<SystemClock> {
        &self.0.memory.store
    }

    pub(crate) fn stream(&self) -> &SharedStream<SystemClock> {
        &self.0.memory.stream
    }

    /// What it holds stays, whatever its condition.
    pub(super) fn set(&self, service: Link, condition: Condition) {
        let before = self.sender(service).send_replace(condition);
        if before == Condition::Down && condition != Condition::Down {
            *self.0.starts.lock().unwrap_or_else(PoisonError::into_inner).entry(service).or_default() += 1;
        }
        let is_down = condition == Condition::Down;
        let memory = &self.0.memory;
        match service {
            Link::Nats if is_down => memory.stream.stop("the connection was refused"),
            Link::Nats => memory.stream.start(),
            Link::Redis if is_down => memory.store.stop("the connection was refused"),
            Link::Redis => memory.store.start(),
        }
    }

    #[must_use]
    pub fn condition(&self, service: Link) -> Condition {
        *self.sender(service).borrow()
    }

    /// How often it was started again.
    #[must_use]
    pub fn starts(&self, service: Link) -> u64 {
        self.0.starts.lock().unwrap_or_else(PoisonError::into_inner).get(&service).copied().unwrap_or_default()
    }

    /// Waits for the service to have an ear for a question, as long as it is frozen.
    ///
    /// # Errors
    /// It is down.
    pub async fn hears(&self, service: Link) -> Result<(), String> {
        let mut condition = self.sender(service).subscribe();
        // The sender lives as long as `self`.
        let _ = condition.wait_for(|condition| *condition != Condition::Frozen).await;
        match *condition.borrow() {
            Condition::Down => Err(format!("{} is stopped", service.word())),
            Condition::Up | Condition::Frozen => Ok(()),
        }
    }

    fn sender(&self, service: Link) -> &watch::Sender<Condition> {
        match service {
            Link::Nats => &self.0.nats,
            Link::Redis => &self.0.redis,
        }
    }
}

impl PartialEq for Services {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Services {}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_frozen_service_keeps_whoever_asks_waiting_and_a_stopped_one_refuses() {
        let services = Services::new();
        assert_eq!(services.hears(Link::Redis).await, Ok(()));
        services.set(Link::Redis, Condition::Frozen);
        timeout(Duration::from_secs(9), services.hears(Link::Redis)).await.expect_err("it is frozen");
        assert_eq!(services.hears(Link::Nats).await, Ok(()), "the other one is not");
        services.set(Link::Redis, Condition::Down);
        assert_eq!(services.hears(Link::Redis).await, Err("redis is stopped".to_owned()));
        services.set(Link::Redis, Condition::Up);
        assert_eq!(services.hears(Link::Redis).await, Ok(()));
    }
}
