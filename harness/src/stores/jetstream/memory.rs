//! The stream of an embedded cluster, looked at over no wire.

use std::collections::BTreeMap;
use std::time::Duration;

use judge::history::{ConsumerState, Published};
use judge::plan::Link;
use tokio::time::timeout;

use crate::embedded::Services;
use crate::wire::jetstream::StreamState;
use crate::wire::order;

#[derive(Debug, Clone)]
pub(super) struct Stream {
    services: Services,
    patience: Duration,
}

impl Stream {
    pub(super) fn of(services: &Services, patience: Duration) -> Self {
        Self { services: services.clone(), patience }
    }

    async fn heard(&self) -> Result<(), String> {
        let heard = timeout(self.patience, self.services.hears(Link::Nats)).await;
        heard.unwrap_or_else(|_| Err(format!("no answer within {:?}", self.patience)))
    }

    pub(super) async fn state(&self) -> Result<StreamState, String> {
        self.heard().await?;
        let stream = self.services.stream();
        let (_, first_sequence, last_sequence) = stream.bounds().ok_or("there is no stream")?;
        Ok(StreamState { messages: stream.count() as u64, first_sequence, last_sequence })
    }

    pub(super) async fn consumers(&self) -> Result<BTreeMap<String, ConsumerState>, String> {
        self.heard().await?;
        let consumers = self.services.stream().consumers().into_iter();
        let state = |(name, view): (String, node::memory::ConsumerView)| {
            let (pending, ack_pending, redelivered) = (view.undelivered as u64, view.ack_pending as u64, view.redelivered as u64);
            (name, ConsumerState { pending, ack_pending, redelivered })
        };
        Ok(consumers.map(state).collect())
    }

    pub(super) async fn read(&self, after: u64, limit: u64) -> Result<Vec<Published>, String> {
        self.heard().await?;
        let messages = self.services.stream().messages(after, usize::try_from(limit).unwrap_or(usize::MAX));
        let published = messages.into_iter().map(|message| Published {
            sequence: message.sequence,
            message_id: message.message_id.unwrap_or_default(),
            stored_at: message.stored_at.to_string(),
            answer: order::answer(&message.payload).ok(),
        });
        Ok(published.collect())
    }
}
