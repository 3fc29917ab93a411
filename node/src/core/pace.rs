//! How far this node's projection is behind what it published. A backlog is published faster than it can be applied,
//! and the stream keeps its order: without a brake, every new order would wait behind all of the backlog.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use crate::ports::{Clock, within};

/// Messages that the projection may be behind before recovery holds back: a fraction of a second of applying.
const ALLOWED: u64 = 1024;

#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Sequences in the stream, the highest that was seen.
    published: AtomicU64,
    applied: AtomicU64,
    moved: Notify,
}

impl Pace {
    pub(super) fn published(&self, sequence: u64) {
        self.published.fetch_max(sequence, Ordering::Relaxed);
    }

    pub(super) fn applied(&self, sequence: u64) {
        self.applied.fetch_max(sequence, Ordering::Relaxed);
        self.moved.notify_waiters();
    }

    /// Sequences may begin anew, so that those from before mean nothing.
    pub(super) fn begin(&self, applied: u64) {
        self.published.store(applied, Ordering::Relaxed);
        self.applied.store(applied, Ordering::Relaxed);
        self.moved.notify_waiters();
    }

    fn is_behind(&self) -> bool {
        let applied = self.applied.load(Ordering::Relaxed);
        self.published.load(Ordering::Relaxed).saturating_sub(applied) > ALLOWED
    }

    /// Waits until the projection has nearly caught up, but not for longer than `limit`: it may be unable to, e.g. with
    /// a full Redis, which only a draining outbox can help.
    pub(super) async fn hold_back(&self, clock: &impl Clock, limit: Duration) {
        let caught_up = async {
            loop {
                let mut moved = std::pin::pin!(self.moved.notified());
                // From here on no step of the projection is missed.
                moved.as_mut().enable();
                if !self.is_behind() {
                    return;
                }
                moved.await;
            }
        };
        within(clock, limit, caught_up).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::SystemClock;

    #[tokio::test(start_paused = true)]
    async fn recovery_waits_for_the_projection_and_not_for_ever() {
        let (pace, clock) = (Pace::default(), SystemClock::default());
        let limit = Duration::from_secs(1);
        let begun = tokio::time::Instant::now();
        pace.begin(7);
        pace.published(7 + ALLOWED);
        pace.hold_back(&clock, limit).await;
        assert_eq!(begun.elapsed(), Duration::ZERO, "within what is allowed");
        pace.published(8 + ALLOWED);
        let step = async {
            tokio::time::sleep(limit / 4).await;
            pace.applied(8);
        };
        tokio::join!(pace.hold_back(&clock, limit), step);
        assert_eq!(begun.elapsed(), limit / 4, "until it has caught up");
        pace.published(100_000);
        pace.hold_back(&clock, limit).await;
        assert_eq!(begun.elapsed(), limit / 4 + limit, "a projection that stands still does not stop the outbox");
        pace.begin(0);
        pace.hold_back(&clock, limit).await;
        assert_eq!(begun.elapsed(), limit / 4 + limit, "a stream that begins anew is not far behind");
    }
}
