//! What happens when an order was applied: it is logged, counted and shown on the feed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tracing::{Instrument as _, Span};

use super::{Core, Feed, FeedEvent};
use crate::mediator::{Event, EventHandler, Publish};
use crate::metrics::Metrics;
use crate::order::PlacedOrder;
use crate::ports::{Ports, Projected, Store, StoreError};

/// Applied orders that are read at once to tell of them.
const UNHEARD: usize = 256;

/// An order was applied on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrderApplied {
    pub placed: PlacedOrder,
    pub sequence: u64,
    pub position: u64,
    pub applied_at_us: i64,
}

impl Event for OrderApplied {}

struct LogLine;

impl EventHandler<OrderApplied> for LogLine {
    async fn on(&self, event: &OrderApplied) {
        tracing::info!(
            orderId = %event.placed.order.order_id,
            messageId = %event.placed.message_id,
            sequence = event.sequence,
            position = event.position,
            "order applied"
        );
    }
}

struct Count<'a>(&'a Metrics);

impl EventHandler<OrderApplied> for Count<'_> {
    async fn on(&self, event: &OrderApplied) {
        self.0.applied.increment();
        // Two clocks: a node's that accepted and the store's that applied. What lies before its cause took no time.
        let lag = event.applied_at_us.saturating_sub(event.placed.accepted_at.as_microsecond());
        self.0.apply_lag.observe(Duration::from_micros(u64::try_from(lag).unwrap_or(0)));
    }
}

struct Show<'a>(&'a Feed);

impl EventHandler<OrderApplied> for Show<'_> {
    async fn on(&self, event: &OrderApplied) {
        self.0.push(Arc::new(FeedEvent::new(&event.placed, event.sequence, event.position, event.applied_at_us)));
    }
}

/// The position up to which this process has told of what was applied; `None` before its first look at the counter.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<Option<u64>>);

impl Told {
    fn get(&self) -> Option<u64> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set(&self, position: u64) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(position);
    }
}

impl<P: Ports> Core<P> {
    /// Tells of what this process applied without hearing of it: the answer of the store was lost, and a redelivery will
    /// only show that the order was applied before. What earlier processes applied is theirs to have told.
    pub(super) async fn tell_unheard(&self, position: u64) -> Result<(), StoreError> {
        let mut after = self.told.get().unwrap_or(position);
        while after < position {
            let page = self.store.page(after, UNHEARD).await?;
            if page.end <= after {
                break;
            }
            self.tell(page.entries.into_iter().map(|entry| (entry.into(), Span::none())).collect()).await;
            after = page.end;
            self.told.set(after);
        }
        self.told.set(position);
        Ok(())
    }

    /// Tells of each event within the span of its application.
    pub(super) async fn tell(&self, events: Vec<(OrderApplied, Span)>) {
        let handlers = (Show(&self.feed), (Count(&self.metrics), (LogLine, ())));
        for (event, span) in events {
            handlers.publish(&event).instrument(span).await;
        }
    }
}

impl From<Projected> for OrderApplied {
    fn from(entry: Projected) -> Self {
        let Projected { placed, sequence, position, applied_at_us, .. } = entry;
        Self { placed, sequence, position, applied_at_us }
    }
}

impl From<&Projected> for FeedEvent {
    fn from(entry: &Projected) -> Self {
        Self::new(&entry.placed, entry.sequence, entry.position, entry.applied_at_us)
    }
}
