//! A burst is accepted first and published a moment later. Accepting is a third of the work that an order makes, so clients of
//! a burst that comes after a calm are answered three times as fast while the relay stands back: for a moment only, as what
//! stands back is in the outbox under a lease, and nobody sees it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// So many orders that wait for the store at once are a burst: what comes one by one does not wait together.
const MANY: usize = 16;
/// How often it is looked whether the burst is over.
pub(super) const LOOK: Duration = Duration::from_millis(5);
/// What comes sooner after a burst is part of it, and nothing stands back for it again: under a load that stays, orders are
/// published as they come.
const CALM: Duration = Duration::from_secs(5);

/// Orders that wait for the store to accept them.
#[derive(Debug, Default)]
pub(super) struct Waiting(AtomicUsize);

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Waits<'a>(&'a AtomicUsize);

impl Waiting {
    pub(super) fn begin(&self) -> Waits<'_> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Waits(&self.0)
    }

    pub(super) fn are_many(&self) -> bool {
        self.0.load(Ordering::Relaxed) >= MANY
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// For how long the relay stands back.
#[derive(Debug)]
pub(super) struct StandBack {
    limit: Duration,
    burst: Option<Burst>,
}

/// Moments of [`crate::ports::Clock::elapsed`].
#[derive(Debug)]
struct Burst {
    begun: Duration,
    seen: Duration,
}

impl StandBack {
    /// For `limit` at most, and never for so long that a lease could end by it.
    pub(super) fn new(limit: Duration, lease: Duration) -> Self {
        Self { limit: limit.min(lease / 5), burst: None }
    }

    /// Asked whenever something could be published: are we to wait?
    pub(super) fn is_due(&mut self, now: Duration, many: bool) -> bool {
        if !many {
            return false;
        }
        let burst = self.burst.get_or_insert(Burst { begun: now, seen: now });
        if now.saturating_sub(burst.seen) >= CALM {
            burst.begun = now;
        }
        burst.seen = now;
        now.saturating_sub(burst.begun) < self.limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn those_who_wait_are_many_until_enough_are_answered() {
        let waiting = Waiting::default();
        let mut all: Vec<_> = (0..MANY).map(|_| waiting.begin()).collect();
        assert!(waiting.are_many());
        all.pop();
        assert!(!waiting.are_many());
    }

    #[test]
    fn a_burst_is_stood_back_for_once_until_a_calm_has_passed() {
        let mut back = StandBack::new(1000 * MS, 5000 * MS);
        assert!(!back.is_due(100 * MS, false), "no burst");
        assert!(back.is_due(100 * MS, true));
        assert!(!back.is_due(500 * MS, false), "a gap in it");
        assert!(back.is_due(1099 * MS, true));
        assert!(!back.is_due(1100 * MS, true), "long enough");
        for second in 2..20 {
            assert!(!back.is_due(1000 * second * MS, true), "the load stays");
        }
        let hardly_calm = 19_000 * MS + CALM.saturating_sub(MS);
        assert!(!back.is_due(hardly_calm, true), "hardly calm");
        let next = hardly_calm + CALM;
        assert!(back.is_due(next, true), "another burst");
        assert!(!back.is_due(next + 1000 * MS, true));
    }

    #[test]
    fn no_lease_ends_by_standing_back_and_none_can_be_wished_for() {
        let mut short = StandBack::new(1000 * MS, 500 * MS);
        assert!(short.is_due(Duration::ZERO, true));
        assert!(!short.is_due(100 * MS, true), "a fifth of the lease");
        assert!(!StandBack::new(Duration::ZERO, 5000 * MS).is_due(Duration::ZERO, true));
    }
}
