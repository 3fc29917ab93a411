//! How keys end: the times to live of what the contract gives one, asked for beside what the keys hold.

use judge::history::{Entry, Keys, reads};

use super::PATIENCE;
use crate::cluster::{Cluster, Node};
use crate::recorder::Recorder;
use crate::stores::{Redis, StoreError};
use crate::wire::keys;

/// Orders that are named, at most.
const NAMED: usize = 1_000;

/// What was found of the keys of one family.
#[derive(Debug)]
pub(super) struct Ends {
    keys: Keys,
    error: Option<String>,
}

impl Ends {
    pub(super) fn of(family: String) -> Self {
        Self { keys: Keys { family, ..Keys::default() }, error: None }
    }

    /// Notes what PTTL said of the key of an order: milliseconds, -1 for one that never ends, -2 for none.
    pub(super) fn note(&mut self, order_id: &str, ttl_ms: i64) {
        let keys = &mut self.keys;
        keys.orders += 1;
        let (count, first) = match u64::try_from(ttl_ms) {
            Ok(left_ms) => {
                keys.longest_ms = keys.longest_ms.max(left_ms);
                return;
            }
            Err(_) if ttl_ms == -1 => (&mut keys.unending, &mut keys.first_unending),
            Err(_) => (&mut keys.missing, &mut keys.first_missing),
        };
        *count += 1;
        if first.len() < NAMED {
            first.push(order_id.to_owned());
        }
    }

    /// Not all keys could be asked for.
    pub(super) fn fail(&mut self, error: &impl ToString) {
        self.error.get_or_insert_with(|| error.to_string());
    }

    pub(super) fn write(self, recorder: &Recorder) {
        let Self { keys, error } = self;
        let (t_us, what) = (recorder.now_us(), reads::keys(&keys.family));
        let entries = u64::from(error.is_none());
        if error.is_none() {
            recorder.write(&Entry::Keys(Keys { t_us, ..keys }));
        }
        recorder.write(&Entry::FinalRead { t_us, what, entries, error });
    }
}

/// A node's marks, looked for beside its projection.
#[derive(Debug)]
pub(super) struct Inbox {
    redis: Result<Redis, StoreError>,
    prefix: String,
    ends: Ends,
}

impl Inbox {
    pub(super) fn of(cluster: &Cluster, node: &Node) -> Self {
        let ends = Ends::of(reads::inbox(&node.name));
        Self { redis: Redis::of(cluster, PATIENCE), prefix: keys::inbox(&node.id), ends }
    }

    /// Looks for the marks of orders, by order id and message id. A Redis that fails costs this read, and no other.
    pub(super) async fn look(&mut self, orders: &[(String, String)]) {
        if orders.is_empty() || self.ends.error.is_some() {
            return;
        }
        let redis = match &mut self.redis {
            Ok(redis) => redis,
            Err(error) => return self.ends.fail(error),
        };
        let mut pipeline = redis::pipe();
        for (_, message_id) in orders {
            pipeline.cmd("PTTL").arg(format!("{}{message_id}", self.prefix));
        }
        match redis.ask::<Vec<i64>>("looking for inbox marks", &pipeline).await {
            Ok(answers) => {
                for ((order, _), ttl_ms) in orders.iter().zip(answers) {
                    self.ends.note(order, ttl_ms);
                }
            }
            Err(error) => self.ends.fail(&error),
        }
    }

    pub(super) fn write(self, recorder: &Recorder) {
        self.ends.write(recorder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_store_says_of_a_key_is_told_apart() {
        let mut ends = Ends::of(reads::RECORDS.to_owned());
        for (order, ttl_ms) in [("a", 5_000), ("b", -1), ("c", 7_000), ("d", -2), ("e", -1), ("f", 0)] {
            ends.note(order, ttl_ms);
        }
        let expected = Keys {
            t_us: 0,
            family: "records".to_owned(),
            orders: 6,
            missing: 1,
            first_missing: vec!["d".to_owned()],
            unending: 2,
            first_unending: vec!["b".to_owned(), "e".to_owned()],
            longest_ms: 7_000,
        };
        assert_eq!(ends.keys, expected);
    }

    #[test]
    fn only_some_orders_are_named_and_all_are_counted() {
        let mut ends = Ends::of(reads::RECORDS.to_owned());
        for order in 0..NAMED + 5 {
            ends.note(&order.to_string(), -1);
        }
        assert_eq!((ends.keys.unending, ends.keys.first_unending.len()), (1_005, NAMED));
    }
}
