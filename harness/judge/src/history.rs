//! The record of one run: one JSON object a line, in the order in which things were written down.
//!
//! `t_us` is microseconds on the run's one monotonic clock, which starts when the recorder is made.
//! Wall-clock times (`*_at`) are kept as the cluster gave them: RFC 3339, UTC.

mod answers;
mod build;
mod index;
mod line;
mod lists;
mod op_numbers;
mod orders;
mod read;
mod text;
mod wall;

use std::collections::BTreeMap;

pub use index::{
    AnswerIx, Confirmation, FeedChange, Foreign, History, LedgerLine, MessageSeen, NodeIx, Op, OpEnd, OrderIx, ProjectedOrder,
    PublishedMessage, ReadEnd, Reading, StoredRecord, Told,
};
pub use lists::Found;
pub use orders::Order;
pub use read::{HistoryError, Torn, arrivals, read, read_samples};
pub use text::Text;
pub use wall::Wall;
pub(crate) use wall::wall_us;

use serde::{Deserialize, Serialize};

/// Version of the format of `history.ndjson` and `samples.ndjson`, in the header's `format`; `docs/history.md` tells of each.
pub const FORMAT: u32 = 3;

/// What `FinalRead::what` is called, so that the one who reads and the one who judges mean the same thing.
pub mod reads {
    /// Every message of the stream.
    pub const STREAM: &str = "stream";
    /// Every row and index entry of the outbox, dead ones too.
    pub const OUTBOX: &str = "outbox";
    /// Every idempotency record.
    pub const RECORDS: &str = "records";

    /// Before the name of a read: how much it met of other runs and left out.
    pub const FOREIGN: &str = "foreign ";

    /// A node's whole projection.
    #[must_use]
    pub fn projection(node: &str) -> String {
        format!("projection {node}")
    }

    /// All customers of a node's ledger.
    #[must_use]
    pub fn ledger(node: &str) -> String {
        format!("ledger {node}")
    }

    /// The lives of the keys of a family: `records`, or [`inbox`] of a node.
    #[must_use]
    pub fn keys(family: &str) -> String {
        format!("keys {family}")
    }

    /// The marks of a node's inbox.
    #[must_use]
    pub fn inbox(node: &str) -> String {
        format!("inbox {node}")
    }

    /// How many messages a node has parked.
    #[must_use]
    pub fn parked(node: &str) -> String {
        format!("parked {node}")
    }
}

/// One line of `history.ndjson`. The types of its most frequent lines are generic, so that the reader can borrow their texts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Entry {
    /// The first line.
    Header(Header),
    /// The run enters a phase.
    Phase { t_us: u64, phase: Phase },
    /// An operation is about to be sent; written before its request.
    Invoke(Invoke),
    /// An operation ended. An invoke without one is `info`.
    Complete(Complete),
    /// A slot of the schedule that no process was free to begin before the load ended.
    Unstarted { t_us: u64, intended_us: u64, node: String },
    /// A step in the life of a fault.
    Fault(FaultStep),
    /// A node's event feed showed an order.
    Seen(Seen),
    /// An event feed was connected, lost, or set back.
    Feed { t_us: u64, node: String, state: FeedState, detail: String },
    /// An immediate GET that confirms an event of the feed.
    Confirm { t_us: u64, node: String, order_id: String, status: u16, applied: Option<u64> },
    /// The counters of a node's `/metrics`, as read. They start at 0 again when a node restarts.
    Counters { t_us: u64, node: String, values: BTreeMap<String, f64> },
    /// How the wait for quiescence ended.
    Quiescence(Quiescence),
    /// Final read: one order of a node's projection.
    Projection(Projection),
    /// Final read: one customer of a node's ledger.
    Ledger { node: String, customer_id: String, orders: u64, total_minor: Option<u64> },
    /// Final read: one message of the stream.
    Published(Published),
    /// Final read: one idempotency record.
    Record(Record),
    /// Final read: something left in the outbox.
    Row(Row),
    /// Final read: messages that a node set aside because it could not apply them.
    Parked { node: String, count: u64 },
    /// Final read: how the keys of one family end.
    Keys(Keys),
    /// A final read is complete, or why it is not. `what` is e.g. `projection cluster-node-1`.
    FinalRead { t_us: u64, what: String, entries: u64, error: Option<String> },
    /// What a service's log tells of the run.
    Log(ServiceLog),
    /// How often the process of a service began anew.
    Container(ContainerLife),
    /// The run was interrupted by the user; what follows is healing.
    Interrupted { t_us: u64 },
    /// A guard gave the run up; what follows is healing, and the final reads.
    Aborted {
        t_us: u64,
        /// As the scenario calls it, e.g. `all_nodes_down`.
        guard: String,
        seen: String,
    },
    /// Anything that the harness itself failed at: the run goes on, the verdict cannot be `Valid`.
    Trouble { t_us: u64, what: String },
    /// The last line of a run that came to its end.
    End { t_us: u64 },
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    pub format: u32,
    pub harness: String,
    /// Part of every order id of this run: `<nonce>-<number>`.
    pub nonce: String,
    pub scenario: String,
    pub seed: u64,
    /// Wall clock at `t_us` = 0, RFC 3339.
    pub started_at: String,
    /// The nodes, by the service name that the plan uses.
    pub nodes: Vec<NodeIdentity>,
    /// e.g. `compose`.
    pub cluster: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeIdentity {
    /// Service name, e.g. `cluster-node-1`: what `node` means everywhere else.
    pub name: String,
    /// The id by which the node calls itself, e.g. in `acceptedBy`.
    pub id: String,
    pub url: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Load and faults run; the plan's times count from here.
    Load,
    /// The last slot is over; everything that is still broken is healed.
    Heal,
    /// Waiting for quiescence.
    Quiescence,
    FinalReads,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Invoke<S = String> {
    pub t_us: u64,
    /// Unique in the run.
    pub op: u64,
    /// The logical client.
    pub process: u32,
    pub node: S,
    /// When the schedule wanted it sent.
    pub intended_us: u64,
    pub order_id: S,
    pub customer_id: S,
    pub amount_minor: u64,
    pub kind: OpKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpKind {
    /// A new order.
    Place,
    /// The same order id and content again.
    Replay,
    /// The same order id with other content.
    Conflict,
}

impl OpKind {
    pub const ALL: [Self; 3] = [Self::Place, Self::Replay, Self::Conflict];

    /// As in the history.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Place => "place",
            Self::Replay => "replay",
            Self::Conflict => "conflict",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Complete<S = String> {
    pub t_us: u64,
    pub op: u64,
    pub outcome: Outcome,
    /// HTTP status, where an answer came.
    pub status: Option<u16>,
    /// `Idempotent-Replayed: true` was there.
    #[serde(default)]
    pub replayed: bool,
    /// The body of a 200 or 201, as far as it could be read.
    #[serde(default)]
    pub answer: Option<Answer<S>>,
    /// What went wrong, for humans.
    #[serde(default)]
    pub error: Option<S>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Ok,
    Fail,
    Info,
}

/// A placed order as a node describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer<S = String> {
    pub order_id: S,
    pub customer_id: S,
    /// `None` where the amount on the wire is not an exact number of minor units.
    pub amount_minor: Option<u64>,
    pub message_id: S,
    pub accepted_by: S,
    pub accepted_at: S,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FaultStep {
    pub t_us: u64,
    /// Index into the plan's faults.
    pub fault: usize,
    /// The service it is done to; a fault with several targets has steps for each.
    pub target: String,
    pub step: Step,
    /// What the engine or the probe said.
    #[serde(default)]
    pub detail: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// The injection call is being issued.
    Inject,
    /// The injection call returned.
    Injected,
    /// A probe from outside the node showed the effect.
    EffectVerified,
    /// The effect could not be shown.
    Ineffective,
    /// The heal call is being issued.
    Heal,
    /// The heal call returned.
    Healed,
    /// A probe showed that the effect is gone.
    HealVerified,
    /// It could not be shown that the effect is gone.
    Unhealed,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen<S = String> {
    pub t_us: u64,
    pub node: S,
    pub position: u64,
    pub order_id: S,
    pub message_id: S,
    pub sequence: u64,
    pub accepted_at: S,
    pub applied_at: S,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FeedState {
    Connected,
    Lost,
    /// Lost, and the node said that its store had lost writes: what it showed behind position `to` is void, and those
    /// positions are given out again.
    Reset {
        to: u64,
    },
}

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

/// One line of `samples.ndjson`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Sample {
    /// `depth` is the size of the index; `oldest_age_ms` is that of the oldest row, 0 when empty.
    Outbox { t_us: u64, depth: u64, oldest_age_ms: u64 },
    /// The leases of the outbox, by its index: for how long the one that ended first has been over, and for how long the
    /// one that ends last goes on; 0 where there is none.
    Leases { t_us: u64, depth: u64, overdue_ms: u64, furthest_ms: u64 },
    /// What `/health` of a node said; `status` is `None` when it did not answer.
    Health {
        /// When the answer was there.
        t_us: u64,
        node: String,
        http: Option<u16>,
        status: Option<String>,
        nats: Option<String>,
        redis: Option<String>,
        /// When the question was sent.
        #[serde(default)]
        asked_us: Option<u64>,
        /// The status of `/health/live`, where it answered.
        #[serde(default)]
        live: Option<u16>,
    },
    /// The stream and one consumer per node, by durable name.
    Stream { t_us: u64, messages: u64, last_sequence: u64, consumers: BTreeMap<String, ConsumerState> },
    /// Container statistics.
    Container {
        t_us: u64,
        service: String,
        /// Of one processor, since the sample before; 0 in the first.
        cpu_percent: f64,
        /// Without the page cache that can be dropped.
        memory_bytes: u64,
        /// CPU time since the container was started; it begins at 0 again when it is started again.
        #[serde(default)]
        cpu_us: Option<u64>,
    },
    /// An observer could not read what it observes.
    Blind { t_us: u64, observer: String, error: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumerState {
    pub pending: u64,
    pub ack_pending: u64,
    pub redelivered: u64,
}

#[cfg(test)]
mod schema_tests;
