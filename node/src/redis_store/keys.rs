//! The names of the keys. What other programs may rely on is in the contract; the rest is this adapter's own.

use crate::order::{MessageId, NodeId, OrderId};
use crate::ports::{ApplyItem, ItemKind};

/// Positions in one bucket of the log: small enough for Redis' compact encoding of a hash.
pub(super) const BUCKET: u64 = 128;

#[derive(Debug)]
pub(super) struct Keys {
    pub(super) prefix: String,
    /// ZSET: message ids by due time.
    pub(super) index: String,
    /// Before a message id: HASH, a row.
    pub(super) rows: String,
    /// Before a message id: HASH, a row that can never be published.
    pub(super) dead: String,
    /// Before an order id: STRING, canonical content and first answer.
    pub(super) records: String,
    /// Before a message id: STRING, this node has applied it.
    pub(super) inbox: String,
    /// HASH: order id to projection entry.
    pub(super) orders: String,
    /// Before a bucket number: HASH, position to order id.
    pub(super) log: String,
    /// STRING: the position counter.
    pub(super) position: String,
    /// HASH: customer id to minor units.
    pub(super) totals: String,
    /// HASH: customer id to number of orders.
    pub(super) counts: String,
    /// HASH: stream identity and sequence, with a slash between, to note: a stream made anew counts from 1 again.
    pub(super) parked: String,
    /// HASH: stream identity and applied floor.
    pub(super) progress: String,
    /// ZSET: what is settled above a gap.
    pub(super) ahead: String,
    /// HASH: who holds the node's identity.
    pub(super) owner: String,
    /// STRING with a short time to live: written to see whether it can be.
    pub(super) canary: String,
}

impl Keys {
    pub(super) fn new(prefix: &str, node: &NodeId) -> Self {
        let projection = |part: &str| format!("{prefix}:projection:{node}:{part}");
        Self {
            prefix: prefix.to_owned(),
            index: format!("{prefix}:outbox:pending"),
            rows: format!("{prefix}:outbox:pending:"),
            dead: format!("{prefix}:outbox:dead:"),
            records: format!("{prefix}:idempotency:"),
            inbox: format!("{prefix}:inbox:{node}:"),
            orders: projection("orders"),
            log: projection("log:"),
            position: projection("position"),
            totals: projection("totals"),
            counts: projection("counts"),
            parked: projection("parked"),
            progress: projection("progress"),
            ahead: projection("ahead"),
            owner: format!("{prefix}:node:{node}:owner"),
            canary: format!("{prefix}:node:{node}:canary"),
        }
    }

    /// The inbox of the node that accepted the first order of a batch.
    pub(super) fn inbox_of_acceptor(&self, items: &[ApplyItem]) -> Option<String> {
        items.iter().find_map(|item| match &item.kind {
            ItemKind::Order { placed, .. } => Some(format!("{}:inbox:{}:", self.prefix, placed.accepted_by)),
            ItemKind::Parked { .. } => None,
        })
    }

    pub(super) fn record(&self, order: &OrderId) -> String {
        format!("{}{order}", self.records)
    }

    pub(super) fn row(&self, message: &MessageId) -> String {
        format!("{}{message}", self.rows)
    }
}
