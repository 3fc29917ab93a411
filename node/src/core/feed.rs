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
    mark: watch::Sender<Mark>,
}

/// Where the feed is, as far as this process has seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// The position counter; it may lag behind the store's, and is 0 before the first look at it.
    pub position: u64,
    /// How often the counter went back: the store lost writes, and positions are given out again.
    pub resets: u64,
    /// Where it went back to the last time.
    back_to: u64,
    /// The lowest that it ever went back to.
    lowest: u64,
}

impl Mark {
    /// The highest position that still means what it meant when there had been `resets`; none has changed without one.
    #[must_use]
    pub fn kept_since(&self, resets: u64) -> u64 {
        match self.resets - resets {
            0 => u64::MAX,
            1 => self.back_to,
            // Of several only the lowest of all is known, which may be too low: that repeats and does not skip.
            _ => self.lowest,
        }
    }
}

impl Default for Feed {
    fn default() -> Self {
        Self { ring: Mutex::default(), mark: watch::channel(Mark::default()).0 }
    }
}

/// What a reader of the feed gets.
#[derive(Debug)]
pub enum FeedRead {
    /// Events up to `end`, where the reader goes on after; none where all of those positions have been pruned.
    Events { events: Vec<Arc<FeedEvent>>, end: u64 },
    /// Nothing new yet.
    Nothing,
}

impl Feed {
    pub(super) fn push(&self, event: Arc<FeedEvent>) {
        // A position that was told of before is given out again: the counter went back unseen.
        if event.position <= self.mark.borrow().position {
            self.note_position(event.position.saturating_sub(1));
        }
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
        self.mark.send_if_modified(|mark| {
            let changed = mark.position != position;
            if position < mark.position {
                self.ring.lock().unwrap_or_else(PoisonError::into_inner).clear();
                mark.lowest = if mark.resets == 0 { position } else { mark.lowest.min(position) };
                mark.resets += 1;
                mark.back_to = position;
            }
            mark.position = position;
            changed
        });
    }

    /// Where the feed is, and the changes of that.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Mark> {
        self.mark.subscribe()
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
        if last <= after {
            return Ok(FeedRead::Nothing);
        }
        if let Some(events) = self.feed.recall(after) {
            let end = events.last().map_or(after, |event| event.position);
            return Ok(FeedRead::Events { events, end });
        }
        let page = self.store.page(after, PAGE).await?;
        let events: Vec<_> = page.entries.iter().map(|entry| Arc::new(entry.into())).collect();
        Ok(if page.end <= after { FeedRead::Nothing } else { FeedRead::Events { events, end: page.end } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(position: u64) -> Arc<FeedEvent> {
        Arc::new(FeedEvent { position, data: String::new() })
    }

    fn positions(feed: &Feed, after: u64) -> Option<Vec<u64>> {
        feed.recall(after).map(|events| events.iter().map(|event| event.position).collect())
    }

    #[test]
    fn memory_answers_only_where_it_has_every_event() {
        let feed = Feed::default();
        assert_eq!(positions(&feed, 0), None);
        (5..=7).for_each(|position| feed.push(event(position)));
        assert_eq!(positions(&feed, 3), None, "4 is not in memory");
        assert_eq!(positions(&feed, 4), Some(vec![5, 6, 7]));
        assert_eq!(positions(&feed, 6), Some(vec![7]));
        assert_eq!(positions(&feed, 7), None);
        feed.push(event(9));
        assert_eq!(positions(&feed, 6), None, "8 went by unseen, so 7 is no longer followed by its next");
        assert_eq!(positions(&feed, 8), Some(vec![9]));
    }

    #[test]
    fn memory_is_bounded_and_forgets_when_the_counter_goes_back() {
        let feed = Feed::default();
        (1..=2000).for_each(|position| feed.push(event(position)));
        feed.note_position(2000);
        assert_eq!(positions(&feed, 900), None);
        assert_eq!(positions(&feed, 1990).map(|found| found.len()), Some(10));
        feed.note_position(1500);
        let expected = Mark { position: 1500, resets: 1, back_to: 1500, lowest: 1500 };
        assert_eq!((positions(&feed, 1990), *feed.watch().borrow()), (None, expected));
    }

    #[test]
    fn what_positions_still_mean_is_known_however_late_one_looks() {
        let feed = Feed::default();
        let kept = |resets| feed.watch().borrow().kept_since(resets);
        let note = |positions: [u64; 3]| {
            for position in positions {
                feed.note_position(position);
            }
        };
        note([100, 50, 70]);
        assert_eq!((kept(0), kept(1)), (50, u64::MAX), "51 to 70 are others than before");
        note([200, 150, 160]);
        assert_eq!((kept(0), kept(1), kept(2)), (50, 150, u64::MAX));
        note([20, 300, 250]);
        assert_eq!((kept(0), kept(2), kept(3)), (20, 20, 250));
        feed.push(event(241));
        assert_eq!((kept(4), kept(3)), (240, 20), "241 is another than before");
    }
}
