//! What happens when an order was applied: it is logged, counted and shown on the feed.

use std::sync::Arc;

use super::{Core, Feed, FeedEvent};
use crate::mediator::{Event, EventHandler, Publish};
use crate::metrics::Metrics;
use crate::order::PlacedOrder;
use crate::ports::{Ports, Projected};

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
    async fn on(&self, _: &OrderApplied) {
        self.0.applied.increment();
    }
}

struct Show<'a>(&'a Feed);

impl EventHandler<OrderApplied> for Show<'_> {
    async fn on(&self, event: &OrderApplied) {
        self.0.push(Arc::new(FeedEvent::new(&event.placed, event.sequence, event.position, event.applied_at_us)));
    }
}

impl<P: Ports> Core<P> {
    pub(super) async fn tell(&self, events: Vec<OrderApplied>) {
        let handlers = (Show(&self.feed), (Count(&self.metrics), (LogLine, ())));
        for event in &events {
            handlers.publish(event).await;
        }
    }
}

impl From<&Projected> for FeedEvent {
    fn from(entry: &Projected) -> Self {
        Self::new(&entry.placed, entry.sequence, entry.position, entry.applied_at_us)
    }
}
