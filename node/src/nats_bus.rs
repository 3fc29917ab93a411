//! The bus on NATS `JetStream`: one stream, one durable pull consumer a node.

mod client;
mod complaint;
mod connection;
mod consume;
mod fitness;
mod link;
mod publish;
mod stream;

use std::time::Duration;

use bytes::Bytes;

use crate::order::{MessageId, NodeId};
use crate::ports::{Bus, BusError, Link, PublishAck, PublishError, Start, StreamState};
use crate::settings::Settings;
use crate::trace::TraceParent;

pub use client::NatsOpenError;
pub use consume::NatsSubscription;
use link::NatsLink;

/// The bus on NATS.
#[derive(Debug)]
pub struct NatsBus {
    link: NatsLink,
    consumer: stream::ConsumerSettings,
}

impl NatsBus {
    /// A bus for `node`. It connects in the background, and for as long as it lives.
    pub fn open(settings: &Settings, node: &NodeId) -> Result<Self, NatsOpenError> {
        Ok(Self { link: NatsLink::open(settings, node)?, consumer: stream::ConsumerSettings::new(settings, node) })
    }
}

impl Bus for NatsBus {
    type Subscription = NatsSubscription;

    fn link(&self) -> Link {
        self.link.watch()
    }

    async fn publish(
        &self,
        subject: &str,
        id: &MessageId,
        trace: Option<TraceParent>,
        payload: Bytes,
    ) -> Result<PublishAck, PublishError> {
        let session = self.link.session().map_err(|error| PublishError::Retry(error.to_string()))?;
        publish::publish(&session, subject, id, trace, payload).await
    }

    #[cfg(feature = "planted-bugs")]
    async fn publish_blindly(&self, subject: &str, id: &MessageId, payload: Bytes) {
        if let Ok(session) = self.link.session() {
            publish::publish_blindly(&session, subject, id, payload).await;
        }
    }

    async fn message_id_at(&self, sequence: u64) -> Result<Option<String>, BusError> {
        publish::message_id_at(&*self.link.session()?, sequence).await
    }

    fn duplicate_window(&self) -> Option<Duration> {
        self.link.session().ok().map(|session| session.found.duplicate_window)
    }

    async fn state(&self) -> Result<StreamState, BusError> {
        stream::state(&*self.link.session()?, &self.consumer).await
    }

    async fn subscribe(&self, start: Start) -> Result<NatsSubscription, BusError> {
        consume::subscribe(&*self.link.session()?, &self.consumer, start).await
    }

    async fn flush(&self) -> Result<(), BusError> {
        self.link.session()?.client.flush().await.map_err(|error| BusError::Failed(error.to_string()))
    }
}
