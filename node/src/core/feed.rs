//! The event feed: the latest events in memory, and the store for what lies further back.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use tokio::sync::watch;

use super::Core;
use crate::order::PlacedOrder;
use crate::ports::{Ports, Store, StoreError};

/// Events kept in memory.
const RING: usize = 1024;
/// Events read at once.
const PAGE: usize = 256;

/// One event as a client of the feed sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEvent {
    pub position: u64,
    /// A JSON object: `orderId`, `messageId`, `sequence`, `acceptedAt`, `appliedAt`.
    pub data: String,
}

impl FeedEvent {
    pub(super) fn new(placed: &PlacedOrder, sequence: u64, position: u64, applied_at_us: i64) -> Self {
        let applied_at = Timestamp::from_microsecond(applied_at_us).unwrap_or(Timestamp::UNIX_EPOCH);
        let data = format!(
            r#"{{"orderId":"{}","messageId":"{}","sequence":{sequence},"acceptedAt":"{:.6}","appliedAt":"{applied_at:.6}"}}"#,
            placed.order.order_id, placed.message_id, placed.accepted_at
        );
        Self { position, data }
    }
}

/// The feed of one node.
#[derive(Debug)]
pub struct Feed {
    /// Events with positions that follow each other without a gap.
    ring: Mutex<VecDeque<Arc<FeedEvent>>>,
    last: watch::Sender<u64>,
}

impl Default for Feed {
    fn default() -> Self {
        Self { ring: Mutex::default(), last: watch::channel(0).0 }
    }
}

/// What a reader of the feed gets.
#[derive(Debug)]
pub enum FeedRead {
    Events(Vec<Arc<FeedEvent>>),
    /// Nothing new yet.
    Nothing,
    /// The counter went back: the store lost writes, and positions are given out again.
    Reset,
}

impl Feed {
    pub(super) fn push(&self, event: Arc<FeedEvent>) {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        if ring.back().is_some_and(|last| last.position + 1 != event.position) {
            ring.clear();
        }
        if ring.len() == RING {
            ring.pop_front();
        }
        ring.push_back(event);
    }

    pub(super) fn note_position(&self, position: u64) {
        self.last.send_if_modified(|last| {
            let changed = *last != position;
            if position < *last {
                self.ring.lock().unwrap_or_else(PoisonError::into_inner).clear();
            }
            *last = position;
            changed
        });
    }

    /// The position counter as last seen, and its changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.last.subscribe()
    }

    /// Events after a position, where memory has all of them.
    fn recall(&self, after: u64) -> Option<Vec<Arc<FeedEvent>>> {
        let ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let first = ring.front()?.position;
        let skip = usize::try_from((after + 1).checked_sub(first)?).ok()?;
        let events: Vec<_> = ring.iter().skip(skip).take(PAGE).map(Arc::clone).collect();
        (!events.is_empty()).then_some(events)
    }
}

impl<P: Ports> Core<P> {
    /// The next events after a position; `last` is the highest that the reader knows of.
    pub async fn read_feed(&self, after: u64, last: u64) -> Result<FeedRead, StoreError> {
        if last < after {
            return Ok(FeedRead::Reset);
        }
        if last == after {
            return Ok(FeedRead::Nothing);
        }
        if let Some(events) = self.feed.recall(after) {
            return Ok(FeedRead::Events(events));
        }
        let page = self.store.page(after, PAGE).await?;
        let events: Vec<_> = page.entries.iter().map(|entry| Arc::new(entry.into())).collect();
        Ok(if events.is_empty() { FeedRead::Nothing } else { FeedRead::Events(events) })
    }
}
