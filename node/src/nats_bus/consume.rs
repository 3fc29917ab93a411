//! The pull of deliveries, and what each of them settles.

use std::time::Duration;

use async_nats::header::NATS_MESSAGE_ID;
use async_nats::jetstream::consumer::{Consumer, pull};
use async_nats::jetstream::message::Acker;
use async_nats::jetstream::stream::ConsumerErrorKind;
use async_nats::jetstream::{ErrorCode, Message};
use futures_util::{FutureExt as _, StreamExt as _};

use super::connection::Session;
use super::stream::{ConsumerSettings, get};
use crate::ports::{BusError, Delivery, Start, Subscription};
use crate::trace::{TRACEPARENT, TraceParent};

/// Deliveries asked for at once.
const PULL_BATCH: usize = 512;
/// Most bytes of them: other programs may publish far larger messages than orders.
const PULL_BYTES: usize = 8 * 1024 * 1024;
/// How long one pull request stays open, and how often the server shows that it still does.
const PULL_EXPIRES: Duration = Duration::from_secs(20);
const PULL_HEARTBEAT: Duration = Duration::from_secs(2);

/// A running pull.
pub struct NatsSubscription {
    messages: pull::Stream,
    window: Window,
}

impl std::fmt::Debug for NatsSubscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NatsSubscription").field("window", &self.window).finish_non_exhaustive()
    }
}

pub(super) async fn subscribe(
    session: &Session,
    settings: &ConsumerSettings,
    start: Start,
) -> Result<NatsSubscription, BusError> {
    let failed =
        |what: &str, error: &dyn std::fmt::Display| BusError::Failed(format!("{what} consumer {}: {error}", settings.name));
    let stream = get(session).await?;
    let from = match start {
        Start::Resume { or_from } => or_from,
        Start::Rewind { from } => {
            match stream.delete_consumer(&settings.name).await {
                Ok(_) => {}
                Err(error) if missing(&error.kind()) => {}
                Err(error) => return Err(failed("deleting", &error)),
            }
            from
        }
    };
    let found = stream.get_consumer::<pull::Config>(&settings.name).await;
    let consumer: Consumer<pull::Config> = if let Ok(consumer) = found {
        consumer
    } else {
        // The lookup does not tell absence from other failures; making it does.
        let made = stream.create_consumer(settings.config(from)).await;
        let consumer = made.map_err(|error| failed("making", &error))?;
        tracing::info!(consumer = %settings.name, from, "made the consumer");
        settings.note_made(&consumer.cached_info().config);
        consumer
    };
    let delivered = consumer.cached_info().delivered;
    let messages = consumer
        .stream()
        .max_messages_per_batch(PULL_BATCH)
        // A pull that is too small for the next message would never get it.
        .max_bytes_per_batch(PULL_BYTES.max(2 * session.client.server_info().max_payload))
        .expires(PULL_EXPIRES)
        .heartbeat(PULL_HEARTBEAT)
        .messages()
        .await
        .map_err(|error| failed("pulling from", &error))?;
    let window = Window { consumer: delivered.consumer_sequence, stream: delivered.stream_sequence, known: true };
    Ok(NatsSubscription { messages, window })
}

fn missing(kind: &ConsumerErrorKind) -> bool {
    matches!(kind, ConsumerErrorKind::JetStream(error) if error.error_code() == ErrorCode::CONSUMER_NOT_FOUND)
}

/// What was delivered last. Deliveries are numbered without a gap, so of two with neighbouring numbers the
/// second shows which sequences between them do not exist.
#[derive(Debug, Clone, Copy)]
struct Window {
    consumer: u64,
    /// The highest sequence that was delivered for the first time.
    stream: u64,
    /// Nothing was lost on the way since that delivery, so nothing can hide behind `stream`.
    known: bool,
}

impl Window {
    /// The first sequence that a delivery settles.
    fn settle(&mut self, consumer: u64, stream: u64, attempt: u64) -> u64 {
        self.known &= consumer == self.consumer + 1;
        self.consumer = consumer;
        if attempt != 1 {
            return stream;
        }
        let from = if self.known && stream > self.stream { self.stream + 1 } else { stream };
        // After a hole in the numbers it is unknown what lay before, but from here on it is known again.
        (self.stream, self.known) = (stream, true);
        from
    }
}

impl NatsSubscription {
    fn delivery(&mut self, message: Message) -> Result<Delivery<Acker>, BusError> {
        let info = message.info().map_err(|error| BusError::Failed(format!("a delivery without its numbers: {error}")))?;
        let (sequence, attempt) = (info.stream_sequence, u64::try_from(info.delivered).unwrap_or(1));
        let settles_from = self.window.settle(info.consumer_sequence, sequence, attempt);
        let (message, acker) = message.split();
        Ok(Delivery {
            sequence,
            settles_from,
            attempt,
            subject: message.subject.to_string(),
            message_id: message
                .headers
                .as_ref()
                .and_then(|headers| headers.get(NATS_MESSAGE_ID))
                .map(|id| id.as_str().to_owned()),
            trace: message
                .headers
                .as_ref()
                .and_then(|headers| headers.get(TRACEPARENT))
                .and_then(|trace| TraceParent::parse(trace.as_str())),
            payload: message.payload,
            receipt: acker,
        })
    }
}

impl Subscription for NatsSubscription {
    type Receipt = Acker;

    async fn next(&mut self, limit: usize) -> Result<Vec<Delivery<Acker>>, BusError> {
        let ended = || BusError::Failed("the pull ended".to_owned());
        let first = self.messages.next().await.ok_or_else(ended)?;
        let mut deliveries = Vec::with_capacity(8);
        let mut next = Some(first);
        while let Some(message) = next.take() {
            let message = message.map_err(|error| BusError::Failed(format!("pulling: {error}")))?;
            deliveries.push(self.delivery(message)?);
            if deliveries.len() < limit {
                next = self.messages.next().now_or_never().flatten();
            }
        }
        Ok(deliveries)
    }

    async fn ack(&mut self, receipt: Acker) -> Result<(), BusError> {
        receipt.ack().await.map_err(|error| BusError::Failed(format!("acknowledging: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_neighbouring_deliveries_prove_a_gap() {
        let mut window = Window { consumer: 0, stream: 0, known: true };
        assert_eq!(window.settle(1, 4, 1), 1, "1 to 3 were purged");
        assert_eq!(window.settle(2, 5, 1), 5);
        assert_eq!(window.settle(3, 4, 2), 4, "a redelivery settles itself alone");
        assert_eq!(window.settle(4, 8, 1), 6, "6 and 7 were deleted");
        assert_eq!(window.settle(6, 11, 1), 11, "delivery 5 was lost on the way: 9 or 10 may exist");
        assert_eq!(window.settle(7, 9, 2), 9);
        assert_eq!(window.settle(8, 13, 1), 12, "after 11 nothing was lost");
    }

    #[test]
    fn a_redelivery_after_a_hole_does_not_hide_it() {
        let mut window = Window { consumer: 4, stream: 9, known: true };
        assert_eq!(window.settle(6, 3, 2), 3, "delivery 5, of 10, was lost on the way");
        assert_eq!(window.settle(7, 11, 1), 11, "10 is not settled");
        assert_eq!(window.settle(8, 10, 2), 10);
        assert_eq!(window.settle(9, 14, 1), 12, "12 and 13 do not exist");
    }
}
