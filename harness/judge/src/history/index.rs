//! A history as the checkers use it: split by order, with what was found of each.

use std::collections::BTreeMap;

use super::read::Torn;
use super::{Answer, ContainerLife, FaultStep, FeedState, Header, OpKind, Outcome, Phase, Quiescence, Row, ServiceLog};

/// Index into [`History::nodes`].
pub type NodeIx = u16;

/// One operation.
#[derive(Debug, Clone, PartialEq)]
pub struct Op {
    pub number: u64,
    pub node: NodeIx,
    pub order: usize,
    pub intended_us: u64,
    pub sent_us: u64,
    pub customer_id: String,
    pub amount_minor: u64,
    pub kind: OpKind,
    /// `None`: the history does not tell how it ended, so it is `info`.
    pub end: Option<OpEnd>,
}

/// How an operation ended.
#[derive(Debug, Clone, PartialEq)]
pub struct OpEnd {
    pub t_us: u64,
    pub outcome: Outcome,
    pub status: Option<u16>,
    pub replayed: bool,
    pub answer: Option<Answer>,
    pub error: Option<String>,
}

impl Op {
    /// An operation without an end may have taken effect.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.end.as_ref().map_or(Outcome::Info, |end| end.outcome)
    }

    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.end.as_ref().and_then(|end| end.status)
    }

    /// It was refused as a conflict, by an answer of the contract's form.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.outcome() == Outcome::Fail && self.status() == Some(409)
    }

    /// The cluster did what the contract promises for it: it took effect, was replayed, or was refused as a conflict.
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.outcome() == Outcome::Ok || self.is_conflict()
    }
}

/// An order id of this run, and where it was met; the numbers index into the lists of the history.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Order {
    pub id: String,
    pub ops: Vec<usize>,
    pub published: Vec<usize>,
    pub seen: Vec<usize>,
    pub projected: Vec<usize>,
    pub records: Vec<usize>,
    pub rows: Vec<usize>,
}

/// A feed showed an order.
#[derive(Debug, Clone, PartialEq)]
pub struct MessageSeen {
    pub t_us: u64,
    pub node: NodeIx,
    pub position: u64,
    pub order: usize,
    pub message_id: String,
    pub sequence: u64,
    pub applied_at: String,
}

/// An order in a node's final projection.
#[derive(Debug, Clone, PartialEq)]
pub struct ProjectedOrder {
    pub node: NodeIx,
    pub position: u64,
    pub order: usize,
    pub customer_id: String,
    pub amount_minor: Option<u64>,
    pub message_id: String,
    pub applied: u64,
    pub applied_at: String,
}

/// A message of the stream that carries an order of this run.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedMessage {
    pub sequence: u64,
    pub message_id: String,
    pub stored_at: String,
    pub order: usize,
    pub answer: Answer,
}

/// An idempotency record of this run.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredRecord {
    pub order: usize,
    pub customer_id: String,
    pub amount_minor: Option<u64>,
    pub message_id: String,
}

/// What was met of other runs, or of nobody's: counted, and not judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Foreign {
    pub published: u64,
    /// Messages whose payload is no order.
    pub unreadable: u64,
    pub seen: u64,
    pub projected: u64,
    pub ledger: u64,
    pub records: u64,
    pub rows: u64,
}

/// A customer's line in a node's ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LedgerLine {
    pub node: NodeIx,
    pub customer_id: String,
    pub orders: u64,
    pub total_minor: Option<u64>,
}

/// A feed was connected, lost, or set back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedChange {
    pub t_us: u64,
    pub node: NodeIx,
    pub state: FeedState,
}

/// A GET right after an order was seen on a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    pub t_us: u64,
    pub node: NodeIx,
    pub order: usize,
    pub status: u16,
    pub applied: Option<u64>,
}

/// One reading of a node's counters.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    pub t_us: u64,
    pub node: NodeIx,
    pub values: BTreeMap<String, f64>,
}

/// How a final read ended, and how many entries the history really holds of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadEnd {
    pub t_us: u64,
    pub entries: u64,
    pub found: u64,
    pub error: Option<String>,
}

/// A whole run, indexed.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    pub header: Header,
    /// Service names: those of the header first, in its order, then any other that was met.
    pub nodes: Vec<String>,
    pub phases: Vec<(u64, Phase)>,
    pub ops: Vec<Op>,
    pub orders: Vec<Order>,
    pub unstarted: Vec<(u64, NodeIx)>,
    pub faults: Vec<FaultStep>,
    pub seen: Vec<MessageSeen>,
    pub feeds: Vec<FeedChange>,
    pub confirms: Vec<Confirmation>,
    pub counters: Vec<Reading>,
    pub quiescence: Option<Quiescence>,
    pub projected: Vec<ProjectedOrder>,
    pub ledger: Vec<LedgerLine>,
    pub published: Vec<PublishedMessage>,
    pub records: Vec<StoredRecord>,
    /// Rows of this run, and those that tell no order.
    pub rows: Vec<Row>,
    /// By node.
    pub parked: Vec<(NodeIx, u64)>,
    /// By the names in [`super::reads`].
    pub reads: BTreeMap<String, ReadEnd>,
    pub logs: Vec<ServiceLog>,
    pub lives: Vec<ContainerLife>,
    pub interrupted_us: Option<u64>,
    /// The guard that gave the run up, and what it saw.
    pub aborted: Option<(String, String)>,
    pub troubles: Vec<String>,
    pub end_us: Option<u64>,
    /// The latest time that any line tells.
    pub last_us: u64,
    pub torn: Option<Torn>,
    pub foreign: Foreign,
    /// Lines that contradict each other: the recorder's fault, not the cluster's.
    pub oddities: Vec<String>,
}

impl History {
    /// One in which nothing has happened yet.
    pub(crate) fn empty(header: Header) -> Self {
        Self {
            nodes: header.nodes.iter().map(|node| node.name.clone()).collect(),
            header,
            phases: Vec::new(),
            ops: Vec::new(),
            orders: Vec::new(),
            unstarted: Vec::new(),
            faults: Vec::new(),
            seen: Vec::new(),
            feeds: Vec::new(),
            confirms: Vec::new(),
            counters: Vec::new(),
            quiescence: None,
            projected: Vec::new(),
            ledger: Vec::new(),
            published: Vec::new(),
            records: Vec::new(),
            rows: Vec::new(),
            parked: Vec::new(),
            reads: BTreeMap::new(),
            logs: Vec::new(),
            lives: Vec::new(),
            interrupted_us: None,
            aborted: None,
            troubles: Vec::new(),
            end_us: None,
            last_us: 0,
            torn: None,
            foreign: Foreign::default(),
            oddities: Vec::new(),
        }
    }

    #[must_use]
    pub fn node(&self, name: &str) -> Option<NodeIx> {
        self.nodes.iter().position(|node| node == name).and_then(|at| NodeIx::try_from(at).ok())
    }

    #[must_use]
    pub fn node_name(&self, node: NodeIx) -> &str {
        self.nodes.get(usize::from(node)).map_or("?", String::as_str)
    }

    /// When the run entered a phase.
    #[must_use]
    pub fn phase_us(&self, phase: Phase) -> Option<u64> {
        self.phases.iter().find(|(_, entered)| *entered == phase).map(|(t_us, _)| *t_us)
    }

    /// Does the history hold a final read of this name, complete and without error?
    #[must_use]
    pub fn has_read(&self, what: &str) -> bool {
        self.reads.get(what).is_some_and(|read| read.error.is_none() && read.entries == read.found)
    }
}
