//! What is written down once the load is over: what was read of the cluster, and what the run left in its containers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Answer;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quiescence {
    pub t_us: u64,
    pub reached: bool,
    /// Were all services verified healthy when the wait ended?
    pub healthy: bool,
    pub waited_ms: u64,
    /// What was last seen: outbox depth, pending per consumer, health.
    pub last_seen: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Projection<S = String> {
    pub node: S,
    pub position: u64,
    pub sequence: u64,
    pub order_id: S,
    pub customer_id: S,
    pub amount_minor: Option<u64>,
    pub message_id: S,
    pub applied: u64,
    pub applied_at: S,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Published<S = String> {
    pub sequence: u64,
    /// `Nats-Msg-Id`.
    pub message_id: S,
    /// When the stream stored it, RFC 3339.
    pub stored_at: S,
    /// `None` where the payload is no order.
    pub answer: Option<Answer<S>>,
}

/// An idempotency record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record<S = String> {
    pub order_id: S,
    pub customer_id: S,
    pub amount_minor: Option<u64>,
    pub message_id: S,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    pub message_id: String,
    pub state: RowState,
    pub order_id: Option<String>,
    pub attempts: Option<u64>,
    pub last_error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowState {
    /// In the outbox with its index entry.
    Pending,
    /// A row without an index entry.
    Unindexed,
    /// An index entry without a row.
    IndexOnly,
    Dead,
}

/// Keys that the contract gives a time to live, one for each order that was read of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Keys {
    pub t_us: u64,
    /// `records`, or `inbox <node>`.
    pub family: String,
    /// Orders whose keys were looked for.
    pub orders: u64,
    /// Orders that have none, and the first of them.
    pub missing: u64,
    pub first_missing: Vec<String>,
    /// Orders whose keys have no time to live, and the first of them.
    pub unending: u64,
    pub first_unending: Vec<String>,
    /// The longest that one of the others still has to live.
    pub longest_ms: u64,
}

/// What stands in one service's log, counted; the log itself is in the run folder.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ServiceLog {
    pub t_us: u64,
    pub service: String,
    pub lines: u64,
    /// Was it followed to its end?
    pub complete: bool,
    /// Lines that tell of a panic or of a crash.
    pub panics: u64,
    /// The first of them.
    #[serde(default)]
    pub first_panics: Vec<String>,
    /// Lines of level ERROR that the node itself wrote, by message.
    #[serde(default)]
    pub errors: BTreeMap<String, u64>,
    /// Different orders of this run of which a line says that they were applied.
    pub orders: u64,
}

/// One service's container before the load and at the end. Times are the engine's, RFC 3339.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerLife {
    pub t_us: u64,
    pub service: String,
    pub started_before: String,
    pub started_after: String,
    /// So often the engine started it again by itself.
    pub restarts: u64,
    /// The kernel ended it during the run because it took too much memory.
    pub oom_killed: bool,
}
