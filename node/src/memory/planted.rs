//! The planted bugs of the store in memory.

use super::outbox::{Outbox, Row, millis};
use super::store::{Access, MemoryStore};
use super::wire::Operation;
use crate::ports::{AppliedBatch, ApplyItem, Clock, Effect, Failure, ItemKind, RowFate, StoreError};

impl Outbox {
    /// Writes as if every row were still there and held by whoever writes: one that is gone comes back without its payload.
    pub(super) fn postpone_unfenced(&mut self, failures: &[Failure], owner: &str, now: i64) -> Vec<RowFate> {
        for failure in failures {
            let (id, due) = (&failure.row.message_id, now + millis(failure.retry_in));
            if !self.rows.contains_key(id) {
                self.put(id.clone(), Row::empty(owner, now));
            }
            if let Some(row) = self.rows.get_mut(id) {
                row.attempts += 1;
                row.last_error.clone_from(&failure.error);
                row.lease_until_ms = due;
            }
            self.enter(id.clone(), due);
        }
        failures.iter().map(|_| RowFate::Changed).collect()
    }
}

impl<C: Clock> MemoryStore<C> {
    /// Marks deliveries in the inbox, and applies in a second step those that had no mark. Whoever ends between the two
    /// never applies them.
    pub(super) async fn apply_in_two_steps(&self, stream: &str, items: &[ApplyItem]) -> Result<AppliedBatch, StoreError> {
        let fresh = self
            .run(Operation::Apply, Access::Write, |state, now| {
                let ends = now / 1000 + millis(self.limits.inbox_ttl);
                let mut is_fresh = |item: &ApplyItem| match &item.kind {
                    ItemKind::Order { placed, .. } => {
                        let fresh = !state.data.node(&self.node).inbox.contains_key(&placed.message_id);
                        state.data.mark(&self.node, placed.message_id.clone(), ends);
                        fresh
                    }
                    ItemKind::Parked { .. } => true,
                };
                Ok(items.iter().map(&mut is_fresh).collect::<Vec<bool>>())
            })
            .await?;
        let taken: Vec<ApplyItem> = items.iter().zip(&fresh).filter(|(_, fresh)| **fresh).map(|(item, _)| item.clone()).collect();
        let mut batch = self
            .run(Operation::Apply, Access::Write, |state, now| {
                let batch = self.apply_now(state, stream, &taken, now)?;
                for item in items {
                    state.data.node(&self.node).settled.add(item.settles_from, item.sequence);
                }
                Ok(batch)
            })
            .await?;
        let mut effects = std::mem::take(&mut batch.effects).into_iter();
        let effect = |fresh| if fresh { effects.next().unwrap_or(Effect::Skipped) } else { Effect::Skipped };
        batch.effects = fresh.into_iter().map(effect).collect();
        Ok(batch)
    }
}
