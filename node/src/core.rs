//! The core of a node: what it does, written against the ports alone.

mod accept;
mod apply;
mod behaviours;
mod events;
mod feed;
mod health;
mod planted;
mod queries;
mod recover;
mod relay;
mod settle;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;

use crate::metrics::Metrics;
use crate::order::NodeId;
use crate::ports::{Ports, Rng};
use crate::settings::Settings;
use crate::state::Life;

pub use accept::{PlaceOrder, Placement};
pub use behaviours::{Measured, Validated};
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
    outage: Outage,
}

/// Says something once, until it is over.
#[derive(Debug, Default)]
struct Outage(AtomicBool);

impl Outage {
    fn note(&self, say: impl FnOnce()) {
        if !self.0.swap(true, Ordering::Relaxed) {
            say();
        }
    }

    fn over(&self) {
        self.0.store(false, Ordering::Relaxed);
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
        let (subject, outage) = (settings.subject().into(), Outage::default());
        (Self { node, settings, store, bus, clock, rng, metrics, life, feed, token, subject, relay, outage }, inbox)
    }

    /// The token of this process.
    pub fn token(&self) -> &str {
        &self.token
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
}
