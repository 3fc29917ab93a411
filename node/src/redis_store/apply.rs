//! The apply step, and how far it is.

use super::RedisStore;
use super::keys::BUCKET;
use crate::ports::{AppliedBatch, ApplyItem, Effect, ItemKind, Progress, StoreError, whole_millis};

impl RedisStore {
    pub(super) async fn apply_batch(&self, stream: &str, items: &[ApplyItem]) -> Result<AppliedBatch, StoreError> {
        self.apply_settling(stream, items, items).await
    }

    /// Applies `items`, after which all of `settled` is settled.
    pub(super) async fn apply_settling(
        &self,
        stream: &str,
        settled: &[ApplyItem],
        items: &[ApplyItem],
    ) -> Result<AppliedBatch, StoreError> {
        let keys = &self.keys;
        let keys_of_batch = [&keys.progress, &keys.ahead, &keys.orders, &keys.position, &keys.totals, &keys.counts, &keys.parked];
        let (words, bytes) = (16 + 7 * items.len(), 1024 + 320 * items.len());
        let mut call = self.scripts.apply.long_call(keys_of_batch.len(), words, bytes);
        for key in keys_of_batch {
            call.arg(key);
        }
        let inbox = if planted_in!(self.limits, WrongInbox) { keys.inbox_of_acceptor(items) } else { None };
        call.arg(stream).arg(&keys.log).arg(inbox.as_ref().unwrap_or(&keys.inbox));
        call.arg(whole_millis(self.limits.inbox_ttl)).arg(BUCKET);
        let ranges = ranges(settled);
        call.arg(ranges.len());
        for (first, last) in ranges {
            call.arg(first).arg(last);
        }
        for item in items {
            match &item.kind {
                ItemKind::Order { placed, unguarded } => {
                    call.arg(if *unguarded { "again" } else { "order" }).arg(item.sequence);
                    call.arg(placed.order.order_id.as_str()).arg(placed.message_id.as_str());
                    call.arg(placed.order.customer_id.as_str()).arg(placed.order.amount.minor()).arg(placed.to_compact());
                }
                ItemKind::Parked { note } => {
                    call.arg("parked").arg(item.sequence);
                    call.arg("").arg("").arg("").arg("").arg(note);
                }
            }
        }
        let reply: Vec<i64> = self.run(&self.scripts.apply, &call).await?;
        match reply.as_slice() {
            [-1] => Err(StoreError::OtherStream),
            [0, position, applied_at_us, newly_parked, effects @ ..] if effects.len() == items.len() => Ok(AppliedBatch {
                effects: effects.iter().map(|code| effect(*code)).collect(),
                position: u64::try_from(*position).unwrap_or(0),
                applied_at_us: *applied_at_us,
                newly_parked: u64::try_from(*newly_parked).unwrap_or(0),
            }),
            _ => Err(StoreError::Failed(format!("{} deliveries were applied with {} answers", items.len(), reply.len()))),
        }
    }

    pub(super) async fn read_progress(&self) -> Result<Progress, StoreError> {
        let (mut connection, epoch) = self.link.connection()?;
        let mut pipeline = redis::pipe();
        pipeline.cmd("HMGET").arg(&self.keys.progress).arg("stream").arg("floor");
        pipeline.cmd("GET").arg(&self.keys.position);
        let reply: ((Option<String>, Option<u64>), Option<u64>) =
            pipeline.query_async(&mut connection).await.map_err(|error| self.link.failed(epoch, &error))?;
        let ((stream, floor), position) = reply;
        Ok(Progress { stream, floor: floor.unwrap_or(0), position: position.unwrap_or(0) })
    }
}

/// The sequences that a batch settles, with neighbours as one range.
fn ranges(items: &[ApplyItem]) -> Vec<(u64, u64)> {
    let mut ranges: Vec<(u64, u64)> = Vec::with_capacity(1);
    for item in items {
        match ranges.last_mut() {
            Some((first, last)) if (*first..=last.saturating_add(1)).contains(&item.settles_from) => {
                *last = item.sequence.max(*last);
            }
            _ => ranges.push((item.settles_from, item.sequence)),
        }
    }
    ranges
}

fn effect(code: i64) -> Effect {
    match code {
        -1 => Effect::Parked("no order"),
        -2 => Effect::Parked("order id was applied with other content"),
        -3 => Effect::Parked("ledger is at its limit"),
        0 => Effect::Skipped,
        position => Effect::Applied { position: u64::try_from(position).unwrap_or(0) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbouring_deliveries_settle_one_range_and_a_gap_parts_them() {
        let of = |settled: &[(u64, u64)]| {
            let kind = || ItemKind::Parked { note: String::new() };
            let item = |(settles_from, sequence): &(u64, u64)| ApplyItem {
                sequence: *sequence,
                settles_from: *settles_from,
                kind: kind(),
            };
            ranges(&settled.iter().map(item).collect::<Vec<_>>())
        };
        assert_eq!(of(&[]), []);
        assert_eq!(of(&[(1, 1), (2, 4), (5, 5)]), [(1, 5)]);
        assert_eq!(of(&[(5, 5), (7, 7), (8, 8)]), [(5, 5), (7, 8)], "6 is not settled");
        assert_eq!(of(&[(5, 6), (3, 3), (7, 7)]), [(5, 6), (3, 3), (7, 7)], "a redelivery settles itself alone");
        assert_eq!(of(&[(5, 9), (6, 6), (10, 10)]), [(5, 10)], "one that lies inside adds nothing");
    }
}
