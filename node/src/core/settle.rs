//! Settling rows after the stream's word, in batches.

use std::sync::Arc;

use tokio::sync::mpsc;

use super::Core;
use super::obituaries::Obituaries;
use crate::metrics::Metrics;
use crate::ports::{Clock as _, Failure, Grave, Ports, RowFate, RowKey, Store, StoreError};

/// Rows settled in one step.
const BATCH: usize = 256;

/// What is to be done with a row after a publish.
#[derive(Debug)]
pub(super) enum Settlement {
    Remove(RowKey),
    Postpone(Failure),
    Bury(Grave),
}

pub(super) type SettleQueue = mpsc::Sender<Settlement>;

pub(super) async fn send(settle: &SettleQueue, settlement: Option<Settlement>) {
    if let Some(settlement) = settlement {
        // The settling task outlives every sender; were it gone, the row would be recovered.
        let _ = settle.send(settlement).await;
    }
}

impl<P: Ports> Core<P> {
    /// Settles rows until every sender is gone. Where the store does not answer, rows stay as they are: their
    /// lease ends and they are recovered.
    pub(super) async fn settle(self: Arc<Self>, mut queue: mpsc::Receiver<Settlement>) {
        let mut batch = Vec::with_capacity(BATCH);
        let mut obituaries = Obituaries::new(self.clock.elapsed());
        while queue.recv_many(&mut batch, BATCH).await > 0 {
            let (mut removals, mut failures, mut graves) = (Vec::new(), Vec::new(), Vec::new());
            for settlement in batch.drain(..) {
                match settlement {
                    Settlement::Remove(row) if planted!(self, RecordsNeverEnd) => {
                        removals.push(RowKey { order_id: None, ..row });
                    }
                    Settlement::Remove(row) => removals.push(row),
                    Settlement::Postpone(failure) => failures.push(failure),
                    Settlement::Bury(grave) => graves.push(grave),
                }
            }
            if !removals.is_empty() {
                self.outage.over(|| tracing::info!("publishing succeeds again"));
                note(&self.metrics, &self.store.remove(&removals).await);
            }
            if !failures.is_empty() {
                note(&self.metrics, &self.store.postpone(&failures).await);
            }
            if !graves.is_empty() {
                let fates = self.store.bury(&graves).await;
                self.metrics.dead.add(note(&self.metrics, &fates));
                obituaries.publish(self.clock.elapsed(), &graves, &fates.unwrap_or_default());
            }
        }
    }
}

/// Counts what was fenced; returns how many were changed.
fn note(metrics: &Metrics, fates: &Result<Vec<RowFate>, StoreError>) -> u64 {
    match fates {
        Ok(fates) => {
            let count = |wanted| fates.iter().filter(|fate| **fate == wanted).count() as u64;
            metrics.fenced.add(count(RowFate::Fenced));
            count(RowFate::Changed)
        }
        Err(error) => {
            tracing::debug!(%error, "rows could not be settled; they will be recovered");
            0
        }
    }
}
