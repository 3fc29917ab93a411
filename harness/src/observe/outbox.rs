//! How deep the outbox is, how old its oldest row, and how its leases stand.
//!
//! The index is ordered by due time, not by age: a row that was leased or put off moves back. The age is exact while
//! the index holds fewer than [`WINDOW`] rows. Beyond that it is a lower bound that closes in on the truth: every look reads
//! the head of the index and one more window of it in turn, and `createdAt`, which never changes, is kept of every row
//! ever met. Rows met before the index grew past the window are older than all that came later, so the bound is exact
//! until the last of those is gone.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use judge::history::Sample;

use super::Post;
use super::blindness::Blindness;
use crate::stores::{Redis, StoreError};
use crate::wire::keys;

const PERIOD: Duration = Duration::from_millis(100);
/// Rows of the index that one look reads: 1,000 ids are 40 KB.
const WINDOW: usize = 1_000;
/// Rows of the further window: few, since each is one more question to a Redis that has enough to do.
const FURTHER: usize = 250;
/// How many of the oldest known rows are asked for when not all ids are read.
const OLDEST: usize = 64;

/// Looks ten times a second, with two round trips.
pub(super) async fn observe(redis: Redis, post: Post) {
    let mut gauge = Gauge { redis, rows: Rows::default(), cursor: WINDOW };
    let mut blindness = Blindness::of("outbox");
    let (mut ticks, recorder) = (post.ticks(PERIOD), post.recorder);
    while ticks.next().await {
        match gauge.look().await {
            Ok(Seen { depth, oldest_age_ms, overdue_ms, furthest_ms }) => {
                blindness.over();
                let t_us = recorder.now_us();
                recorder.sample(&Sample::Outbox { t_us, depth, oldest_age_ms });
                if depth > 0 {
                    recorder.sample(&Sample::Leases { t_us, depth, overdue_ms, furthest_ms });
                }
            }
            Err(error) => blindness.say(&recorder, &error),
        }
    }
}

struct Gauge {
    redis: Redis,
    rows: Rows,
    /// Rank at which the next further window begins.
    cursor: usize,
}

/// Redis' answers to one look: seconds and microseconds of its clock, the size of the index, its head, a further window,
/// the entries that are due first and last.
type Look = ((u64, u64), u64, Vec<String>, Vec<String>, Due, Due);

/// An id and when it is due, if there is one.
type Due = Vec<(String, f64)>;

/// What one look found.
struct Seen {
    depth: u64,
    oldest_age_ms: u64,
    overdue_ms: u64,
    furthest_ms: u64,
}

impl Gauge {
    async fn look(&mut self) -> Result<Seen, StoreError> {
        let mut pipeline = redis::pipe();
        pipeline.cmd("TIME");
        pipeline.cmd("ZCARD").arg(keys::OUTBOX_INDEX);
        for (from, rows) in [(0, WINDOW), (self.cursor, FURTHER)] {
            pipeline.cmd("ZRANGE").arg(keys::OUTBOX_INDEX).arg(from).arg(from + rows - 1);
        }
        for rank in [0, -1] {
            pipeline.cmd("ZRANGE").arg(keys::OUTBOX_INDEX).arg(rank).arg(rank).arg("WITHSCORES");
        }
        let ((seconds, micros), depth, head, further, first, last): Look =
            self.redis.ask("looking at the outbox", &pipeline).await?;
        let now_ms = seconds * 1_000 + micros / 1_000;
        self.cursor = if further.len() < FURTHER { WINDOW } else { self.cursor + FURTHER };
        if head.len() < WINDOW {
            self.rows.keep_only(&head);
        } else {
            self.drop_gone().await?;
        }
        let met: Vec<String> = head.into_iter().chain(further).filter(|id| !self.rows.knows(id)).collect();
        self.meet(met).await?;
        let oldest_age_ms = self.rows.oldest().map_or(0, |created| now_ms.saturating_sub(created));
        let overdue_ms = due_ms(&first).map_or(0, |due| now_ms.saturating_sub(due));
        let furthest_ms = due_ms(&last).map_or(0, |due| due.saturating_sub(now_ms));
        Ok(Seen { depth, oldest_age_ms, overdue_ms, furthest_ms })
    }

    /// Reads when new rows were created; one that went in between is passed over.
    async fn meet(&mut self, ids: Vec<String>) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut pipeline = redis::pipe();
        for id in &ids {
            pipeline.cmd("HGET").arg(format!("{}{id}", keys::OUTBOX_ROW)).arg(keys::ROW_CREATED_AT);
        }
        let created: Vec<Option<u64>> = self.redis.ask("reading the age of outbox rows", &pipeline).await?;
        for (id, created) in ids.into_iter().zip(created) {
            if let Some(created) = created {
                self.rows.add(id, created);
            }
        }
        Ok(())
    }

    /// Forgets the oldest known rows that have left the index.
    async fn drop_gone(&mut self) -> Result<(), StoreError> {
        loop {
            let ids = self.rows.oldest_ids(OLDEST);
            if ids.is_empty() {
                return Ok(());
            }
            let mut pipeline = redis::pipe();
            pipeline.cmd("ZMSCORE").arg(keys::OUTBOX_INDEX).arg(&ids);
            let (scores,): (Vec<Option<f64>>,) = self.redis.ask("looking for the oldest rows", &pipeline).await?;
            let mut gone = 0;
            for (id, score) in ids.iter().zip(&scores) {
                if score.is_none() {
                    self.rows.forget(id);
                    gone += 1;
                }
            }
            if gone < ids.len() {
                return Ok(());
            }
        }
    }
}

/// An entry without a row was never leased, but due it is.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "milliseconds since 1970, and a cast saturates")]
fn due_ms(entry: &[(String, f64)]) -> Option<u64> {
    entry.first().map(|(_, score)| *score as u64)
}

/// Rows that were met, by id and by age.
#[derive(Debug, Default)]
struct Rows {
    created: HashMap<String, u64>,
    by_age: BTreeSet<(u64, String)>,
}

impl Rows {
    fn knows(&self, id: &str) -> bool {
        self.created.contains_key(id)
    }

    fn add(&mut self, id: String, created: u64) {
        if self.created.insert(id.clone(), created).is_none() {
            self.by_age.insert((created, id));
        }
    }

    fn forget(&mut self, id: &str) {
        if let Some((id, created)) = self.created.remove_entry(id) {
            self.by_age.remove(&(created, id));
        }
    }

    fn keep_only(&mut self, ids: &[String]) {
        let kept: Vec<(String, u64)> = ids.iter().filter_map(|id| self.created.remove_entry(id)).collect();
        *self = Self::default();
        for (id, created) in kept {
            self.add(id, created);
        }
    }

    fn oldest(&self) -> Option<u64> {
        self.by_age.first().map(|(created, _)| *created)
    }

    fn oldest_ids(&self, count: usize) -> Vec<String> {
        self.by_age.iter().take(count).map(|(_, id)| id.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entry_tells_when_it_is_due() {
        assert_eq!(due_ms(&[]), None);
        assert_eq!(due_ms(&[("m".to_owned(), 1_767_225_600_123.0)]), Some(1_767_225_600_123));
        assert_eq!(due_ms(&[("m".to_owned(), -5.0)]), Some(0));
    }

    #[test]
    fn the_oldest_row_is_the_one_created_first_wherever_the_index_has_it() {
        let mut rows = Rows::default();
        rows.add("new".into(), 30);
        rows.add("old".into(), 10);
        rows.add("mid".into(), 20);
        assert_eq!(rows.oldest(), Some(10));
        assert_eq!(rows.oldest_ids(2), ["old", "mid"]);
        rows.forget("old");
        rows.forget("never met");
        assert_eq!(rows.oldest(), Some(20));
        rows.keep_only(&["new".into(), "never met".into()]);
        assert_eq!(rows.oldest(), Some(30));
        rows.keep_only(&[]);
        assert_eq!(rows.oldest(), None);
    }
}
