//! A running pull of deliveries, in memory.

use std::time::Duration;

use tokio::sync::watch;

use super::bus::SharedStream;
use super::wire::{Loss, Operation, Wire};
use crate::ports::{BusError, Clock, Delivery, Link, Subscription};

/// A pull of one node's consumer. It ends with the link's epoch, and with its consumer.
#[derive(Debug)]
pub struct MemorySubscription<C> {
    pub(super) stream: SharedStream<C>,
    pub(super) wire: Wire,
    pub(super) link: Link,
    pub(super) epoch: u64,
    pub(super) consumer: String,
    /// The consumer's number: one that was made anew is another.
    pub(super) number: u64,
    pub(super) changes: watch::Receiver<u64>,
}

/// What an acknowledgement needs.
#[derive(Debug)]
pub struct MemoryReceipt(u64);

impl<C: Clock> MemorySubscription<C> {
    fn connected(&self) -> Result<(), BusError> {
        let state = self.link.state();
        if state.up && state.epoch == self.epoch {
            return Ok(());
        }
        Err(BusError::Down(state.detail.unwrap_or_else(|| "the connection was replaced".to_owned())))
    }

    /// Waits until something may be there to be taken.
    async fn changed(&mut self, redelivery: Option<Duration>) {
        let clock = self.stream.clock();
        let redelivery = async {
            match redelivery {
                Some(at) => clock.sleep(at.saturating_sub(clock.elapsed())).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            // The stream's end of it lives as long as `self.stream`.
            _ = self.changes.changed() => {}
            () = self.link.wait_end_of(self.epoch) => {}
            () = redelivery => {}
        }
    }
}

impl<C: Clock> Subscription for MemorySubscription<C> {
    type Receipt = MemoryReceipt;

    async fn next(&mut self, limit: usize) -> Result<Vec<Delivery<MemoryReceipt>>, BusError> {
        tokio::task::coop::consume_budget().await;
        loop {
            self.changes.borrow_and_update();
            self.connected()?;
            let (ready, redelivery) = self.stream.due(&self.consumer, self.number)?;
            if !ready {
                self.changed(redelivery).await;
                continue;
            }
            let one_way = self.wire.one_way();
            if !one_way.is_zero() {
                self.stream.clock().sleep(one_way).await;
            }
            self.wire.passes(self.epoch).await;
            self.connected()?;
            // Unless the wire is mute nothing is awaited from here on: what is taken is handed over.
            let deliveries = self.stream.take(&self.consumer, self.number, limit)?;
            // To a mute wire they are lost like any other word of the service.
            if !deliveries.is_empty() && self.wire.swallows(self.stream.clock(), self.epoch).await {
                continue;
            }
            if !deliveries.is_empty() {
                let receipt = |(delivered, message): (super::consumer::Delivered, super::log::Message)| Delivery {
                    sequence: delivered.sequence,
                    settles_from: delivered.settles_from,
                    attempt: delivered.attempt,
                    subject: message.subject,
                    message_id: message.id,
                    trace: message.trace,
                    payload: message.payload,
                    receipt: MemoryReceipt(delivered.sequence),
                };
                return Ok(deliveries.into_iter().map(receipt).collect());
            }
        }
    }

    async fn ack(&mut self, MemoryReceipt(sequence): MemoryReceipt) -> Result<(), BusError> {
        self.wire.passes(self.epoch).await;
        self.connected()?;
        // Nobody answers an acknowledgement, so that it is lost is not noticed.
        match self.wire.take_loss(Operation::Ack) {
            Some(Loss::Request | Loss::Answer) => {}
            None => self.stream.ack(&self.consumer, sequence),
        }
        Ok(())
    }
}
