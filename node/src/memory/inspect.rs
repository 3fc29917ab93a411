//! Looking at what the services hold, over no wire: for observers and tests, as the command lines of the real ones.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;

use super::bus::SharedStream;
use super::store::SharedStore;
use crate::order::{CustomerId, MessageId, NodeId, OrderId};
use crate::ports::Clock;

/// An outbox row, pending or dead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowView {
    pub message_id: MessageId,
    pub payload: Bytes,
    /// Failed attempts.
    pub attempts: u32,
    pub lease_owner: String,
    pub lease_until_ms: i64,
    pub last_error: String,
    pub created_ms: i64,
    /// `None` where it lost its index entry, and where it is dead.
    pub due_ms: Option<i64>,
}

/// An idempotency record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordView {
    pub order_id: OrderId,
    pub content: String,
    pub answer: Bytes,
    /// When it ends; `None` while its outbox row is there.
    pub ends_ms: Option<i64>,
}

/// A message of the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredMessage {
    pub sequence: u64,
    pub subject: String,
    pub message_id: Option<String>,
    pub payload: Bytes,
    pub stored_at: Timestamp,
}

/// A consumer's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ConsumerView {
    /// Tells it from others of its name.
    pub number: u64,
    pub delivered: u64,
    pub ack_floor: u64,
    /// Delivered and not acknowledged.
    pub ack_pending: usize,
    /// Messages that were never delivered.
    pub undelivered: usize,
    /// Of those that wait for their acknowledgement: delivered more than once.
    pub redelivered: usize,
}

impl<C: Clock> SharedStore<C> {
    /// Entries of the outbox' index.
    #[must_use]
    pub fn depth(&self) -> u64 {
        self.with(|state, _| state.data.outbox.depth())
    }

    /// The outbox' index in its order: when an entry is due (ms), and its id, whether or not it has a row.
    #[must_use]
    pub fn index(&self) -> Vec<(i64, MessageId)> {
        self.with(|state, _| state.data.outbox.index.iter().cloned().collect())
    }

    /// Rows that are to be published, by message id.
    #[must_use]
    pub fn rows(&self) -> Vec<RowView> {
        self.with(|state, _| {
            let outbox = &state.data.outbox;
            let mut rows: Vec<_> = outbox.rows.iter().map(|(id, row)| view(id, row, outbox.due(id))).collect();
            rows.sort_by(|one, other| one.message_id.cmp(&other.message_id));
            rows
        })
    }

    /// Rows that were set aside.
    #[must_use]
    pub fn dead(&self) -> Vec<RowView> {
        self.with(|state, _| state.data.outbox.dead.iter().map(|(id, row)| view(id, row, None)).collect())
    }

    /// Idempotency records, by order id.
    #[must_use]
    pub fn records(&self) -> Vec<RecordView> {
        self.with(|state, _| {
            let mut records: Vec<_> = state.data.records.iter().map(|(id, record)| record_view(id, record)).collect();
            records.sort_by(|one, other| one.order_id.cmp(&other.order_id));
            records
        })
    }

    #[must_use]
    pub fn record(&self, id: &OrderId) -> Option<RecordView> {
        self.with(|state, _| state.data.records.get(id).map(|record| record_view(id, record)))
    }

    /// What a node set aside: stream identity and sequence to note.
    #[must_use]
    pub fn parked(&self, node: &NodeId) -> BTreeMap<(String, u64), String> {
        self.with(|state, _| state.data.nodes.get(node).map(|node| node.parked.clone()).unwrap_or_default())
    }

    /// Has this node an inbox mark of this message?
    #[must_use]
    pub fn is_marked(&self, node: &NodeId, id: &MessageId) -> bool {
        self.with(|state, _| state.data.nodes.get(node).is_some_and(|node| node.inbox.contains_key(id)))
    }

    /// When a node's inbox mark of this message ends (ms); `None` where there is none.
    #[must_use]
    pub fn mark_ends_ms(&self, node: &NodeId, id: &MessageId) -> Option<i64> {
        self.with(|state, _| state.data.nodes.get(node)?.inbox.get(id).copied())
    }

    /// How many inbox marks a node has.
    #[must_use]
    pub fn marks(&self, node: &NodeId) -> usize {
        self.with(|state, _| state.data.nodes.get(node).map_or(0, |node| node.inbox.len()))
    }

    /// How many ranges wait above a node's floor.
    #[must_use]
    pub fn ahead(&self, node: &NodeId) -> usize {
        self.with(|state, _| state.data.nodes.get(node).map_or(0, |node| node.settled.waiting()))
    }

    /// An estimate of the bytes that it holds, as its limit counts them.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.with(|state, _| state.data.bytes)
    }

    /// Damage: a row loses its index entry.
    pub fn unindex(&self, id: &MessageId) {
        self.with(|state, _| state.data.outbox.leave(id));
    }

    /// Damage: an index entry that is due and has no row.
    pub fn index_without_row(&self, id: &MessageId) {
        self.with(|state, _| state.data.outbox.enter(id.clone(), 1));
    }

    /// Damage: a customer's total on a node is another.
    pub fn set_total(&self, node: &NodeId, customer: &CustomerId, minor: u64) {
        self.with(|state, _| state.data.node(node).set_total(customer, minor));
    }

    /// Damage: a node's projection, ledger and floor are gone; who holds its name, and inbox marks, stay.
    pub fn forget_projection(&self, node: &NodeId) {
        self.with(|state, _| {
            if let Some(node) = state.data.nodes.get_mut(node) {
                node.forget();
            }
        });
    }
}

fn view(id: &MessageId, row: &super::outbox::Row, due_ms: Option<i64>) -> RowView {
    RowView {
        message_id: id.clone(),
        payload: row.payload.clone(),
        attempts: row.attempts,
        lease_owner: row.owner.clone(),
        lease_until_ms: row.lease_until_ms,
        last_error: row.last_error.clone(),
        created_ms: row.created_ms,
        due_ms,
    }
}

fn record_view(id: &OrderId, record: &super::outbox::Record) -> RecordView {
    RecordView { order_id: id.clone(), content: record.content.clone(), answer: record.answer.clone(), ends_ms: record.ends_ms }
}

impl<C: Clock> SharedStream<C> {
    /// Messages after a sequence.
    #[must_use]
    pub fn messages(&self, after: u64, limit: usize) -> Vec<StoredMessage> {
        let read = self.look(|log| {
            let found = log.messages.range(after.saturating_add(1)..).take(limit);
            let view = |(sequence, message): (&u64, &super::log::Message)| StoredMessage {
                sequence: *sequence,
                subject: message.subject.clone(),
                message_id: message.id.clone(),
                payload: message.payload.clone(),
                stored_at: message.stored_at,
            };
            found.map(view).collect()
        });
        read.unwrap_or_default()
    }

    /// Identity, first and last sequence of the stream; `None` before a node made it.
    #[must_use]
    pub fn bounds(&self) -> Option<(String, u64, u64)> {
        self.look(|log| (log.identity.clone(), log.first, log.last)).ok()
    }

    /// How many messages it holds.
    #[must_use]
    pub fn count(&self) -> usize {
        self.look(|log| log.messages.len()).unwrap_or_default()
    }

    /// Consumers by node.
    #[must_use]
    pub fn consumers(&self) -> BTreeMap<String, ConsumerView> {
        let read = self.look(|log| {
            let view = |consumer: &super::consumer::Consumer| ConsumerView {
                number: consumer.number,
                delivered: consumer.delivered(),
                ack_floor: consumer.ack_floor(),
                ack_pending: consumer.pending(),
                undelivered: log.messages.range(consumer.delivered() + 1..).count(),
                redelivered: consumer.redelivered(),
            };
            log.consumers.iter().map(|(name, consumer)| (name.clone(), view(consumer))).collect()
        });
        read.unwrap_or_default()
    }
}
