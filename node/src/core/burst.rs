//! A burst is accepted first and published a moment later. Accepting is a third of the work that an order makes, so clients of
//! a burst that comes after a calm are answered up to three times as fast while the relay stands back: for a moment only, as what
//! stands back is in the outbox under a lease, and nobody sees it.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// So many orders that wait for the store at once are a burst: what comes one by one does not wait together.
const MANY: usize = 16;
/// How often it is looked whether the burst is over.
const LOOK: Duration = Duration::from_millis(5);
/// What comes sooner after a burst is part of it, and nothing stands back for it again: under a load that stays, orders are
/// published as they come.
const CALM: Duration = Duration::from_secs(5);
const NEVER: u64 = u64::MAX;

/// Orders that wait for the store to accept them, and the burst that they are. Moments are of [`crate::ports::Clock::elapsed`], in
/// microseconds.
#[derive(Debug)]
pub(super) struct Waiting {
    count: AtomicUsize,
    /// When many waited last.
    seen: AtomicU64,
    /// When the burst began that they were part of.
    begun: AtomicU64,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(super) struct Waits<'a>(&'a AtomicUsize);

impl Default for Waiting {
    fn default() -> Self {
        Self { count: AtomicUsize::new(0), seen: AtomicU64::new(NEVER), begun: AtomicU64::new(NEVER) }
    }
}

impl Waiting {
    pub(super) fn begin(&self, now: Duration) -> Waits<'_> {
        if self.count.fetch_add(1, Ordering::Relaxed) + 1 >= MANY {
            let now = micros(now);
            let seen = self.seen.swap(now, Ordering::Relaxed);
            if seen == NEVER || now.saturating_sub(seen) >= micros(CALM) {
                self.begun.store(now, Ordering::Relaxed);
            }
        }
        Waits(&self.count)
    }

    /// For how long the relay stands back before it looks again, if it is to: as long as many wait, and for `limit` at most from
    /// the beginning of their burst.
    pub(super) fn hold(&self, now: Duration, limit: Duration) -> Option<Duration> {
        let begun = self.begun.load(Ordering::Relaxed);
        let is_due =
            begun != NEVER && self.count.load(Ordering::Relaxed) >= MANY && micros(now).saturating_sub(begun) < micros(limit);
        is_due.then(|| LOOK.min(limit))
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn micros(moment: Duration) -> u64 {
    u64::try_from(moment.as_micros()).unwrap_or(NEVER)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const LIMIT: Duration = Duration::from_secs(1);

    #[test]
    fn those_who_wait_are_many_until_enough_are_answered() {
        let waiting = Waiting::default();
        let mut all: Vec<_> = (0..MANY).map(|_| waiting.begin(100 * MS)).collect();
        assert_eq!(waiting.hold(100 * MS, LIMIT), Some(LOOK));
        all.pop();
        assert_eq!(waiting.hold(100 * MS, LIMIT), None, "one fewer");
        all.push(waiting.begin(900 * MS));
        assert_eq!(waiting.hold(1099 * MS, LIMIT), Some(LOOK));
        assert_eq!(waiting.hold(1100 * MS, LIMIT), None, "long enough");
    }

    #[test]
    fn what_comes_without_a_calm_is_part_of_the_burst_whether_anything_was_published_or_not() {
        let waiting = Waiting::default();
        let burst_at = |now: Duration| {
            let _all: Vec<_> = (0..MANY).map(|_| waiting.begin(now)).collect();
            waiting.hold(now, LIMIT).is_some()
        };
        assert!(burst_at(100 * MS));
        for second in 2..20 {
            assert!(!burst_at(1000 * second * MS), "the load stays");
        }
        let hardly_calm = 19_000 * MS + CALM.saturating_sub(MS);
        assert!(!burst_at(hardly_calm));
        assert!(burst_at(hardly_calm + CALM), "another one");
    }

    #[test]
    fn no_limit_is_no_hold_and_a_short_one_is_looked_at_sooner() {
        let waiting = Waiting::default();
        let _all: Vec<_> = (0..MANY).map(|_| waiting.begin(MS)).collect();
        assert_eq!(waiting.hold(MS, Duration::ZERO), None);
        assert_eq!(waiting.hold(MS, MS), Some(MS));
    }
}
