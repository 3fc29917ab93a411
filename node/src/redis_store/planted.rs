//! The planted bugs of the store on Redis.

use super::RedisStore;
use crate::ports::{AppliedBatch, ApplyItem, Effect, Failure, ItemKind, RowFate, StoreError, whole_millis};

impl RedisStore {
    /// Writes as if every row were still there and held by whoever writes: one that is gone comes back without its payload.
    pub(super) async fn postpone_unfenced(&self, failures: &[Failure]) -> Result<Vec<RowFate>, StoreError> {
        let (seconds, micros): (u64, u64) = self.query(&redis::cmd("TIME")).await?;
        let mut pipeline = redis::pipe();
        for failure in failures {
            let id = failure.row.message_id.as_str();
            let (key, due) = (format!("{}{id}", self.keys.rows), seconds * 1000 + micros / 1000 + whole_millis(failure.retry_in));
            pipeline.cmd("HINCRBY").arg(&key).arg("attempts").arg(1).ignore();
            pipeline.cmd("HSET").arg(&key).arg("lastError").arg(&failure.error).arg("leaseUntil").arg(due).ignore();
            pipeline.cmd("ZADD").arg(&self.keys.index).arg(due).arg(id).ignore();
        }
        let (mut connection, epoch) = self.link.connection()?;
        let written: redis::RedisResult<()> = pipeline.query_async(&mut connection).await;
        written.map_err(|error| self.link.failed(epoch, &error))?;
        Ok(failures.iter().map(|_| RowFate::Changed).collect())
    }

    /// Marks deliveries in the inbox, and applies in a second step those that had no mark. Whoever ends between the two
    /// never applies them.
    pub(super) async fn apply_in_two_steps(&self, stream: &str, items: &[ApplyItem]) -> Result<AppliedBatch, StoreError> {
        let mut pipeline = redis::pipe();
        for item in items {
            match &item.kind {
                ItemKind::Order { placed, .. } => {
                    let mark = format!("{}{}", self.keys.inbox, placed.message_id);
                    pipeline.cmd("SET").arg(mark).arg(1).arg("NX").arg("PX").arg(whole_millis(self.limits.inbox_ttl));
                }
                ItemKind::Parked { .. } => {
                    pipeline.cmd("PING");
                }
            }
        }
        let (mut connection, epoch) = self.link.connection()?;
        let marked: Vec<Option<String>> =
            pipeline.query_async(&mut connection).await.map_err(|error| self.link.failed(epoch, &error))?;
        let taken: Vec<ApplyItem> =
            items.iter().zip(&marked).filter(|(_, marked)| marked.is_some()).map(|(item, _)| item.clone()).collect();
        let mut batch = self.apply_settling(stream, items, &taken).await?;
        let mut effects = std::mem::take(&mut batch.effects).into_iter();
        let mut effect = |fresh: bool| if fresh { effects.next().unwrap_or(Effect::Skipped) } else { Effect::Skipped };
        batch.effects = marked.iter().map(|marked| effect(marked.is_some())).collect();
        Ok(batch)
    }
}
