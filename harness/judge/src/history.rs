//! The record of one run: one JSON object a line, in the order in which things were written down.
//!
//! `t_us` is microseconds on the run's one monotonic clock, which starts when the recorder is made.
//! Wall-clock times (`*_at`) are kept as the cluster gave them: RFC 3339, UTC.

mod answers;
mod build;
mod ending;
mod index;
mod line;
mod lists;
mod op_numbers;
mod orders;
mod read;
mod sample;
mod text;
mod wall;

use std::collections::BTreeMap;

pub use ending::{ContainerLife, Keys, Projection, Published, Quiescence, Record, Row, RowState, ServiceLog};
pub use index::{
    AnswerIx, Confirmation, FeedChange, Foreign, History, LedgerLine, MessageSeen, NodeIx, Op, OpEnd, OrderIx, ProjectedOrder,
    PublishedMessage, ReadBack, ReadEnd, Reading, StoredRecord, Told,
};
pub use lists::Found;
pub use orders::Order;
pub use read::{HistoryError, Torn, arrivals, read, read_samples};
pub use sample::{ConsumerState, Sample};
pub use text::Text;
pub use wall::Wall;
pub(crate) use wall::wall_us;

use serde::{Deserialize, Serialize};

/// Version of the format of `history.ndjson` and `samples.ndjson`, in the header's `format`; `docs/history.md` tells of each.
pub const FORMAT: u32 = 4;

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

#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
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
    /// Of the threads that carried the load out; not told by older recordings.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_priority: Option<Priority>,
}

/// How far a thread goes ahead of others on its machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// At once, before all that have none of these.
    RealTime,
    /// Soon: as much time as it wants, but it may wait for its turn.
    Raised,
    Normal,
}

impl Priority {
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::RealTime => "with real-time priority",
            Self::Raised => "with raised priority",
            Self::Normal => "with no priority over others",
        }
    }
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
    /// The order is read back from the node's projection. Content is that with which it was, or is to be, placed.
    Read,
}

impl OpKind {
    pub const ALL: [Self; 4] = [Self::Place, Self::Replay, Self::Conflict, Self::Read];

    /// As in the history.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Place => "place",
            Self::Replay => "replay",
            Self::Conflict => "conflict",
            Self::Read => "read",
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
    /// Of a read that found the order: how often the node says that it applied it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<u64>,
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

#[cfg(test)]
mod schema_tests;
