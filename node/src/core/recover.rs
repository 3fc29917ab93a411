//! Recovery: due rows of any node are claimed under a fresh token and published; rows without an index are found.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;

use super::settle::{SettleQueue, Settlement, send};
use super::{Core, Outgoing};
use crate::order::PlacedOrder;
use crate::ports::{Bus, ClaimedRow, Grave, Ports, RowKey, Store, StoreError, jitter};
use crate::state::Phase;

/// Rest between two rounds of the sweep: rows lose their index only by damage from outside.
const SWEEP_REST: Duration = Duration::from_secs(1);

impl<P: Ports> Core<P> {
    /// Claims and publishes due rows, and sweeps, until draining begins.
    pub(super) async fn recover(self: Arc<Self>, settle: SettleQueue) {
        tokio::join!(self.sweep(), self.claim_due_rows(&settle));
    }

    async fn claim_due_rows(&self, settle: &SettleQueue) {
        let mut failing = false;
        while self.life.phase() < Phase::Draining {
            let ready = self.life.phase() == Phase::Serving && self.bus.link().is_up() && self.store.link().is_up();
            let more = if ready { self.recover_batch(settle).await } else { Ok(false) };
            match &more {
                Ok(_) if ready && std::mem::take(&mut failing) => tracing::info!("due rows can be claimed again"),
                Err(error) if !failing => {
                    failing = true;
                    tracing::warn!(%error, "due rows cannot be claimed; trying on");
                }
                _ => {}
            }
            // A full batch says that there is more, and waiting would only let the backlog grow.
            if !matches!(more, Ok(true)) && !self.pause(jitter(&self.rng, self.settings.recover_interval)).await {
                break;
            }
        }
    }

    /// One batch; says whether there is more that is due.
    async fn recover_batch(&self, settle: &SettleQueue) -> Result<bool, StoreError> {
        if planted!(self, NoRecovery) {
            return Ok(false);
        }
        let token = self.fresh_token();
        let window = usize::from(self.settings.publish_window);
        let claims = self.store.claim(&token, window).await?;
        self.metrics.index_dropped.add(claims.dropped);
        self.metrics.claims.add(claims.rows.len() as u64);
        let rows = claims.rows.into_iter().map(|row| self.recover_row(row, &token));
        let mut publishing = stream::iter(rows).buffer_unordered(window);
        let mut got_on = false;
        while let Some(settlement) = publishing.next().await {
            got_on |= matches!(settlement, Some(Settlement::Remove(_) | Settlement::Bury(_)));
            send(settle, settlement).await;
        }
        self.pace.hold_back(&self.clock, self.settings.recover_interval).await;
        // A stream that takes nothing, e.g. because it is full, is not asked again without a rest.
        Ok(claims.more && got_on && self.bus.link().is_up())
    }

    async fn recover_row(&self, claimed: ClaimedRow, token: &str) -> Option<Settlement> {
        let ClaimedRow { message_id, payload, subject, attempts, previous_owner } = claimed;
        let mut row = RowKey { message_id, order_id: None, token: token.to_owned() };
        let placed = match PlacedOrder::from_json(&payload) {
            Ok(placed) if placed.message_id == row.message_id => placed,
            // Every node would park it, and none apply it.
            Ok(placed) => {
                let reason = format!("the row holds the order of another message: {}", placed.message_id);
                return Some(Settlement::Bury(Grave { row, reason }));
            }
            Err(error) => {
                let reason = format!("the row holds no order: {error}");
                return Some(Settlement::Bury(Grave { row, reason }));
            }
        };
        if placed.accepted_by != self.node || previous_owner != self.node.as_str() {
            self.metrics.takeovers.increment();
        }
        row.order_id = Some(placed.order.order_id);
        if planted!(self, RecoveryEatsRows) {
            return Some(Settlement::Remove(row));
        }
        self.publish(Outgoing { row, subject: subject.into(), payload, attempts, trace: None }).await
    }

    /// Looks through the keys for rows without an index, a bounded step at a time.
    async fn sweep(&self) {
        let mut cursor = 0;
        while self.pause(jitter(&self.rng, self.settings.sweep_interval)).await {
            if self.life.phase() != Phase::Serving || !self.store.link().is_up() {
                continue;
            }
            match self.store.sweep(cursor).await {
                Ok((next, found)) => {
                    if found > 0 {
                        self.metrics.reindexed.add(found);
                        tracing::warn!(rows = found, "rows had lost their index entry and have it again");
                    }
                    cursor = next.unwrap_or(0);
                    if next.is_none() && !self.pause(SWEEP_REST).await {
                        break;
                    }
                }
                Err(error) => {
                    tracing::debug!(%error, "the sweep begins anew");
                    cursor = 0;
                }
            }
        }
    }
}
