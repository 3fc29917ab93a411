//! The apply step, and how far it is.

use super::keys::BUCKET;
use super::{RedisStore, millis};
use crate::ports::{AppliedBatch, ApplyItem, Effect, ItemKind, Progress, StoreError};

impl RedisStore {
    pub(super) async fn apply_batch(&self, stream: &str, items: &[ApplyItem]) -> Result<AppliedBatch, StoreError> {
        let keys = &self.keys;
        let mut call = self.scripts.apply.prepare_invoke();
        for key in [&keys.progress, &keys.ahead, &keys.orders, &keys.position, &keys.totals, &keys.counts, &keys.parked] {
            call.key(key);
        }
        call.arg(stream).arg(&keys.log).arg(&keys.inbox).arg(millis(self.limits.inbox_ttl)).arg(BUCKET);
        for item in items {
            match &item.kind {
                ItemKind::Order { placed, unguarded } => {
                    call.arg(if *unguarded { "again" } else { "order" }).arg(item.sequence).arg(item.settles_from);
                    call.arg(placed.order.order_id.as_str()).arg(placed.message_id.as_str());
                    call.arg(placed.order.customer_id.as_str()).arg(placed.order.amount.minor()).arg(placed.to_compact());
                }
                ItemKind::Parked { note } => {
                    call.arg("parked").arg(item.sequence).arg(item.settles_from);
                    call.arg("").arg("").arg("").arg("").arg(note);
                }
            }
        }
        let reply: Vec<i64> = self.run(&call).await?;
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

fn effect(code: i64) -> Effect {
    match code {
        -1 => Effect::Parked("no order"),
        -2 => Effect::Parked("order id was applied with other content"),
        -3 => Effect::Parked("ledger is at its limit"),
        0 => Effect::Skipped,
        position => Effect::Applied { position: u64::try_from(position).unwrap_or(0) },
    }
}
