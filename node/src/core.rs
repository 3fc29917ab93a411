//! The core of a node: what it does, written against the ports alone.

mod accept;
mod apply;
mod behaviours;
mod burst;
mod events;
mod feed;
mod health;
mod obituaries;
mod pace;
mod planted;
mod queries;
mod ration;
mod recover;
mod relay;
mod settle;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::metrics::Metrics;
use crate::order::NodeId;
use crate::ports::{Clock as _, Ports, Rng, StoreError};
use crate::settings::Settings;
use crate::state::Life;
use crate::trace::TraceParent;

pub use accept::{PlaceOrder, Placement};
pub use behaviours::{Behaviours, behaviours};
pub use events::OrderApplied;
pub use feed::{Feed, FeedEvent, FeedRead, Mark};
pub use health::{Check, Health, Status};
pub use queries::{CustomerView, GetCustomer, GetOrder, ListOrders, OrderList};
pub use relay::{RelayInbox, RelayQueue};

/// One node's core, shared by all that it does at once.
pub struct Core<P: Ports> {
    pub node: NodeId,
    pub settings: Settings,
    pub store: P::Store,
    pub bus: P::Bus,
    pub clock: P::Clock,
    pub rng: P::Rng,
    pub metrics: Arc<Metrics>,
    pub life: Life,
    pub feed: Feed,
    /// Fences the rows that this process accepts.
    token: String,
    /// Where accepted orders are published.
    subject: Arc<str>,
    relay: RelayQueue,
    waiting: burst::Waiting,
    pace: pace::Pace,
    /// Publishing fails.
    outage: Outage,
    /// Applying fails.
    interrupted: Outage,
    /// Duplicates are unproven.
    doubt: Outage,
    refusal: Refusal,
    told: events::Told,
    /// Lines about messages that cannot be applied.
    parked_lines: Mutex<ration::Ration>,
}

/// Why the store refuses to be written to, if it does.
#[derive(Debug, Default)]
struct Refusal(Mutex<Option<String>>);

impl Refusal {
    fn reason(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns whether it begins or ends.
    fn set(&self, reason: Option<String>) -> bool {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = current.is_some() != reason.is_some();
        *current = reason;
        changed
    }
}

/// Says something once, until it is over, and then that, once.
#[derive(Debug, Default)]
struct Outage(AtomicBool);

impl Outage {
    fn note(&self, say: impl FnOnce()) {
        if !self.0.swap(true, Ordering::Relaxed) {
            say();
        }
    }

    fn over(&self, say: impl FnOnce()) {
        // Looked at first: this is asked with every batch, and hardly ever anything is over.
        if self.is_on() && self.0.swap(false, Ordering::Relaxed) {
            say();
        }
    }

    fn is_on(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl<P: Ports> std::fmt::Debug for Core<P> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Core").field("node", &self.node).field("life", &self.life).finish_non_exhaustive()
    }
}

impl<P: Ports> Core<P> {
    /// A core, and the receiving end of its relay for [`Core::run_relay`].
    pub fn new(
        node: NodeId,
        settings: Settings,
        store: P::Store,
        bus: P::Bus,
        clock: P::Clock,
        rng: P::Rng,
    ) -> (Self, relay::RelayInbox) {
        let (relay, inbox) = relay::queue();
        let token = fresh_token(&rng);
        let (metrics, life, feed) = (Arc::default(), Life::default(), Feed::default());
        let subject = settings.subject().into();
        let parked_lines = Mutex::new(ration::Ration::new(clock.elapsed()));
        let core = Self {
            node,
            settings,
            store,
            bus,
            clock,
            rng,
            metrics,
            life,
            feed,
            token,
            subject,
            relay,
            waiting: burst::Waiting::default(),
            pace: pace::Pace::default(),
            outage: Outage::default(),
            interrupted: Outage::default(),
            doubt: Outage::default(),
            refusal: Refusal::default(),
            told: events::Told::default(),
            parked_lines,
        };
        (core, inbox)
    }

    /// The token of this process.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Notes what a write came to, for health: a store that answers and refuses is of no use to an order. Returns
    /// whether it refused.
    pub(crate) fn note_write(&self, written: &Result<(), StoreError>) -> bool {
        let refusal = match written {
            Ok(()) => None,
            Err(StoreError::Refused(reason)) => Some(reason.clone()),
            // Proves nothing either way.
            Err(_) => return self.refusal.reason().is_some(),
        };
        let refused = refusal.is_some();
        if self.refusal.set(refusal.clone()) {
            if let Some(reason) = refusal {
                tracing::error!(%reason, "the store refuses to be written to; no order can be accepted");
            } else {
                tracing::info!("the store can be written to again");
            }
        }
        refused
    }

    fn fresh_token(&self) -> String {
        fresh_token(&self.rng)
    }
}

fn fresh_token(rng: &impl Rng) -> String {
    format!("{:016x}", rng.next_u64())
}

/// A row to be published: accepted just now, or claimed.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) row: crate::ports::RowKey,
    pub(crate) subject: Arc<str>,
    pub(crate) payload: Bytes,
    /// Failed attempts so far.
    pub(crate) attempts: u32,
    /// The trace of its acceptance, where that was on this node.
    pub(crate) trace: Option<TraceParent>,
}
