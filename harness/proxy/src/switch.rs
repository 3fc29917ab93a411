//! Which rule is in force on a link, and until when.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::pace::Meter;
use crate::rule::{Order, Rule};

/// A rule in force.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) rule: Rule,
    pub(crate) since: Instant,
    /// What all connections share of a bandwidth: to the service, to the node.
    pub(crate) meters: [Meter; 2],
}

pub(crate) type Current = Option<Arc<Active>>;

#[derive(Debug)]
pub(crate) struct Switch {
    current: watch::Sender<Current>,
    /// When the rule in force ends; only looked at and changed together with `current`.
    ends: Mutex<Option<Instant>>,
    renewed: Notify,
}

impl Switch {
    pub(crate) fn new() -> Self {
        Self { current: watch::Sender::new(None), ends: Mutex::new(None), renewed: Notify::new() }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Current> {
        self.current.subscribe()
    }

    /// The rule in force, and how long it will be.
    pub(crate) fn look(&self) -> Option<(Arc<Active>, Duration)> {
        let ends = *self.lock();
        let left = ends?.saturating_duration_since(Instant::now());
        self.current.borrow().clone().map(|active| (active, left))
    }

    /// The same rule again only lives longer: nothing changes for connections.
    pub(crate) fn put(&self, order: &Order) {
        let now = Instant::now();
        let mut ends = self.lock();
        *ends = Some(now + order.ttl());
        let same = self.current.borrow().as_ref().is_some_and(|active| active.rule == order.rule);
        if !same {
            let active = Active { rule: order.rule.clone(), since: now, meters: [Meter::new(now), Meter::new(now)] };
            self.current.send_replace(Some(Arc::new(active)));
        }
        drop(ends);
        self.renewed.notify_one();
    }

    pub(crate) fn remove(&self) {
        let mut ends = self.lock();
        *ends = None;
        self.current.send_if_modified(|current| current.take().is_some());
    }

    /// Takes away each rule that was not renewed; never ends.
    pub(crate) async fn expire(&self) {
        loop {
            let Some(ends) = self.expire_at(Instant::now()) else {
                self.renewed.notified().await;
                continue;
            };
            tokio::select! {
                () = tokio::time::sleep_until(ends) => {}
                () = self.renewed.notified() => {}
            }
        }
    }

    /// When to look again; `None` once there is no rule.
    fn expire_at(&self, now: Instant) -> Option<Instant> {
        let mut ends = self.lock();
        if (*ends)? > now {
            return *ends;
        }
        *ends = None;
        self.current.send_replace(None);
        None
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
