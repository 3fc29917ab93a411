//! The bus: one durable stream of accepted orders, and each node's durable place in it.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;

use super::Link;
use crate::order::MessageId;
use crate::trace::TraceParent;

/// Why the bus did not do it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum BusError {
    #[error("bus not reached: {0}")]
    Down(String),
    #[error("the bus failed: {0}")]
    Failed(String),
}

/// Why a message was not acknowledged. It may be in the stream all the same.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PublishError {
    /// Try again later.
    #[error("{0}")]
    Retry(String),
    /// No retry can help.
    #[error("{0}")]
    ForGood(String),
}

/// The stream's word that a message is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublishAck {
    pub sequence: u64,
    /// The stream says that it had the id already. It may be wrong, where it was purged since.
    pub duplicate: bool,
}

/// The stream and this node's place in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamState {
    /// Changes when the stream is made anew.
    pub identity: String,
    pub first_sequence: u64,
    pub last_sequence: u64,
    /// All up to here is acknowledged by this node; `None` where its consumer does not exist.
    pub ack_floor: Option<u64>,
    /// In what its consumer is not set up as this node needs it, if it is not.
    pub altered: Option<String>,
}

/// Where a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// Where the durable consumer is; it is made, from the given sequence on, where it does not exist.
    Resume { or_from: u64 },
    /// From this sequence, whatever the consumer had acknowledged.
    Rewind { from: u64 },
}

/// One delivery of a message.
#[derive(Debug)]
pub struct Delivery<R> {
    pub sequence: u64,
    /// See [`crate::ports::ApplyItem::settles_from`].
    pub settles_from: u64,
    /// 1 for the first.
    pub attempt: u64,
    pub subject: String,
    pub message_id: Option<String>,
    /// The trace of its publish, where it has one.
    pub trace: Option<TraceParent>,
    pub payload: Bytes,
    pub receipt: R,
}

/// A running pull of deliveries.
pub trait Subscription: Send {
    /// What an acknowledgement needs.
    type Receipt: Send + Sync;

    /// Waits for at least one delivery, and takes up to `limit` that are there.
    fn next(&mut self, limit: usize) -> impl Future<Output = Result<Vec<Delivery<Self::Receipt>>, BusError>> + Send;
    fn ack(&mut self, receipt: Self::Receipt) -> impl Future<Output = Result<(), BusError>> + Send;
}

/// The bus's promises. None of the methods retries.
pub trait Bus: Send + Sync + 'static {
    type Subscription: Subscription;

    /// Is the stream reachable, and under which epoch?
    fn link(&self) -> Link;

    /// Publishes one message and waits for the stream's acknowledgement. Its trace travels beside the payload.
    fn publish(
        &self,
        subject: &str,
        id: &MessageId,
        trace: Option<TraceParent>,
        payload: Bytes,
    ) -> impl Future<Output = Result<PublishAck, PublishError>> + Send;
    /// Hands one message over without waiting for anything. Only a planted bug does that.
    #[cfg(feature = "planted-bugs")]
    fn publish_blindly(&self, subject: &str, id: &MessageId, payload: Bytes) -> impl Future<Output = ()> + Send;
    /// The id of the message at a sequence, where there is one.
    fn message_id_at(&self, sequence: u64) -> impl Future<Output = Result<Option<String>, BusError>> + Send;

    /// How long the stream recognises a message id, while it is reached.
    fn duplicate_window(&self) -> Option<Duration>;

    fn state(&self) -> impl Future<Output = Result<StreamState, BusError>> + Send;
    fn subscribe(&self, start: Start) -> impl Future<Output = Result<Self::Subscription, BusError>> + Send;
    /// Hands what is buffered to the network, e.g. acknowledgements before an exit.
    fn flush(&self) -> impl Future<Output = Result<(), BusError>> + Send;
}
