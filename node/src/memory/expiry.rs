//! What has a time to live, and when it ends.

use std::collections::BTreeSet;

/// Times to live, in ms of the store's clock.
#[derive(Debug, Clone)]
pub(super) struct Expiries<K>(BTreeSet<(i64, K)>);

impl<K: Ord> Default for Expiries<K> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<K: Ord> Expiries<K> {
    /// `key` now ends at `at`, and no longer at `before`.
    pub(super) fn set(&mut self, key: K, before: Option<i64>, at: i64) {
        let mut entry = (before.unwrap_or(at), key);
        self.0.remove(&entry);
        entry.0 = at;
        self.0.insert(entry);
    }

    /// The next one that has ended by `now`; like Redis, the last millisecond still counts.
    pub(super) fn ended(&mut self, now: i64) -> Option<K> {
        let first = self.0.first()?;
        if first.0 < now { self.0.pop_first().map(|(_, key)| key) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_to_live_that_was_set_anew_ends_once_and_late() {
        let mut expiries = Expiries::default();
        expiries.set("a", None, 5);
        expiries.set("b", None, 6);
        expiries.set("a", Some(5), 9);
        assert_eq!((expiries.ended(6), expiries.ended(7), expiries.ended(7)), (None, Some("b"), None));
        assert_eq!((expiries.ended(10), expiries.ended(10)), (Some("a"), None));
    }
}
